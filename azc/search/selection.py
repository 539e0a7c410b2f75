"""Model selection: what islands offer is scored on T_select, and the winner of that on T_final."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from azc.analysis import canonical_hash, live
from azc.program import Program
from azc.search.hosts import Job, Offer
from azc.search.report import Ancestor, Best
from azc.search.runtime_settings import ORIGINS
from azc.search.settings import Settings

__all__ = ["Selection"]

#: Programs in the hall of fame.
_HALL = 10


class Selection:
    """The best programs of a search.

    An island offers the best program of each population that has ended, and any that reaches
    ``stop.fitness`` on T_search. These are ranked by T_select; where there is none, by T_search.
    It scores nothing itself: of what is `wanted`, it is to `learn` before it considers that.
    """

    def __init__(self, settings: Settings, classes: int) -> None:
        """`classes`: those of the tasks, 0 for regression."""
        self._goal, self._classes = settings.search.stop.fitness, classes
        self._median = settings.search.aggregate == "median"
        self._sizes = {which: table.size for which, table in settings.tasks.configured().items()}
        self._select: dict[str, float] = {}  # on T_select, by hash; nan: asked for
        self._final: dict[str, float] = {}
        self._hall: list[Best] = []
        self._lineage: list[Ancestor] = []  # of the first in the hall

    def wanted(self, offers: Iterable[Offer]) -> list[Job]:
        """What has to be scored before `offers` are considered, and was not asked for before."""
        jobs = []
        if "select" in self._sizes:
            for offer in offers:
                program = live(offer.program, self._classes)
                if (key := self._key(program)) not in self._select:
                    self._select[key] = math.nan
                    jobs.append(Job("select", program.packed(), 0, self._sizes["select"]))
        return jobs

    def wanted_at_the_end(self) -> list[Job]:
        """What has to be scored before `conclude`."""
        if not self._hall or "final" not in self._sizes:
            return []
        return [Job("final", self._hall[0].program.packed(), 0, self._sizes["final"])]

    def learn(self, scores: Iterable[tuple[Job, Sequence[float]]]) -> None:
        """Take the fitness of what was wanted, on each of the tasks."""
        for job, fitness in scores:
            known = self._select if job.which == "select" else self._final
            program = Program.unpacked(job.packed)
            known[self._key(program)] = self._aggregate(np.array(fitness))

    def _aggregate(self, fitness: np.ndarray[Any, np.dtype[np.float64]]) -> float:
        # As `azc.evaluation.Result` does.
        if self._median:
            return float(np.sort(fitness)[len(fitness) // 2])
        return float(np.mean(fitness))

    def _key(self, program: Program) -> str:
        # Not `program.hash`, which takes the prediction's type from the program and not the tasks.
        return canonical_hash(program, self._classes)

    def consider(self, offers: Sequence[Offer]) -> None:
        """Keep the best of what is offered."""
        # In an order that does not depend on which worker was faster.
        for offer in sorted(offers, key=lambda f: (f.island, f.run, f.birth)):
            best = self._best_of(offer)
            if any(best.program == known.program for known in self._hall):
                continue
            if "select" in self._sizes:
                best = replace(best, select=self._select[self._key(best.program)])
            self._hall = sorted([*self._hall, best], key=_rank)[:_HALL]
            if self._hall[0] is best:
                self._lineage = _lineage(offer)

    @property
    def solved(self) -> bool:
        """Whether the first in the hall reaches ``stop.fitness``."""
        if self._goal is None or not self._hall:
            return False
        return _decisive(self._hall[0]) >= self._goal

    def hall(self, under_way: Offer | None = None) -> list[Best]:
        """The best programs, the best first. `under_way`, the best of populations that have not
        ended, comes before them while T_select has not been asked about any."""
        if under_way and self._stands(under_way):
            return [self._best_of(under_way), *self._hall][:_HALL]
        return list(self._hall)

    def fittest(self, under_way: Offer | None) -> Best | None:
        """The best on T_search, which shows how far the search is before anything is selected."""
        known = [*self._hall, *([self._best_of(under_way)] if under_way else [])]
        return max(known, key=lambda best: best.search) if known else None

    def lineage(self, under_way: Offer | None = None) -> list[Ancestor]:
        """That of the first program of `hall`."""
        if under_way and self._stands(under_way):
            return _lineage(under_way)
        return list(self._lineage)

    def conclude(self) -> Best | None:
        """The winner, scored on T_final."""
        if self._hall and "final" in self._sizes:
            first = self._hall[0]
            self._hall[0] = replace(first, final=self._final[self._key(first.program)])
        return self._hall[0] if self._hall else None

    def _stands(self, under_way: Offer) -> bool:
        if not self._hall:
            return True
        return "select" not in self._sizes and under_way.fitness > self._hall[0].search

    def _best_of(self, offer: Offer) -> Best:
        program = live(offer.program, self._classes)
        return Best(program, offer.island, offer.run, offer.birth, offer.fitness)

    # ---- state, as JSON can hold it ----

    def to_json(self) -> dict[str, Any]:
        return {
            "hall": [_to_json(best) for best in self._hall],
            "lineage": [_to_json(ancestor) for ancestor in self._lineage],
        }

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Go on from what `to_json` gave."""
        self._hall = [Best(**_with_program(fields)) for fields in saved["hall"]]
        self._lineage = [Ancestor(**_with_program(fields)) for fields in saved["lineage"]]
        for best in self._hall:
            if best.select is not None:
                self._select[self._key(best.program)] = best.select


def _decisive(best: Best) -> float:
    """Fitness on T_select, or on T_search where there is no T_select."""
    return best.search if best.select is None else best.select


def _rank(best: Best) -> tuple[float, float]:
    """Sorts the best first."""
    return (-_decisive(best), -best.search)


def _lineage(offer: Offer) -> list[Ancestor]:
    before = -1
    lineage = []
    for birth, origin, fitness, packed in offer.lineage:
        program = Program.unpacked(packed)
        lineage.append(Ancestor(birth, before, ORIGINS[origin], fitness, program))
        before = birth
    return lineage


def _to_json(one: Best | Ancestor) -> dict[str, Any]:
    packed = [body.hex() for body in one.program.packed()]
    return {**asdict(replace(one, program=Program())), "program": packed}


def _with_program(fields: Mapping[str, Any]) -> dict[str, Any]:
    setup, predict, learn = map(bytes.fromhex, fields["program"])
    return {**fields, "program": Program.unpacked((setup, predict, learn))}
