"""Whether one program does nearly as well as another: on average, and on every single task.

A mean hides what is rare. A program that diverges on one task of thirty, and gains a little on the
others, may have the better mean; whoever uses it has the one task in thirty.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from azc.program import Program
from azc.tasks import Task
from azc.use.scoring import Scorer

__all__ = ["Tolerance"]

Array = NDArray[np.float64]

#: On one task fitness may fall by so many times what the mean may, and by so many standard errors
#: of a score on so few validation examples.
_SINGLE, _ERRORS = 10.0, 3.0


@dataclass(frozen=True)
class Tolerance:
    """How far fitness may fall below that of `program`, on `tasks` and with each of `seeds`: its
    mean by `mean`, that of a single run by more, but never to nothing."""

    program: Program
    tasks: Sequence[Task]
    scorer: Scorer
    seeds: Sequence[int]
    mean: float

    def fitness(self, program: Program) -> Array:
        """(seeds, tasks)."""
        return np.stack([self.scorer.fitness(program, seed) for seed in self.seeds])

    def holds(self, program: Program, doubt: bool = False) -> bool:
        """Whether `program` stays within it. With `doubt`, the mean may fall by a standard error
        more: on tasks that lines were not chosen on, chance is not in the program's favour."""
        before, after = self.fitness(self.program), self.fitness(program)
        fall = (before - after).mean(axis=0)
        allowed = self.mean
        if doubt and len(fall) > 1:
            allowed += float(fall.std(ddof=1)) / np.sqrt(len(fall))
        return float(fall.mean()) <= allowed and not self.worse(program).any()

    def worse(self, program: Program) -> NDArray[np.bool_]:
        """(tasks,): where it fails, or falls by more than may be chance."""
        before, after = self.fitness(self.program), self.fitness(program)
        failed = (after <= 0.0) & (before > 0.0)
        far = before - after > _SINGLE * self.mean + _ERRORS * self._errors(before)
        return np.asarray(np.any(failed | far, axis=0))

    def _errors(self, fitness: Array) -> Array:
        """A standard error of each score: of a share of right answers, the binomial one, as if two
        more examples, one of them right, had been seen; of an error, that of its square's mean."""
        errors = np.empty(fitness.shape)
        for column, task in enumerate(self.tasks):
            scores, count = fitness[:, column], len(task.y_valid)
            if task.metric == "accuracy":
                share = (scores * count + 1.0) / (count + 2.0)
                errors[:, column] = np.sqrt(share * (1.0 - share) / count)
            else:
                error = np.tan((1.0 - scores) * np.pi / 2.0) * (1.0 + 1.0 / np.sqrt(2.0 * count))
                errors[:, column] = scores - (1.0 - 2.0 / np.pi * np.arctan(error))
        return errors
