"""What of a report has to be measured: the best program against the library, and what it does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from azc import library
from azc.errors import AzcError
from azc.program import Program
from azc.report.runs import Run
from azc.search.settings import Settings
from azc.search.settings_tasks import Which
from azc.tasks import TaskSet
from azc.use.explain import Explanation, explain
from azc.use.intervals import mean_interval
from azc.use.scoring import Scorer

__all__ = ["Measured", "Score", "measured"]

Interval = tuple[float, float, float]

#: What the best is compared with on tasks of so many classes (3: and more): programs by hand.
_BASELINES = {
    0: ("affine", "network"),
    2: ("logistic", "network_classifier", "network"),
    3: ("softmax", "softmax_network"),
}


@dataclass(frozen=True, slots=True)
class Score:
    """Mean fitness of a program on one set of tasks, between its ends of 95 %; and by how much the
    best is better on the same tasks, None for the best itself."""

    program: str
    which: Which
    fitness: Interval
    lead: Interval | None


@dataclass(frozen=True, slots=True)
class Measured:
    """`counts`: how many tasks of each set there were, and how many it has; `problems`: what could
    not be measured, and why; `explanation`: on the first `explained` tasks of T_search."""

    scores: list[Score] = field(default_factory=list)
    counts: dict[Which, tuple[int, int]] = field(default_factory=dict)
    explanation: Explanation | None = None
    problems: list[str] = field(default_factory=list)


def measured(
    run: Run,
    *,
    tasks: int,
    data: str | None = None,
    tell: Callable[[str], None] = lambda text: None,
) -> Measured:
    """Score the best program of `run` and programs by hand on the first so many tasks of each set,
    and explain it. What cannot be done is said in the result."""
    result = Measured()
    if run.best is None:
        result.problems.append("The search has no program yet.")
        return result
    if run.settings is None:
        result.problems.append(f"Its settings cannot be read: {run.problem}")
        return result
    settings = run.settings if data is None else _with_data(run.settings, data)
    best = replace(run.best.program, doc="")
    lacking: dict[str, list[str]] = {}
    for which, table in settings.tasks.configured().items():
        try:
            tell(f"making tasks of T_{which}")
            made = settings.make_tasks(which, 0, min(tasks, table.size))
            result.counts[which] = (len(made), table.size)
            tell(f"scoring on T_{which}")
            result.scores.extend(_scores(best, made, which, settings))
            if which == "search":
                tell("explaining the best program")
                explanation = explain(best, made, **_evaluation(settings))
                result = replace(result, explanation=explanation)
        except AzcError as error:
            lacking.setdefault(str(error).removeprefix(f"tasks.{which}: "), []).append(f"T_{which}")
    for why, sets in lacking.items():
        result.problems.append(f"The tasks of {', '.join(sets)} cannot be made here: {why}")
    return result


def _with_data(settings: Settings, data: str) -> Settings:
    tables: dict[str, Any] = {
        which: table.model_copy(update={"data": data}) if table.uses_data else table
        for which, table in settings.tasks.configured().items()
    }
    return settings.model_copy(update={"tasks": settings.tasks.model_copy(update=tables)})


def _evaluation(settings: Settings) -> dict[str, Any]:
    evaluation = settings.evaluation
    return {
        "epochs": evaluation.epochs,
        "seed": evaluation.seed,
        "max_abs_error": evaluation.max_abs_error,
    }


def _scores(best: Program, tasks: TaskSet, which: Which, settings: Settings) -> Sequence[Score]:
    evaluation = settings.evaluation
    scorer = Scorer(tasks, epochs=evaluation.epochs, max_abs_error=evaluation.max_abs_error)
    own = scorer.fitness(best, evaluation.seed)
    scores = [Score("the best found", which, mean_interval(own), None)]
    for name in _BASELINES[min(3, tasks[0].classes)]:
        other = scorer.fitness(library.load(name), evaluation.seed)
        scores.append(Score(name, which, mean_interval(other), mean_interval(own - other)))
    return scores
