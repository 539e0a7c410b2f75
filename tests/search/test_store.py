"""The folder of a search: what is read is what was saved last."""

from __future__ import annotations

import os
import shutil
import sqlite3
import struct
from contextlib import closing
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from saved_runs import (
    ISLANDS,
    READERS,
    SEED,
    SETTINGS,
    check,
    check_read,
    constant,
    content,
    counts,
    history,
    made,
)

from azc import library, parse
from azc.errors import StateError
from azc.search import database
from azc.search import store as module
from azc.search.report import Ancestor, Best
from azc.search.store import Store, read_hall, read_history, read_lineage

# ---- saving and restoring -----------------------------------------------------------------------


def test_what_is_restored_is_what_was_saved(folder):
    with Store.create(folder, SETTINGS, seed=SEED) as store:
        assert store.folder == folder
        check(store, 0)
        for number in range(1, 9):
            store.save(**content(number))
            check(store, number)
    for number in range(9, 13):
        with Store.open(folder) as store:
            check(store, number - 1)
            store.save(**content(number))
            check(store, number)
    check_read(folder, 12)


def test_nothing_saved(folder):
    made(folder, 0)
    with Store.open(folder) as store:
        assert store.restore() is None
    assert [read(folder) for read in READERS] == [[], [], []]


def test_a_save_of_nothing_is_one(folder):
    with Store.create(folder, SETTINGS, seed=SEED) as store:
        store.save(**content(1))
        store.save(reports=[], course={}, islands={}, hall=[], lineage=[])
        assert store.restore() == ({}, {})
    assert [read(folder) for read in READERS] == [history(1), [], []]
    assert not (folder / "best.az").exists()
    assert list((folder / "hall_of_fame").iterdir()) == []


def test_several_reports_in_one_save(folder):
    """As when saves failed for a while."""
    with Store.create(folder, SETTINGS, seed=SEED) as store:
        store.save(**content(1))
        store.save(
            **{**content(2), "reports": [content(2)["reports"][0], content(4)["reports"][0]]}
        )
        store.save(**content(5))
    made = [[counts(i, number) for i in range(ISLANDS)] for number in (1, 2, 4, 5)]
    assert read_history(folder) == made


def test_islands_and_rows_in_any_order(folder):
    with Store.create(folder, SETTINGS, seed=SEED) as store:
        rows = [counts(2, 1), counts(0, 1), counts(1, 1)]
        islands = {5: b"", 0: bytearray(b"zero"), np.int64(3): memoryview(b"three")}
        store.save(reports=[rows], course={}, islands=islands, hall=[], lineage=[])
        assert store.restore() == ({}, {0: b"zero", 3: b"three", 5: b""})
    assert read_history(folder) == history(1)


def bits(value: float | None) -> bytes | None:
    return None if value is None else struct.pack("=d", value if value == value else np.nan)


HARD = [0.0, -0.0, np.inf, -np.inf, np.nan, 5e-324, 0.1 + 0.2, 1 / 3, 1.7976931348623157e308]


def test_numbers_keep_their_bits(folder):
    rows = [
        replace(counts(i, 1), best=value, mean=np.float64(-value), steps=2**62 + i)
        for i, value in enumerate(HARD)
    ]
    hall = [Best(constant(value), 0, 1, 2**62, value, None, value) for value in HARD]
    lineage = [Ancestor(-1, -1, "nan", value, constant(1.0)) for value in HARD]
    course = {"large": 2**200, "numbers": HARD}
    with Store.create(folder, SETTINGS, seed=2**64 - 1) as store:
        store.save(reports=[rows], course=course, islands={}, hall=hall, lineage=lineage)
    with Store.open(folder) as store:
        assert store.seed == 2**64 - 1
        (restored, _) = store.restore()
    assert restored["large"] == 2**200
    assert list(map(bits, restored["numbers"])) == list(map(bits, HARD))
    for before, after in zip(
        [*rows, *hall, *lineage],
        [*read_history(folder)[0], *read_hall(folder), *read_lineage(folder)],
        strict=True,
    ):
        for field in fields(before):
            one, other = getattr(before, field.name), getattr(after, field.name)
            if str(field.type).startswith("float"):
                assert bits(one) == bits(other)
                assert other is None or type(other) is float
            elif field.name == "program":
                assert one.packed() == other.packed()
            else:
                assert (one, type(one)) == (other, type(other))


def test_programs_keep_their_bits(folder, full):
    from programs import random_program

    chance = np.random.default_rng(11)
    programs = [random_program(chance) for _ in range(200 if full else 60)]
    programs += [library.load(name) for name in library.names()]
    programs += [replace(constant(1.5), doc='of "all" kinds\n\\ """ \x1b ü')]
    programs += [constant(value) for value in HARD]
    with Store.create(folder, SETTINGS, seed=SEED) as store:
        store.save(
            reports=[],
            course={},
            islands={},
            hall=[Best(program, 0, 1, 2, 0.5) for program in programs],
            lineage=[Ancestor(1, 0, "start", 0.5, program) for program in reversed(programs)],
        )
    files = sorted((folder / "hall_of_fame").iterdir(), key=lambda path: int(path.stem))
    kept = [
        [best.program for best in read_hall(folder)],
        [ancestor.program for ancestor in reversed(read_lineage(folder))],
        [parse(path.read_text("utf-8")) for path in files],
    ]
    for read in kept:
        assert [program.packed() for program in read] == [p.packed() for p in programs]
        assert [program.hash for program in read] == [p.hash for p in programs]
        assert [program.doc for program in read] == [p.doc for p in programs]


def test_texts_of_programs_that_were_saved_before_are_not_taken_for_others(folder):
    """Programs come and go, and new ones may lie in memory where old ones did."""
    with Store.create(folder, SETTINGS, seed=SEED) as store:
        for number in range(30):
            lineage = [Ancestor(k, -1, "start", 0.5, constant(number + k / 8)) for k in range(8)]
            store.save(reports=[], course={}, islands={}, hall=[], lineage=lineage)
            assert read_lineage(folder) == lineage


def test_settings_are_kept_as_they_are(folder):
    settings = "a = 'ü \U0001f600'\r\nb = '''\n\n'''\t# no end of line"
    with Store.create(folder, settings, seed=0) as store:
        assert store.settings == settings
    assert (folder / "search.toml").read_bytes() == settings.encode()
    with Store.open(folder) as store:
        assert store.settings == settings


def test_the_form_of_the_tables():
    """Whoever changes it gives `FORMAT` another number."""
    assert database.FORMAT == 5
    assert {table: " ".join(names) for table, names in database._columns().items()} == {
        "about": "name value digest",
        "islands": "island state digest",
        "history": "report island run programs evaluated level1 level2 filtered over_budget hurdled"
        " steps received niches best mean digest",
        "hall": "place program island run birth search select final digest",
        "lineage": "place birth parent mutation fitness program digest",
    }


def test_other_programs_can_read_the_database(folder):
    made(folder, 2)
    with closing(sqlite3.connect(folder / "run.sqlite")) as connection:
        best = connection.execute("SELECT max(best), sum(steps) FROM history").fetchone()
        assert best == (2 / 3, ISLANDS * 3000)
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


# ---- the files beside the database --------------------------------------------------------------


def test_a_program_says_where_it_was_found(folder):
    best = Best(library.load("linear"), 3, 2, 1234, 0.1 + 0.2, 0.5)
    with Store.create(folder, SETTINGS, seed=SEED) as store:
        store.save(reports=[], course={}, islands={}, hall=[best], lineage=[])
    fitness, found, *rest = (folder / "best.az").read_text().splitlines()
    assert fitness == "# fitness: search 0.30000000000000004, select 0.5"
    assert found == "# found: island 3, run 2, birth 1234"
    assert rest == str(best.program).splitlines()


def test_only_changed_files_are_written(folder):
    first, second, third = (Best(constant(k), 0, 1, k, 0.5) for k in range(3))
    empty: dict[str, Any] = {"reports": [], "course": {}, "islands": {}, "lineage": []}
    with Store.create(folder, SETTINGS, seed=SEED) as store:
        (folder / "hall_of_fame" / "mine.az").write_text("not a search's")

        def inodes(*hall: Best) -> dict[str, int]:
            store.save(**empty, hall=hall)
            return {path.name: path.stat().st_ino for path in folder.rglob("*.az")}

        before = inodes(first, second, third)
        assert set(before) == {"best.az", "01.az", "02.az", "03.az", "mine.az"}
        assert inodes(first, second, third) == before
        after = inodes(first, third)
        assert set(after) == set(before) - {"03.az"}
        assert {name for name in after if after[name] != before[name]} == {"02.az"}
        (folder / "best.az").unlink()
        assert set(inodes(first, third)) == set(after)
        assert len(inodes(*[first] * 120)) == 122
        assert (folder / "hall_of_fame" / "120.az").exists()
        assert not list(folder.rglob(".*"))


def test_files_that_a_killed_search_did_not_write(folder):
    made(folder, 6)
    (folder / "best.az").write_text("an older one")
    (folder / "hall_of_fame" / "07.az").write_text("one too many")
    (folder / "search.toml").unlink()
    with Store.open(folder) as store:
        check(store, 6)


# ---- which folders ------------------------------------------------------------------------------

NAMES = [
    "with spaces and 'quotes' \"too\"",
    "ünï\U0001f600",
    "what?mode=memory&cache=shared",
    "#1",
    "100%",
    "%41%00",
    ":memory:",
    "file:run",
    "-rf",
    "back\\slash",
    "line\nbreak",
    "bytes \udcff\udcfe",
    "a" * 200,
]


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_hostile_names(tmp_path, name):
    folder = made(tmp_path / name, 1)
    with Store.open(folder) as store:
        store.save(**content(2))
        check(store, 2)
    assert os.listdir(tmp_path) == [name]
    assert set(os.listdir(folder)) == {
        *("run.sqlite", "search.toml", "best.az", "hall_of_fame", "lock"),
    }


def test_a_relative_name_means_the_same_later(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with Store.create(Path("run"), SETTINGS, seed=SEED) as store:
        monkeypatch.chdir("/")
        store.save(**content(1))
        check(store, 1)
    assert (tmp_path / "run" / "best.az").exists()
    monkeypatch.chdir(tmp_path / "run")
    check_read(Path(), 1)
    with Store.open(Path("../run")) as store:
        check(store, 1)


def test_paths_that_are_too_long(tmp_path):
    folder = tmp_path.joinpath(*["d" * 100] * 5)
    for use in (lambda: Store.create(folder, SETTINGS, seed=0), lambda: Store.open(folder)):
        with pytest.raises(StateError, match=r"expected a path of at most 480 bytes, got one of"):
            use()
    assert os.listdir(tmp_path) == []
    longest = tmp_path.joinpath(*["d" * 100] * 3)
    made(longest / ("e" * (479 - len(str(longest)))), 1)


def test_a_run_is_not_overwritten(folder):
    made(folder, 2)
    with (
        pytest.raises(StateError, match="got one; use --resume, or another --out"),
        Store.create(folder, "other", seed=1),
    ):
        pass
    with Store.open(folder) as store:
        check(store, 2)
        with pytest.raises(StateError, match="use --resume"):
            Store.create(folder, "other", seed=1)


@pytest.mark.parametrize("name", ["best.az", "hall_of_fame", "search.toml"])
def test_files_of_the_users_are_not_overwritten(folder, name):
    folder.mkdir(parents=True)
    (folder / "notes.txt").write_text("mine")
    (folder / name).write_text("mine")
    with pytest.raises(StateError, match=f"a folder without {name}, which would be lost"):
        Store.create(folder, SETTINGS, seed=SEED)
    assert sorted(os.listdir(folder)) == sorted(["notes.txt", name])


def test_the_settings_may_be_in_the_folder(folder):
    folder.mkdir(parents=True)
    (folder / "search.toml").write_bytes(SETTINGS.encode())
    made(folder, 1)


def test_no_run_there(folder):
    for use in (Store.open, *READERS):
        with pytest.raises(StateError, match=r"run\.sqlite in it, got no such folder; give what"):
            use(folder)
        assert not folder.exists()
    folder.mkdir(parents=True)
    for use in (Store.open, *READERS):
        with pytest.raises(StateError, match="got a folder without it"):
            use(folder)
        with pytest.raises(StateError, match="got no such folder"):
            use(folder / "nul\0")
    assert os.listdir(folder) == []


def test_a_file_instead_of_a_folder(tmp_path):
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(StateError, match="a folder that can be read and written"):
            Store.create(folder, SETTINGS, seed=SEED)
        with pytest.raises(StateError, match="got no such folder"):
            Store.open(folder)


@pytest.mark.parametrize("end", ["removed", "moved", "replaced"])
def test_a_folder_that_vanishes(folder, end):
    store = Store.create(folder, SETTINGS, seed=SEED)
    store.save(**content(1))
    moved = folder.with_name("moved")
    if end == "removed":
        shutil.rmtree(folder)
    else:
        folder.rename(moved)
    other = Store.create(folder, SETTINGS, seed=SEED) if end == "replaced" else None
    with pytest.raises(StateError, match=r"expected run\.sqlite where this search made it, got "):
        store.save(**content(2))
    if other:
        other.save(**content(1))
    store.close()
    if other:
        # It is none of the first one's business.
        other.save(**content(2))
        check(other, 2)
        other.close()
        check_read(folder, 2)
    else:
        assert not folder.exists()
    if end != "removed":
        check_read(moved, 1)


def test_a_log_without_its_database(folder, tmp_path):
    """It would be taken for that of the new run."""
    with Store.create(tmp_path / "old", SETTINGS, seed=SEED) as store:
        for number in range(1, 5):
            store.save(**content(number))
        folder.mkdir(parents=True)
        for part in ("wal", "shm"):
            shutil.copy(tmp_path / "old" / f"run.sqlite-{part}", folder)
    with Store.create(folder, SETTINGS, seed=SEED) as store:
        check(store, 0)
        store.save(**content(1))
        check(store, 1)


def test_versions(folder, monkeypatch):
    made(folder, 1)
    with monkeypatch.context() as patch:
        patch.setattr(module, "TABLE_VERSION", 99)
        with pytest.raises(StateError, match=r"version 99 of the op table, got one with version"):
            Store.open(folder)
    check_read(folder, 1)
    with closing(sqlite3.connect(folder / "run.sqlite")) as connection:
        connection.execute("PRAGMA user_version = 99")
    for use in (Store.open, *READERS):
        with pytest.raises(StateError, match=r"expected a run of format 5, got one of format 99"):
            use(folder)
