"""The folder of a search: what is read is what was saved last, whatever happened meanwhile.

Run as a program, this file is the process that is killed, runs out of disk, or holds the lock.
"""

from __future__ import annotations

import os
import random
import resource
import shutil
import signal
import sqlite3
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from azc import library, parse
from azc.errors import StateError
from azc.ops import by_name
from azc.program import Instruction, Program
from azc.search import database
from azc.search import store as module
from azc.search.report import Ancestor, Best, Counts
from azc.search.store import Store, read_hall, read_history, read_lineage

SETTINGS = '# as run\n[search]\nseed = 7\nname = "ä\\n"\n'
SEED = 7
ISLANDS = 3
READERS: list[Callable[[Path], list[Any]]] = [read_history, read_hall, read_lineage]

# ---- a search that can be told by its number of saves ------------------------------------------


def constant(value: float) -> Program:
    return Program(learn=(Instruction(by_name("scalar_const"), 2, (), (value,)),))


def counts(island: int, number: int) -> Counts:
    return Counts(island, 1, number, 2, 3, 4, 5, 6, 7, 1000 * number, 8, number / 3, number / 7)


def content(number: int, size: int = 40_000) -> dict[str, Any]:
    """What the save of that number has; every third is in the middle of an interval."""
    chance = random.Random(number)
    best = [Best(constant(number + k), k, 1, number, k / 7) for k in range(1 + number % 4)]
    return {
        "reports": [[counts(i, number) for i in range(ISLANDS) if number % 3]],
        "course": {"number": number, "more": [number / 7, "ü", None]},
        "islands": {i: chance.randbytes(size + i) for i in range(ISLANDS)},
        "hall": best,
        "lineage": [
            Ancestor(k, k - 1, "start", k / 3, constant(k)) for k in range(number % 50, 60)
        ],
    }


def history(number: int) -> list[list[Counts]]:
    """The history after that many saves."""
    return [[counts(i, n) for i in range(ISLANDS)] for n in range(1, number + 1) if n % 3]


def check_read(folder: Path, number: int) -> None:
    """What the readers give is of that save, and of no other."""
    assert read_history(folder) == history(number)
    saved = content(number) if number else {"hall": [], "lineage": []}
    assert read_hall(folder) == saved["hall"]
    assert read_lineage(folder) == saved["lineage"]


def check_restored(store: Store, number: int, size: int = 40_000) -> None:
    """What is restored is of that save."""
    saved = content(number, size) if number else None
    assert store.restore() == ((saved["course"], saved["islands"]) if saved else None)


def check(store: Store, number: int, size: int = 40_000) -> None:
    """The same of the store, the readers, and the files beside the database."""
    assert (store.settings, store.seed) == (SETTINGS, SEED)
    check_restored(store, number, size)
    check_read(store.folder, number)
    assert (store.folder / "search.toml").read_bytes() == SETTINGS.encode()
    files = sorted((store.folder / "hall_of_fame").glob("*.az"))
    hall = content(number)["hall"] if number else []
    assert [path.name for path in files] == [f"0{n}.az" for n in range(1, len(hall) + 1)]
    assert [parse(path.read_text()) for path in files] == [best.program for best in hall]
    best = store.folder / "best.az"
    assert best.read_bytes() == files[0].read_bytes() if hall else not best.exists()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that does not exist yet."""
    return tmp_path / "runs" / "first"


def made(folder: Path, saves: int, size: int = 40_000) -> Path:
    """`folder`, with a run that ended after so many saves."""
    with Store.create(folder, SETTINGS, seed=SEED) as store:
        for number in range(1, saves + 1):
            store.save(**content(number, size))
    return folder


@contextmanager
def process(*arguments: object) -> Iterator[subprocess.Popen[str]]:
    """This file as a program, killed in the end if it has not ended."""
    command = [sys.executable, __file__, *map(str, arguments)]
    with subprocess.Popen(command, stdin=-1, stdout=-1, stderr=-1, text=True) as child:
        try:
            yield child
        finally:
            child.kill()


def said(child: subprocess.Popen[str]) -> str:
    """The next line of a process."""
    assert child.stdout
    assert child.stderr
    return child.stdout.readline().strip() or child.stderr.read()


def finished(*arguments: object) -> str:
    """All that a process says, which must succeed."""
    with process(*arguments) as child:
        out, err = child.communicate(timeout=120)
    assert child.returncode == 0, err
    return out


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
    assert database.FORMAT == 1
    assert {table: " ".join(names) for table, names in database._columns().items()} == {
        "about": "name value digest",
        "islands": "island state digest",
        "history": "report island run programs evaluated level1 level2 filtered over_budget hurdled"
        " steps received best mean digest",
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
        with pytest.raises(StateError, match=r"expected a run of format 1, got one of format 99"):
            use(folder)


# ---- one writer, any number of readers ----------------------------------------------------------


def test_one_writer(folder):
    with Store.create(folder, SETTINGS, seed=SEED) as store:
        with pytest.raises(StateError, match=f"got process {os.getpid()}, which does; wait"):
            Store.open(folder)
        store.save(**content(1))
        check(store, 1)
    Store.open(folder).close()


def test_a_writer_in_another_process(folder):
    made(folder, 1)
    with process("hold", folder) as child:
        assert said(child) == "held"
        for _ in range(2):
            with pytest.raises(StateError, match=f"got process {child.pid}, which does; wait"):
                Store.open(folder)
            check_read(folder, 2)
        child.kill()
        child.wait()
        with Store.open(folder) as store:
            check(store, 2)


def test_a_worker_that_outlives_its_search_does_not_hold_the_folder(folder):
    made(folder, 1)
    with process("fork", folder) as child:
        worker = int(said(child))
        child.kill()
        child.wait()
        try:
            with Store.open(folder) as store:
                check(store, 2)
        finally:
            os.kill(worker, signal.SIGKILL)


def test_a_forked_process_can_do_no_harm(folder):
    assert finished("close", folder) == "done\n"
    check_read(folder, 3)


def test_closing_twice(folder):
    store = Store.create(folder, SETTINGS, seed=SEED)
    store.close()
    with Store.open(folder) as other:
        store.close()
        other.save(**content(1))
        check(other, 1)


@pytest.mark.parametrize("lock", ["IMMEDIATE", "EXCLUSIVE"])
def test_a_database_that_another_program_has_locked(folder, monkeypatch, lock):
    made(folder, 1)
    monkeypatch.setattr(database, "_PATIENCE", 0.05)
    with closing(sqlite3.connect(folder / "run.sqlite", isolation_level=None)) as other:
        other.execute(f"BEGIN {lock}")
        with pytest.raises(StateError, match="not locked by another program, got database is"):
            Store.open(folder)
        other.execute("ROLLBACK")
        with Store.open(folder) as store:
            other.execute(f"BEGIN {lock}")
            with pytest.raises(StateError, match="got database is locked; close what has it"):
                store.save(**content(2))
            check_read(folder, 1)
            other.execute("ROLLBACK")
            store.save(**content(2))
            check(store, 2)


def test_a_slow_reader_stops_nobody(folder):
    with Store.create(folder, SETTINGS, seed=SEED) as store:
        store.save(**content(1))
        with closing(sqlite3.connect(folder / "run.sqlite", isolation_level=None)) as other:
            other.execute("BEGIN")
            seen = other.execute("SELECT * FROM history").fetchall()
            start = time.monotonic()
            for number in range(2, 6):
                store.save(**content(number))
            assert other.execute("SELECT * FROM history").fetchall() == seen
            store.close()
            assert time.monotonic() - start < database._PATIENCE / 2
    with Store.open(folder) as store:
        check(store, 5)


def test_reading_while_a_search_writes(folder, full):
    """It also begins and ends, over and over."""
    with process("loop", folder) as child:
        assert said(child) == "1"
        last = 0
        for _ in range(200 if full else 60):
            rows = read_history(folder)
            assert rows == history(rows[-1][0].programs)
            hall = read_hall(folder)
            assert hall == content(hall[0].birth, 0)["hall"]
            # Every third save has no report.
            assert last - 1 <= rows[-1][0].programs <= hall[0].birth
            last = hall[0].birth
            assert parse((folder / "best.az").read_text())
        child.kill()
    assert last > 10


def test_reading_leaves_nothing_behind(folder):
    made(folder, 2)
    before = sorted(os.listdir(folder))
    check_read(folder, 2)
    assert sorted(os.listdir(folder)) == before


def test_a_finished_run_is_one_file(folder, tmp_path):
    made(folder, 5)
    (tmp_path / "copy").mkdir()
    shutil.copy(folder / "run.sqlite", tmp_path / "copy")
    check_read(tmp_path / "copy", 5)
    with Store.open(tmp_path / "copy") as store:
        check(store, 5)


def test_nobody_may_write(folder):
    """In a process of its own, which gives up being root."""
    place = Path(tempfile.mkdtemp())
    try:
        made(place / "run", 2)
        place.chmod(0o755)
        for path in [*place.rglob("*"), place]:
            path.chmod(0o555 if path.is_dir() else 0o444)
        refused = r"expected a folder that can be read and written, got "
        lines = finished("refused", place).splitlines()
        assert [refused in line for line in lines] == [True] * 3, lines
        check_read(place / "run", 2)
    finally:
        for path in [place, *place.rglob("*")]:
            path.chmod(0o755)
        shutil.rmtree(place)


# ---- what goes wrong in a save ------------------------------------------------------------------


def test_a_full_database(folder):
    with Store.create(folder, SETTINGS, seed=SEED) as store:
        store.save(**content(1))
        store.save(**content(2))
        pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
        store._connection.execute(f"PRAGMA max_page_count = {pages + 4}")
        for _ in range(3):
            with pytest.raises(
                StateError, match="expected room for what a search saves, got"
            ) as caught:
                store.save(**content(3, 1_000_000))
            assert caught.value.full
            check(store, 2)
        store._connection.execute("PRAGMA max_page_count = 100000")
        store.save(**content(3))
        store.save(**content(4))
        check(store, 4)


@pytest.mark.parametrize("limit", [300_000, 600_000, 3_000_000])
def test_files_that_may_not_grow(folder, limit):
    """As on a full disk: the system refuses what would make a file larger."""
    last = finished("full", folder, limit).split()
    assert last[0] == "full"
    with Store.open(folder) as store:
        check(store, int(last[1]), int(last[2]))
        store.save(**content(int(last[1]) + 1))
        check(store, int(last[1]) + 1)


def test_no_room_for_the_programs(folder):
    with Store.create(folder, SETTINGS, seed=SEED) as store:
        store.save(**content(1))
        for place in (folder, folder / "hall_of_fame"):
            (place / ".writing").symlink_to("/dev/full")
            with pytest.raises(StateError, match="expected room for what a search saves, got No"):
                store.save(**content(2))
            # Nothing of it was kept, so that a report is not there twice after another try.
            check_read(folder, 1)
            check_restored(store, 1)
        store.save(**content(2))
        check(store, 2)
        store.save(**content(3))
        check(store, 3)


def test_interrupted_in_the_middle(folder):
    class Interrupting(dict[int, bytes]):
        def __getitem__(self, key: int) -> bytes:
            if key == 2:
                raise KeyboardInterrupt
            return super().__getitem__(key)

    with Store.create(folder, SETTINGS, seed=SEED) as store:
        store.save(**content(1))
        saved = content(2)
        with pytest.raises(KeyboardInterrupt):
            store.save(**{**saved, "islands": Interrupting(saved["islands"])})
        check(store, 1)
        store.save(**saved)
        check(store, 2)


def test_values_that_cannot_be_kept(folder):
    """Mistakes of the caller's are not called damage of the disk."""
    with Store.create(folder, SETTINGS, seed=SEED) as store:
        store.save(**content(1))
        saved = content(2)
        for wrong in ({"course": {"a": object()}}, {"islands": {0.5: b""}}, {"islands": {0: "a"}}):
            with pytest.raises(TypeError):
                store.save(**{**saved, **wrong})
            check(store, 1)
    with pytest.raises(sqlite3.ProgrammingError):
        store.save(**saved)


def test_the_folder_does_not_grow(folder):
    """Five megabytes, replaced fifty times."""
    most = 0
    with Store.create(folder, SETTINGS, seed=SEED) as store:
        for number in range(50):
            saved = content(number, 0)
            islands = {island: os.urandom(1_000_000) for island in range(5)}
            store.save(**{**saved, "islands": islands})
            files = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
            most = max(most, sum(files))
        assert store.restore() == (saved["course"], islands)
    assert most < 40_000_000
    assert (folder / "run.sqlite").stat().st_size < 8_000_000


# ---- killed -------------------------------------------------------------------------------------


def test_killed_at_any_moment(tmp_path, full):
    """Saving, beginning or ending: then the last save is there, all of it."""
    assert finished("kill", tmp_path, 200 if full else 30).startswith("killed ")


def test_killed_while_it_began_or_ended_the_log(folder):
    """SQLite then has a journal to undo, which a connection for reading may not."""
    made(folder, 4)
    database_file, journal = folder / "run.sqlite", folder / "run.sqlite-journal"
    with closing(sqlite3.connect(database_file, isolation_level=None)) as connection:
        connection.execute("PRAGMA cache_size = 1")
        connection.execute("BEGIN")
        connection.execute("DELETE FROM history")
        connection.execute("UPDATE islands SET state = randomblob(1000000)")
        half, undo = database_file.read_bytes(), journal.read_bytes()
        connection.execute("ROLLBACK")
    for use in (lambda: check_read(folder, 4), lambda: Store.open(folder).close()):
        database_file.write_bytes(half)
        journal.write_bytes(undo)
        use()
        check_read(folder, 4)


# ---- damaged ------------------------------------------------------------------------------------


def everything(folder: Path) -> list[Any]:
    with Store.open(folder) as store:
        restored = [store.settings, store.seed, store.restore()]
    return [*restored, *(read(folder) for read in READERS)]


@pytest.mark.parametrize("length", [0, 1, 99, 100, 4096, 16384, 20000, 0.5, 0.9, -1])
def test_truncated(folder, length):
    file = made(folder, 4) / "run.sqlite"
    data = file.read_bytes()
    file.write_bytes(data[: int(length * len(data)) if isinstance(length, float) else length])
    with pytest.raises(StateError, match=r"as azc wrote it, got .*; restore a copy of it, or"):
        Store.open(folder)
    for number, read in enumerate(READERS):
        with suppress(StateError):
            assert read(folder) == [history(4), content(4)["hall"], content(4)["lineage"]][number]


@pytest.mark.parametrize("size", [10, 1000, 100_000])
def test_anything_else(folder, size):
    folder.mkdir(parents=True)
    (folder / "run.sqlite").write_bytes(random.Random(size).randbytes(size))
    for use in (Store.open, *READERS):
        with pytest.raises(StateError, match=r"as azc wrote it, got file is not a database"):
            use(folder)


def test_a_database_of_something_else(folder):
    folder.mkdir(parents=True)
    with closing(sqlite3.connect(folder / "run.sqlite")) as connection:
        connection.execute("CREATE TABLE history (a)")
    for use in (Store.open, *READERS):
        with pytest.raises(StateError, match=r"as azc wrote it, got a database of something else"):
            use(folder)


@pytest.mark.parametrize("where", [0, 1, 20_000, 39_993])
def test_a_flipped_bit_in_an_island(folder, where):
    file = made(folder, 4) / "run.sqlite"
    data, part = bytearray(file.read_bytes()), content(4)["islands"][1][where : where + 8]
    assert data.count(part) == 1
    data[data.index(part) + 7] ^= 1
    file.write_bytes(data)
    with Store.open(folder) as store:
        with pytest.raises(StateError, match="got another checksum in its table islands; restore"):
            store.restore()
        check_read(folder, 4)
        # What replaces it is sound.
        store.save(**content(5))
        check(store, 5)


def test_a_flipped_bit_anywhere(folder, full):
    """It is noticed, or it does not matter."""
    file = made(folder, 4, 3000) / "run.sqlite"
    data, expected = file.read_bytes(), everything(folder)
    chance, noticed = random.Random(3), 0
    for _ in range(600 if full else 120):
        damaged = bytearray(data)
        damaged[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        file.write_bytes(damaged)
        try:
            assert everything(folder) == expected
        except StateError:
            noticed += 1
    assert noticed > 10


def test_a_damaged_log_is_an_older_save(folder, tmp_path):
    """SQLite has checksums there: what is not whole was not saved."""
    with Store.create(folder, SETTINGS, seed=SEED) as store:
        for number in range(1, 6):
            store.save(**content(number))
        shutil.copytree(folder, tmp_path / "killed")
    log = tmp_path / "killed" / "run.sqlite-wal"
    data = bytearray(log.read_bytes())
    chance, found = random.Random(5), set()
    for _ in range(20):
        copy = tmp_path / "copy"
        shutil.copytree(tmp_path / "killed", copy)
        damaged = bytearray(data)
        damaged[chance.randrange(len(data))] ^= 1
        (copy / log.name).write_bytes(damaged)
        with Store.open(copy) as store:
            restored = store.restore()
            number = restored[0]["number"] if restored else 0
            check(store, number)
        found.add(number)
        shutil.rmtree(copy)
    assert len(found) > 2


# ---- other processes ----------------------------------------------------------------------------


def _write_until_killed(folder: Path, report: int) -> None:
    """Goes on with the run, or begins it; every save that is done is a line in `report`."""
    began = (folder / "run.sqlite").exists()
    store = Store.open(folder) if began else Store.create(folder, SETTINGS, seed=SEED)
    restored = store.restore()
    number = restored[0]["number"] if restored else 0
    while True:
        number += 1
        store.save(**content(number))
        os.write(report, b"%d\n" % number)
        if number % 4 == 0:
            store.close()
            store = Store.open(folder)


def _kill_one(folder: Path, saves: int, seconds: float) -> int:
    """The last save that was done by a process that was killed so long after so many saves."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            _write_until_killed(folder, writing)
        finally:
            os._exit(1)
    os.close(writing)
    with open(reading) as lines:
        # On a machine with much to do, time alone might never let it come to saving.
        done = [int(next(lines)) for _ in range(saves)]
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        assert os.WTERMSIG(status) == signal.SIGKILL, "it ended by itself"
        return max([*done, *map(int, lines)], default=0)


def _kill(folder: Path, rounds: int) -> None:
    chance = random.Random()
    reached = []
    for round in range(rounds):
        # A new run every few rounds; the others go on where the killed one was.
        run = folder / f"run{round // 6}"
        before = reached[-1] if round % 6 else 0
        saves = chance.choice([0, 0, 1, 2, 3, 4])
        done = _kill_one(run, saves, chance.uniform(0, 0.03 if saves else 0.06))
        if not (run / "run.sqlite").exists():
            assert done == 0
            reached.append(0)
            continue
        best = run / "best.az"
        assert parse(best.read_text()) if best.exists() else done == 0
        hall = read_hall(run)
        number = hall[0].birth if hall else 0
        assert max(before, done) <= number <= max(before, done) + 1
        check_read(run, number)
        with Store.open(run) as store:
            check(store, number)
        reached.append(number)
    print("killed", *reached)


def _hold(folder: Path) -> None:
    with Store.open(folder) as store:
        store.save(**content(2))
        print("held", flush=True)
        sys.stdin.read()


def _fork(folder: Path) -> None:
    store = Store.open(folder)
    if (worker := os.fork()) == 0:
        time.sleep(60)
        os._exit(0)
    store.save(**content(2))
    print(worker, flush=True)
    sys.stdin.read()


def _close(folder: Path) -> None:
    """In a forked process, in the middle."""
    with Store.create(folder, SETTINGS, seed=SEED) as store:
        store.save(**content(1))
        if (worker := os.fork()) == 0:
            store.close()
            os._exit(0)
        assert os.waitpid(worker, 0)[1] == 0
        store.save(**content(2))
        with suppress(StateError):
            Store.open(folder)
            raise AssertionError("the lock is lost")
        store.save(**content(3))
        check(store, 3)
    print("done")


def _loop(folder: Path) -> None:
    number = 0
    with Store.create(folder, SETTINGS, seed=SEED) as store:
        store.save(**content(1, 0))
    while True:
        with Store.open(folder) as store:
            for _ in range(3):
                number += 1
                if number > 1:
                    store.save(**content(number, 0))
        if number == 3:
            print(1, flush=True)


def _refused(folder: Path) -> None:
    # What is imported on first use may lie where only root may read.
    check_read(folder / "run", 2)
    with suppress(StateError):
        Store.create(Path("/proc/run"), SETTINGS, seed=SEED)
    if os.geteuid() == 0:
        os.seteuid(65534)
    check_read(folder / "run", 2)
    uses: list[Callable[[], object]] = [
        lambda: Store.open(folder / "run"),
        lambda: Store.create(folder / "new", SETTINGS, seed=SEED),
        lambda: Store.create(Path("/proc/run"), SETTINGS, seed=SEED),
    ]
    for use in uses:
        try:
            use()
            print("it worked")
        except StateError as error:
            print(error)


def _full(folder: Path, limit: int) -> None:
    """Saves more and more until it does not fit any more, then less."""
    with Store.create(folder, SETTINGS, seed=SEED) as store:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        number, size, problem = 0, 20_000, ""
        while not problem:
            try:
                store.save(**content(number + 1, size * 2))
            except StateError as error:
                problem = str(error)
            else:
                number, size = number + 1, size * 2
                check(store, number, size)
        assert "; make room, " in problem or "; check it, " in problem, problem
        # The files of programs are whole, but may be those of the save that failed.
        check_read(folder, number)
        check_restored(store, number, size)
        assert parse((folder / "best.az").read_text())
        with suppress(StateError):
            # There may be no room in the log even for this.
            store.save(**content(number + 1, 10_000))
            number, size = number + 1, 10_000
    print("full", number, size)


if __name__ == "__main__":
    what, place, *numbers = sys.argv[1:]
    globals()[f"_{what}"](Path(place), *map(int, numbers))
