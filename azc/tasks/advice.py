"""What can be told from tasks alone, before anything runs on them: labels that no program reaches,
and goals that need no learning."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from azc.errors import warn
from azc.tasks.task import Task

__all__ = ["constant_fitness", "warn_of_constants", "warn_of_labels"]


def warn_of_labels(tasks: Sequence[Task], max_abs_error: float) -> None:
    """Warn if a label is farther from 0, where predictions begin, than an error may be."""
    beyond = [
        (task, largest)
        for task in tasks
        if task.metric == "rmse"
        and (largest := max(float(np.abs(y).max()) for y in (task.y_train, task.y_valid)))
        > max_abs_error
    ]
    if not beyond:
        return
    task, largest = beyond[0]
    others = f" (and of {len(beyond) - 1} other tasks)" if len(beyond) > 1 else ""
    warn(
        f"labels of {task.name}{others} reach {largest:g}, beyond the limit of {max_abs_error:g} "
        "on an absolute error: a program that does not come so near at once is stopped with "
        "fitness 0; raise max_abs_error (--max-abs-error, evaluation.max_abs_error), or "
        "standardise the labels (standardize_labels, for a table --standardize-labels)"
    )


def constant_fitness(task: Task) -> float:
    """The fitness of the best constant prediction on the validation part."""
    y = task.y_valid
    if task.metric == "accuracy":
        return float(np.bincount(y.astype(np.intp)).max()) / len(y)
    with np.errstate(over="ignore"):
        return 1.0 - 2.0 / math.pi * math.atan(float(np.std(y)))


def warn_of_constants(tasks: Sequence[Task], goal: float | None, aggregate: str) -> None:
    """Warn if a search with the fitness `goal` could end with a program that learns nothing."""
    if goal is None or not tasks:
        return
    each = np.sort([constant_fitness(task) for task in tasks])
    constant = float(each[len(each) // 2] if aggregate == "median" else each.mean())
    if constant >= goal:
        worst = max(tasks, key=constant_fitness)
        warn(
            f"a constant prediction has fitness {constant:.6g} on the validation examples of "
            f"{worst.name}{' and the others' if len(tasks) > 1 else ''}, which reaches "
            f"stop.fitness = {goal:g}: the search may end with a program that learns nothing; "
            "raise stop.fitness, or use tasks whose labels vary more"
        )
