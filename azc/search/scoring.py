"""Scoring: programs on tasks that the search has not seen, T_select and T_final. Hosts do it when
the course of a search asks (`hosts.Job`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import azc.evaluation
from azc.program import Program
from azc.search.hosts import Job
from azc.search.settings import Settings
from azc.search.settings_tasks import Which
from azc.tasks import Task

__all__ = ["Scorer"]


@dataclass
class Scorer:
    """Scores programs as the search itself does on its own tasks. The tier is chosen as everywhere;
    without hot compiling it is the interpreter. `made`: sets of tasks that there are already; of
    others, those that are needed are made when they first are."""

    settings: Settings
    made: Mapping[Which, Sequence[Task]]
    _made: dict[tuple[Which, int, int], Sequence[Task]] = field(default_factory=dict)

    def __call__(self, job: Job) -> list[float]:
        """The program's fitness on each of the tasks."""
        evaluation = self.settings.evaluation
        result = azc.evaluation.run(
            Program.unpacked(job.packed),
            self._tasks(job.which, job.first, job.count),
            {
                "epochs": evaluation.epochs,
                "seed": evaluation.seed,
                "max_abs_error": evaluation.max_abs_error,
            },
            tier="interpreter" if self.settings.compile.hot is False else "auto",
        )
        return [float(fitness) for fitness in result.fitness]

    def _tasks(self, which: Which, first: int, count: int) -> Sequence[Task]:
        key = (which, first, count)
        if key not in self._made:
            if which in self.made:
                self._made[key] = self.made[which][first : first + count]
            else:
                self._made[key] = self.settings.make_tasks(which, first, count)
        return self._made[key]
