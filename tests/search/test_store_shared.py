"""The folder of a search, for one that writes and any number that read."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import tempfile
import time
from contextlib import closing
from pathlib import Path

import pytest
from saved_runs import (
    SEED,
    SETTINGS,
    check,
    check_read,
    content,
    finished,
    history,
    made,
    process,
    said,
)

from azc import parse
from azc.errors import StateError
from azc.search import database
from azc.search.store import Store, read_hall, read_history


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
            for left in range(99, -1, -1):  # it may not have run at all yet
                try:
                    with Store.open(folder) as store:
                        check(store, 2)
                    break
                except StateError:
                    if not left:
                        raise
                    time.sleep(0.1)
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
