"""Settings in the runtime's terms: what an island draws from, and what it is told.

Who makes an island in C (`islands`, `asktell`) gives it what these functions return.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from azc.ops import OPS
from azc.program import FUNCTIONS, Program
from azc.runtime import _core
from azc.runtime.tables import MOST_HURDLES, SETTINGS
from azc.search.settings import METHODS, MUTATIONS, Settings
from azc.search.settings_plan import IslandSettings
from azc.tasks import Task

__all__ = [
    *("ORIGINS", "bytes_needed", "bytes_of", "filter_of", "settings_of", "space_of"),
    "static_cost",
]

#: Where a program came from, by number (`runtime/space.h`).
ORIGINS = _core.ORIGINS


def space_of(
    settings: IslandSettings, first: Sequence[int] | None = None, *, walking: bool = False
) -> _core.Space:
    """What the search draws from; `first`: the sizes of random programs, instead of ``init``.
    `walking`: every mutation draws one instruction anew."""
    space = settings.space
    functions = [space.function(name) for name in FUNCTIONS]
    return _core.Space(
        (space.scalars, space.vectors, space.matrices),
        [[op.number for op in space.ops_of(name)] if space.searched(name) else []
         for name in FUNCTIONS],
        [function.min for function in functions],
        [function.max for function in functions],
        [function.init for function in functions] if first is None else first,
        [MUTATIONS.index("randomize-instruction")] if walking
        else [MUTATIONS.index(kind) for kind in settings.search.mutations],
        classes=settings.tasks.search.facts().classes or 0,
        repeat=0.0 if walking else settings.search.repeat,
        decades=settings.constants.decades if settings.constants.scale == "log" else 0.0,
        near_one=settings.constants.near_one,
    )  # fmt: skip


def settings_of(
    settings: IslandSettings, tasks: Sequence[Task], seed: int, *, hot: bool
) -> dict[str, Any]:
    """What an island is told, by the names in `azc.runtime.tables`: what is computed here, and for
    the rest the values of the search file. `island` is for the caller to say."""
    search, niches = settings.search, settings.niches
    method = METHODS[search.method]
    once = settings.hurdles[0] if settings.hurdles and not method.staged else None
    on_the_way = settings.hurdles if method.staged else ()
    hurdles = [(hurdle.train, hurdle.quantile, hurdle.apart) for hurdle in on_the_way]
    hurdles += [(0, 0.0, 0.0)] * (MOST_HURDLES - len(hurdles))
    trains, quantiles, aparts = map(list, zip(*hurdles, strict=True))
    first = tasks[0]
    features = max(task.features for task in tasks)
    computed = {
        "method": list(METHODS).index(search.method),
        "population": min(search.population, method.most),
        "children": search.children if method.families else 0,
        "empty": settings.space.start == "empty",
        "seed": seed,
        "classes": first.classes,
        "tasks": len(tasks),
        "train": len(first.y_train),
        "valid": len(first.y_valid),
        "median": search.aggregate == "median",
        "hot": hot,
        "rounding": _ignored_bits(settings.fec.digits),
        "filter": filter_of(settings),
        "confirm": niches.confirm if niches else 0,
        "behaviour": niches is not None and niches.by == "behaviour",
        "hurdle_train": once.train if once else 0,
        "hurdle_valid": (once.valid or len(first.y_valid)) if once else 0,
        "quantile": once.quantile if once else 0.5,
        "window": once.window if once else 0,
        "hurdles": len(on_the_way),
        "hurdle_at": trains,
        "hurdle_quantile": quantiles,
        "hurdle_apart": aparts,
        "op_cost": [op.cost(features) for op in OPS],
        "most_cost": _most_cost(settings, tasks, features),
    }
    said = {each.name: _said(settings, each.key, each.default) for each in SETTINGS if each.key}
    rest = {each.name: each.default for each in SETTINGS}
    return rest | said | computed


def filter_of(settings: IslandSettings) -> int:
    """The level of the filter (`runtime/filter.h`)."""
    return 2 if settings.search.filter == "strict" else int(settings.search.filter)


def _said(settings: IslandSettings, key: str, default: Any) -> Any:
    """What the search file has at `key`, or `default`."""
    value: Any = settings
    for part in key.split("."):
        value = getattr(value, part)
        if value is None:
            return default
    return value


def bytes_needed(settings: Settings, tasks: Sequence[Sequence[Task]]) -> int:
    """Bytes that the islands of a search take before they begin, all of them together; `tasks`: as
    `Settings.task_tables` has them."""
    known: dict[int, int] = {}  # by settings, since many islands are alike
    total = 0
    for plan in settings.plans():
        if id(plan.settings) not in known:
            known[id(plan.settings)] = bytes_of(plan.settings, tasks[plan.tasks])
        total += known[id(plan.settings)]
    return total


def bytes_of(settings: IslandSettings, tasks: Sequence[Task], *, per_task: bool = False) -> int:
    """Those of one island."""
    told = settings_of(settings, tasks, settings.search.seed, hot=False)
    told["per_task"] = per_task
    return _core.island_bytes(space_of(settings), told)


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


def _most_cost(settings: IslandSettings, tasks: Sequence[Task], features: int) -> float:
    budget = settings.budget
    if budget is None:
        return 0.0
    return budget.factor * static_cost(budget.program(), features, len(tasks[0].y_train))
