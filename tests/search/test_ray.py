"""Islands on a Ray cluster: the same course on any number of nodes, whatever becomes of them."""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
import time
import types
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import numpy as np
import pytest
from counts import FULL, only_full
from search_files import SMALL, changed, left, save, small, told
from search_processes import children, finish, next_report, slices, start

from azc.errors import ConfigError, ResourceError
from azc.search import on_ray, seats, workers
from azc.search.engines import ENGINES
from azc.search.workers import Workers

# Ray's own warnings are not ours to mend.
pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.filterwarnings("default")]

FOUR = ("search.islands=4", "search.stop={programs=24000}", "migration.every=900")
KILLS = 20 if FULL else 1


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A head and, until tests change that, one more node; this process is connected to them."""
    ray = pytest.importorskip("ray", reason="Ray is not installed: pip install azc[ray]")
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.delenv("RAY_ADDRESS", raising=False)
        made = Cluster(initialize_head=True, head_node_args=node_arguments())
        made.add_node(**node_arguments())
        ray.init(address=made.address, log_to_driver=False, logging_level="ERROR")
        yield made
        ray.shutdown()
        made.shutdown()


def node_arguments(**more: Any) -> dict[str, Any]:
    return {"num_cpus": 2, "object_store_memory": 80 * 2**20, "include_dashboard": False, **more}


def actors() -> list[int]:
    """The processes of hosts that are alive, of this cluster and no other."""
    by_raylets = [child for raylet in children(os.getpid()) for child in children(raylet)]
    found = []
    for number in by_raylets:
        with suppress(OSError):
            if b"ray::Actor" in Path(f"/proc/{number}/cmdline").read_bytes():
                found.append(number)
    return found


# ---- the same course ----------------------------------------------------------------------------


def test_nodes_change_nothing(cluster, tmp_path):
    whole = small(*FOUR).run(seed=5, out=tmp_path / "whole")
    there = small(*FOUR).run(seed=5, workers=3, backend="ray", out=tmp_path / "there")
    assert told(there) == told(whole)
    assert left(tmp_path / "there") == left(tmp_path / "whole")
    nodes = there.report.nodes
    assert len(nodes) == 2
    assert sum(node.islands for node in nodes) == 4
    assert sorted(node.hosts for node in nodes) == [1, 2]
    assert sum(node.programs for node in nodes) == there.report.total("programs")
    assert all(node.lag == node.restarts == 0 for node in nodes)


def made(count: int, islands: int = 4, *changes: str) -> Workers:
    settings = changed(*FOUR, *changes, f"search.islands={islands}", text=SMALL)
    given = {
        "settings": settings,
        "tasks": settings.make_tasks("search"),
        "seed": 1,
        "vector": None,
    }
    engine = ENGINES["ray"](1, None)
    return Workers(engine, lambda numbers: {**given, "numbers": numbers}, islands, count)


@only_full
def test_hosts_are_dealt_out_evenly(cluster):
    """Those for which no core is left too."""
    with closing(made(6, 6)) as there:
        assert [node.hosts for node in there.nodes()] == [3, 3]


@only_full
def test_hosts_go_to_nodes_with_less_to_do(cluster):
    """To one that joins, once there are snapshots; and from one that leaves."""
    with closing(made(6, 6)) as there:
        slices(there, range(6), 50)
        joined = cluster.add_node(**node_arguments())
        time.sleep(1.1)  # for which what nodes there are is not asked again
        before = there.save()
        assert [node.hosts for node in there.nodes()] == [2, 2, 2]
        assert there.save() == before
        slices(there, range(6), 80)
        cluster.remove_node(joined, allow_graceful=False)
        for until in range(100, 10**6, 20):  # it may take a moment until its hosts are no more
            after = {one.island: one.counts.programs for one in slices(there, range(6), until)}
            assert after == dict.fromkeys(range(6), until)
            nodes = there.nodes()
            if sum(node.restarts for node in nodes) == 2:
                break
        assert sorted(node.hosts for node in there.nodes()) == [0, 3, 3]


def test_no_host_is_moved_to_a_node_that_has_just_lost_one(monkeypatch):
    """It would be made on another one, and be misplaced again."""
    engine = on_ray.Ray.__new__(on_ray.Ray)
    nodes = {"a": ("a", 2.0), "b": ("b", 2.0), "c": ("c", 2.0)}
    monkeypatch.setattr(engine, "_nodes", lambda: nodes)

    def on(node: str) -> Any:
        link = on_ray._Reference.__new__(on_ray._Reference)
        link.node_id = node
        return link

    links = [on(node) for node in "bbbcc"]
    engine._lost = {"a": time.monotonic()}
    assert engine.misplaced(links) == []
    assert engine.misplaced([*links, on("b")]) == [ANY]
    engine._lost = {"a": time.monotonic() - on_ray._DOUBT}
    assert engine.misplaced(links) == [ANY]


def test_tasks_are_read_where_the_node_keeps_them(cluster):
    import ray

    def owners(tasks: Any) -> list[bool]:
        found = []
        for task in tasks:
            array: Any = task.X_train
            while isinstance(array.base, np.ndarray):
                array = array.base
            found.append(bool(array.flags.owndata))
        return found

    tasks = changed(text=SMALL).make_tasks("search")
    assert ray.get(ray.remote(owners).remote(tasks)) == [False] * len(tasks)


# ---- what goes wrong ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("victim", "place"),
    [("host", ""), ("host", "snapshots"), ("node", ""), ("node", "local://{}/common")]
    if FULL
    else [("host", "")],
)
def test_what_is_killed(cluster, tmp_path, monkeypatch, victim, place):
    """At any moment, again and again: others take its place, and the course is the same, by
    whatever way snapshots go."""
    monkeypatch.setattr(workers, "_SNAPSHOT_SECONDS", 0.05)
    there = (f"search.snapshots={place.format(tmp_path)!r}",) if place else ()
    programs = KILLS * 60_000 if FULL else 30_000
    search = small(*FOUR, f"search.stop={{programs={programs}}}", *there)
    whole = search.run(out=tmp_path / "whole")
    chance = random.Random(7)
    told_something, outcomes = threading.Event(), []

    def run() -> None:
        told_something.clear()
        given: dict[str, Any] = {"workers": 2, "backend": "ray", "out": tmp_path / "run"}
        outcomes.append(search.run(**given, report=lambda _: told_something.set()))

    # Ray adds nodes in the main thread only.
    running = threading.Thread(target=run)
    running.start()
    killed = 0
    while killed < KILLS and running.is_alive():
        if not told_something.wait(0.1):
            continue
        if FULL:  # otherwise it is soon over
            time.sleep(chance.uniform(0.0, 0.3))
        if victim == "node":
            cluster.remove_node(next(iter(cluster.worker_nodes)), allow_graceful=False)
            cluster.add_node(**node_arguments())
        elif found := actors():
            os.kill(chance.choice(found), signal.SIGKILL)
        else:
            continue
        killed += 1
        told_something.clear()
    running.join()
    assert killed == KILLS
    assert sum(node.restarts for node in outcomes[0].report.nodes) >= 1
    assert told(outcomes[0]) == told(whole)
    assert left(tmp_path / "run") == left(tmp_path / "whole")


@only_full
@pytest.mark.parametrize("victim", ["host", "node"])
@pytest.mark.parametrize("moment", ["give", "take"])
def test_who_is_lost_in_an_exchange(cluster, tmp_path, monkeypatch, victim, moment):
    """Those that are about to give programs, or have given some and are about to receive."""
    search = small(*FOUR, "search.snapshots='snapshots'")
    whole = search.run(out=tmp_path / "whole")
    real, asked = seats.Seats.ask, []

    def ask(there: Any, seat: Any, method: str, *arguments: Any) -> None:
        real(there, seat, method, *arguments)
        if (method, seat.number) == (moment, 1):
            asked.append(method)
            if len(asked) % 3 == 1:
                lose()

    def lose() -> None:
        if victim == "node":
            cluster.remove_node(next(iter(cluster.worker_nodes)), allow_graceful=False)
            cluster.add_node(**node_arguments())
        else:
            for actor in actors():
                os.kill(actor, signal.SIGKILL)

    monkeypatch.setattr(seats.Seats, "ask", ask)
    outcome = search.run(workers=3, backend="ray", out=tmp_path / "run")
    assert len(asked) == 6
    assert sum(node.restarts for node in outcome.report.nodes) >= 2
    assert told(outcome) == told(whole)
    assert left(tmp_path / "run") == left(tmp_path / "whole")


@only_full
def test_a_driver_that_is_killed(cluster, tmp_path):
    """At any moment, again and again: whoever goes on from the last save ends where it would
    have."""
    changes = (*FOUR, f"search.stop={{programs={KILLS * 60_000}}}")
    small(*changes).run(seed=5, out=tmp_path / "whole")
    words = [word for change in changes for word in ("--set", change)]
    first = ("evolve", save(tmp_path, SMALL), *words, "--seed", 5)
    there = ("--out", tmp_path / "run", "--json", "--backend", "ray", "--address", cluster.address)
    chance, kills = random.Random(7), 0
    code = None
    while code is None:
        saved = (tmp_path / "run" / "run.sqlite").exists()
        begin = ("evolve", "--resume") if saved else first
        process = start(*begin, *there, "--workers", chance.choice([1, 2, 3]))
        for _ in range(chance.randrange(0, 8)):  # or while it begins
            next_report(process)
        if kills < KILLS:
            time.sleep(chance.uniform(0.0, 0.3))
            process.kill()
            kills += 1
        ended, _, err = finish(process)
        assert ended in (-signal.SIGKILL, 1), err
        code = None if ended < 0 else ended
    assert kills == KILLS
    assert left(tmp_path / "run") == left(tmp_path / "whole")


def test_no_cluster_at_an_address(monkeypatch):
    ray = pytest.importorskip("ray", reason="Ray is not installed: pip install azc[ray]")
    monkeypatch.setattr(ray, "is_initialized", lambda: False)

    def init(**settings: Any) -> None:
        assert settings["address"] == "192.0.2.1:6379"
        raise ConnectionError("nobody there\nand more")

    monkeypatch.setattr(ray, "init", init)
    with pytest.raises(ResourceError) as caught:
        small(*FOUR).run(backend="ray", address="192.0.2.1:6379")
    assert str(caught.value) == (
        "expected a Ray cluster at '192.0.2.1:6379', got nobody there; start one with `ray start "
        "--head`, and give the address that it tells; where it asks for a token, set "
        "RAY_AUTH_MODE=token"
    )


def test_nodes_without_azc(cluster, monkeypatch):
    """The error says what is not there."""

    class Actor(on_ray.Actor):
        pass

    Actor.__module__, Actor.__qualname__ = "only_here", "Actor"
    only_here = types.ModuleType("only_here")
    only_here.Actor = Actor  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "only_here", only_here)
    monkeypatch.setattr(on_ray.Ray, "_actor", lambda self: Actor)
    with pytest.raises(ResourceError, match="ModuleNotFoundError: No module named 'only_here'"):
        made(1)


def test_other_versions_are_refused(cluster):
    _, error, _ = on_ray.Actor().begin({}, (0,), ("0.0.1", 1))
    assert isinstance(error, ResourceError)
    assert str(error).startswith("expected azc 0.0.1 on every node")


def test_ray_is_optional(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigError) as caught:
        small(*FOUR).run(backend="ray")
    message = "search.backend: expected Ray for backend 'ray', got none; pip install 'azc[ray]'"
    assert str(caught.value) == message


def test_an_address_is_a_clusters():
    with pytest.raises(ConfigError, match="address: expected none with backend 'processes'"):
        small(*FOUR).run(address="auto")
