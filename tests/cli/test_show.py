"""`azc show`."""

from __future__ import annotations

import re

import pytest

from azc import analysis, library, parse

from .conftest import LINEAR

AUTHORED = '''"""Two lines

    that look like instructions.
"""
param lr = 0.05 in log(1e-4, 1)
param big = inf
var w: vector

def Predict(x):
    s1 = dot(w, x)
    s5 = s4 + s1

def Learn(x, y):
    error = y - prediction
    w += lr * error * x
'''


@pytest.fixture
def authored(files):
    (files / "authored.az").write_text(AUTHORED)
    return parse(AUTHORED)


def test_core(azc, authored):
    assert azc("show", "authored.az", "--core").out == str(authored)


def test_live(azc, authored):
    assert azc("show", "authored.az", "--live").out == str(analysis.live(authored))


def test_canonical(azc, authored):
    assert azc("show", "authored.az", "--canonical").out == str(analysis.canonical(authored))


def test_hash(azc, authored):
    assert azc("show", "authored.az", "--hash").out == f"{authored.hash}\n"


def test_the_whole_with_notes(azc, authored):
    out = azc("show", "authored.az").out
    assert parse(out) == authored
    assert parse(out).doc == authored.doc
    lines = {line.partition("  # ")[0].strip(): line.partition("  # ")[2]
             for line in out.splitlines() if "  # " in line}  # fmt: skip
    assert lines["s2 = 0.05"] == "param lr in log(0.0001, 1.0)"
    assert lines["s3 = inf"] == "param big, dead"
    assert lines["s5 = s4 + s1"] == "dead"
    assert "w" in lines.values()
    total = len(list(authored.instructions()))
    assert f"\n# {total} instructions, 2 dead\n# hash {authored.hash}\n" in out


@pytest.mark.parametrize("name", library.names())
def test_notes_change_no_program(azc, name):
    out = azc("show", name).out
    assert parse(out) == library.load(name)
    assert parse(out).doc == library.load(name).doc


def test_long_lines_and_empty_functions(azc, files):
    place = "0.1234567890123456, 0.1234567890123456"
    text = f"def Predict():\n    m0[{place}] = -1.2345678901234567e-300\n"
    (files / "long.az").write_text(text)
    assert parse(azc("show", "long.az").out) == parse(text)
    assert "# 0 instructions, 0 dead" in azc("show", "-", stdin=b"def Setup():\n").out


def test_classes_decide_what_is_live(azc, files):
    text = "def Predict():\n    s1 = dot(v0, v0)\n    v2 = v0 + v0\n"
    (files / "both.az").write_text(text)
    assert "v2" not in azc("show", "both.az", "--live").out
    assert "s1" not in azc("show", "both.az", "--live", "--classes", "3").out
    assert azc("show", "both.az", "--hash").out != azc("show", "both.az", "--hash", "--classes",
                                                       "3").out  # fmt: skip


def test_json(azc, authored):
    document = azc("show", "authored.az", "--json").json
    assert list(document) == [
        *("program", "doc", "hash", "core", "live", "canonical"),
        *("instructions", "names", "params"),
    ]
    assert document["core"] == str(authored)
    assert document["hash"] == authored.hash
    assert document["doc"] == authored.doc
    instructions = document["instructions"]
    assert [entry["text"] for entry in instructions] == list(map(str, authored.instructions()))
    assert [entry["text"] for entry in instructions if not entry["live"]] == [
        "s3 = inf",
        "s5 = s4 + s1",
    ]
    assert instructions[0].keys() == {"function", "index", "op", "text", "live"}
    assert document["names"]["s2"] == "lr"
    first, second = document["params"]
    assert (first["name"], first["default"], first["scale"]) == ("lr", 0.05, "log")
    assert second["default"] is None


def test_one_thing_at_a_time(azc, files):
    outcome = azc("show", "linear.az", "--core", "--hash")
    assert outcome.code == 2
    assert "got --core and --hash" in outcome.err
    assert azc("show", "linear.az", "--json", "--hash").code == 2


def test_standard_input(azc):
    assert azc("show", "-", "--hash", stdin=LINEAR.encode()).out.strip() == parse(LINEAR).hash


@pytest.mark.parametrize(
    ("environment", "coloured"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)],
)  # fmt: skip
def test_colours_on_a_terminal_that_wants_them(
    azc, files, capsys, monkeypatch, environment, coloured
):
    (files / "authored.az").write_text(AUTHORED)
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    plain = azc("show", "authored.az").out
    for name, value in {"TERM": "xterm", **environment}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    shown = azc("show", "authored.az").out
    assert ("\x1b[" in shown) == coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", shown) == plain
