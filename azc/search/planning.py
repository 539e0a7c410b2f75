"""What a search would take on a cluster, from a short measurement on this machine.

An island's rate is measured, and what an exchange and a save cost the driver. From these follow,
for W islands on N nodes of as many cores as this machine:

    programs per second    rate x min(W, N x cores), less the waiting for exchanges and saves
    memory of a node       its hosts, with the tasks laid out, and its islands
    driver                 CPU time of messages, exchanges and saves over all the time

Islands grow slower or faster as programs do; the first seconds are no more than a guide to hours.
"""

from __future__ import annotations

import math
import os
import pickle
import time
from collections.abc import Sequence
from dataclasses import dataclass

from azc.search.engines import slice_seconds
from azc.search.islands import Islands
from azc.search.runtime_settings import bytes_needed
from azc.search.settings import Settings
from azc.search.settings_islands import own_tasks
from azc.tasks import Task
from azc.tasks.task import arrays_of

__all__ = ["Measured", "Planned", "measure", "plan"]

#: Of a message and its answer, for the driver on Ray: 0.56 ms of CPU were measured on a busy
#: machine, and there is more to it than that.
_MESSAGE_SECONDS = 0.0008
#: What a process takes with azc in it and nothing else.
_PROCESS_BYTES = 150 * 2**20
#: Programs that there is a time for where the search file has no budget of them.
_PROGRAMS = 10**9


@dataclass(frozen=True, slots=True)
class Measured:
    """Of one island: programs per second on one core, CPU seconds that a driver takes for its part
    of an exchange and of a save, bytes that it sends in them, and bytes that it takes; `host`:
    bytes of a host without islands; `cores` of this machine."""

    rate: float
    exchange: float
    save: float
    exchange_bytes: int
    save_bytes: int
    island: int
    host: int
    cores: int


@dataclass(frozen=True, slots=True)
class Planned:
    """A search of `islands` on `nodes`; `programs` are drawn in `seconds`, `memory` is a node's,
    `driver` a share of a core, `messages` per second, `exchange` in bytes."""

    nodes: int
    islands: int
    workers: int
    rate: float
    programs: int
    seconds: float
    memory: int
    driver: float
    messages: float
    exchange: int


def measure(settings: Settings, seconds: float = 3.0) -> Measured:
    """Runs an island for about so long. Raises `TaskError` or `ResourceError`."""
    sets = {which: settings.make_tasks(which) for which in settings.tasks.needed_at_once()}
    own = own_tasks(settings.plans(), sets)
    tasks = sets["search"]
    host = Islands(settings, tasks, settings.search.seed, (0,), None, sets, own)
    host.run([0], 2**62, seconds / 3.0)  # the first population is unlike all later ones
    before, began = host.counts(0).programs, time.process_time()
    host.run([0], 2**62, seconds)
    rate = (host.counts(0).programs - before) / max(time.process_time() - began, 1e-9)
    migration = settings.migration
    count = max(1, round(migration.share * settings.search.population)) if migration else 0
    began = time.process_time()
    offered = pickle.dumps(host.emigrants({0: list(range(count))}))
    members = {0: dict(enumerate(pickle.loads(offered)[0]))}
    exchanged = len(offered) + len(pickle.dumps(members))
    exchange = time.process_time() - began
    began = time.process_time()
    saved = host.save(host.numbers)
    save = time.process_time() - began
    return Measured(
        rate=rate,
        exchange=exchange,
        save=save,
        exchange_bytes=exchanged if migration else 0,
        save_bytes=len(pickle.dumps(saved)),
        island=bytes_needed(settings, [tasks, *own]) // settings.search.islands,
        host=_PROCESS_BYTES + 2 * sum(map(_bytes_of, (tasks, *own))),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1,
    )


def _bytes_of(tasks: Sequence[Task]) -> int:
    return sum(array.nbytes for task in tasks for array in arrays_of(task))


def plan(
    settings: Settings, measured: Measured, nodes: int, islands: int, work: int = 0
) -> Planned:
    """What `islands` on `nodes` would take; `work`: examples of an evaluation."""
    workers = min(islands, nodes * measured.cores)
    # Who has more islands than others has them wait.
    turns = math.ceil(islands / workers)
    raw = measured.rate * islands / turns
    programs = settings.search.stop.programs or _PROGRAMS
    every = settings.migration.every if settings.migration else math.inf
    interval = settings.programs_per_interval(work)
    running = programs / raw
    exchanges, saves = programs / islands / every, programs / islands / interval
    # Hosts that put snapshots and what they exchange somewhere themselves do so at the same time.
    themselves = settings.search.snapshots is not None
    one_after_the_other = turns if themselves else islands
    exchanging = one_after_the_other * exchanges * measured.exchange
    saving = one_after_the_other * saves * measured.save
    driven = 0.0 if themselves else exchanging + saving
    messages = workers / slice_seconds(islands, workers, "ray") + workers * (
        (2.0 * exchanges + saves) / running
    )
    driven += running * messages * _MESSAGE_SECONDS
    # Hosts wait for exchanges and saves, not for messages about slices.
    seconds = running + exchanging + saving
    on_one = math.ceil(workers / nodes)
    return Planned(
        nodes=nodes,
        islands=islands,
        workers=workers,
        rate=programs / seconds,
        programs=programs,
        seconds=seconds,
        memory=on_one * measured.host + math.ceil(islands / nodes) * measured.island,
        driver=min(1.0, driven / seconds),
        messages=messages,
        exchange=measured.exchange_bytes * islands,
    )
