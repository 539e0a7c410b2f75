"""Scoring many programs on the same tasks, which are packed once: variants of a program, with lines
left out or put in, or several that are compared.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from azc.evaluation import evaluate
from azc.program import Program
from azc.tasks import Task, TaskSet

__all__ = ["Scorer"]

Array = NDArray[np.float64]


class Scorer:
    """Fitness of programs on `tasks`; what was scored is remembered."""

    def __init__(
        self, tasks: Sequence[Task], *, epochs: int, max_abs_error: float, tier: str = "auto"
    ) -> None:
        self._tasks = tasks if isinstance(tasks, TaskSet) else TaskSet(tasks)
        self._epochs, self._max_abs_error, self._tier = epochs, max_abs_error, tier
        self._known: dict[tuple[Program, int], Array] = {}

    def fitness(self, program: Program, seed: int) -> Array:
        """(D,) float64."""
        if (program, seed) not in self._known:
            result = evaluate(
                program,
                self._tasks,
                tier=self._tier,
                epochs=self._epochs,
                seed=seed,
                max_abs_error=self._max_abs_error,
            )
            self._known[program, seed] = result.fitness
        return self._known[program, seed]

    def over(self, program: Program, seeds: Iterable[int]) -> Array:
        """(D,): the mean over seeds."""
        return np.asarray(np.mean([self.fitness(program, seed) for seed in seeds], axis=0))
