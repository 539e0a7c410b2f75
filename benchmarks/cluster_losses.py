"""Searches on Ray whose workers, nodes and drivers are killed: histories that are the same, memory.

    python benchmarks/cluster_losses.py histories [--kills 20]
    python benchmarks/cluster_losses.py soak [--minutes 60]

All nodes are of this machine. `histories`: the history of one search on one process, on two, and on
Ray with 1, 2 and 4 nodes, then with two levels of vector instructions forced; then with workers,
nodes and drivers killed. `soak`: a node is killed every minute, while snapshots and exchanges go by
way of a folder; memory of the driver, of hosts and of Ray, and what is lost.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
from cluster import NODE, begun, budget, cluster, command_of, family, settings

from azc.runtime import _core
from azc.search import Search
from azc.search.store import read_history

LEVELS = _core.levels()


def replace_node(nodes: Any, chance: random.Random) -> bool:
    """Kills one, where there is one, and starts others until there are two again; whether one was
    killed. On a machine that is very busy one may not start; the next call tries again."""
    if there := list(nodes.worker_nodes):
        nodes.remove_node(chance.choice(there), allow_graceful=False)
    try:
        while len(nodes.worker_nodes) < 2:
            nodes.add_node(**NODE)
    except Exception as error:
        print(f"a node did not start: {str(error)[:60]}", flush=True)
    return bool(there)


def actors() -> list[int]:
    """Processes of hosts of this cluster, and of no other on this machine."""
    return [number for number in family() if b"ray::Actor" in command_of(number)]


# ---- equal histories ----------------------------------------------------------------------------


def course(folder: Path) -> str:
    return repr(read_history(folder))


def histories(kills: int) -> None:
    programs = 800_000
    folder = Path(tempfile.mkdtemp(prefix="azc-histories-"))
    search = Search(settings(budget(programs)))
    search.run(out=folder / "one")

    def check(name: str, out: str, expected: str = "one") -> None:
        same = course(folder / out) == course(folder / expected)
        print(f"{name}: {'the same' if same else 'NOT the same'}", flush=True)

    def run(name: str, **given: Any) -> None:
        search.run(out=folder / name, **given)
        check(name, name)

    run("2 processes", workers=2)
    for nodes in (1, 2, 4):
        with cluster(nodes):
            run(f"Ray, {nodes} nodes", workers=4, backend="ray")
    with cluster(2, LEVELS[0], LEVELS[-1]):
        run(f"Ray, nodes at {LEVELS[0]} and {LEVELS[-1]}", workers=4, backend="ray")
        # What compiled code can be had for.
        hot = Search(settings(budget(programs), "compile.hot=true", preset="reference-demo"))
        hot.run(out=folder / "hot")
        name = "Ray, such nodes, each with native code of its own"
        hot.run(out=folder / name, workers=4, backend="ray")
        check(name, name, "hot")
    if not kills:
        return
    programs = 250_000 * kills
    Search(settings(budget(programs))).run(out=folder / "long", workers=2)
    for victim in ("worker", "node"):
        killed = kill_while_it_runs(folder / victim, victim, programs, kills)
        check(f"{killed} times a {victim} killed", victim, "long")
    killed = kill_drivers(folder / "driver", programs, kills)
    check(f"{killed} times the driver killed, and gone on", "driver", "long")


def kill_while_it_runs(out: Path, victim: str, programs: int, kills: int) -> int:
    chance, killed = random.Random(3), 0
    search = Search(settings(budget(programs)))
    told_something = threading.Event()
    given: dict[str, Any] = {"out": out, "workers": 2, "backend": "ray"}
    given["report"] = lambda _: told_something.set()
    with cluster(2) as nodes:
        running = threading.Thread(target=lambda: search.run(**given), daemon=True)
        running.start()
        while running.is_alive() and killed < kills:
            # A host that is lost again and again over the same call is given up.
            if not told_something.wait(0.1):
                continue
            told_something.clear()
            time.sleep(chance.uniform(0.0, 2.0))
            if victim == "node":
                killed += replace_node(nodes, chance)
            elif numbers := actors():
                os.kill(chance.choice(numbers), signal.SIGKILL)
                killed += 1
        running.join()
    return killed


DRIVER = """
import sys
from pathlib import Path
from azc.search import Search
from cluster import budget, settings
out, programs = Path(sys.argv[1]), int(sys.argv[2])
saved = (out / "run.sqlite").exists()
search = Search.resume(out) if saved else Search(settings(budget(programs)))
search.run(out=None if saved else out, workers=2, backend="ray", address=sys.argv[3])
"""


def kill_drivers(out: Path, programs: int, kills: int) -> int:
    """Each at some moment between the begin of its process and three seconds after it has
    saved."""
    chance, killed = random.Random(4), 0
    with cluster(1) as nodes:
        words = (DRIVER, out, programs, nodes.address)
        while killed < kills:
            before = saves(out)
            driver = begun(*words)
            while chance.random() < 0.9 and saves(out) == before and driver.poll() is None:
                time.sleep(0.5)
            try:
                driver.wait(timeout=chance.uniform(0.0, 3.0))
                break
            except subprocess.TimeoutExpired:
                driver.kill()
                driver.wait()
                killed += 1
        if killed == kills:
            assert begun(*words).wait() == 0
    return killed


def saves(out: Path) -> int:
    """How many reports have been saved."""
    return len(read_history(out)) if (out / "run.sqlite").exists() else 0


# ---- soak ---------------------------------------------------------------------------------------


def soak(minutes: float) -> None:
    rounds = ("search.interval=200000", "migration={every=200000}")
    there = ("search.snapshots='snapshots'", "search.stop={seconds=%s}" % (minutes * 60.0))
    search = Search(settings(*rounds, *there))
    folder = Path(tempfile.mkdtemp(prefix="azc-soak-"))
    samples: list[tuple[float, ...]] = []
    chance = random.Random(5)
    with cluster(2) as nodes:
        outcomes: list[Any] = []
        given: dict[str, Any] = {"workers": 2, "backend": "ray", "out": folder / "run"}
        running = threading.Thread(target=lambda: outcomes.append(search.run(**given)), daemon=True)
        running.start()
        killed, due = 0, time.monotonic()
        while running.is_alive():
            due = max(due + 60.0, time.monotonic())
            running.join(due - time.monotonic())
            if running.is_alive():
                samples.append(memory())
                driver, hosts, ray = samples[-1]
                print(
                    f"{killed} nodes killed; MiB: driver {driver:.0f}, hosts {hosts:.0f}, "
                    f"Ray's own {ray:.0f}; {saves(folder / 'run')} reports saved",
                    flush=True,
                )
                killed += replace_node(nodes, chance)
    told = [f"{name} {slope:+.1f}" for name, slope in slopes(samples)]
    print(f"MiB an hour after the first five minutes: {', '.join(told)}", flush=True)
    outcome = outcomes[0]
    drawn, restarts = outcome.report.total("programs"), 0
    for node in outcome.report.nodes:
        restarts += node.restarts
    print(f"{drawn:,} programs, {killed} nodes killed, {restarts} hosts made anew", flush=True)
    left = len(list((folder / "run" / "snapshots").iterdir()))
    print(f"{left} files left of {len(outcome.report.islands)} snapshots", flush=True)
    again = Search(settings(*rounds, budget(max(1, drawn)))).run(workers=2)
    same = again.history[: len(outcome.history)] == outcome.history
    told_same = "the same" if same else "NOT the same"
    print(f"{len(outcome.history)} reports, {told_same} as without any loss")


def memory() -> tuple[float, float, float]:
    """MiB that are resident: of this process, of hosts, and of Ray's own processes."""
    here, hosts, others = resident(os.getpid()), 0.0, 0.0
    for number in family():
        if b"ray::" in command_of(number):
            hosts += resident(number)
        else:
            others += resident(number)
    return here, hosts, others


def resident(process: int) -> float:
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    except OSError:
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def slopes(samples: list[tuple[float, ...]]) -> list[tuple[str, float]]:
    """MiB an hour of one sample a minute, by least squares."""
    late = np.array(samples[5:])
    if len(late) < 2:
        return []
    hours = np.arange(len(late)) / 60.0
    fitted = np.polyfit(hours, late, 1)[0]
    return list(zip(("driver", "hosts", "Ray's own"), fitted.tolist(), strict=True))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("histories").add_argument("--kills", type=int, default=20)
    commands.add_parser("soak").add_argument("--minutes", type=float, default=60.0)
    asked = vars(parser.parse_args())
    globals()[asked.pop("command")](**asked)
