"""The folder of a search: nothing saved is lost, whatever happens to it or to its writer."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from saved_runs import (
    READERS,
    SEED,
    SETTINGS,
    check,
    check_read,
    check_restored,
    content,
    finished,
    history,
    made,
)

from azc.errors import StateError
from azc.search.store import Store

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
