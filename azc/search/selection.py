"""Model selection: what islands offer is scored on T_select, and the winner of that on T_final."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from azc.analysis import live
from azc.program import Program
from azc.search.islands import Found
from azc.search.report import Ancestor, Best
from azc.search.runtime_settings import ORIGINS
from azc.search.scoring import Scorer
from azc.search.settings import Settings
from azc.search.settings_tasks import Which
from azc.tasks import Task

__all__ = ["Selection"]

#: Programs in the hall of fame.
_HALL = 10


class Selection:
    """The best programs of a search.

    An island offers the best program of each population that has ended, and any that reaches
    ``stop.fitness`` on T_search. These are ranked by T_select; where there is none, by T_search.
    """

    def __init__(self, settings: Settings, sets: Mapping[Which, list[Task]]) -> None:
        self._goal = settings.search.stop.fitness
        self._classes = sets["search"][0].classes
        scorers = {
            which: Scorer(settings, which, sets.get(which)) for which in settings.tasks.configured()
        }
        self._select, self._final = scorers.get("select"), scorers.get("final")
        self._hall: list[Best] = []
        self._lineage: list[Ancestor] = []  # of the first in the hall

    def consider(self, offers: Sequence[Found]) -> None:
        """Score what is offered, and keep the best of it."""
        # In an order that does not depend on which worker was faster.
        for found in sorted(offers, key=lambda f: (f.island, f.run, f.birth)):
            best = self._best_of(found)
            if any(best.program == known.program for known in self._hall):
                continue
            if self._select:
                best = replace(best, select=self._select(best.program))
            self._hall = sorted([*self._hall, best], key=_rank)[:_HALL]
            if self._hall[0] is best:
                self._lineage = _lineage(found)

    @property
    def solved(self) -> bool:
        """Whether the first in the hall reaches ``stop.fitness``."""
        if self._goal is None or not self._hall:
            return False
        return _decisive(self._hall[0]) >= self._goal

    def hall(self, under_way: Found | None = None) -> list[Best]:
        """The best programs, the best first. `under_way`, the best of populations that have not
        ended, comes before them while T_select has not been asked about any."""
        if under_way and self._stands(under_way):
            return [self._best_of(under_way), *self._hall][:_HALL]
        return list(self._hall)

    def fittest(self, under_way: Found | None) -> Best | None:
        """The best on T_search, which shows how far the search is before anything is selected."""
        known = [*self._hall, *([self._best_of(under_way)] if under_way else [])]
        return max(known, key=lambda best: best.search) if known else None

    def lineage(self, under_way: Found | None = None) -> list[Ancestor]:
        """That of the first program of `hall`."""
        if under_way and self._stands(under_way):
            return _lineage(under_way)
        return list(self._lineage)

    def conclude(self) -> Best | None:
        """The winner, scored on T_final."""
        if self._hall and self._final:
            first = self._hall[0]
            self._hall[0] = replace(first, final=self._final(first.program))
        return self._hall[0] if self._hall else None

    def _stands(self, under_way: Found) -> bool:
        if not self._hall:
            return True
        return not self._select and under_way.fitness > self._hall[0].search

    def _best_of(self, found: Found) -> Best:
        program = live(found.program, self._classes)
        return Best(program, found.island, found.run, found.birth, found.fitness)

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


def _decisive(best: Best) -> float:
    """Fitness on T_select, or on T_search where there is no T_select."""
    return best.search if best.select is None else best.select


def _rank(best: Best) -> tuple[float, float]:
    """Sorts the best first."""
    return (-_decisive(best), -best.search)


def _lineage(found: Found) -> list[Ancestor]:
    before = -1
    lineage = []
    for birth, origin, fitness, packed in found.lineage:
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
