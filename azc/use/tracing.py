"""A program at work, watched: what each of its instructions stores, step by step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from azc.program import Program
from azc.reference import Run
from azc.runtime import _core
from azc.tasks import Task

__all__ = ["Traced", "trace"]

Array = NDArray[np.float64]
Watch = Callable[[str, int, Array], None]


class Traced(Run):
    """A run of the reference tier that tells `watch` of (function, index, value)."""

    def __init__(self, program: Program, task: Task, seed: int, watch: Watch) -> None:
        super().__init__(program, task, seed, np)
        self._watch = watch

    def observe(self, function: str, index: int, value: Array) -> None:
        self._watch(function, index, value)


def trace(
    program: Program,
    task: Task,
    watch: Watch,
    *,
    seed: int = 0,
    examples: int = 100,
    max_abs_error: float = 100.0,
    after: Callable[[Any, int], None] | None = None,
) -> int:
    """Train on the first `examples`; returns how many were served before training stopped.

    `after(run, step)` is called after each of them.
    """
    with _core.Environment(), np.errstate(all="ignore"):
        run = Traced(program, task, seed, watch)
        run.call("setup", 0)
        for position in range(min(examples, len(task.y_train))):
            x, y = task.X_train[position], float(task.y_train[position])
            if not run.train_one(x, y, max_abs_error, 1 + position):
                return position
            if after:
                after(run, position)
    return min(examples, len(task.y_train))
