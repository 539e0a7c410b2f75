"""The record of an experiment: what it consists of, and every trial that has ended.

    DIR/record.sqlite
        about    name TEXT, value TEXT             what the experiment is, and facts that it needs
        trials   arm TEXT, seed INT, document TEXT what came of a trial, as JSON

A trial is added in one transaction, so who is killed leaves those that have ended whole, and no
part of another. The database stays locked while it is open: one process at a time.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from azc.errors import StateError, expected

__all__ = ["RECORD", "Record", "Trial"]

RECORD = "record.sqlite"
#: Another number after a change of what documents mean.
_FORMAT = 1

_TABLES = """
CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE trials (arm TEXT, seed INTEGER, document TEXT NOT NULL, PRIMARY KEY (arm, seed))
WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Trial:
    """One trial that has ended: of which arm, with which seed, and what came of it."""

    arm: str
    seed: int
    document: dict[str, Any]


class Record:
    """The record in one folder; a context manager that closes it."""

    def __init__(self, folder: Path, connection: sqlite3.Connection) -> None:
        """Use `create` or `open`."""
        self.folder = folder
        self._connection = connection
        # Asked for after every trial, of which there may be thousands.
        self._trials: dict[tuple[str, int], Trial] = {}

    @classmethod
    def create(cls, folder: Path, plan: dict[str, Any]) -> Record:
        """A new record of the experiment that `plan` (JSON) describes.

        Raises `StateError` if there is one.
        """
        path = folder / RECORD
        if os.path.lexists(path):
            do = "go on with it with --resume, or use another --out"
            raise StateError(f"{folder}: {expected(f'a folder without {RECORD}', 'one', do)}")
        folder.mkdir(parents=True, exist_ok=True)
        # Made beside it and moved, so that a record that is there is complete.
        new = folder / f".{RECORD}.new"
        new.unlink(missing_ok=True)
        connection = sqlite3.connect(new)
        try:
            connection.executescript(_TABLES)
            about = {"format": _FORMAT, "plan": plan}
            rows = [(name, json.dumps(value)) for name, value in about.items()]
            connection.executemany("INSERT INTO about VALUES (?, ?)", rows)
            connection.commit()
        finally:
            connection.close()
        os.replace(new, path)
        return cls.open(folder)

    @classmethod
    def open(cls, folder: Path) -> Record:
        """The record in `folder`. Raises `StateError` if there is none, or it is damaged, in use,
        or of another version."""
        path = folder / RECORD
        if not path.is_file():
            got = "a folder without it" if folder.is_dir() else "no such folder"
            do = "give what --out was, or leave --resume out"
            raise StateError(f"{folder}: {expected(f'an experiment, with {RECORD}', got, do)}")
        try:
            connection = sqlite3.connect(path, timeout=1.0)
            try:
                connection.execute("PRAGMA locking_mode = EXCLUSIVE")
                connection.execute("BEGIN EXCLUSIVE")
                connection.execute("COMMIT")
                record = cls(folder, connection)
                version = record.about("format")
                record._load()
            except BaseException:
                connection.close()
                raise
        except sqlite3.OperationalError as error:
            if "locked" not in str(error):
                raise StateError(f"{path}: {error}") from error
            do = "wait until it has ended"
            raise StateError(
                f"{folder}: {expected('no other process at work here', 'one', do)}"
            ) from None
        except (sqlite3.DatabaseError, ValueError) as error:
            what = expected("a record of an experiment", f"something else ({error})")
            raise StateError(f"{path}: {what}") from None
        if version != _FORMAT:
            connection.close()
            what = expected(f"a record of format {_FORMAT}", f"format {version}", "begin anew")
            raise StateError(f"{path}: {what}")
        return record

    def about(self, name: str) -> Any:
        """What the record says of itself under `name`; None if nothing."""
        row = self._connection.execute("SELECT value FROM about WHERE name = ?", (name,)).fetchone()
        return None if row is None else json.loads(row[0])

    def note(self, name: str, value: Any) -> None:
        """Keep `value` (JSON) under `name`."""
        with self._connection:
            self._connection.execute(
                "INSERT OR REPLACE INTO about VALUES (?, ?)", (name, json.dumps(value))
            )

    def fact(self, name: str, make: Callable[[], Any]) -> Any:
        """What `make` returns (JSON), made once for the experiment."""
        name = f"fact: {name}"
        fact = self.about(name)
        if fact is None:
            fact = make()
            self.note(name, fact)
        return fact

    def add(self, arm: str, seed: int, document: dict[str, Any]) -> None:
        """Keep what came of a trial."""
        with self._connection:
            self._connection.execute(
                "INSERT INTO trials VALUES (?, ?, ?)",
                (arm, seed, json.dumps(document, allow_nan=False)),
            )
        self._trials[arm, seed] = Trial(arm, seed, document)

    def trials(self) -> list[Trial]:
        """All trials that have ended, by arm and seed."""
        return [self._trials[key] for key in sorted(self._trials)]

    def _load(self) -> None:
        for arm, seed, document in self._connection.execute("SELECT * FROM trials"):
            self._trials[arm, seed] = Trial(arm, seed, json.loads(document))

    def close(self) -> None:
        """Let go of the folder."""
        with suppress(sqlite3.Error):
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
