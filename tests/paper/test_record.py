"""The record of an experiment: kept as soon as it is added, and refused where it is none."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from azc.errors import StateError
from azc.paper.record import RECORD, Record, Trial

#: Adds trials without end.
ADDS = """
import sys
from pathlib import Path
from azc.paper.record import Record
record = Record.open(Path(sys.argv[1]))
for seed in range(10**9):
    record.add("a", seed, {"seconds": 1.0, "text": "x" * 5000})
    print(seed, flush=True)
"""


def test_kept(tmp_path):
    with Record.create(tmp_path / "new", {"arms": []}) as record:
        record.add("b", 2, {"seconds": 1.0})
        record.add("a", 1, {"seconds": 2.0, "fitness": None})
    with Record.open(tmp_path / "new") as record:
        assert record.about("plan") == {"arms": []}
        assert record.about("other") is None
        first, second = record.trials()
        assert first == Trial("a", 1, {"seconds": 2.0, "fitness": None})
        assert second.arm == "b"


def test_facts_are_made_once(tmp_path):
    made: list[int] = []

    def make() -> dict[str, float]:
        made.append(1)
        return {"value": 0.1}

    with Record.create(tmp_path, {}) as record:
        assert record.fact("network", make) == record.fact("network", make) == {"value": 0.1}
    assert made == [1]


def test_what_is_not_finite_is_refused(tmp_path):
    with Record.create(tmp_path, {}) as record:
        with pytest.raises(ValueError, match="JSON"):
            record.add("a", 1, {"seconds": float("nan")})
        assert record.trials() == []


def test_killed_while_adding(tmp_path):
    Record.create(tmp_path, {}).close()
    process = subprocess.Popen(
        [sys.executable, "-c", ADDS, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    told = [int(process.stdout.readline()) for _ in range(20)]
    with pytest.raises(StateError, match="no other process"):
        Record.open(tmp_path)
    process.kill()
    told += [int(line) for line in process.stdout.read().splitlines() if line.isdigit()]
    process.stdout.close()
    process.wait()
    with Record.open(tmp_path) as record:
        kept = [trial.seed for trial in record.trials()]
    assert kept == list(range(len(kept)))
    assert len(kept) >= max(told)


def test_there_is_one(tmp_path):
    Record.create(tmp_path, {}).close()
    with pytest.raises(StateError, match="go on with it with --resume"):
        Record.create(tmp_path, {})


def test_there_is_none(tmp_path):
    with pytest.raises(StateError, match="no such folder"):
        Record.open(tmp_path / "none")
    with pytest.raises(StateError, match="a folder without it"):
        Record.open(tmp_path)


def test_something_else(tmp_path):
    path = tmp_path / RECORD
    path.write_bytes(b"no database" * 100)
    with pytest.raises(StateError, match="expected a record of an experiment"):
        Record.open(tmp_path)
    os.unlink(path)
    sqlite3.connect(path).close()
    with pytest.raises(StateError):
        Record.open(tmp_path)


def test_another_version(tmp_path):
    with Record.create(tmp_path, {}) as record:
        record.note("format", 99)
    with pytest.raises(StateError, match="got format 99"):
        Record.open(tmp_path)


def test_killed_before_it_was_there(tmp_path):
    Path(tmp_path, f".{RECORD}.new").write_bytes(b"half")
    Record.create(tmp_path, {}).close()
