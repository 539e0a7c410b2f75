"""Searches on Ray: overhead beside processes, the driver's share of CPU, what a plan says.

    python benchmarks/cluster.py overhead [--pairs 5] [--programs 2000000] [--set K=V …]
    python benchmarks/cluster.py driver [--islands 100 1000 10000] [--programs 500] [--hosts 2]
    python benchmarks/cluster.py saves [--islands 100 1000] [--snapshot 200000]
    python benchmarks/cluster.py plan [--islands 1 2 4 8 16] [--seconds 20]

All nodes are of this machine. `overhead`: programs per CPU second of the same islands in two
processes and in two actors, at the same time; CPU time is that of hosts and of the driver, from the
first report to the end and over all, and beside it that of Ray's own processes. `driver`: what this
process takes for hosts that do no work, and the time and bytes of an exchange by way of it (of up
to a thousand islands) and of files. `saves`: bytes that reach it and its CPU time for a save, with
snapshots in run.sqlite and in a folder. `plan`: the rate and the driver's CPU that `--plan`
foretells, and those of real runs on one node.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import resource
import statistics
import subprocess
import sys
import time
from contextlib import closing, contextmanager, suppress
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from azc.search import Search, planning
from azc.search.engines import slice_seconds
from azc.search.hosts import Exchange, Slice
from azc.search.migrants import CODE, HEAD, Migrants
from azc.search.migration import Draws, migrate
from azc.search.on_ray import Actor, Ray
from azc.search.packets import packets_of, read_given
from azc.search.report import Counts, Report
from azc.search.rounds import Round, run_round
from azc.search.settings import Settings
from azc.search.snapshots import Shelf
from azc.search.store import Store
from azc.search.workers import Workers

#: Islands of which an exchange still fits into the store of `NODE`, by way of the driver.
MOST_RELAYED = 1000
NODE = {"num_cpus": 2, "object_store_memory": 80 * 2**20, "include_dashboard": False}


def settings(*changes: str, preset: str = "demo") -> Settings:
    base = ("search.islands=4", "compile.hot=false", "search.interval=20000")
    exchange = "migration={every=40000}"
    return Settings.from_toml(preset).changed([*base, exchange, *changes])


def budget(programs: int) -> str:
    return f"search.stop={{programs={programs}}}"


@contextmanager
def cluster(nodes: int, *levels: str, **more: Any) -> Any:
    """So many nodes beside a head; `levels` of some of them; `more`: of all."""
    import ray
    from ray.cluster_utils import Cluster

    # Ray's workers are nicer than who started them by 15, and what is paired here is not to differ.
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"}
    os.environ.setdefault("RAY_raylet_start_wait_time_s", "600")  # a busy machine is no failure
    os.environ.pop("RAY_ADDRESS", None)
    made = Cluster(initialize_head=True, head_node_args={**NODE, "num_cpus": 0})
    for number in range(nodes):
        level = {"AZC_LEVEL": levels[number]} if number < len(levels) else {}
        made.add_node(**{**NODE, **more}, env_vars=level)
    ray.init(address=made.address, log_to_driver=False, logging_level="ERROR")
    try:
        yield made
    finally:
        ray.shutdown()
        made.shutdown()


# ---- overhead -----------------------------------------------------------------------------------


ONE = """
import json, sys
from azc.search import Search
from cluster import budget, settings
backend, programs, address, *changes = sys.argv[1:]
first = []
def report(made):
    if made.settled and not first:
        first.append((made.total("programs"), made.cpu_seconds))
given = {"address": address} if backend == "ray" else {}
search = Search(settings(budget(int(programs)), *changes))
last = search.run(workers=2, backend=backend, report=report, **given).report
print(json.dumps([*first, (last.total("programs"), last.cpu_seconds)]))
"""


def overhead(pairs: int, programs: int, changes: list[str]) -> None:
    shares: dict[str, list[float]] = {"running": [], "whole": []}
    with cluster(1) as nodes:
        began, before = time.monotonic(), cpu_of_ray()
        for number in range(pairs):
            names = ("processes", "ray") if number % 2 else ("ray", "processes")
            both = {name: begun(ONE, name, programs, nodes.address, *changes) for name in names}
            rates = {name: rates_of(json.loads(one.communicate()[0])) for name, one in both.items()}
            for name, ratios in shares.items():
                ratios.append(rates["ray"][name] / rates["processes"][name])
            told = "; ".join(
                f"{name} {rates['ray'][name]:,.0f} / {rates['processes'][name]:,.0f} = "
                f"{ratios[-1]:.3f}"
                for name, ratios in shares.items()
            )
            print(f"programs per CPU second, Ray / processes: {told}", flush=True)
        own = (cpu_of_ray() - before) / (time.monotonic() - began)
    for name, ratios in shares.items():
        least, middle, most = statistics.quantiles(ratios, n=4)
        print(f"{name}: median {middle:.3f} (quartiles {least:.3f} and {most:.3f})")
    print(f"Ray's own processes beside that: {own:.1%} of a core")


def begun(code: str, *arguments: object) -> subprocess.Popen[str]:
    """A process that runs `code`, which finds this file as `cluster`."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    path = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    return subprocess.Popen(command, env=path, stdout=subprocess.PIPE, text=True)


def rates_of(points: list[tuple[int, float]]) -> dict[str, float]:
    """After the first report (`running`), when every host has begun, and of the `whole` search."""
    (drawn, taken), (programs, seconds) = points
    return {"running": (programs - drawn) / (seconds - taken), "whole": programs / seconds}


def cpu_of_ray() -> float:
    """CPU seconds of the processes of the cluster that are not hosts."""
    return sum(
        sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")
        for number, fields in family().items()
        if b"ray::" not in command_of(number)
    )


def family() -> dict[int, list[str]]:
    """The processes that this one has started, and those have, and what the system says of each."""
    every: dict[int, list[str]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            every[int(path.parent.name)] = path.read_text().rpartition(")")[2].split()
    ours = {os.getpid()}
    while more := {n for n, fields in every.items() if int(fields[1]) in ours} - ours:
        ours |= more
    return {number: every[number] for number in ours - {os.getpid()}}


def command_of(process: int) -> bytes:
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return b""


# ---- the driver ---------------------------------------------------------------------------------


class Idle:
    """A host whose islands have always drawn as many programs as they should."""

    compiled = ()

    def __init__(self, shared: dict[str, Any], numbers: tuple[int, ...]) -> None:
        self.numbers = numbers
        self.drawn = 0
        self.snapshot, self.place = shared["snapshot"], shared.get("place")
        self.populations = shared.get("populations", [])

    def run(self, islands: list[int], until: int, seconds: float) -> list[Slice]:
        time.sleep(seconds)
        self.drawn += 100
        zero = dict.fromkeys((name for name in Counts.__dataclass_fields__ if name != "island"), 0)
        counts = {**zero, "programs": self.drawn, "best": 0.5, "mean": 0.5}
        return [
            Slice(n, Counts(island=n, **counts), False, (), None, True, (1, 0), 0.0)
            for n in islands
        ]

    def emigrants(self, positions: dict[int, Any]) -> dict[int, Migrants]:
        return {n: self.members(asked) for n, asked in positions.items()}

    def members(self, positions: Any) -> Migrants:
        heads = np.zeros(len(positions), HEAD)
        heads["birth"], heads["sizes"] = positions, (1, 1, 4)
        return Migrants(heads, np.zeros(6 * len(positions), CODE))

    def receive(self, members: Any) -> None:
        pass

    def give(self, number: int, vacant: Any, hosts: int) -> str:
        draws = Draws(self.populations, 0.5, 1, number)
        alike = [0] * len(self.populations)
        packets = packets_of(draws, vacant, hosts, alike, self.numbers, self.emigrants)
        name: str = self.place.put_packets(number, packets)
        return name

    def take(self, exchange: Exchange) -> None:
        read_given(exchange, len(self.populations), self.numbers)

    def save(self, islands: list[int], waste: Any = ()) -> Any:
        # No two are alike, as no two islands are.
        states = {n: n.to_bytes(4) + bytes(self.snapshot - 4) for n in islands}
        if self.place is None:
            return states
        self.place.remove(waste)
        return self.place.put(islands, lambda number: (self.drawn, states[number]))

    def recover(self, pasts: Any) -> None:
        pass


class IdleActor(Actor):
    def begin(self, shared: Any, numbers: Any, versions: Any) -> Any:
        import ray

        self._host = Idle(shared, numbers)  # type: ignore[assignment]
        return ray.get_runtime_context().get_node_id(), None, 0.0


class IdleRay(Ray):
    def _actor(self) -> type[Actor]:
        return IdleActor


class Weighing(IdleRay):
    """Adds up the bytes that this process sends to hosts and receives from them."""

    bytes = 0

    def start(self, arguments: Any) -> Any:
        link = super().start(arguments)
        send, receive = link.send, link.receive

        def weighed(content: Any) -> Any:
            self.bytes += len(pickle.dumps(content))
            return content

        link.send = lambda *message: send(*weighed(message))  # type: ignore[method-assign]
        link.receive = lambda: weighed(receive())  # type: ignore[method-assign]
        return link


def driver(islands: list[int], programs: int, hosts: int) -> None:
    print(f"islands  slice  driver  an exchange of {programs} of each: way  seconds  CPU s  MiB")
    with cluster(1):
        for count, by_files in product(islands, (False, True)):
            if count > MOST_RELAYED and not by_files:
                continue
            seconds = slice_seconds(count, hosts, "ray")
            with TemporaryDirectory() as folder:
                shelf = Shelf(Path(folder).absolute(), "there", "key", ())
                shared = {
                    "snapshot": 1000,
                    "populations": [2 * programs] * count,
                    "place": shelf.place,
                }

                def begun(engine: Ray, more: Any = shared, n: int = count) -> Workers:
                    return Workers(engine, lambda own: {**more, "numbers": own}, n, hosts)

                def exchange(there: Workers, n: int = count, files: bool = by_files) -> None:
                    there._shelf = shelf if files else None  # noqa: B023
                    if not there.exchange(1):
                        migrate(there, [2 * programs] * n, 0.5, 1, 1)

                with closing(begun(IdleRay())) as there:
                    run_for(0.1, there, count, 0.1)
                    began, before = time.monotonic(), cpu()
                    run_for(max(10.0, 3.0 * seconds), there, count, seconds)
                    share = (cpu() - before) / (time.monotonic() - began)
                    began, before = time.monotonic(), cpu()
                    exchange(there)
                    took, cpu_took = time.monotonic() - began, cpu() - before
                weighing = Weighing()
                with closing(begun(weighing)) as there:
                    before = weighing.bytes
                    exchange(there)
                    weight = weighing.bytes - before
            way = "files" if by_files else "driver"
            print(
                f"{count:7} {seconds:6.1f} {share:7.2%} {way:>35} {took:8.2f} {cpu_took:6.2f} "
                f"{weight / 2**20:8.3f}",
                flush=True,
            )


def saves(islands: list[int], snapshot: int) -> None:
    print(f"islands  snapshots of {snapshot:,} bytes  a save: MiB to the driver  its CPU s")
    nothing: Any = {"reports": [], "course": {}, "hall": [], "lineage": []}
    with cluster(1, object_store_memory=2**29):
        for count, location in product(islands, (None, "snapshots")):
            with (
                TemporaryDirectory(dir=".") as folder,
                Store.create(Path(folder), "", seed=1) as store,
            ):
                if location:
                    store.shelve(location)
                place = store.shelf and store.shelf.place
                shared = {"snapshot": snapshot, "place": place}
                given: Any = (IdleRay(), lambda numbers: {**shared, "numbers": numbers}, count, 2)  # noqa: B023
                with closing(Workers(*given, shelf=store.shelf)) as there:
                    took = []
                    for _ in range(5):
                        run_for(0.1, there, count, 0.1)  # or the snapshots were the same ones
                        before = cpu()
                        store.save(**nothing, islands=there.save())
                        took.append(cpu() - before)
                weighing = Weighing()
                with closing(Workers(weighing, *given[1:], shelf=store.shelf)) as weighed:
                    before = weighing.bytes
                    weighed.save()
                    weight = weighing.bytes - before
            print(
                f"{count:7} {location or 'run.sqlite':>26} {weight / 2**20:26.3f} "
                f"{statistics.median(took[1:]):10.3f}",
                flush=True,
            )


def run_for(seconds: float, there: Workers, islands: int, slice_seconds: float) -> None:
    end = time.monotonic() + seconds
    whole = Round(10**9, pending=set(range(islands)))
    for _ in run_round(there, whole, lambda: slice_seconds, lambda: time.monotonic() >= end):
        pass


def cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


# ---- the plan -----------------------------------------------------------------------------------


def plan(islands: list[int], seconds: float) -> None:
    print(
        "islands  workers  programs/s: planned  run  run, had it the cores   driver: planned  run"
    )
    with cluster(1):
        for count in islands:
            # Interrupted, and not by its budget, as a plan asks for programs.
            limits = [f"search.islands={count}", f"search.stop={{seconds={seconds}}}"]
            searched = settings(*limits, *(["migration="] if count == 1 else []))
            planned = planning.plan(searched, planning.measure(searched), 1, count)
            first: list[tuple[int, float, float, float]] = []

            def now(made: Report) -> tuple[int, float, float, float]:
                return made.total("programs"), made.seconds, made.cpu_seconds, cpu()

            def report(made: Report) -> None:
                if made.settled and not first:  # noqa: B023
                    first.append(now(made))  # noqa: B023

            outcome = Search(searched).run(workers=planned.workers, backend="ray", report=report)
            drawn, took, taken, driven = (
                after - before for after, before in zip(now(outcome.report), first[0], strict=True)
            )
            # Of the hosts, which others on this machine may have kept from running.
            of_hosts = drawn / (taken - driven) * planned.workers
            print(
                f"{count:7} {planned.workers:8} {planned.rate:20,.0f} {drawn / took:8,.0f} "
                f"{of_hosts:12,.0f} {planned.driver:16.1%} {driven / took:6.1%}",
                flush=True,
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("overhead")
    one.add_argument("--pairs", type=int, default=5)
    one.add_argument("--programs", type=int, default=2_000_000)
    one.add_argument("--set", dest="changes", action="append", default=[])
    of_driver = commands.add_parser("driver")
    of_driver.add_argument("--islands", type=int, nargs="+", default=[100, 1000, 10_000])
    of_driver.add_argument("--programs", type=int, default=500)
    of_driver.add_argument("--hosts", type=int, default=2)
    of_saves = commands.add_parser("saves")
    of_saves.add_argument("--islands", type=int, nargs="+", default=[100, 1000])
    of_saves.add_argument("--snapshot", type=int, default=200_000)
    of_plan = commands.add_parser("plan")
    of_plan.add_argument("--islands", type=int, nargs="+", default=[1, 2, 4, 8, 16])
    of_plan.add_argument("--seconds", type=float, default=20.0)
    asked = vars(parser.parse_args())
    globals()[asked.pop("command")](**asked)
