"""What the folders of searches have on record, as reports need it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from azc.errors import AzcError
from azc.search.moving import settings_as_run
from azc.search.report import Ancestor, Best, Counts, NodeCounts
from azc.search.settings import Settings
from azc.search.store import Saved, read_saved

__all__ = ["Clock", "Run", "best_so_far", "read_run"]

Points = list[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Clock:
    """How long a search had taken when it had drawn so many programs."""

    programs: int
    seconds: float
    cpu_seconds: float


@dataclass(frozen=True, slots=True)
class Run:
    """A search at its last save. `settings`: None where this azc cannot read them; `problem` then
    says why. `text`: its search file. `clocks`: none in a run of an azc that did not keep them."""

    name: str
    folder: Path
    seed: int
    text: str
    settings: Settings | None
    problem: str
    about: dict[str, str]
    history: list[list[Counts]]
    hall: list[Best]
    lineage: list[Ancestor]
    clocks: list[Clock]
    seconds: float
    cpu_seconds: float
    nodes: list[NodeCounts] = field(default_factory=list)
    nodes_seconds: float = 0.0
    repeatable: bool = True

    @property
    def best(self) -> Best | None:
        return self.hall[0] if self.hall else None

    @property
    def islands(self) -> int:
        if self.history:
            return len(self.history[-1])
        return 1 if self.settings is None else self.settings.search.islands

    @property
    def programs(self) -> int:
        """Drawn and decided, over all islands."""
        reported = max((total(rows, "programs") for rows in self.history[-1:]), default=0)
        return max([reported, *(clock.programs for clock in self.clocks[-1:])])

    @property
    def goal(self) -> float | None:
        """`search.stop.fitness`."""
        return None if self.settings is None else self.settings.search.stop.fitness

    @property
    def solved(self) -> bool:
        """Whether the best reaches the goal on T_select (on T_search where there is none)."""
        if self.best is None or self.goal is None:
            return False
        decisive = self.best.search if self.best.select is None else self.best.select
        return decisive >= self.goal

    def course(self) -> Points:
        """Programs, and the best fitness on T_search so far: as the lineage of the best tells it,
        as the reports do, and at the end."""
        points = best_so_far(self.history)
        points += [((one.birth + 1.0) * self.islands, one.fitness) for one in self.lineage]
        if self.best is not None and self.programs > 0:
            points.append((float(self.programs), self.best.search))
        course: Points = []
        for programs, fitness in sorted(points):
            top = max(fitness, course[-1][1]) if course else fitness
            if course and course[-1][0] == programs:
                course.pop()
            course.append((programs, top))
        return course

    def cpu_at(self, programs: Sequence[float]) -> list[float]:
        """CPU seconds when so many programs had been drawn, between readings in proportion."""
        at = [0.0, *(float(clock.programs) for clock in self.clocks)]
        seconds = [0.0, *(clock.cpu_seconds for clock in self.clocks)]
        return [float(value) for value in np.interp(programs, at, seconds)]


def read_run(folder: Path) -> Run:
    """The run in `folder`, which may still be going on. Raises `StateError`."""
    saved = read_saved(folder)
    settings, problem = _settings(saved, folder)
    course = saved.course
    return Run(
        name=folder.absolute().name or str(folder),
        folder=folder,
        seed=int(saved.about["seed"]),
        text=saved.about["settings"],
        settings=settings,
        problem=problem,
        about=saved.about,
        history=saved.history,
        hall=saved.hall,
        lineage=saved.lineage,
        clocks=[Clock(int(programs), *rest) for programs, *rest in course.get("clocks", [])],
        seconds=float(course.get("seconds", 0.0)),
        cpu_seconds=float(course.get("cpu_seconds", 0.0)),
        nodes=[NodeCounts(**node) for node in course.get("nodes", [])],
        nodes_seconds=float(course.get("nodes_seconds", 0.0)),
        repeatable=bool(course.get("repeatable", True)),
    )


def _settings(saved: Saved, folder: Path) -> tuple[Settings | None, str]:
    try:
        return settings_as_run(saved.about, folder), ""
    except AzcError as error:
        return None, str(error)


def best_so_far(history: Sequence[Sequence[Counts]]) -> Points:
    """Programs and the best fitness up to each report; none before there is a fitness."""
    points: Points = []
    best = -math.inf
    for rows in history:
        best = max([best, *(row.best for row in rows if not math.isnan(row.best))])
        if best > -math.inf:
            points.append((total(rows, "programs"), best))
    return points


def total(rows: Sequence[Counts], name: str) -> int:
    """The sum of one of the counts over islands."""
    return sum(int(getattr(row, name)) for row in rows)
