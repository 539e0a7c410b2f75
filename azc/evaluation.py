"""Trains and scores programs on tasks: checks what is asked for, and says what came of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, overload

import numpy as np

from azc import tiers
from azc.checks import whole_number
from azc.errors import TaskError, expected
from azc.memory import Room
from azc.prepared import check_coordinates, code_of
from azc.program import Program, require_program
from azc.result import Result
from azc.running import Progress, Work, build
from azc.tasks import Task, TaskSet
from azc.tiers import TIERS
from azc.training import check_settings, check_test_parts, scores_of

__all__ = ["TIERS", "Result", "check", "check_coordinates", "evaluate", "listed", "run"]

_MOST_WORKERS = 1024


@overload
def evaluate(
    program: Program,
    tasks: Task | Sequence[Task],
    *,
    tier: str = "auto",
    epochs: int = 1,
    seed: int = 0,
    max_abs_error: float = 100.0,
    test: bool = False,
    workers: int = 1,
    progress: Progress | None = None,
) -> Result: ...
@overload
def evaluate(
    program: Sequence[Program],
    tasks: Task | Sequence[Task],
    *,
    tier: str = "auto",
    epochs: int = 1,
    seed: int = 0,
    max_abs_error: float = 100.0,
    test: bool = False,
    workers: int = 1,
    progress: Progress | None = None,
) -> list[Result]: ...
def evaluate(
    program: Program | Sequence[Program],
    tasks: Task | Sequence[Task],
    *,
    tier: str = "auto",
    epochs: int = 1,
    seed: int = 0,
    max_abs_error: float = 100.0,
    test: bool = False,
    workers: int = 1,
    progress: Progress | None = None,
) -> Result | list[Result]:
    """Train and validate a program on each task, from zeroed memory (Real et al. 2020, figure 1).

    Parameters
    ----------
    program : Program, or a sequence of them, for a list of results: the same as one by one.
    tasks : sequence of Task, all of one metric; shapes may differ. An `azc.TaskSet`, as
        `azc.tasks.make_set` returns it, keeps the tasks as the runtime reads them, so that only
        its first evaluation lays them out. A single Task stands for a sequence of one.
    tier : ``"auto"``, ``"interpreter"``, ``"compiled"`` or ``"reference"``; all give the same
        results. Auto begins with the interpreter and changes to compiled code where what is left
        to do is expected to take longer than building and running it.
    epochs : passes over the training examples, each followed by a validation; the best counts.
    seed : 0 <= seed < 2**64, of the program's random instructions and the order of examples.
    max_abs_error : training stops where an absolute error is NaN or above this.
    test : whether the test part is scored, too: once, with the memory that the last epoch's
        training leaves (`Result.test_fitness`, `Result.test_value`).
    workers : threads that several programs are shared out to; changes nothing but the time.
    progress : called with (examples done, examples at most) several times a second.

    Raises `TaskError` (no tasks, several metrics), `ConfigError` (options), `ResourceError` (memory
    that cannot be had; nothing has run then), `CompileError` (tier ``"compiled"`` without a C
    compiler) and `AzcError` (the program sets an entry that vectors of the task's size lack).
    """
    several = isinstance(program, (list, tuple))
    programs: list[Program] = list(program) if several else [program]  # type: ignore[arg-type,list-item]
    tasks, settings = listed(tasks), {}
    for one in programs:
        settings = check(one, tasks, tier, epochs, seed, max_abs_error)
    workers = whole_number("workers", workers, 1, _MOST_WORKERS)
    # Layouts of a list would be kept for nobody; but several programs share them.
    keep = isinstance(tasks, TaskSet) or several
    room, tasks = Room(), _set_of(tasks)
    if test:
        check_test_parts(tasks)
    if not several:
        work = Work(programs[0], tasks, settings, progress, keep=keep, room=room, remember=test)
        return _run(work, tier, test)
    works = [Work(p, tasks, settings, keep=keep, room=room, remember=test) for p in programs]
    if tier == "compiled" and works:
        build(works)
    return _run_all(works, tier, test, workers, progress)


def run(
    program: Program,
    tasks: Sequence[Task],
    settings: dict[str, Any],
    *,
    tier: str,
    test: bool = False,
    progress: Progress | None = None,
    **options: Any,
) -> Result:
    """`evaluate` after its checks; `options` are the further ones of `azc.running.Work`."""
    if test:
        check_test_parts(tasks)
        options["remember"] = True
    keep = isinstance(tasks, TaskSet)
    work = Work(program, _set_of(tasks), settings, progress, keep=keep, **options)
    return _run(work, tier, test)


def _run(work: Work, tier: str, test: bool) -> Result:
    result = tiers.run(work, tier)
    if test:
        scores = np.array(scores_of(work.program, work.tasks, result.trainings, work.settings))
        result.test_fitness, result.test_value = scores[:, 0].copy(), scores[:, 1].copy()
    return result


def _set_of(tasks: Sequence[Task]) -> TaskSet:
    return tasks if isinstance(tasks, TaskSet) else TaskSet(tasks)


class _Ended(Exception):  # noqa: N818
    """Leaves an evaluation whose result nobody waits for any more."""


def _run_all(
    works: Sequence[Work], tier: str, test: bool, workers: int, progress: Progress | None
) -> list[Result]:
    """Every result, in order; the first error ends all."""
    over = threading.Event()
    done = [0] * len(works)
    most = sum(sum(work.examples) for work in works)

    def report(index: int) -> Callable[[int, int], None]:
        def told(examples: int, _: int) -> None:
            if over.is_set():
                raise _Ended
            done[index] = examples
            if progress:
                progress(sum(done), most)

        return told

    reporting = [replace(work, progress=report(index)) for index, work in enumerate(works)]
    if workers == 1 or len(works) < 2:
        return [_run(work, tier, test) for work in reporting]
    with ThreadPoolExecutor(min(workers, len(works))) as pool:
        waiting = [pool.submit(_run, work, tier, test) for work in reporting]
        try:
            return [future.result() for future in waiting]
        except BaseException:
            over.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def check(
    program: Program,
    tasks: Sequence[Task],
    tier: str,
    epochs: int,
    seed: int,
    max_abs_error: float,
) -> dict[str, Any]:
    """The settings among the arguments of `evaluate`; raises what is wrong with any of them."""
    require_program(program)
    settings = check_settings(tier, epochs, seed, max_abs_error)
    code_of(program)
    check_coordinates(program, _least_features(tasks))
    return settings


def listed(tasks: Task | Iterable[Task]) -> Sequence[Task]:
    """Tasks as `evaluate` takes them: a set, a list, one alone."""
    if isinstance(tasks, TaskSet):
        return tasks
    try:
        return [tasks] if isinstance(tasks, Task) else list(tasks)
    except TypeError:
        got, do = type(tasks).__name__, "make some with azc.tasks.make_set(…)"
        raise TaskError(expected("a Task, or a sequence of them", got, do)) from None


def _least_features(tasks: Sequence[Task]) -> int:
    """Of tasks that can be evaluated together; raises `TaskError`."""
    if isinstance(tasks, TaskSet):
        return tasks.kept("least features", lambda: _check_tasks(list(tasks)))
    return _check_tasks(tasks)


def _check_tasks(tasks: Sequence[Task]) -> int:
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
    return min(task.features for task in tasks)
