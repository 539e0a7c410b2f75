"""Experiments from beginning to end: on the command line, interrupted, killed, and gone on with."""

from __future__ import annotations

import json
import random
import shutil
import signal
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from paper_files import DIGITS, FINAL, SMALL
from search_processes import children, finish, start, wait_until_gone

from azc.errors import ConfigError
from azc.paper import find
from azc.paper.plan import Options
from azc.paper.running import run

#: Of a trial, what does not depend on the clock.
SAME = ("solved", "programs", "evaluated", "level1", "level2", "fitness", "program", "course",
        "lineage")  # fmt: skip
ABLATION = ("paper", "figure8", "--only", "baseline", "--only", "migration", "--seeds", "2")


def options(overrides: tuple[str, ...]) -> list[str]:
    return [word for override in overrides for word in ("--set", override)]


def recorded(folder: Path) -> dict[tuple[str, int], dict[str, Any]]:
    with closing(sqlite3.connect(folder / "record.sqlite")) as connection:
        rows = connection.execute("SELECT arm, seed, document FROM trials").fetchall()
    found = {(arm, seed): json.loads(document) for arm, seed, document in rows}
    return {key: {name: each[name] for name in SAME} for key, each in found.items()}


def wait_for_searches(folder: Path, count: int, process: Any) -> None:
    """Until so many searches have begun."""
    while len(list(folder.glob("searches/*/run.sqlite"))) < count:
        assert process.poll() is None
        time.sleep(0.005)


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """Where an experiment that nobody disturbs was run."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    code, out, err = finish(start(*ABLATION, "--out", folder, *options(SMALL)))
    assert code == 0, err
    assert "Best programs of searches on T_select" in out
    return folder


def test_what_is_left(whole):
    names = {path.name for path in whole.iterdir()}
    assert {"record.sqlite", "searches", "findings.md", "data.csv", "data.json"} <= names
    assert (whole / "data.csv").read_text().count("\n") == 5
    assert {path.name for path in (whole / "searches").iterdir()} == {
        "baseline-1", "baseline-2", "--migration-1", "--migration-2",
    }  # fmt: skip


def test_killed_and_resumed(tmp_path, whole):
    """However often it is killed, the trials are those of the experiment that was not."""
    chance, folder, kills = random.Random(5), tmp_path / "run", 0
    process = start(*ABLATION, "--out", folder, *options(SMALL))
    wait_for_searches(folder, 1, process)
    while True:
        if process.poll() is None and kills < 3:
            process.kill()
            kills += 1
        code, _, err = finish(process)
        if code == 0:
            break
        assert code == -signal.SIGKILL, err
        process = start(*ABLATION[:2], "--out", folder, "--resume")
        time.sleep(0.5 + chance.random())
    assert kills
    assert recorded(folder) == recorded(whole)


def test_goes_on_with_more_seeds(tmp_path, whole):
    folder = tmp_path / "run"
    shutil.copytree(whole, folder)
    before = recorded(folder)
    outcome = run(find("figure8"), Options(seeds=3), folder, resume=True)
    assert outcome.done
    assert outcome.trials == 6
    assert before.items() <= recorded(folder).items()


def test_goes_on_as_it_began(whole):
    with pytest.raises(ConfigError, match="only: expected"):
        run(find("figure8"), Options(only=("FEC",)), whole, resume=True)
    with pytest.raises(ConfigError, match="experiment: expected 'figure8'"):
        run(find("figure4"), Options(), whole, resume=True)


def test_side_by_side(tmp_path, whole):
    """Trials are the same whatever runs beside them."""
    folder = tmp_path / "run"
    code, _, err = finish(start(*ABLATION, "--workers", 2, "--out", folder, *options(SMALL)))
    assert code == 0, err
    assert recorded(folder) == recorded(whole)


def test_what_a_worker_meets_is_told(tmp_path):
    wrong = ("tasks.search.task=cifar10:search", "hurdles=")
    code, _, err = finish(
        start(*ABLATION, "--workers", 2, "--out", tmp_path / "run", "--data", tmp_path,
              *options((*SMALL, *wrong)))
    )  # fmt: skip
    assert code == 2
    assert ", seed 1: tasks.search: expected the files of cifar10" in err


def test_workers_end_with_who_started_them(tmp_path):
    folder = tmp_path / "run"
    process = start(*ABLATION, "--workers", 2, "--out", folder, "--hours", 1, *options(DIGITS))
    wait_for_searches(folder, 2, process)
    workers = children(process.pid)
    assert len(workers) == 2
    process.kill()
    wait_until_gone(workers)
    finish(process)


@pytest.mark.parametrize("workers", [1, 2])
def test_interrupted(tmp_path, workers):
    folder = tmp_path / "run"
    endless = (*DIGITS, "search.islands=2", "search.interval=200")
    words = ("--out", folder, "--hours", 1, "--workers", workers, *options(endless))
    process = start(*ABLATION, *words)
    wait_for_searches(folder, workers, process)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    code, out, err = finish(process)
    assert code == 1, err
    assert "interrupted; go on with --resume" in err
    assert "0 of 0" in out
    assert recorded(folder) == {}


def test_random_search_of_figure4(tmp_path):
    """One arm, with the little time that it takes to draw some programs."""
    outcome = run(
        find("figure4"),
        Options(hours=1e-4, seeds=1, only=("linear / random",), overrides=("space.setup.size=1",)),
        tmp_path / "run",
    )
    (point,) = outcome.findings.data["points"]
    assert point["programs"] > 0
    # A search of which only the counts matter leaves nothing else.
    assert not (tmp_path / "run" / "searches").exists()


def test_final(tmp_path):
    outcome = run(find("final"), Options(hours=1e-5, seeds=2, overrides=FINAL), tmp_path / "run")
    found = outcome.findings.data["programs"]
    assert outcome.done
    assert {len(one["values"]) for one in found.values()} == {1}
    assert all(one["fitting"]["trials"] >= 1 for one in found.values())
    assert all(0.0 <= value <= 1.0 for one in found.values() for value in one["values"])


def test_what_cannot_be_asked_for(tmp_path):
    for wrong, message in (
        (Options(variant="other"), "one of the variants of figure8"),
        (Options(program="linear"), "no program with figure8"),
        (Options(only=("nothing",)), "--only: expected a part of one of 'baseline'"),
    ):
        with pytest.raises(ConfigError, match=message):
            run(find("figure8"), wrong, tmp_path / "run")
    assert not (tmp_path / "run").exists()
