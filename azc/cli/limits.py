"""Where training or validation ended early, as `azc run` tells it."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from azc.cli.failures import styled

if TYPE_CHECKING:
    from azc.evaluation import Result
    from azc.program import Program
    from azc.tasks import Task

__all__ = ["say_where_it_ended"]

#: So many tasks are told with the example; for the others it would cost time and space.
_TOLD = 3


def say_where_it_ended(
    program: Program, tasks: Sequence[Task], result: Result, *, seed: int, max_abs_error: float
) -> None:
    """Warn of the tasks on which the limit on errors left no fitness, with the example."""
    import numpy as np

    ended = [
        task
        for task, fitness, predictions in zip(
            tasks, result.fitness, result.predictions, strict=True
        )
        if fitness == 0.0 and (task.metric == "rmse" or bool(np.isnan(predictions).all()))
    ]
    limited = [
        f"{task.name} {where}"
        for task in ended[:_TOLD]
        if (where := _where(program, task, seed, max_abs_error))
    ]
    if limited:
        more = f" (and {len(ended) - _TOLD} other tasks)" if len(ended) > _TOLD else ""
        message = f"an error was NaN or above {max_abs_error:g} on {', '.join(limited)}{more}"
        click.echo(styled(f"{message}: fitness 0", "warning"), err=True)


def _where(program: Program, task: Task, seed: int, max_abs_error: float) -> str:
    """At which example the first epoch ended; empty if it did not end early."""
    import numpy as np

    from azc.evaluation import run

    def served(train: int, valid: int) -> Result:
        settings = {"epochs": 1, "seed": seed, "max_abs_error": max_abs_error}
        return run(program, [_first(task, train, valid)], settings, tier="interpreter")

    def stops(train: int) -> bool:
        return bool(np.isnan(served(train, 1).predictions[0]).all())

    def fails(valid: int) -> bool:
        return bool(np.isinf(served(train, valid).value[0]))

    # How many examples were served is known in blocks only, so the first that fails is searched.
    train, valid = len(task.y_train), len(task.y_valid)
    if stops(train):
        row = bisect_left(range(1, train), True, key=stops)
        return f"at training example {row}, whose label is {task.y_train[row]:g}"
    if fails(valid):
        row = bisect_left(range(1, valid), True, key=fails)
        return f"at validation example {row}, whose label is {task.y_valid[row]:g}"
    return ""


def _first(task: Task, train: int, valid: int) -> Task:
    """The task with its first examples alone, on which random ops draw alike."""
    return type(task)(
        task.X_train[:train],
        task.y_train[:train],
        task.X_valid[:valid],
        task.y_valid[:valid],
        metric=task.metric,
        classes=task.classes or None,
        seed=task.key,
    )
