"""Trains and scores a program on tasks: checks what is asked for, and says what came of it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from azc import tiers
from azc.checks import positive_number, whole_number
from azc.errors import AzcError, ConfigError, TaskError, expected, nearest
from azc.ops import ConstantKind
from azc.program import Program, verify
from azc.runtime import _core
from azc.tasks import Task
from azc.tasks.advice import warn_of_labels
from azc.tiers import TIERS, Array, Progress

__all__ = ["TIERS", "Result", "check", "check_coordinates", "evaluate", "listed", "run"]


@dataclass(frozen=True, slots=True, repr=False)
class Result:
    """The outcome of one evaluation on D tasks.

    `fitness` (D,) float64 in [0, 1]; `value` (D,) float64, the metric of the epoch that reached it
    (RMSE in units of the label, inf where training or validation stopped; accuracy in [0, 1]);
    `metric` its name, ``"rmse"`` or ``"accuracy"``; `predictions`, one array per task, (n_valid,)
    or (n_valid, C) float64: what stood in s1 (v2) after the last epoch, before any sigmoid or
    softmax, NaN where there was no prediction; `tier` that ran it, and `reason` why that one;
    `examples` served in training and validation, all tasks of a lane block counted once; `seconds`
    of wall time, building included.
    """

    fitness: Array
    metric: str
    value: Array
    predictions: list[Array]
    tier: str
    reason: str
    examples: int
    seconds: float

    def __repr__(self) -> str:
        count = len(self.fitness)
        what = f"fitness {self.mean:.6g}" if count == 1 else f"mean fitness {self.mean:.6g}"
        tasks = "1 task" if count == 1 else f"{count} tasks"
        return f"<Result on {tasks}: {what} ({self.metric}), {self.tier}, {self.seconds:.3g} s>"

    @property
    def mean(self) -> float:
        """Mean fitness over the tasks."""
        with _core.Environment():
            return float(np.mean(self.fitness))

    @property
    def median(self) -> float:
        """Median fitness over the tasks; the upper one of an even number, as in the reference."""
        return float(np.sort(self.fitness)[len(self.fitness) // 2])


def evaluate(
    program: Program,
    tasks: Sequence[Task] | Task,
    *,
    tier: str = "auto",
    epochs: int = 1,
    seed: int = 0,
    max_abs_error: float = 100.0,
    progress: Progress | None = None,
) -> Result:
    """Train and validate `program` on each task, from zeroed memory (Real et al. 2020, figure 1).

    Parameters
    ----------
    program : Program
    tasks : Task, or sequence of them, all of one metric; shapes may differ.
    tier : ``"auto"``, ``"interpreter"``, ``"compiled"`` or ``"reference"``; all give the same
        results. Auto begins with the interpreter and changes to compiled code where what is left
        to do is expected to take longer than building and running it.
    epochs : passes over the training examples, each followed by a validation; the best counts.
    seed : 0 <= seed < 2**64, of the program's random instructions and the order of examples.
    max_abs_error : training stops where an absolute error is NaN or above this.
    progress : called with (examples done, examples at most) several times a second.

    Raises `TaskError` (no tasks, several metrics), `ConfigError` (options), `ResourceError` (memory
    that cannot be had; nothing has run then), `CompileError` (tier ``"compiled"`` without a C
    compiler) and `AzcError` (the program sets an entry that vectors of the task's size lack).
    """
    tasks = listed(tasks)
    settings = check(program, tasks, tier, epochs, seed, max_abs_error)
    warn_of_labels(tasks, settings["max_abs_error"])
    return run(program, tasks, settings, tier=tier, progress=progress)


def run(
    program: Program,
    tasks: list[Task],
    settings: dict[str, Any],
    *,
    tier: str,
    progress: Progress | None = None,
    **compiling: Any,
) -> Result:
    """`evaluate` after its checks; `compiling` are the further options of `azc.tiers.run`."""
    started = time.perf_counter()
    outcome = tiers.run(program, tasks, settings, tier=tier, progress=progress, **compiling)
    return Result(
        fitness=outcome.fitness,
        metric=tasks[0].metric,
        value=outcome.value,
        predictions=outcome.predictions,
        tier=outcome.tier,
        reason=outcome.reason,
        examples=outcome.examples,
        seconds=time.perf_counter() - started,
    )


def listed(tasks: Sequence[Task] | Task) -> list[Task]:
    """`tasks` as a list; one task stands for itself."""
    if isinstance(tasks, Task):
        return [tasks]
    if not isinstance(tasks, Iterable):
        do = "make them with azc.Task(…) or azc.tasks.make_set(…)"
        raise TaskError(expected("a Task or a list of them", type(tasks).__name__, do))
    return list(tasks)


def check(
    program: Program,
    tasks: list[Task],
    tier: str,
    epochs: int,
    seed: int,
    max_abs_error: float,
) -> dict[str, Any]:
    """The settings among the arguments of `evaluate`; raises what is wrong with any of them."""
    if tier not in TIERS:
        near = nearest(str(tier), TIERS)
        raise ConfigError("tier: " + expected(f"one of {', '.join(TIERS)}", repr(tier), near))
    settings = {
        "epochs": whole_number("epochs", epochs, 1, 2**63 - 1),
        "seed": whole_number("seed", seed, 0, 2**64 - 1),
        "max_abs_error": positive_number("max_abs_error", max_abs_error),
    }
    if not tasks:
        raise TaskError(expected("at least one task", "none"))
    for task in tasks:
        if not isinstance(task, Task):
            raise TaskError(expected("a Task", type(task).__name__, "make one with azc.Task(…)"))
    metrics = sorted({task.metric for task in tasks})
    if len(metrics) > 1:
        raise TaskError(
            expected("tasks of one metric", " and ".join(metrics), "evaluate them apart")
        )
    verify(program)
    check_coordinates(program, min(task.features for task in tasks))
    return settings


def check_coordinates(program: Program, features: int) -> None:
    """Entries set by coordinate must exist; which they do depends on the task."""
    for name, body in program.functions():
        for position, instruction in enumerate(body):
            for kind, value in zip(instruction.op.constants, instruction.constants, strict=True):
                if kind is ConstantKind.INDEX and isinstance(value, int) and value >= features:
                    raise AzcError(
                        f"{program.filename}: {name.capitalize()}, instruction {position + 1} "
                        f"({instruction}): "
                        + expected(
                            f"a coordinate from 0 to {features - 1} (the task has F = {features})",
                            value,
                            "use a smaller one, or a fraction such as [0.5]",
                        )
                    )
