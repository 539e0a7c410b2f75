"""Searches on Ray: overhead beside processes, equal histories, the driver's share of CPU.

    python benchmarks/cluster.py overhead [--pairs 5] [--programs 2000000]
    python benchmarks/cluster.py histories [--kills 20]
    python benchmarks/cluster.py driver [--islands 100 1000 10000]
    python benchmarks/cluster.py soak [--minutes 60]

All nodes are of this machine. `overhead`: programs per CPU second of the same islands in two
processes and in two actors, in turn; CPU time is that of hosts and of the driver. `histories`: the
history of one search on one process, on two, and on Ray with 1, 2 and 4 nodes, then with two levels
of vector instructions forced; then with workers, nodes and drivers killed. `driver`: what this
process takes for hosts that do no work, in 2 actors, and the bytes of an exchange. `soak`: a node
is killed every minute; memory of the driver, and what is lost.
"""

from __future__ import annotations

import argparse
import os
import pickle
import random
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from azc.runtime import _core
from azc.search import Search
from azc.search.hosts import Slice
from azc.search.migration import migrate
from azc.search.on_ray import Actor, Ray
from azc.search.report import Counts
from azc.search.rounds import run_round
from azc.search.settings import Settings
from azc.search.store import read_history
from azc.search.workers import Workers

LEVELS = _core.levels()
NODE = {"num_cpus": 2, "object_store_memory": 80 * 2**20, "include_dashboard": False}


def settings(*changes: str) -> Settings:
    base = ("search.islands=4", "compile.hot=false", "search.interval=20000")
    exchange = "migration={every=40000}"
    return Settings.from_toml("demo").changed([*base, exchange, *changes])


def budget(programs: int) -> str:
    return f"search.stop={{programs={programs}}}"


@contextmanager
def cluster(nodes: int, *levels: str) -> Any:
    """So many nodes beside a head; `levels` of some of them."""
    import ray
    from ray.cluster_utils import Cluster

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.pop("RAY_ADDRESS", None)
    made = Cluster(initialize_head=True, head_node_args={**NODE, "num_cpus": 0})
    for number in range(nodes):
        level = {"AZC_LEVEL": levels[number]} if number < len(levels) else {}
        made.add_node(**NODE, env_vars=level)
    ray.init(address=made.address, log_to_driver=False, logging_level="ERROR")
    try:
        yield made
    finally:
        ray.shutdown()
        made.shutdown()


# ---- overhead -----------------------------------------------------------------------------------


def overhead(pairs: int, programs: int) -> None:
    shares = []
    with cluster(1):
        for number in range(pairs):
            rates = {}
            for backend in ("processes", "ray") if number % 2 else ("ray", "processes"):
                report = Search(settings(budget(programs))).run(workers=2, backend=backend).report
                rates[backend] = report.programs_per_second
            shares.append(rates["ray"] / rates["processes"])
            told = ", ".join(f"{name} {rate:,.0f}" for name, rate in sorted(rates.items()))
            print(f"programs per CPU second: {told}; ray/processes {shares[-1]:.3f}", flush=True)
    print(f"median {statistics.median(shares):.3f} ({min(shares):.3f} to {max(shares):.3f})")


# ---- equal histories ----------------------------------------------------------------------------


def course(folder: Path) -> str:
    return repr(read_history(folder))


def histories(kills: int) -> None:
    programs = 800_000
    folder = Path(tempfile.mkdtemp(prefix="azc-histories-"))
    search = Search(settings(budget(programs)))
    search.run(out=folder / "one")
    expected = course(folder / "one")

    def check(name: str, **given: Any) -> None:
        search.run(out=folder / name, **given)
        told = "the same" if course(folder / name) == expected else "NOT the same"
        print(f"{name}: {told}", flush=True)

    check("2 processes", workers=2)
    for nodes in (1, 2, 4):
        with cluster(nodes):
            check(f"Ray, {nodes} nodes", workers=4, backend="ray")
    with cluster(2, LEVELS[0], LEVELS[-1]):
        check(f"Ray, nodes at {LEVELS[0]} and {LEVELS[-1]}", workers=4, backend="ray")
        hot = Search(settings(budget(programs), "compile.hot=true"))
        hot.run(out=folder / "hot", workers=4, backend="ray")
        told = "the same" if course(folder / "hot") == expected else "NOT the same"
        print(f"the same with native code of each node's own: {told}", flush=True)
    for victim in ("worker", "node"):
        killed = kill_while_it_runs(folder / victim, victim, kills)
        told = "the same" if course(folder / victim) == course(folder / "long") else "NOT the same"
        print(f"{killed} times a {victim} killed: {told}", flush=True)
    killed = kill_drivers(folder / "driver", programs, kills)
    told = "the same" if course(folder / "driver") == expected else "NOT the same"
    print(f"{killed} times the driver killed, and gone on: {told}", flush=True)


def kill_while_it_runs(out: Path, victim: str, kills: int) -> int:
    chance, killed = random.Random(3), 0
    long = Search(settings(budget(250_000 * kills)))
    if not (out.parent / "long").exists():
        long.run(out=out.parent / "long", workers=2)
    with cluster(2) as nodes:
        running = threading.Thread(
            target=lambda: long.run(out=out, workers=2, backend="ray"), daemon=True
        )
        running.start()
        time.sleep(5.0)
        while running.is_alive() and killed < kills:
            time.sleep(chance.uniform(0.0, 2.0))
            if victim == "node":
                nodes.remove_node(chance.choice(list(nodes.worker_nodes)), allow_graceful=False)
                nodes.add_node(**NODE)
                killed += 1
            elif numbers := actors():
                os.kill(chance.choice(numbers), signal.SIGKILL)
                killed += 1
        running.join()
    return killed


def actors() -> list[int]:
    numbers = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if b"ray::Actor" in path.read_bytes():
                numbers.append(int(path.parent.name))
        except OSError:
            continue
    return numbers


DRIVER = """
import sys
from pathlib import Path
from azc.search import Search
from benchmarks_cluster import budget, settings
out, programs = Path(sys.argv[1]), int(sys.argv[2])
saved = (out / "run.sqlite").exists()
search = Search.resume(out) if saved else Search(settings(budget(programs)))
search.run(out=None if saved else out, workers=2, backend="ray", address=sys.argv[3])
"""


def kill_drivers(out: Path, programs: int, kills: int) -> int:
    chance, killed = random.Random(4), 0
    code = DRIVER.replace("benchmarks_cluster", "cluster")
    with cluster(1) as nodes:
        command = [sys.executable, "-c", code, str(out), str(programs), nodes.address]
        path = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
        while killed < kills:
            driver = subprocess.Popen(command, env=path)
            try:
                driver.wait(timeout=chance.uniform(4.0, 9.0))
                break
            except subprocess.TimeoutExpired:
                driver.kill()
                driver.wait()
                killed += 1
        subprocess.run(command, env=path, check=True)
    return killed


# ---- the driver ---------------------------------------------------------------------------------


class Idle:
    """A host whose islands have always drawn as many programs as they should."""

    compiled = ()

    def __init__(self, numbers: tuple[int, ...]) -> None:
        self.numbers = numbers
        self.drawn = 0

    def run(self, islands: list[int], until: int, seconds: float) -> list[Slice]:
        time.sleep(seconds)
        self.drawn += 100
        zero = dict.fromkeys((name for name in Counts.__dataclass_fields__ if name != "island"), 0)
        counts = {**zero, "programs": self.drawn, "best": 0.5, "mean": 0.5}
        return [
            Slice(n, Counts(island=n, **counts), False, (), None, True, (1, 0), 0.0)
            for n in islands
        ]

    def emigrants(self, positions: dict[int, list[int]]) -> dict[int, list[Any]]:
        return {
            n: [((bytes(24), bytes(16), bytes(92) + k.to_bytes(4)), 0.5, k) for k in asked]
            for n, asked in positions.items()
        }

    def receive(self, members: Any) -> None:
        pass

    def save(self, islands: list[int]) -> dict[int, bytes]:
        return {number: bytes(1000) for number in islands}

    def recover(self, pasts: Any) -> None:
        pass


class IdleActor(Actor):
    def begin(self, shared: Any, numbers: Any, versions: Any) -> Any:
        import ray

        self._host = Idle(numbers)  # type: ignore[assignment]
        return ray.get_runtime_context().get_node_id(), None, 0.0


class IdleRay(Ray):
    def _actor(self) -> type[Actor]:
        return IdleActor


def driver(counts: list[int]) -> None:
    print("islands  slice   driver's CPU  exchange of 500 of each  seconds")
    with cluster(1):
        for islands in counts:
            hosts, seconds = 2, max(0.2, min(10.0, 0.001 * islands))
            with closing(Workers(IdleRay(), lambda n: {"numbers": n}, islands, hosts)) as there:
                run_for(0.1, there, islands, 0.1)
                began, before = time.monotonic(), cpu()
                run_for(max(5.0, 3.0 * seconds), there, islands, seconds)
                share = (cpu() - before) / (time.monotonic() - began)
                few = min(islands, 1000)
                members = there.emigrants({n: list(range(500)) for n in range(few)})
                size = len(pickle.dumps(members)) / few
                began = time.monotonic()
                if islands <= 1000:
                    migrate(there, [1000] * islands, 0.5, 1, 1)
                took = time.monotonic() - began
            print(
                f"{islands:7}  {seconds:5.1f} {share:13.1%}  {size:15,.0f} B/island  {took:7.2f}",
                flush=True,
            )


def run_for(seconds: float, there: Workers, islands: int, slice_seconds: float) -> None:
    end = time.monotonic() + seconds
    for _ in run_round(
        there, set(range(islands)), 10**9, lambda: slice_seconds, lambda: time.monotonic() >= end
    ):
        pass


def cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


# ---- soak ---------------------------------------------------------------------------------------


def soak(minutes: float) -> None:
    search = Search(settings("search.stop={seconds=%s}" % (minutes * 60.0)))
    folder = Path(tempfile.mkdtemp(prefix="azc-soak-"))
    with cluster(2) as nodes:
        outcomes: list[Any] = []
        given: dict[str, Any] = {"workers": 2, "backend": "ray", "out": folder / "run"}
        running = threading.Thread(target=lambda: outcomes.append(search.run(**given)))
        running.start()
        killed = 0
        while running.is_alive():
            running.join(60.0)
            if running.is_alive():
                nodes.remove_node(next(iter(nodes.worker_nodes)), allow_graceful=False)
                nodes.add_node(**NODE)
                killed += 1
                memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
                print(f"{killed} nodes killed; driver's most memory {memory} MiB", flush=True)
    done = outcomes[0].report.total("programs")
    again = Search(settings(budget(max(1, done)))).run(workers=2)
    count = len(outcomes[0].history)
    same = again.history[:count] == outcomes[0].history
    print(f"{done:,} programs; {'the same' if same else 'NOT the same'} as without any loss")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("overhead")
    one.add_argument("--pairs", type=int, default=5)
    one.add_argument("--programs", type=int, default=2_000_000)
    commands.add_parser("histories").add_argument("--kills", type=int, default=20)
    commands.add_parser("driver").add_argument(
        "--islands", type=int, nargs="+", default=[100, 1000, 10_000]
    )
    commands.add_parser("soak").add_argument("--minutes", type=float, default=60.0)
    asked = vars(parser.parse_args())
    if "islands" in asked:
        asked["counts"] = asked.pop("islands")
    globals()[asked.pop("command")](**asked)
