"""`azc history`."""

from __future__ import annotations

import csv
import io
import math
import os

import pytest

from azc.search.report import Counts
from azc.search.store import Store

TITLES = [
    *("report", "island", "run", "programs", "evaluated", "level1", "level2", "filtered"),
    *("over_budget", "hurdled", "steps", "received", "niches", "best", "mean"),
]
ROWS = [
    Counts(0, 1, 10, 2, 3, 4, 5, 1, 0, 2000, 0, 0, math.nan, math.nan),
    Counts(1, 1, 11, 3, 3, 4, 6, 0, 1, 3000, 0, 0, 1 / 3, -0.0),
    Counts(0, 2, 20, 4, 6, 8, 9, 1, 1, 4000, 1, 0, 0.987654321, math.inf),
    Counts(1, 1, 2**53 + 1, 5, 6, 8, 9, 1, 2, 2**62, 1, 7, 1.0, 0.25),
]


@pytest.fixture
def folder(tmp_path):
    """The folder of a search that made two reports and is still running."""
    folder = tmp_path / "a run"
    with Store.create(folder, "", seed=1) as store:
        for rows in (ROWS[:2], ROWS[2:]):
            store.save(reports=[rows], course={}, islands={}, hall=[], lineage=[])
            store.save(reports=[], course={}, islands={}, hall=[], lineage=[])
        yield folder


def test_table(azc, folder):
    outcome = azc("history", folder)
    assert (outcome.code, outcome.err) == (0, "")
    titles, *lines = outcome.out.splitlines()
    assert titles.split() == TITLES
    assert [line.split()[:3] for line in lines] == [
        ["1", "0", "1"],
        ["1", "1", "1"],
        ["2", "0", "2"],
        ["2", "1", "1"],
    ]
    # A population without a fitness has none to show.
    assert len(lines[0].split()) == len(TITLES) - 2
    assert lines[1].split()[-2:] == ["0.333333", "-0.000000"]
    assert " ".join(lines[2].split()[3:]) == "20 4 6 8 9 1 1 4000 1 0 0.987654 inf"
    assert lines[3].split()[3] == str(2**53 + 1)


def test_csv(azc, folder):
    outcome = azc("history", folder, "--csv")
    assert (outcome.code, outcome.err) == (0, "")
    assert "\r" not in outcome.out
    titles, *lines = csv.reader(io.StringIO(outcome.out))
    assert titles == TITLES
    for number, (line, counts) in enumerate(zip(lines, ROWS, strict=True)):
        values = dict(zip(titles, line, strict=True))
        assert values.pop("report") == str(number // 2 + 1)
        assert values == {name: str(getattr(counts, name)) for name in values}


def test_json(azc, folder):
    outcome = azc("history", folder, "--json")
    assert (outcome.code, outcome.err) == (0, "")
    for number, (document, counts) in enumerate(zip(outcome.json, ROWS, strict=True)):
        assert list(document) == TITLES
        assert document.pop("report") == number // 2 + 1
        assert document == {
            name: value if math.isfinite(value) else None
            for name in document
            for value in [getattr(counts, name)]
        }


def test_every_count_is_shown():
    assert ["report", *Counts.__dataclass_fields__] == TITLES


def test_nothing_reported_yet(azc, tmp_path):
    with Store.create(tmp_path / "run", "", seed=1):
        assert azc("history", tmp_path / "run").out.split() == TITLES
        assert azc("history", tmp_path / "run", "--csv").out == ",".join(TITLES) + "\n"
        assert azc("history", tmp_path / "run", "--json").json == []


def test_looking_changes_nothing(azc, tmp_path):
    Store.create(tmp_path, "", seed=1).close()
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert azc("history", tmp_path).code == 0
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("options", [[], ["--csv"], ["--json"]], ids=" ".join)
def test_wrong_folders(azc, tmp_path, options):
    (tmp_path / "file").write_text("")
    os.mkdir(tmp_path / "damaged")
    (tmp_path / "damaged" / "run.sqlite").write_bytes(b"?" * 5000)
    for name, got in {
        "none": "no such folder; give what --out was",
        "file": "no such folder; give what --out was",
        ".": "a folder without it; give what --out was",
        "damaged": "file is not a database; restore a copy of it, or start anew",
        "x" * 500: "one of ",
    }.items():
        outcome = azc("history", tmp_path / name, *options)
        assert (outcome.code, outcome.out) == (2, "")
        assert outcome.err.startswith(f"error: {tmp_path}")
        assert ": expected " in outcome.err
        assert f", got {got}" in outcome.err


def test_names_are_no_commands_to_a_terminal(azc, tmp_path):
    outcome = azc("history", tmp_path / "\x1b[31m")
    assert outcome.code == 2
    assert "\x1b" not in outcome.err


def test_one_form_at_a_time(azc, folder):
    outcome = azc("history", folder, "--csv", "--json")
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith("error: expected at most one of --csv and --json, got both\n")
    assert azc("history").code == 2
