"""Scores on the test part of tasks, which no search looks at."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from azc.evaluation import evaluate
from azc.program import Program
from azc.tasks import Task

__all__ = ["fitness_on_test"]


def fitness_on_test(
    program: Program, tasks: Sequence[Task], settings: dict[str, Any]
) -> float | None:
    """Mean fitness of what the program predicts for the test parts after its last epoch; None if a
    task has none. `settings`: epochs, seed and max_abs_error."""
    testing = []
    for task in tasks:
        if task.X_test is None or task.y_test is None:
            return None
        classes = task.classes or None
        testing.append(
            Task(task.X_train, task.y_train, task.X_test, task.y_test, metric=task.metric,
                 classes=classes, seed=task.key, name=task.name)
        )  # fmt: skip
    result = evaluate(program, testing, **settings)
    scores = [_fitness(task, predictions, settings["max_abs_error"])
              for task, predictions in zip(testing, result.predictions, strict=True)]  # fmt: skip
    return float(np.mean(scores))


def _fitness(task: Task, predictions: NDArray[np.float64], limit: float) -> float:
    """The fitness of raw predictions (NaN: there is none) for the task's validation labels."""
    y = task.y_valid
    if task.classes > 2:
        best = predictions.shape[1] - 1 - np.argmax(predictions[:, ::-1], axis=1)
        return float(np.mean((best == y) & ~np.isnan(predictions).any(axis=1)))
    if task.classes:
        return float(np.mean((y > 0.5) == (predictions > 0.0)))
    errors = y - predictions
    if not np.all(np.abs(errors) <= limit):
        return 0.0
    return 1.0 - 2.0 / math.pi * math.atan(math.sqrt(float(np.mean(errors**2))))
