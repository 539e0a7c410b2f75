"""The folder that a search leaves.

    DIR/run.sqlite             all of it: settings, course, islands, history, best programs
    DIR/search.toml            the settings, as run
    DIR/best.az                the best program
    DIR/hall_of_fame/NN.az     the best programs, the first of them 01
    DIR/snapshots              with `search.snapshots = "snapshots"`: the islands, which run.sqlite
                               then only names (`azc.search.snapshots`)
    DIR/lock                   held by the process that writes here; its number is in it

The other files are made from run.sqlite, which a save changes in one transaction of SQLite's
write-ahead log: who is killed leaves the last save whole, and who reads meanwhile never sees half
of one. Programs are kept as core text, which reads back to the same bits.
"""

from __future__ import annotations

import json
import os
import secrets
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from itertools import groupby
from operator import index, itemgetter
from pathlib import Path
from typing import Any, Self

from azc.errors import StateError
from azc.ops import TABLE_VERSION
from azc.program import Program
from azc.search import database
from azc.search.database import DATABASE, Row, error, explaining, insert, made, select, values
from azc.search.locking import acquire, held, release, which
from azc.search.program_files import BEST, HALL, export, put
from azc.search.report import Ancestor, Best, Counts
from azc.search.snapshots import Kept, Shelf, State, found, from_text, to_text

__all__ = ["Saved", "Store", "read_hall", "read_history", "read_lineage", "read_saved"]

_SETTINGS = "search.toml"
#: SQLite opens no file whose path is longer than 512, with what it adds to the name.
_MOST_PATH_BYTES = 480
#: What may be left of the write-ahead log when it is begun anew.
_MOST_LOG_BYTES = 16 << 20


class Store:
    """The folder of one search, which nobody else writes in meanwhile; for use in one thread.

    A process that was forked while it was open cannot use it, but may `close` it to no effect.

    Attributes: `folder`; `settings`, the text of search.toml; `seed`; `shelf`, where hosts put
    snapshots.
    """

    shelf: Shelf | None = None

    def __init__(self, folder: Path, lock: int) -> None:
        """Use `create` or `open`. `lock`: the descriptor of the lock of `folder`, a run's."""
        self.folder = folder
        self._lock = lock
        # Most of a long lineage is as it was, and printing programs is what takes time.
        self._texts: dict[int, tuple[Program, str]] = {}
        self._location: str | None = None
        try:
            self._begin("WAL")
        except sqlite3.Error as problem:
            if not database.lacks_shared_memory(problem):
                raise
            # Readers then wait while a save is written, and it for them.
            database.leave_log(folder)
            self._begin("DELETE")

    def _begin(self, journal: str) -> None:
        folder = self.folder
        with ExitStack() as stack:
            self._connection = stack.enter_context(closing(database.connect(folder, "rw")))
            self._identity = _identity(folder)
            about = self._about = database.about(self._connection)
            self.settings, self.seed = about["settings"], int(about["seed"])
            if about["ops"] != str(TABLE_VERSION):
                what = f"a run with version {TABLE_VERSION} of the op table"
                do = f"go on with azc {about['azc']}, which began it"
                raise error(folder, what, f"one with version {about['ops']}", do)
            self._check(journal)
            # A killed search may have been about to save what they say.
            export(folder, select(self._connection, "hall"))
            if not os.path.lexists(folder / _SETTINGS):
                # Killed before it came to this.
                put(folder / _SETTINGS, self.settings)
            stack.pop_all()

    @classmethod
    def create(
        cls, folder: Path, settings: str, *, seed: int, about: Mapping[str, str] | None = None
    ) -> Store:
        """The store of a new run; `about`: more to remember of it. `StateError` if `folder`, which
        is made if need be, holds a run or files that would be lost, or cannot be written in."""
        folder = folder.absolute()
        facts = {"settings": settings, "seed": str(index(seed)), **(about or {})}
        with explaining(folder), ExitStack() as stack:
            _check_path(folder)
            folder.mkdir(parents=True, exist_ok=True)
            # Before the lock too: nothing is to be left in a folder that is refused.
            _check_unused(folder, settings)
            lock = acquire(folder)
            stack.callback(release, lock)
            _check_unused(folder, settings)
            database.create(folder, facts)
            store = cls(folder, lock)
            stack.pop_all()
            return store

    @classmethod
    def open(cls, folder: Path) -> Store:
        """The store of a run that is to go on. `StateError` if `folder` holds none, or one that is
        damaged, in use, or of another version."""
        folder = folder.absolute()
        with explaining(folder), ExitStack() as stack:
            _check_run(folder)
            lock = acquire(folder)
            stack.callback(release, lock)
            store = cls(folder, lock)
            stack.pop_all()
            return store

    def about(self, name: str) -> str | None:
        """What `create` was given to remember."""
        return self._about.get(name)

    def shelve(self, location: str) -> None:
        """Have hosts put snapshots at `location`; the saves only name them. Raises `StateError`."""
        with explaining(self.folder):
            # A copy of this run must not take the files of this one for its own.
            file = self._identity and self._identity[1]
            key, of = json.loads(self._about.get("snapshots", "[null, null]"))
            if key is None or of != file:
                key = secrets.token_hex(8)
                with self._transaction() as connection:
                    insert(connection, "about", [("snapshots", json.dumps([key, file]))])
            # A save that a loss of power took back would name files that are gone.
            self._connection.execute("PRAGMA synchronous = FULL")
            self._location = location
            saved = self._islands().values()
        self.shelf = Shelf(self.folder, location, key, saved)

    def _islands(self) -> dict[int, State]:
        islands = {
            island: from_text(state, island, self.folder) if isinstance(state, str) else state
            for island, state in select(self._connection, "islands")
        }
        return found(self.folder, islands, self._location)

    def save(
        self,
        *,
        reports: Sequence[Sequence[Counts]],
        course: dict[str, Any],
        islands: Mapping[int, State],
        hall: Sequence[Best],
        lineage: Sequence[Ancestor],
    ) -> None:
        """Add `reports`, each with one row per island; the rest replaces what there was. `course`
        is what JSON can hold; `hall` has the best program first.

        `StateError` if that fails: the state is that of the save before, and one may try again.
        """
        saved = False
        try:
            self._save(reports, course, islands, hall, lineage)
            saved = True
        finally:
            if self.shelf:
                self.shelf.end_save(islands, saved=saved)

    def _save(
        self,
        reports: Sequence[Sequence[Counts]],
        course: dict[str, Any],
        islands: Mapping[int, State],
        hall: Sequence[Best],
        lineage: Sequence[Ancestor],
    ) -> None:
        known, self._texts = self._texts, {}
        for program in [*(one.program for one in hall), *(one.program for one in lineage)]:
            name = id(program)
            self._texts[name] = known.get(name) or (program, str(program))
        best = self._numbered(hall)
        with explaining(self.folder):
            self._check_same()
            with self._transaction() as connection:
                last = connection.execute("SELECT coalesce(max(report), 0) FROM history")
                first = last.fetchone()[0] + 1
                for table in ("islands", "hall", "lineage"):
                    connection.execute(f"DELETE FROM {table}")
                for report, rows in enumerate(reports, first):
                    insert(connection, "history", ((report, *values(row, str)) for row in rows))
                insert(connection, "islands", ((index(n), self._kept(islands[n])) for n in islands))
                insert(connection, "hall", best)
                insert(connection, "lineage", self._numbered(lineage))
                insert(connection, "about", [("course", json.dumps(course))])
                # Before the end, so that a save that fails was none, and can be made again.
                export(self.folder, best)

    def _kept(self, state: State) -> bytes | str:
        return to_text(state, self.folder) if isinstance(state, Kept) else bytes(state)

    def restore(self) -> tuple[dict[str, Any], dict[int, State]] | None:
        """Course and islands of the last save, None before the first; `StateError` if they are not
        what was saved."""
        with explaining(self.folder):
            course = database.about(self._connection).get("course")
            return None if course is None else (json.loads(course), self._islands())

    def close(self) -> None:
        """Let go of the folder. Again does nothing."""
        if not held(self._lock):
            return
        if self.shelf:
            # Who was interrupted may have saved without having come to know it.
            with suppress(StateError), explaining(self.folder):
                self.shelf.close(self._islands().values())
        # What a search leaves is then one file, which can be copied, and read from any disk.
        with suppress(sqlite3.Error):
            if _identity(self.folder) == self._identity:
                self._connection.execute("PRAGMA busy_timeout = 0")
                self._connection.execute("PRAGMA journal_mode = DELETE")
        self._connection.close()
        release(self._lock)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _check(self, journal: str) -> None:
        """Make sure that the database is sound and can be written."""
        connection = self._connection
        (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise database.DamagedError(verdict.splitlines()[-1])
        connection.execute(f"PRAGMA journal_mode = {journal}")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(f"PRAGMA journal_size_limit = {_MOST_LOG_BYTES}")
        with self._transaction():
            pass

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            # After some errors SQLite has done so itself.
            if connection.in_transaction:
                with suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
            raise

    def _check_same(self) -> None:
        # SQLite itself goes on writing to a file that is no longer there, without an error.
        if _identity(self.folder) != self._identity:
            what, do = f"{DATABASE} where this search made it", "start anew with another --out"
            raise error(self.folder, what, "none, or another", do)

    def _numbered(self, programs: Sequence[Best | Ancestor]) -> list[Row]:
        """Rows of the table of `programs`."""

        def text(program: Program) -> str:
            return self._texts[id(program)][1]

        return [(rank, *values(one, text)) for rank, one in enumerate(programs, 1)]


# ---- reading ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Saved:
    """What one save left for reading. `about`: what the run says of itself; `course`: what JSON
    can hold, empty before the first save; the others as those that read them alone give them."""

    about: dict[str, str]
    course: dict[str, Any]
    history: list[list[Counts]]
    hall: list[Best]
    lineage: list[Ancestor]


def read_saved(folder: Path) -> Saved:
    """All there is to read of the run in `folder`, of one moment."""
    facts, history, hall, lineage = _read(folder, "about", "history", "hall", "lineage")
    about: dict[str, str] = dict(facts)
    return Saved(
        about=about,
        course=json.loads(about.pop("course", "{}")),
        history=_reports(history),
        hall=[made(Best, row) for row in hall],
        lineage=[made(Ancestor, row) for row in lineage],
    )


def read_history(folder: Path) -> list[list[Counts]]:
    """The reports of the run in `folder`, in order; each is the counts of its islands, in order.

    As the others that read, it may be called while a search runs there or after it was killed, and
    raises `StateError` where there is no run, or one that is damaged or of another format.
    """
    return _reports(*_read(folder, "history"))


def _reports(rows: Sequence[Row]) -> list[list[Counts]]:
    reports = groupby(rows, itemgetter(0))
    return [[made(Counts, row) for row in rows] for _, rows in reports]


def read_hall(folder: Path) -> list[Best]:
    """The best programs of the run in `folder`, the best first."""
    return [made(Best, row) for row in _read(folder, "hall")[0]]


def read_lineage(folder: Path) -> list[Ancestor]:
    """The lineage of the best program of the run in `folder`, in the order it was saved in."""
    return [made(Ancestor, row) for row in _read(folder, "lineage")[0]]


def _read(folder: Path, *tables: str) -> list[list[Row]]:
    folder = folder.absolute()
    with explaining(folder):
        _check_run(folder)
        try:
            connection = database.connect(folder, "ro")
        except sqlite3.Error as problem:
            # Killed while it began or ended the log: SQLite must undo that before one can read.
            if getattr(problem, "sqlite_errorcode", 0) != sqlite3.SQLITE_READONLY_ROLLBACK:
                raise
            connection = database.connect(folder, "rw")
        with closing(connection):
            # One transaction, so that all tables are of one save.
            connection.execute("BEGIN")
            return [select(connection, table) for table in tables]


# ---- files --------------------------------------------------------------------------------------


def _check_path(folder: Path) -> None:
    if (length := len(os.fsencode(folder))) > _MOST_PATH_BYTES:
        what = f"a path of at most {_MOST_PATH_BYTES} bytes"
        raise error(folder, what, f"one of {length}", "use another --out")


def _check_unused(folder: Path, settings: str) -> None:
    if os.path.lexists(folder / DATABASE):
        raise error(folder, "a folder without a run", "one", "use --resume, or another --out")
    for name in (_SETTINGS, BEST, HALL):
        if not os.path.lexists(folder / name):
            continue
        if name != _SETTINGS or (folder / name).read_bytes() != settings.encode():
            what = f"a folder without {name}, which would be lost"
            raise error(folder, what, "one with it", "remove it, or use another --out")


def _check_run(folder: Path) -> None:
    _check_path(folder)
    if not os.path.isfile(folder / DATABASE):
        what = f"the folder of a search, with {DATABASE} in it"
        got = "a folder without it" if os.path.isdir(folder) else "no such folder"
        raise error(folder, what, got, "give what --out was")


def _identity(folder: Path) -> tuple[int, int] | None:
    """What tells the database in `folder` from another that replaces it; None if gone."""
    try:
        return which(os.stat(folder / DATABASE))
    except OSError:
        return None
