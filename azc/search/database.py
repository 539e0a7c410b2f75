"""The database in the folder of a search: tables, rows that know whether they are what was written,
and what can go wrong with files.

Every row ends with an XXH3-64 of what is before it: SQLite finds damage to its own structures, but
not to the values in them.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import fields
from operator import index
from pathlib import Path
from typing import Any, TypeVar

import xxhash

from azc.errors import StateError, expected
from azc.ops import TABLE_VERSION
from azc.program import Program
from azc.search.report import Ancestor, Best, Counts
from azc.version import VERSION

__all__ = [
    "DATABASE",
    "FORMAT",
    "DamagedError",
    "Row",
    "about",
    "connect",
    "create",
    "error",
    "explaining",
    "insert",
    "lacks_shared_memory",
    "leave_log",
    "made",
    "select",
    "values",
]

DATABASE = "run.sqlite"
#: Another number after a change of the tables, so also of the fields of `Counts`, `Best` and
#: `Ancestor`, or of what a value in them means.
FORMAT = 5
#: In the head of the file, so that it is known from other databases.
_APPLICATION = int.from_bytes(b"azcS")
#: Snapshots of islands are megabytes, which large pages take in less time.
_PAGE_BYTES = 16384
#: Seconds to wait for other programs that have the database locked.
_PATIENCE = 10.0

#: What each row of a table holds, and by what rows are told apart.
_HELD: dict[str, tuple[type[Any], tuple[str, ...]]] = {
    "history": (Counts, ("report", "island")),
    "hall": (Best, ("place",)),
    "lineage": (Ancestor, ("place",)),
}
_KEYS = {"about": ("name",), "islands": ("island",)} | {
    table: keys for table, (_, keys) in _HELD.items()
}
#: What `about` cannot do without.
_ABOUT = ("azc", "ops", "settings", "seed")

Row = tuple[Any, ...]
_T = TypeVar("_T", Counts, Best, Ancestor)


class DamagedError(Exception):
    """The database is not as azc wrote it; the message says what is wrong."""


def create(folder: Path, facts: Mapping[str, str]) -> None:
    """Put a database in `folder` that says `facts` about itself, and our versions.

    It appears at once: one that is there is complete.
    """
    path = folder / f".{DATABASE}.new"
    # A log that is left of a removed database would be taken for the new one's.
    for left in (path, *(folder / f"{DATABASE}-{part}" for part in ("wal", "shm", "journal"))):
        left.unlink(missing_ok=True)
    with closing(_open(path, "rwc")) as connection:
        connection.execute("PRAGMA journal_mode = MEMORY")
        connection.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
        connection.execute("BEGIN")
        connection.execute(f"PRAGMA application_id = {_APPLICATION}")
        connection.execute(f"PRAGMA user_version = {FORMAT}")
        for table, columns in _columns().items():
            # Without types, because in a column of type REAL zero loses its sign.
            names, keys = _names(columns), _names(_KEYS[table])
            connection.execute(f"CREATE TABLE {table} ({names}, PRIMARY KEY ({keys}))")
        facts = {"azc": VERSION, "ops": str(TABLE_VERSION), **facts}
        insert(connection, "about", facts.items())
        connection.execute("COMMIT")
    os.rename(path, folder / DATABASE)


def connect(folder: Path, mode: str) -> sqlite3.Connection:
    """A connection to the database in `folder`, which must be one of this format.

    `mode`: ``"ro"`` to read, ``"rw"`` to write, too.
    """
    with ExitStack() as stack:
        connection = stack.enter_context(closing(_open(folder / DATABASE, mode)))
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if application != _APPLICATION:
            raise DamagedError("a database of something else")
        if version != FORMAT:
            do = "use the version of azc that began it"
            raise error(folder, f"a run of format {FORMAT}", f"one of format {version}", do)
        stack.pop_all()
        return connection


def leave_log(folder: Path) -> None:
    """Have the database in `folder` do without a write-ahead log, and put in what is in that."""
    with closing(_open(folder / DATABASE, "rw")) as connection:
        # The only way of using a log without memory that processes share.
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("PRAGMA journal_mode = DELETE")
    (folder / f"{DATABASE}-shm").unlink(missing_ok=True)


def _open(path: Path, mode: str) -> sqlite3.Connection:
    name = f"{path.as_uri()}?mode={mode}"
    connection = sqlite3.connect(name, uri=True, timeout=_PATIENCE, isolation_level=None)
    # Damaged text shows by its digest.
    connection.text_factory = lambda data: data.decode(errors="surrogateescape")
    return connection


def _columns() -> dict[str, list[str]]:
    """The names of the columns of each table."""
    columns = {"about": ["name", "value"], "islands": ["island", "state"]}
    for table, (kind, keys) in _HELD.items():
        columns[table] = [keys[0], *(field.name for field in fields(kind))]
    return {table: [*names, "digest"] for table, names in columns.items()}


def _names(columns: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in columns)


# ---- rows ---------------------------------------------------------------------------------------


def insert(connection: sqlite3.Connection, table: str, rows: Iterable[Row]) -> None:
    """Write `rows`, instead of those with the same keys."""
    for row in rows:
        marks = "?, " * len(row)
        connection.execute(f"REPLACE INTO {table} VALUES ({marks}?)", (*row, _digest(row)))


def select(connection: sqlite3.Connection, table: str) -> list[Row]:
    """The rows of `table`, in the order of their keys; `DamagedError` if one was changed."""
    rows = []
    keys = _names(_KEYS[table])
    for *row, digest in connection.execute(f"SELECT * FROM {table} ORDER BY {keys}"):
        if _digest(row) != digest:
            raise DamagedError(f"another checksum in its table {table}")
        rows.append(tuple(row))
    return rows


def about(connection: sqlite3.Connection) -> dict[str, str]:
    """What the database says about itself."""
    facts: dict[str, str] = dict(select(connection, "about"))
    if lost := [name for name in _ABOUT if name not in facts]:
        raise DamagedError(f"no {' and '.join(lost)}")
    return facts


def _digest(row: Iterable[Any]) -> str:
    digest = xxhash.xxh3_64()
    for value in row:
        data = value if isinstance(value, bytes) else repr(value).encode()
        digest.update(b"%d:" % len(data))
        digest.update(data)
    return str(digest.hexdigest())


def values(one: Counts | Best | Ancestor, text: Callable[[Program], str]) -> Row:
    """The fields of `one` as SQLite keeps them; `text` prints programs."""

    def value(field: Any) -> str | float | int | None:
        if field is None or isinstance(field, str):
            return field
        if isinstance(field, Program):
            return text(field)
        if isinstance(field, float):
            # For SQLite NaN is NULL, and that is None.
            return "nan" if field != field else float(field)
        return index(field)

    return tuple(value(getattr(one, field.name)) for field in fields(one))


def made(kind: type[_T], row: Row) -> _T:
    """What `values` were taken from; before them, `row` has the number of a report, or a rank."""
    makers: dict[str, Callable[[Any], Any]] = {"Program": _parse, "float": float}
    result = []
    for field, value in zip(fields(kind), row[1:], strict=True):
        make = makers.get(str(field.type).partition(" ")[0])
        result.append(value if make is None or value is None else make(value))
    return kind(*result)


def _parse(text: str) -> Program:
    # Not above: who reads numbers only need not wait for the language.
    from azc.lang import parse

    return parse(text)


# ---- errors -------------------------------------------------------------------------------------

_ROOM = "room for what a search saves", "make room, and go on with --resume"
_ACCESS = "a folder that can be read and written", "check its path and permissions"
_SOUND = f"{DATABASE} as azc wrote it", "restore a copy of it, or start anew with another --out"
_FREE = f"{DATABASE} not locked by another program", "close what has it open"
_SHARED = (
    "a file system whose files can be mapped as shared memory, to read where a search was killed",
    "go on with --resume, or copy the folder to such a one",
)
_DISK = "a disk that works", "check it, and go on with --resume"
_CODES = {
    sqlite3.SQLITE_FULL: _ROOM,
    sqlite3.SQLITE_READONLY: _ACCESS,
    sqlite3.SQLITE_PERM: _ACCESS,
    sqlite3.SQLITE_CANTOPEN: _ACCESS,
    sqlite3.SQLITE_BUSY: _FREE,
    sqlite3.SQLITE_LOCKED: _FREE,
    sqlite3.SQLITE_PROTOCOL: _FREE,
    sqlite3.SQLITE_IOERR: _DISK,
}
_SHARED_CODES = (
    sqlite3.SQLITE_IOERR_SHMOPEN,
    sqlite3.SQLITE_IOERR_SHMSIZE,
    sqlite3.SQLITE_IOERR_SHMLOCK,
    sqlite3.SQLITE_IOERR_SHMMAP,
)
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def explaining(folder: Path | str) -> Iterator[None]:
    """What goes wrong with the files in `folder` becomes a `StateError`."""
    try:
        yield
    except DamagedError as damage:
        raise error(folder, _SOUND[0], damage, _SOUND[1]) from None
    except sqlite3.Error as problem:
        # Without a code it is not SQLite's finding, but a mistake in calling it.
        if (code := getattr(problem, "sqlite_errorcode", None)) is None:
            raise
        what, do = _SHARED if lacks_shared_memory(problem) else _CODES.get(code & 0xFF, _SOUND)
        raise error(folder, what, problem, do) from problem
    except OSError as problem:
        what, do = _ROOM if problem.errno in _FULL else _ACCESS
        raise error(folder, what, problem.strerror or problem, do) from problem


def lacks_shared_memory(problem: sqlite3.Error) -> bool:
    """Whether that is what the file system lacks, and SQLite's write-ahead log needs."""
    return getattr(problem, "sqlite_errorcode", None) in _SHARED_CODES


def error(folder: Path | str, what: str, got: object, do: str) -> StateError:
    """The error about `folder` that says so."""
    return StateError(f"{folder}: {expected(what, got, do)}", full=what == _ROOM[0])
