"""Settings in the runtime's terms: what an island draws from, and what it is told."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from azc.ops import OPS
from azc.program import FUNCTIONS, Program
from azc.runtime import _core
from azc.search.settings import MUTATIONS, Settings
from azc.tasks import Task

__all__ = ["ORIGINS", "settings_of", "space_of", "static_cost"]

#: Where a program came from, in the order of `runtime/space.h`.
ORIGINS = (*MUTATIONS, "start", "random", "seed", "migrant")
_METHODS = ("random", "regularized-evolution", "mgg")

#: No fitness reaches it.
_NEVER = 2.0


def space_of(settings: Settings) -> _core.Space:
    """What the search draws from."""
    space = settings.space
    functions = [space.function(name) for name in FUNCTIONS]
    return _core.Space(
        (space.scalars, space.vectors, space.matrices),
        [[op.number for op in space.ops_of(name)] if space.searched(name) else []
         for name in FUNCTIONS],
        [function.min for function in functions],
        [function.max for function in functions],
        [function.init for function in functions],
        [MUTATIONS.index(kind) for kind in settings.search.mutations],
    )  # fmt: skip


def settings_of(
    settings: Settings, tasks: Sequence[Task], seed: int, *, hot: bool
) -> dict[str, Any]:
    """The fields of `az_method` and `az_trial` (`runtime/island.h`, `trial.h`)."""
    search, fec, hurdles = settings.search, settings.fec, settings.hurdles
    restart, evaluation = settings.restart, settings.evaluation
    first = tasks[0]
    features = max(task.features for task in tasks)
    return {
        "method": _METHODS.index(search.method),
        "population": 1 if search.method == "random" else search.population,
        "tournament": search.tournament,
        "children": search.children if search.method == "mgg" else 0,
        "filter": search.filter,
        "mutate_prob": search.mutate_prob,
        "empty": settings.space.start == "empty",
        "seed": seed,
        "target": search.stop.fitness or _NEVER,
        "most_steps": (restart and restart.steps) or 0,
        "most_programs": (restart and restart.programs) or 0,
        "patience": (restart and restart.patience) or 0,
        "by": (restart and restart.by) or 0,
        "by_fitness": (restart and restart.fitness) or 0.0,
        "classes": first.classes,
        "tasks": len(tasks),
        "train": len(first.y_train),
        "valid": len(first.y_valid),
        "epochs": evaluation.epochs,
        "max_abs_error": evaluation.max_abs_error,
        "evaluation_seed": evaluation.seed,
        "median": search.aggregate == "median",
        "level1": fec.level1,
        "level2": fec.level2,
        "hot": hot,
        "fec_train": fec.train,
        "fec_valid": fec.valid,
        "forget": fec.forget,
        "cache_size": fec.size,
        "rounding": _ignored_bits(fec.digits),
        "hurdle_train": hurdles.train if hurdles else 0,
        "hurdle_valid": (hurdles.valid or len(first.y_valid)) if hurdles else 0,
        "quantile": hurdles.quantile if hurdles else 0.5,
        "window": hurdles.window if hurdles else 0,
        "op_cost": [op.cost(features) for op in OPS],
        "most_cost": _most_cost(settings, tasks, features),
    }


def _ignored_bits(digits: int | None) -> int:
    """The lowest bits of a float64 that its first `digits` decimal digits say nothing about."""
    if digits is None:
        return 0
    kept = math.ceil(digits * math.log2(10))
    return int((1 << max(0, 52 - kept)) - 1)


def static_cost(program: Program, features: int, train: int) -> float:
    """Setup + examples times (Predict + Learn), each op at its `Op.cost` (reference, train
    budget)."""
    setup, predict, learn = (
        sum(instruction.op.cost(features) for instruction in body)
        for _, body in program.functions()
    )
    return setup + train * (predict + learn)


def _most_cost(settings: Settings, tasks: Sequence[Task], features: int) -> float:
    budget = settings.budget
    if budget is None:
        return 0.0
    return budget.factor * static_cost(budget.program(), features, len(tasks[0].y_train))
