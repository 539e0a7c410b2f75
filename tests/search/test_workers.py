"""Islands shared out to processes: the same course, and no process left of it, whatever ends it."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from search_files import SMALL, changed, left, save, small, told
from search_processes import (
    children,
    finish,
    last_document,
    next_report,
    start,
    wait_until_gone,
)

from azc.errors import ResourceError
from azc.search import Search, workers
from azc.search.islands import Host
from azc.search.workers import Here, Processes

FULL = os.environ.get("AZC_VERIFY") == "1"

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")

FOUR = ("search.islands=4", "search.stop={programs=8000}")
MGG = ("search.method='mgg'", "search.children=4", "search.filter=true")
#: One that runs until it is ended.
ENDLESS = (*FOUR, "search.stop={seconds=1000}")


@pytest.fixture(autouse=True)
def nothing_is_left():
    """No test leaves a process behind."""
    before = set(children(os.getpid()))
    yield
    assert set(children(os.getpid())) <= before


def arguments(*changes: str) -> dict[str, Any]:
    settings = changed(*FOUR, *changes, text=SMALL)
    return {"settings": settings, "tasks": settings.make_tasks("search"), "seed": 1, "vector": None}


def processes(count: int, *changes: str) -> Processes:
    given = arguments(*changes)
    return Processes(lambda numbers: {**given, "numbers": numbers}, 4, count)


# ---- the same course ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "counts"), [((), (1, 2)), (MGG, (1, 3))], ids=["regularized-evolution", "mgg"]
)
def test_workers_change_nothing(tmp_path, monkeypatch, method, counts):
    found = []
    # What lies in the current folder is not imported.
    for name in ("socket", "azc", "random", "numpy", "worker"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('imported from the folder')\n")
    monkeypatch.chdir(tmp_path)
    for count in counts:
        folder = tmp_path / str(count)
        outcome = small(*FOUR, *method).run(seed=5, workers=count, out=folder)
        assert outcome.report.workers == count
        assert {row.island for row in outcome.history[-1]} == {0, 1, 2, 3}
        assert outcome.report.total("received") > 0
        found.append((told(outcome), left(folder)))
    assert found[0] == found[1]


def test_methods_are_those_of_the_host():
    here = Here(Host(**arguments(), numbers=(0, 1, 2, 3)))
    there = processes(3)
    try:
        for each in (here, there):
            slices = each.run([2, 0, 3], 50, 100.0)
            assert sorted(made.island for made in slices) == [0, 2, 3]
        before = there.cpu_seconds()
        assert [made.island for made in there.run([3, 1], 2000, 100.0)] == [1, 3]
        assert there.cpu_seconds() > before > 0.0
        here.run([1, 3], 2000, 100.0)
        for island, programs in enumerate((50, 2000, 50, 2000)):
            counts = here.call(island, "counts")
            assert counts == there.call(island, "counts")
            assert (counts.island, counts.programs) == (island, programs)
        # Islands are dealt out in turn.
        assert [sorted(state) for state in there.call_all("save")] == [[0, 3], [1], [2]]
        # Errors come from there, and the workers go on after one.
        with pytest.raises(AttributeError):
            there.call(1, "no_such_method")
        with pytest.raises(ValueError, match="snapshot"):
            there.call_all("load", dict.fromkeys(range(4), b""))
    finally:
        there.close()


# ---- what goes wrong ----------------------------------------------------------------------------


def test_a_host_that_cannot_be_made():
    with pytest.raises(TypeError):
        Processes(lambda numbers: {"wrong": numbers}, 4, 2)


def test_a_worker_that_cannot_be_started(monkeypatch):
    started = []
    real = subprocess.Popen

    def popen(*arguments, **settings):
        if started:
            raise BlockingIOError(11, "Resource temporarily unavailable")
        started.append(real(*arguments, **settings))
        return started[0]

    monkeypatch.setattr(subprocess, "Popen", popen)
    with pytest.raises(ResourceError, match="Resource temporarily unavailable; use fewer workers"):
        processes(2)
    assert started[0].returncode is not None


def test_a_worker_that_hangs_is_killed(monkeypatch):
    monkeypatch.setattr(workers, "_PATIENCE", 0.1)
    there = processes(2)
    hanging = children(os.getpid())
    for process in hanging:
        os.kill(process, signal.SIGSTOP)
    there.close()
    wait_until_gone(hanging)


def test_a_worker_that_is_killed(tmp_path):
    """The search ends with an error that says so, and goes on from what was saved."""
    killed = []

    def kill(report):
        if report.settled and len(report.islands) == 4 and not killed:
            killed.append(children(os.getpid())[-1])
            os.kill(killed[0], signal.SIGKILL)

    with pytest.raises(ResourceError) as caught:
        small(*FOUR).run(workers=2, out=tmp_path / "run", report=kill)
    assert killed
    assert str(caught.value) == (
        "expected a worker that lives, got one that ended (SIGKILL); "
        "what was saved is whole: go on with --resume"
    )
    resumed = Search.resume(tmp_path / "run").run()
    whole = small(*FOUR).run(out=tmp_path / "whole")
    assert told(resumed) == told(whole)
    assert left(tmp_path / "run") == left(tmp_path / "whole")


def running(tmp_path: Path) -> tuple[subprocess.Popen[str], list[int]]:
    """A search with two workers that has made a report, and their numbers."""
    path = save(tmp_path, SMALL)
    sets = [word for change in ENDLESS for word in ("--set", change)]
    out = ("--out", tmp_path / "run", "--workers", 2, "--json")
    process = start("evolve", path, *sets, *out)
    assert next_report(process)
    found = children(process.pid)
    assert len(found) == 2
    return process, found


@pytest.mark.parametrize("times", [1, 2] if FULL else [1])
def test_ctrl_c_leaves_no_worker(tmp_path, times):
    process, found = running(tmp_path)
    # On a terminal it goes to the whole group of processes; workers are to finish what they do.
    assert os.getpgid(process.pid) not in {os.getpgid(number) for number in found}
    for _ in range(times):
        process.send_signal(signal.SIGINT)
    code, out, err = finish(process)
    wait_until_gone(found)
    # Whether the second one comes before the end is a matter of luck.
    assert (code, err.strip()) in [(1, ""), (130, "error: interrupted")][:times]
    if code == 1:
        assert last_document(out)["reason"] == "interrupted"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM] if FULL else [signal.SIGKILL])
def test_workers_end_with_who_started_them(tmp_path, number):
    process, found = running(tmp_path)
    process.send_signal(number)
    assert finish(process)[0] == -number
    wait_until_gone(found)
