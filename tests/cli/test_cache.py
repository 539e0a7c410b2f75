"""`azc cache`."""

from __future__ import annotations

import os
import time

import pytest

from azc.compiler.cache import Cache

KEYS = [f"{number:032x}" for number in range(100)]


@pytest.fixture
def home(tmp_path, monkeypatch):
    """The cache's directory, which does not exist yet."""
    monkeypatch.setenv("AZC_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("AZC_CACHE_LIMIT", raising=False)
    return tmp_path / "cache"


def _add(home, name, keys, ago=0.0):
    """Keeps a stand-in for a module, last used so many seconds ago."""
    built = home.parent / "built"
    built.write_bytes(name.encode() * 500)
    (located, *_) = Cache().add(built, name, keys).values()
    then = time.time() - ago
    for path in (located.module, located.module.with_suffix(".json")):
        os.utime(path, (then, then))
    return located.module


def test_empty(azc, home):
    outcome = azc("cache")
    assert outcome.code == 0
    assert outcome.err == ""
    assert outcome.out == f"{home}\n0 modules with 0 functions, 0 bytes of at most 1.0 GiB\n"
    assert azc("cache", "--clear").out == f"0 bytes removed from {home}\n"
    assert not home.exists()


def test_table(azc, home):
    _add(home, "older", KEYS[:1], ago=86400 * 30)
    _add(home, "newer", KEYS[1:4])
    where, counts, empty, title, first, second = azc("cache").out.splitlines()
    assert (where, empty) == (str(home), "")
    assert counts.startswith("2 modules with 4 functions, 5 KiB of at most ")
    assert title.split() == ["module", "functions", "size", "created", "last", "used", "sound"]
    assert first.split()[:2] == ["newer", "3"]
    assert second.split()[:2] == ["older", "1"]
    day = time.strftime("%Y-%m-%d", time.localtime(time.time() - 86400 * 30))
    assert second.split()[4] == day
    assert second.split()[-1] == "yes"


def test_json_has_the_documented_form(azc, home):
    _add(home, "older", KEYS[:1], ago=100)
    _add(home, "newer", KEYS[1:4])
    outcome = azc("cache", "--json")
    document = outcome.json
    assert outcome.err == ""
    assert list(document) == ["directory", "limit", "size", "functions", "problem", "modules"]
    assert document["directory"] == str(home)
    assert (document["limit"], document["functions"], document["problem"]) == (1 << 30, 4, None)
    assert document["size"] == Cache().size == sum(m["bytes"] for m in document["modules"])
    newer, older = document["modules"]
    assert list(newer) == ["name", "functions", "bytes", "created", "last_used", "sound"]
    assert (newer["name"], newer["functions"], newer["sound"]) == ("newer", 3, True)
    assert 90 < time.time() - older["last_used"] < 200


def test_long_lists_are_cut(azc, home):
    for number, key in enumerate(KEYS[:23]):
        _add(home, f"module{number}", [key], ago=10.0 * number)
    lines = azc("cache").out.splitlines()
    assert [line.split()[0] for line in lines[4:-1]] == [f"module{n}" for n in range(20)]
    assert lines[-1] == "and 3 more, used longer ago; 'azc cache --json' has them all"
    assert len(azc("cache", "--json").json["modules"]) == 23


def test_what_is_damaged_is_not_sound(azc, home):
    module = _add(home, "damaged", KEYS[:2])
    module.write_bytes(b"oh")
    module.chmod(0o600)
    assert azc("cache").out.splitlines()[-1].split()[-1] == "no"
    assert azc("cache", "--json").json["modules"][0]["sound"] is False


@pytest.mark.parametrize("moment", [1e12, -1e11])
def test_times_that_no_calendar_has(azc, home, moment):
    module = _add(home, "odd", KEYS[:1])
    try:
        for path in (module, module.with_suffix(".json")):
            os.utime(path, (moment, moment))
    except (OSError, OverflowError):
        pytest.skip("the file system has no such times either")
    assert azc("cache").code == 0
    assert azc("cache", "--json").json["modules"][0]["name"] == "odd"


def test_clear(azc, home):
    module = _add(home, "a", KEYS[:1])
    Cache().record("number", 1.0)
    (home / "modules" / "mine.txt").write_text("not azc's")
    size = Cache().size + (home / "measured.json").stat().st_size
    assert azc("cache", "--clear").out == f"{size / 1024:.0f} KiB removed from {home}\n" or (
        size < 1024
    )
    assert not module.exists()
    assert [path.name for path in home.rglob("*") if path.is_file()] == ["mine.txt"]
    assert azc("cache", "--clear", "--json").json == {
        "directory": str(home),
        "freed": 0,
        "problem": None,
    }


@pytest.mark.parametrize("options", [[], ["--json"]], ids=" ".join)
def test_a_folder_that_others_may_write_in(azc, home, options):
    module = _add(home, "a", KEYS[:1])
    home.chmod(0o777)
    outcome = azc("cache", *options)
    assert outcome.code == 0
    assert outcome.err.startswith("warning: expected a folder of yours that only you can write in")
    if options:
        assert outcome.json["problem"].startswith("expected a folder of yours")
        assert outcome.json["modules"] == []
    outcome = azc("cache", "--clear", *options)
    assert outcome.code == 1
    assert outcome.err.startswith("error: expected a folder of yours")
    assert outcome.out == "" or outcome.json["freed"] == 0
    assert module.exists()


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("AZC_CACHE_DIR", "cache", "error: AZC_CACHE_DIR: expected an absolute path, got 'cache'"),
        ("AZC_CACHE_LIMIT", "much", "error: AZC_CACHE_LIMIT: expected a number of bytes, got "),
        ("AZC_CACHE_LIMIT", "-1", "error: AZC_CACHE_LIMIT: expected a number of bytes, got '-1'"),
    ],
)
@pytest.mark.parametrize("options", [[], ["--json"], ["--clear"]], ids=" ".join)
def test_wrong_settings(azc, home, monkeypatch, variable, value, message, options):
    monkeypatch.setenv(variable, value)
    outcome = azc("cache", *options)
    assert outcome.code == 2
    assert outcome.out == ""
    assert outcome.err.startswith(message)


def test_names_are_no_commands_to_a_terminal(azc, home, monkeypatch):
    monkeypatch.setenv("AZC_CACHE_DIR", f"{home}\x1b[31m")
    assert "\x1b" not in azc("cache").out
    assert azc("cache", "--json").json["directory"].endswith("\x1b[31m")
