"""Rounds: every island draws as many programs, and no host waits for others while it has some to
run.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from azc.search.hosts import Offer, Slice
from azc.search.report import Counts
from azc.search.settings import Settings
from azc.search.workers import Workers

__all__ = ["Round", "Schedule", "run_round"]


@dataclass
class Round:
    """What islands are to draw, and how far they have got.

    `end`: programs of each island when it ends; `beyond`: programs that those may draw meanwhile
    that have got there, None where they have to wait. `pending`: islands that have not got there;
    `passed`: counts of the others as they did; `further`: of those that have got as far as they
    may. `offers` are to be considered when it ends, `ahead` are those for the next one.
    """

    end: int = 0
    beyond: int | None = None
    pending: set[int] = field(default_factory=set)
    passed: dict[int, Counts] = field(default_factory=dict)
    further: dict[int, Counts] = field(default_factory=dict)
    offers: list[Offer] = field(default_factory=list)
    ahead: list[Offer] = field(default_factory=list)

    def next(self, end: int, beyond: int | None, islands: Iterable[int]) -> Round:
        """The one that follows, of all `islands`."""
        offers = [*self.offers, *self.ahead]
        pending = set(islands) - self.further.keys()
        return Round(end, beyond, pending, passed=self.further, offers=offers)

    def take(self, made: Slice) -> None:
        """What an island did: before the end or, if it has nothing to wait for, after it."""
        if made.island not in self.pending:
            self.ahead.extend(made.offers)
            if made.done:
                self.further[made.island] = made.counts
            return
        self.offers.extend(made.offers)
        if made.done:
            self.pending.remove(made.island)
            self.passed[made.island] = made.counts

    def counts(self, latest: Iterable[Counts]) -> tuple[Counts, ...]:
        """Those of the islands at its end, of which some may have gone on."""
        return tuple(self.passed.get(counts.island, counts) for counts in latest)

    def to_json(self) -> dict[str, Any]:
        return {
            "round_end": self.end,
            "beyond": self.beyond,
            "pending": sorted(self.pending),
            "passed": _listed(self.passed),
            "further": _listed(self.further),
            "offers": [offer.to_json() for offer in self.offers],
            "ahead": [offer.to_json() for offer in self.ahead],
        }

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> Round:
        return cls(
            saved["round_end"],
            saved["beyond"],
            set(saved["pending"]),
            _by_island(saved["passed"]),
            _by_island(saved["further"]),
            [Offer.from_json(offer) for offer in saved["offers"]],
            [Offer.from_json(offer) for offer in saved["ahead"]],
        )


def _listed(of: Mapping[int, Counts]) -> list[dict[str, Any]]:
    return [dataclasses.asdict(counts) for _, counts in sorted(of.items())]


def _by_island(listed: Iterable[Mapping[str, Any]]) -> dict[int, Counts]:
    return {fields["island"]: Counts(**fields) for fields in listed}


class Schedule:
    """When rounds end: `interval` programs of each island are what is between two reports."""

    def __init__(self, settings: Settings, interval: int) -> None:
        stop, count = settings.search.stop, settings.search.islands
        self._most = None if stop.programs is None else -(-stop.programs // count)
        self._steps, self._every = [interval], 0
        if settings.migration and settings.migration.synchronous:
            self._every = settings.migration.every
            self._steps.append(self._every)
        self._may_go_on = settings.repeatable and stop.fitness is None

    def end_after(self, programs: int) -> int:
        """A round ends where a report or a migration is due, and no later than the budget does."""
        ends = [(programs // step + 1) * step for step in self._steps]
        if self._most is not None:
            ends.append(max(programs + 1, self._most))
        return min(ends)

    def migrates_at(self, end: int) -> bool:
        return bool(self._every and end and end % self._every == 0)

    def beyond(self, end: int) -> int | None:
        """As far as islands may go on that are through with the round which ends there: to the end
        of the next, if nothing depends on what others have found; else None."""
        last = self._most is not None and end >= self._most
        if not self._may_go_on or last or self.migrates_at(end):
            return None
        return self.end_after(end)


def run_round(
    workers: Workers,
    now: Round,
    seconds: Callable[[], float],
    pauses: Callable[[], bool],
) -> Iterator[list[Slice]]:
    """Slices of islands, of at most `seconds`, as hosts make them, which `now` takes. Ends when no
    island is pending, or once it `pauses` after the first slices; no host is running then. Hosts
    that have nothing left to run take over islands, or score, or let their own go on beyond the
    round."""
    ready, running = set(range(len(workers.shares))), set[int]()
    idle: set[int] = set()
    begins = True
    while ready or running:
        if begins or not pauses():
            workers.relieve(ready, idle, now.pending, now.end)
            shares, goes_on = workers.shares, _may_go_on(workers, now)
            for host in sorted(ready | idle):
                islands, until = sorted(now.pending.intersection(shares[host])), now.end
                if not islands and goes_on and workers.is_free(host):
                    islands, until = sorted(set(shares[host]) - now.further.keys()), goes_on
                if islands:
                    workers.start(host, islands, until, seconds())
                    running.add(host)
                    idle.discard(host)
                else:
                    idle.add(host)
        begins = False
        ready.clear()
        if running:
            slices_of_all = []
            for host, slices in workers.finished(sorted(running), sorted(idle)).items():
                running.discard(host)
                ready.add(host)
                for made in slices:
                    now.take(made)
                slices_of_all += slices
            yield slices_of_all


def _may_go_on(workers: Workers, now: Round) -> int:
    """As far as islands may go on beyond the round whose hosts have nothing else to do; 0: they may
    not, for there is something to take over, or the round has ended."""
    if now.beyond is None or not now.pending or workers.may_relieve(now.pending, now.end):
        return 0
    return now.beyond
