"""Hosts that do not wait for each other: islands of one exchange programs with what others offered
last, whenever these have drawn as many as are due.

What a search does then depends on which machine was faster, and so is not repeatable. What an
island does still follows from what it received, so that a host that is lost is made anew as always.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from azc.search.hosts import Slice
from azc.search.migrants import Given, Migrants
from azc.search.migration import migrate
from azc.search.settings import Settings
from azc.search.workers import Workers

__all__ = ["Asynchronous"]


@dataclass
class Asynchronous:
    """The islands of `workers`; `drawn`: programs that they have drawn, those that have some."""

    workers: Workers
    settings: Settings
    drawn: dict[int, int]
    _offered: dict[int, Migrants] = field(default_factory=dict)
    _ends: dict[int, int] = field(default_factory=dict)  # of hosts, where an exchange is due
    _running: set[int] = field(default_factory=set)  # hosts
    _waiting: set[int] = field(default_factory=set)  # islands, for selection
    _exchanges: int = 0

    def __post_init__(self) -> None:
        assert self.settings.migration
        count = self.settings.search.islands
        most, every = self.settings.search.stop.programs, self.settings.migration.every
        # As many for each, as in every search.
        self._most = None if most is None else -(-most // count)
        self.drawn = {island: self.drawn.get(island, 0) for island in range(count)}
        for host, islands in enumerate(self.workers.shares):
            least = min(self.drawn[island] for island in islands)
            self._ends[host] = (least // every + 1) * every
        self._exchanges = sum(self.drawn.values()) // every

    def has_drawn(self, programs: int) -> bool:
        """Whether islands have, on the mean."""
        return sum(self.drawn.values()) >= programs * len(self.drawn)

    def round(
        self, until: int, seconds: Callable[[], float], is_over: Callable[[], bool]
    ) -> Iterator[list[Slice]]:
        """Slices of hosts, until islands have drawn `until` programs on the mean, or some offer
        what is to be selected, or it is over. No host is running then."""
        self._waiting.clear()
        going = True
        while going and not self.has_drawn(until) and not is_over():
            for host in self._ends.keys() - self._running:
                self._start(host, seconds())
            slices = self._finished()
            yield slices
            going = bool(slices) and not any(made.offers for made in slices)
        while self._running:
            yield self._finished()

    def _start(self, host: int, seconds: float) -> None:
        islands = self.workers.shares[host]
        if all(self.drawn[island] >= self._ends[host] for island in islands):
            self._exchange(host)
        end = self._ends[host] if self._most is None else min(self._ends[host], self._most)
        going = [n for n in islands if self.drawn[n] < end and n not in self._waiting]
        if going:
            self.workers.start(host, going, end, seconds)
            self._running.add(host)

    def _finished(self) -> list[Slice]:
        slices_of_all = []
        for host, slices in self.workers.finished(sorted(self._running)).items():
            self._running.discard(host)
            for made in slices:
                self.drawn[made.island] = made.counts.programs
                if made.done and made.counts.programs < self._ends[host]:
                    self._waiting.add(made.island)
            slices_of_all += slices
        return slices_of_all

    def _exchange(self, host: int) -> None:
        assert self.settings.migration
        plans = self.settings.plans()
        migrate(
            _Some(self.workers, self.workers.shares[host], self._offered),
            [plan.population for plan in plans],
            self.settings.migration.share,
            self.settings.search.seed,
            self._exchanges,
            [plan.measure for plan in plans],
        )
        self._exchanges += 1
        self._ends[host] += self.settings.migration.every


@dataclass
class _Some:
    """The islands `islands`; of all others what they offered last."""

    workers: Workers
    islands: Sequence[int]
    offered: dict[int, Migrants]

    def emigrants(self, positions: Mapping[int, NDArray[np.int64]]) -> dict[int, Migrants]:
        self.offered |= self.workers.emigrants({n: positions[n] for n in self.islands})
        nothing = Migrants.joined(())
        return {island: self.offered.get(island, nothing) for island in positions}

    def receive(self, given: Mapping[int, Given]) -> None:
        self.workers.receive({island: given[island] for island in self.islands})
