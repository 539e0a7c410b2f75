"""A program at work, watched: what each of its instructions stores, step by step.

It runs in plain NumPy, so only a few steps are watched: to see which values never change
(`tune.decouple`), and what a rate does in the course of training (`azc.paper.traits`).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from azc.program import Program
from azc.reference import Run
from azc.runtime import _core
from azc.tasks import Task

__all__ = ["Watched", "trace", "train"]

Array = NDArray[np.float64]
Watch = Callable[[str, int, Array], None]


class Watched(Run):
    """A run of the reference tier that tells `watch` of (function, index, value)."""

    def __init__(self, program: Program, task: Task, seed: int, watch: Watch) -> None:
        super().__init__(program, task, seed, np)
        self._watch = watch

    def observe(self, function: str, index: int, value: Array) -> None:
        self._watch(function, index, value)


def train(run: Run, task: Task, examples: int, max_abs_error: float) -> int:
    """Setup, then the first `examples` of the first epoch; returns how many were served before
    training stopped."""
    most = min(examples, len(task.y_train))
    with _core.Environment(), np.errstate(all="ignore"):
        run.call("setup", 0)
        for position in range(most):
            x, y = task.X_train[position], float(task.y_train[position])
            if not run.train_one(x, y, max_abs_error, 1 + position):
                return position
    return most


def trace(
    program: Program,
    task: Task,
    watch: Watch,
    *,
    seed: int = 0,
    examples: int = 100,
    max_abs_error: float = 100.0,
) -> int:
    """Watch the first `examples` being trained on."""
    return train(Watched(program, task, seed, watch), task, examples, max_abs_error)
