"""What a search would take on a cluster, from a short measurement on this machine.

An island's rate is measured, and what an exchange and a save cost the driver. From these follow,
for W islands on N nodes of as many cores as this machine:

    programs per second    rate x min(W, N x cores), less the waiting for exchanges and saves, and
                           what Ray and the driver take of cores that hosts would have
    memory of a node       its hosts, with the tasks laid out, and its islands
    driver                 CPU time of messages, exchanges and saves over all the time

Islands grow slower or faster as programs do; the first seconds are no more than a guide to hours.
"""

from __future__ import annotations

import math
import os
import pickle
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from azc.search.engines import slice_seconds
from azc.search.islands import Islands
from azc.search.migrants import Given, Migrants
from azc.search.migration import migrate
from azc.search.runtime_settings import bytes_needed
from azc.search.settings import Settings
from azc.search.settings_islands import own_tasks
from azc.tasks import Task
from azc.tasks.task import arrays_of

__all__ = ["Measured", "Planned", "measure", "plan"]

#: Of a message and its answer, for the driver on Ray; four times as much as where one follows
#: another at once.
_MESSAGE_SECONDS = 0.0018
#: How many times what the messages of one island take is an island's part of those of many, which
#: no cache holds, on Ray.
_OF_MANY = 3.0
#: Of a core, for Ray's threads in a host.
_THREADS = 0.023
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
    relay = _Relay(pickle.dumps(host.emigrants({0: np.arange(count)})))
    began = time.process_time()
    if migration:
        migrate(relay, [settings.search.population], migration.share, settings.search.seed, 0, [0])
    exchange = _OF_MANY * (time.process_time() - began)
    began = time.process_time()
    saved = host.save(host.numbers)
    save = time.process_time() - began
    return Measured(
        rate=rate,
        exchange=exchange,
        save=save,
        exchange_bytes=relay.bytes,
        save_bytes=len(pickle.dumps(saved)),
        island=bytes_needed(settings, [tasks, *own]) // settings.search.islands,
        host=_PROCESS_BYTES + 2 * sum(map(_bytes_of, (tasks, *own))),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1,
    )


class _Relay:
    """The messages of an exchange, of which the driver gets `offered` for every island."""

    def __init__(self, offered: bytes) -> None:
        self._offered = offered
        self.bytes = 0

    def emigrants(self, positions: Mapping[int, NDArray[np.int64]]) -> dict[int, Migrants]:
        self.bytes += len(pickle.dumps(positions)) + len(self._offered)
        offered: dict[int, Migrants] = pickle.loads(self._offered)
        return offered

    def receive(self, given: Mapping[int, Given]) -> None:
        self.bytes += len(pickle.dumps(given))


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
    running = programs / raw / (1.0 - _THREADS)
    exchanges, saves = programs / islands / every, programs / islands / interval
    # Hosts that put snapshots and what they exchange somewhere themselves do so at the same time.
    themselves = settings.search.snapshots is not None
    one_after_the_other = turns if themselves else islands
    exchanging = one_after_the_other * exchanges * measured.exchange
    saving = one_after_the_other * saves * measured.save
    driven = 0.0 if themselves else exchanging + saving
    # Hosts are heard of after slices and when rounds end, and asked twice more for exchanges.
    messages = workers / slice_seconds(islands, workers, "ray") + workers * (
        (3.0 * exchanges + 2.0 * saves) / running
    )
    listening = running * messages * _MESSAGE_SECONDS
    driven += listening
    if workers == nodes * measured.cores:  # and none is left for the driver
        running += listening / workers
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
