"""Islands shared out to processes: the same course, and no process left of it, whatever ends it."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import threading
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from counts import FULL
from search_files import SMALL, changed, left, save, small, told
from search_migrants import given, members_of, positions
from search_processes import (
    children,
    finish,
    last_document,
    next_report,
    slices,
    start,
    wait_until_gone,
)

from azc.errors import ResourceError, TaskError
from azc.search import Search, engines, workers
from azc.search.engines import ENGINES
from azc.search.hosts import Host, Job, Past, Slice
from azc.search.islands import Islands
from azc.search.migrants import Given
from azc.search.store import read_saved
from azc.search.workers import Workers

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


def made(count: int, *changes: str, engine: str = "processes") -> Workers:
    given = arguments(*changes)
    of = ENGINES[engine](count, None)
    return Workers(of, lambda numbers: {**given, "numbers": numbers}, 4, count)


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


def told_of(made: list[Slice]) -> list[Any]:
    return [(one.counts, one.done, one.offers, one.best, one.has_best) for one in made]


def test_an_interface_that_hosts_have():
    names = [name for name, value in vars(Host).items() if callable(value) and name[0] != "_"]
    assert len(names) == 13
    for name in names:
        assert callable(getattr(Islands, name))


def test_what_workers_answer_does_not_depend_on_their_number():
    with closing(made(1, engine="here")) as here, closing(made(3)) as there:
        for islands, until in (([2, 0, 3], 50), ([1, 3], 2000), (range(4), 2100)):
            before = there.cpu_seconds()
            made_there = slices(there, islands, until)
            assert there.cpu_seconds() > before
            assert [one.island for one in made_there] == sorted(islands)
            assert told_of(made_there) == told_of(slices(here, islands, until))
        places = {island: positions(3, 7) for island in range(4)}
        found = there.emigrants(places)
        assert found == here.emigrants(places)
        one = {island: members_of(found[island])[0] for island in range(4)}
        gifts = {island: given({4: one[3 - island]}) for island in range(4)}
        for each in (here, there):
            each.receive(gifts)
        assert here.save() == there.save()
        # Errors come from there, and the workers go on after one.
        with pytest.raises(KeyError):
            there.load({0: b""})
        with pytest.raises(ValueError, match="snapshot"):
            there.load(dict.fromkeys(range(4), b""))


def test_lineage_is_told_when_it_changes():
    with closing(made(1, "restart=", engine="here")) as there:
        told = [one.best for end in range(1, 300) for one in slices(there, [0], end)]
        new = [best for best in told if best]
        assert told[0] is not None
        assert 1 < len(new) < len(told) / 2
        assert sorted({best.fitness for best in new}) == [best.fitness for best in new]


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("tasks", [4, 40])
def test_scoring_is_shared_out(count, tasks):
    """By programs, and where there are many tasks by these; nothing depends on that."""
    given = arguments(f"tasks.select.count={tasks}")
    alone = Islands(**given, numbers=(0, 1, 2, 3))
    alone.run(range(4), 40, 100.0)
    members = members_of(alone.emigrants({0: positions(*range(40))})[0])
    programs = list(dict.fromkeys(packed for packed, *_ in members))[:5]
    jobs = [Job("select", packed, 0, tasks) for packed in programs]
    engine = ENGINES["here" if count == 1 else "processes"](count, None)
    with closing(Workers(engine, lambda numbers: {**given, "numbers": numbers}, 4, count)) as there:
        there.to_score(jobs[:2])
        # Only who has nothing else to do.
        slices(there, [0], 20)
        there.to_score(jobs[2:])
        found = there.scores()
        assert [job for job, _ in found] == jobs
        assert [fitness for _, fitness in found] == alone.score(jobs)
        assert there.scores() == []


def test_a_host_made_anew():
    """From snapshots and what came after them, in the middle of anything."""
    made_of = arguments("search.stop={fitness=0.5,programs=8000}", "hurdles={train=10}")
    giver = Islands(**made_of, numbers=(3,))
    giver.run([3], 100, 100.0)
    gift = Given(positions(2, 5, 7), giver.emigrants({3: positions(2, 5, 7)})[3])

    def advance(host: Islands, past: Past, until: int) -> None:
        while True:
            (one,) = host.run([0], until, 100.0)
            past.programs, past.offers = one.counts.programs, past.offers + len(one.offers)
            offers.extend(one.offers)
            if past.programs >= until:
                return

    for saved, received, end in ((0, 200, 1700), (400, 400, 600), (1490, 1600, 3500)):
        offers: list[Any] = []
        host, past = Islands(**made_of, numbers=(0,)), Past()
        advance(host, past, saved)
        past = Past(host.save([0])[0], programs=saved) if saved else past
        advance(host, past, received)
        host.receive({0: gift})
        past.exchanges.append((past.programs, gift))
        advance(host, past, end)
        again = Islands(**made_of, numbers=(0,))
        again.recover({0: past})
        assert again.save([0]) == host.save([0])
        (one,), (other,) = (each.run([0], end + 2000, 100.0) for each in (host, again))
        assert told_of([replace(one, best=host.best(0))]) == told_of([other])
        assert again.save([0]) == host.save([0])


def test_hosts_that_do_not_wait(tmp_path):
    """All islands draw as many, exchange, and it is said that it cannot be had again."""
    asynchronous = "migration={every=600,synchronous=false}"
    search = small(*FOUR, asynchronous)
    reports = []
    outcome = search.run(workers=2, out=tmp_path / "run", report=reports.append)
    assert outcome.reason == "programs"
    assert [row.programs for row in outcome.history[-1]] == [2000] * 4
    assert all(row.received > 0 for row in outcome.history[-1])
    assert len(outcome.history) == 5
    for number, rows in enumerate(outcome.history, 1):
        assert sum(row.programs for row in rows) >= 4 * 400 * number
    assert not any(report.repeatable for report in reports)
    assert not read_saved(tmp_path / "run").course["repeatable"]
    went_on = Search.resume(tmp_path / "run", ["search.stop.programs=16000"]).run()
    assert [row.programs for row in went_on.history[-1]] == [4000] * 4
    assert small(*FOUR).run(workers=2).report.repeatable


def test_hosts_that_do_not_wait_end_with_what_solves():
    goal = ("search.stop={fitness=0.32,programs=400_000}", "tasks.select=")
    asynchronous = "migration={every=600,synchronous=false}"
    assert small(*FOUR, *goal, asynchronous).run(workers=2).reason == "solved"


# ---- what goes wrong ----------------------------------------------------------------------------


def test_a_host_that_cannot_be_made():
    with pytest.raises(TypeError):
        Workers(ENGINES["processes"](2, None), lambda numbers: {"wrong": numbers}, 4, 2)


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
        made(2)
    assert started[0].returncode is not None


def test_processes_that_are_not_needed_end(tmp_path):
    """They began before the tasks were made, of which some were missing."""
    with closing(ENGINES["processes"](2, None)):
        assert len(children(os.getpid())) == 2
    with pytest.raises(TaskError, match=r"no-such\.npz"):
        small(*FOUR, f"tasks.search={{task='{tmp_path}/no-such.npz'}}").run(workers=2)


def test_a_worker_that_hangs_is_killed(monkeypatch):
    monkeypatch.setattr(engines, "_PATIENCE", 0.1)
    there = made(2)
    hanging = children(os.getpid())
    for process in hanging:
        os.kill(process, signal.SIGSTOP)
    there.close()
    wait_until_gone(hanging)


@pytest.mark.parametrize(
    ("method", "saved"),
    [(MGG, True), ((), False), *(((), True), (MGG, False)) * FULL],
    ids=str,
)
def test_workers_that_are_killed(tmp_path, monkeypatch, method, saved):
    """At any moment, again and again: others take their places, and the course is the same."""
    monkeypatch.setattr(workers, "_SNAPSHOT_SECONDS", 0.05)
    more = ("search.stop={programs=40_000}", "restart.programs=3500", "migration.every=900")
    search = small(*FOUR, *more, *method)
    whole = search.run(out=tmp_path / "whole")
    chance = random.Random(7)
    messages: list[str] = []
    told_something, ended = threading.Event(), threading.Event()

    def kill() -> None:
        for _ in range(4):
            told_something.wait()
            time.sleep(chance.uniform(0.0, 0.05))
            if ended.is_set():
                return
            os.kill(chance.choice(children(os.getpid())), signal.SIGKILL)
            told_something.clear()

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        out = tmp_path / "run" if saved else None
        outcome = search.run(
            workers=2, out=out, report=lambda _: told_something.set(), messages=messages.append
        )
    finally:
        ended.set()
        told_something.set()
        killer.join()
    assert told(outcome) == told(whole)
    assert not saved or left(tmp_path / "run") == left(tmp_path / "whole")
    assert set(messages) == {"a worker was lost (SIGKILL); another takes its place"}
    assert outcome.report.cpu_seconds > 0.0


def test_a_worker_that_is_killed_whatever_is_done(tmp_path, monkeypatch):
    """The search ends with an error that says so, and goes on from what was saved."""
    real = engines.Processes.start
    begun = []

    def start(engine: Any, given: Any) -> Any:
        link = real(engine, given)
        begun.append(link)
        if len(begun) > 2:
            link._process.kill()
        return link

    def kill(report):
        if report.settled and len(report.islands) == 4:
            begun[0]._process.kill()

    with monkeypatch.context() as patch:
        patch.setattr(engines.Processes, "start", start)
        with pytest.raises(ResourceError) as caught:
            small(*FOUR).run(workers=2, out=tmp_path / "run", report=kill)
    assert len(begun) == 5
    assert str(caught.value) == (
        "expected a worker that lives, got one that ended (SIGKILL); what was saved is whole: go "
        "on with --resume, with fewer workers if memory is short"
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
