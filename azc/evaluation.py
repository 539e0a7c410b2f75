"""Trains and scores a program on tasks: picks the tier, groups tasks into lanes, makes fitness."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from azc.analysis import live
from azc.errors import AzcError, ConfigError, TaskError, expected, nearest
from azc.memory import refuse_beyond
from azc.ops import ConstantKind, Type
from azc.program import Program, verify
from azc.runtime import _core
from azc.tasks import Task

__all__ = ["TIERS", "Result", "evaluate"]

#: What runs a program: `auto` takes the fastest that is at hand.
TIERS = ("auto", "interpreter", "reference")

Array = NDArray[np.float64]
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Result:
    """The outcome of one evaluation on D tasks.

    `fitness` (D,) float64 in [0, 1]; `value` (D,) float64, the metric of the epoch that reached it
    (RMSE in units of the label, inf where training or validation stopped; accuracy in [0, 1]);
    `metric` its name, ``"rmse"`` or ``"accuracy"``; `predictions`, one array per task, (n_valid,)
    or (n_valid, C) float64: what stood in s1 (v2) after the last epoch, before any sigmoid or
    softmax, NaN where there was no prediction; `tier` that ran it; `examples` served in training
    and validation, all tasks of a lane block counted once; `seconds` of wall time.
    """

    fitness: Array
    metric: str
    value: Array
    predictions: list[Array]
    tier: str
    examples: int
    seconds: float

    @property
    def mean(self) -> float:
        """Mean fitness over the tasks."""
        return float(np.mean(self.fitness))

    @property
    def median(self) -> float:
        """Median fitness over the tasks; the upper one of an even number, as in the reference."""
        return float(np.sort(self.fitness)[len(self.fitness) // 2])


def evaluate(
    program: Program,
    tasks: Sequence[Task],
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
    tasks : sequence of Task, all of one metric; shapes may differ.
    tier : ``"auto"``, ``"interpreter"`` or ``"reference"``; all give the same results.
    epochs : passes over the training examples, each followed by a validation; the best counts.
    seed : 0 <= seed < 2**64, of the program's random instructions and the order of examples.
    max_abs_error : training stops where an absolute error is NaN or above this.
    progress : called with (examples done, examples at most) several times a second.

    Raises `TaskError` (no tasks, several metrics), `ConfigError` (options), `ResourceError` (memory
    that cannot be had; nothing has run then) and `AzcError` (the program sets an entry that
    vectors of the task's size lack).
    """
    tasks = list(tasks)
    _check(program, tasks, tier, epochs, seed, max_abs_error)
    started = time.perf_counter()
    run = _reference if tier == "reference" else _interpreter
    settings = {"epochs": epochs, "seed": seed, "max_abs_error": max_abs_error}
    fitness, value, predictions, examples = run(program, tasks, settings, progress)
    return Result(
        fitness=fitness,
        metric=tasks[0].metric,
        value=value,
        predictions=predictions,
        tier="reference" if tier == "reference" else "interpreter",
        examples=examples,
        seconds=time.perf_counter() - started,
    )


def _check(
    program: Program,
    tasks: list[Task],
    tier: str,
    epochs: int,
    seed: int,
    max_abs_error: float,
) -> None:
    if tier not in TIERS:
        raise ConfigError(
            "tier: " + expected(f"one of {', '.join(TIERS)}", repr(tier), nearest(tier, TIERS))
        )
    if not isinstance(epochs, int) or epochs < 1:
        raise ConfigError("epochs: " + expected("a whole number from 1", repr(epochs)))
    if not isinstance(seed, int) or not 0 <= seed < 2**64:
        raise ConfigError("seed: " + expected("a whole number from 0 to 2^64 - 1", repr(seed)))
    if not max_abs_error > 0:
        raise ConfigError("max_abs_error: " + expected("a number above 0", repr(max_abs_error)))
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
    _check_coordinates(program, min(task.features for task in tasks))


def _check_coordinates(program: Program, features: int) -> None:
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


def _reference(
    program: Program, tasks: list[Task], settings: dict[str, Any], progress: Progress | None
) -> tuple[Array, Array, list[Array], int]:
    from azc.reference import evaluate_task

    each = [settings["epochs"] * (len(t.y_train) + len(t.y_valid)) for t in tasks]
    outcomes = []
    for done, task in zip(itertools.accumulate(each, initial=0), tasks, strict=False):
        if progress:
            progress(done, sum(each))
        outcomes.append(evaluate_task(program, task, **settings))
    return (
        np.array([fitness for fitness, _, _ in outcomes]),
        np.array([value for _, value, _ in outcomes]),
        [predictions for _, _, predictions in outcomes],
        sum(each),
    )


# ---- lanes -------------------------------------------------------------------------------------


#: From this many features on, a matrix of one task alone keeps the vector units busy, and those of
#: several tasks side by side no longer fit the L1 cache (benchmarks/README.md).
_WIDE_MATRIX = 32


def lane_count(tasks: int, features: int, matrices: bool) -> int:
    """How many of `tasks` tasks of one shape should run side by side: 1, 2, 4, 8 or 16.

    As many as there are while what one step touches stays in the L1 cache and the examples in the
    L2 cache: up to 16 lanes with 8 features, 8 with more, one with matrices from 32 features or
    vectors from 257 on, whose entries then fill the vector units. The results are the same
    whatever is chosen.
    """
    if features > 256 or (matrices and features >= _WIDE_MATRIX):
        widest = 1
    else:
        widest = 16 if features <= 8 else 8
    lanes = 1
    while lanes < min(tasks, widest):
        lanes *= 2
    return lanes


def _blocks(program: Program, tasks: list[Task]) -> Iterator[tuple[list[int], int]]:
    """Groups of task positions that can share a block of lanes, with the number of lanes."""
    running = live(program, tasks[0].classes)
    matrices = any(address.type is Type.MATRIX for address in running.addresses())
    groups: dict[tuple[int, ...], list[int]] = {}
    for position, task in enumerate(tasks):
        shape = (task.features, len(task.y_train), len(task.y_valid), task.classes)
        groups.setdefault(shape, []).append(position)
    for (features, *_), positions in groups.items():
        while positions:
            lanes = lane_count(len(positions), features, matrices)
            yield positions[:lanes], lanes
            positions = positions[lanes:]


def _prediction_width(task: Task) -> int:
    """Numbers in one prediction: one, or one per class of more than two."""
    return task.classes if task.classes > 2 else 1


def _packed_bytes(task: Task, lanes: int) -> int:
    """Bytes of the copy that packing makes; one lane needs none."""
    examples = len(task.y_train) + len(task.y_valid)
    return 0 if lanes == 1 else 8 * lanes * examples * (task.features + 1)


def _pack(tasks: list[Task], lanes: int, chunk: int | None = None) -> _core.Batch:
    """Lays tasks side by side; lanes without a task repeat the first. For compiled programs each
    example's entries lie `chunk` lanes at a time, as `runtime/native.h` says."""
    padded = tasks + tasks[:1] * (lanes - len(tasks))
    chunk = chunk or lanes

    def side_by_side(arrays: list[Array]) -> Array:
        if lanes == 1:
            return arrays[0][..., None]
        examples, *entries = arrays[0].shape
        packed = _aligned((examples, lanes // chunk, *entries, chunk))
        for start in range(0, lanes, chunk):
            np.stack(arrays[start : start + chunk], axis=-1, out=packed[:, start // chunk])
        return packed.reshape(examples, *entries, lanes)

    return _core.Batch(
        side_by_side([task.X_train for task in padded]),
        side_by_side([task.y_train for task in padded]),
        side_by_side([task.X_valid for task in padded]),
        side_by_side([task.y_valid for task in padded]),
        keys=[task.key for task in padded],
        active=len(tasks),
        classes=tasks[0].classes,
    )


def _aligned(shape: tuple[int, ...]) -> Array:
    """An empty array that begins on a cache line, so that no vector of lanes crosses one."""
    count = math.prod(shape)
    room = np.empty(count + 8)
    start = -room.ctypes.data % 64 // 8
    return room[start : start + count].reshape(shape)


def _interpreter(
    program: Program, tasks: list[Task], settings: dict[str, Any], progress: Progress | None
) -> tuple[Array, Array, list[Array], int]:
    code, machine = _core.Code(program.packed()), _core.Machine()
    fitness, value = np.zeros(len(tasks)), np.zeros(len(tasks))
    predictions: list[Array] = [np.empty(0)] * len(tasks)
    blocks = list(_blocks(program, tasks))
    per_block = [
        settings["epochs"] * (len(tasks[p[0]].y_train) + len(tasks[p[0]].y_valid))
        for p, _ in blocks
    ]
    examples = before = 0
    for (positions, lanes), most in zip(blocks, per_block, strict=True):
        members = [tasks[position] for position in positions]
        _refuse_too_large(code, machine, members[0], lanes, settings["epochs"])
        batch = _pack(members, lanes)
        lane_fitness, lane_value = np.zeros(lanes), np.zeros(lanes)
        width = _prediction_width(members[0])
        raw = np.empty((lanes, len(members[0].y_valid), width))
        report = None
        if progress:

            def report(done: int, offset: int = before) -> None:
                progress(offset + done, sum(per_block))

        examples += machine.run(
            code, batch, lane_fitness, lane_value, raw, progress=report, **settings
        )
        before += most
        for lane, position in enumerate(positions):
            fitness[position], value[position] = lane_fitness[lane], lane_value[lane]
            predictions[position] = raw[lane] if width > 1 else raw[lane, :, 0]
    return fitness, value, predictions, examples


def _refuse_too_large(
    code: _core.Code, machine: _core.Machine, task: Task, lanes: int, epochs: int
) -> None:
    # One example of the right shape is enough to ask how much memory the cells take.
    probe = _pack([_first_example(task)], lanes)
    cells = machine.bytes_needed(code, probe, epochs)
    predictions = 8 * lanes * len(task.y_valid) * _prediction_width(task)
    order = 8 * len(task.y_train) if epochs > 1 else 0
    refuse_beyond(
        cells + order + predictions + _packed_bytes(task, lanes),
        f"this program on {task.name} (F = {task.features}, {lanes} tasks side by side)",
    )


def _first_example(task: Task) -> Task:
    return Task(
        task.X_train[:1],
        task.y_train[:1],
        task.X_valid[:1],
        task.y_valid[:1],
        metric=task.metric,
        classes=task.classes or None,
        seed=0,
    )
