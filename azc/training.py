"""Training: from a program and a task to a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from azc import tiers
from azc.checks import positive_number, whole_number
from azc.errors import ConfigError, TaskError, expected, nearest
from azc.model import Model, stopped
from azc.prepared import check_coordinates, code_of
from azc.program import Program, require_program
from azc.result import Training
from azc.running import Work
from azc.tasks import Task, TaskSet
from azc.tiers import TIERS

__all__ = [
    *("Model", "TrainingError", "check_settings", "check_test_parts", "model_of", "scores_of"),
    *("test_scores", "train"),
]


def train(
    program: Program,
    task: Task,
    *,
    tier: str = "auto",
    epochs: int = 1,
    seed: int = 0,
    max_abs_error: float = 100.0,
) -> Model:
    """Train `program` on the training part of `task`, as `azc.evaluate` does: the model is what it
    validates in the last epoch, so that ``model.predict(task.X_valid)`` are its predictions, to the
    bit. The arguments are those of `evaluate`.

    Raises what `evaluate` raises, and `AzcError` where training stops at an error that is NaN or
    above `max_abs_error`.
    """
    require_program(program)
    if not isinstance(task, Task):
        raise TaskError(expected("a Task", type(task).__name__, "make one with azc.Task(…)"))
    settings = check_settings(tier, epochs, seed, max_abs_error)
    code_of(program)
    check_coordinates(program, task.features)
    work = Work(program, TaskSet([task]), settings, keep=False, remember=True, validate=False)
    return model_of(program, task, tiers.run(work, tier).trainings[0], settings)


def check_settings(tier: str, epochs: int, seed: int, max_abs_error: float) -> dict[str, Any]:
    """The settings of a run; raises what is wrong with any of these."""
    plain = type(epochs) is type(seed) is int and type(max_abs_error) is float
    if plain and tier in TIERS and 0 < epochs < 2**63 and 0 <= seed < 2**64 and max_abs_error > 0:
        return {"epochs": epochs, "seed": seed, "max_abs_error": max_abs_error}
    if tier not in TIERS:
        hint = nearest(str(tier), TIERS)
        raise ConfigError("tier: " + expected(f"one of {', '.join(TIERS)}", repr(tier), hint))
    return {
        "epochs": whole_number("epochs", epochs, 1, 2**63 - 1),
        "seed": whole_number("seed", seed, 0, 2**64 - 1),
        "max_abs_error": positive_number("max_abs_error", max_abs_error),
    }


def model_of(program: Program, task: Task, training: Training, settings: dict[str, Any]) -> Model:
    """The model that a run with these settings left; raises `TrainingError` if none."""
    if training.memory is None:
        raise stopped(training.ended, settings["max_abs_error"])
    n, v = len(task.y_train), len(task.y_valid)
    return Model(
        program,
        features=task.features,
        classes=task.classes,
        metric=task.metric,
        key=task.key,
        seed=settings["seed"],
        max_abs_error=settings["max_abs_error"],
        step=1 + (settings["epochs"] - 1) * (n + v) + n,
        memory=training.memory,
        preparation=task.preparation,
    )


def check_test_parts(tasks: Sequence[Task]) -> None:
    """Raise `TaskError` where a task has no test part."""
    for task in tasks:
        if task.X_test is None:
            do = "leave examples over by --train and --valid, or give X_test and y_test"
            raise TaskError(expected(f"a test part of {task.name}", "none", do))


def test_scores(
    program: Program, tasks: Sequence[Task], **settings: Any
) -> list[tuple[float, float]]:
    """(fitness, metric) on each task's test part, once, of the model that `train` makes; fitness 0
    where training stops. `settings` are those of `train`. Raises `TaskError` where a task has no
    test part."""
    check_test_parts(tasks)
    tier = settings.get("tier", "auto")
    defaults = {"tier": tier, "epochs": 1, "seed": 0, "max_abs_error": 100.0}
    checked = check_settings(**defaults | settings)
    kept = tasks if isinstance(tasks, TaskSet) else TaskSet(tasks)
    work = Work(program, kept, checked, keep=kept is tasks, remember=True, validate=False)
    return scores_of(program, tasks, tiers.run(work, tier).trainings, checked)


def scores_of(
    program: Program,
    tasks: Sequence[Task],
    trainings: Sequence[Training],
    settings: dict[str, Any],
) -> list[tuple[float, float]]:
    """The same of what a run with these settings left."""
    scores = []
    for task, training in zip(tasks, trainings, strict=True):
        if training.memory is None:
            scores.append((0.0, 0.0 if task.classes else float("inf")))
            continue
        assert task.X_test is not None
        assert task.y_test is not None
        model = model_of(program, task, training, settings)
        scores.append(model.score(task.X_test, task.y_test))
    return scores
