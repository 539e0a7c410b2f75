"""``[[islands]]``: islands that are not as the rest of the search file says.

Each of these tables is for `count` islands. What else it has, keys and tables as they are in the
file, goes before the file's there; a number may be drawn for each island:

    [[islands]]
    count = 4
    search.population = { min = 100, max = 5000, scale = "log" }
    tasks.search.task = "mnist"

What an island is made of is a search file again, checked as one.
"""

from __future__ import annotations

import copy
import math
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
from pydantic import BaseModel, ValidationError

from azc.errors import ConfigError, TaskError, expected, nearest
from azc.search.settings_base import error_of, table_at
from azc.search.settings_plan import IslandSettings, Plan
from azc.search.settings_search import OF_SOME_METHODS
from azc.search.settings_space import FunctionSettings

if TYPE_CHECKING:
    from azc.search.settings_tasks import TaskTable, Which
    from azc.tasks import Task

__all__ = ["check_islands", "own_tasks", "plans_of", "total_of"]

Tables = Mapping[str, Any]

#: Keeps these draws apart from others that a seed may serve.
_STREAM = 0x69736C65
#: What is the whole search's, or what programs of all islands are compared by.
_COMMON = (
    *(f"search.{key}" for key in ("stop", "islands", "workers", "backend", "seed", "interval")),
    *(
        "search.snapshots",
        "search.aggregate",
        "tasks.select",
        "tasks.final",
        "evaluation",
        "migration",
        "compile",
        "islands",
    ),
)
_SCALES = ("linear", "log")


@dataclass(frozen=True, slots=True)
class _Range:
    least: float
    most: float
    log: bool
    whole: bool

    def draw(self, random: np.random.Generator) -> float:
        if self.whole and not self.log:
            return int(random.integers(int(self.least), int(self.most), endpoint=True))
        # Beyond whole numbers by one, so that the last is as wide as the others.
        low, high = self.least, self.most + self.whole
        part = random.random()
        drawn = (
            low * math.exp(part * math.log(high / low)) if self.log else low + part * (high - low)
        )
        # Digits that the exponential functions of all systems agree on.
        drawn = min(max(float(f"{drawn:.6g}"), self.least), self.most)
        return int(drawn) if self.whole else drawn


def total_of(groups: Any) -> int | None:
    """How many islands the tables are for; None where they do not say it as they should."""
    if not isinstance(groups, (list, tuple)):
        return None
    total = 0
    for group in groups:
        count = group.get("count", 1) if isinstance(group, Mapping) else None
        if type(count) is not int or count < 1:
            return None
        total += count
    return total or None


def plans_of(rest: IslandSettings, groups: Sequence[Tables]) -> tuple[list[Plan], list[TaskTable]]:
    """What each island is made of, those of the tables first, and the tables of their tasks, the
    file's own first. `rest`: what the file says beside the tables of islands, `groups`."""
    tables, measures = [rest.tasks.search], [_measure(rest)]
    made: list[tuple[str, IslandSettings]] = []
    for number, group in enumerate(groups):
        path = _path(number)
        drawn = _has_ranges(group, IslandSettings)
        alike = None if drawn else _made(rest, group, path, lambda key, given: None)
        for _ in range(group.get("count", 1)):
            one = alike or _made(rest, group, path, _drawing(rest.search.seed, len(made)))
            made.append((path, one))
    made += [("", rest)] * (rest.search.islands - len(made))
    plans = []
    for island, (path, one) in enumerate(made):
        tasks = _number_in(tables, one.tasks.search)
        plans.append(Plan(island, one, tasks, _number_in(measures, _measure(one)), path))
    return plans, tables


def _path(number: int) -> str:
    return f"islands[{number}]"


def _measure(settings: IslandSettings) -> tuple[Any, ...]:
    """What fitness rests on."""
    return (settings.tasks.search, settings.hurdles, settings.budget)


def _number_in(known: list[Any], one: Any) -> int:
    """The position of `one`, which is added if it is not there."""
    if one not in known:
        known.append(one)
    return known.index(one)


def own_tasks(plans: Sequence[Plan], sets: Mapping[Which, Sequence[Task]]) -> list[Sequence[Task]]:
    """The tasks of `Settings.task_tables` without the first of them, which is in `sets`. Raises
    `ConfigError`, `TaskError` or `ResourceError`."""
    own: list[Sequence[Task]] = []
    for plan in plans:
        if plan.tasks <= len(own):
            continue
        try:
            made = plan.settings.make_tasks("search")
            plan.settings.check_tasks({**sets, "search": made})
        except (ConfigError, TaskError) as error:
            raise type(error)(f"{plan.path}.{error}") from None
        own.append(made)
    return own


def _drawing(seed: int, island: int) -> Callable[[str, _Range], float]:
    def draw(key: str, given: _Range) -> float:
        # Each number by its own key, so that what is drawn for one does not depend on others.
        stream = [seed, island, _STREAM, zlib.crc32(key.encode())]
        return given.draw(np.random.default_rng(stream))

    return draw


# ---- checking -----------------------------------------------------------------------------------


def check_islands(rest: IslandSettings, groups: Sequence[Tables]) -> None:
    """Raise `ConfigError` where a table does not fit the file: with the least and the most of its
    ranges."""
    total = 0
    for number, group in enumerate(groups):
        path = _path(number)
        count = group.get("count", 1)
        if type(count) is not int or count < 1:
            raise ConfigError(f"{path}.count: {expected('a whole number from 1 on', repr(count))}")
        total += count
        for key in _paths(group):
            if common := next((one for one in _COMMON if f"{key}.".startswith(f"{one}.")), None):
                do = "say it once, for all islands"
                what = expected("what islands can differ in", repr(common), do)
                raise ConfigError(f"{path}.{key}: {what}")
        for extreme in (lambda _, given: given.least, lambda _, given: given.most):
            made = _made(rest, group, path, extreme)
            if made.tasks.search != rest.tasks.search and rest.tasks.select is None:
                what = "tasks by which programs of all islands are compared"
                do = f"{path} has tasks of its own, whose fitness says nothing of others"
                raise ConfigError(f"tasks.select: {expected(what, 'none', do)}")
    if total > (islands := rest.search.islands):
        what = f"islands that are at most search.islands ({islands}) together"
        raise ConfigError(f"islands: {expected(what, total)}")


def _paths(table: Tables, path: str = "") -> Iterator[str]:
    for key, value in table.items():
        yield f"{path}{key}"
        if isinstance(value, Mapping):
            yield from _paths(value, f"{path}{key}.")


# ---- making -------------------------------------------------------------------------------------


def _made(
    rest: IslandSettings, group: Tables, path: str, choose: Callable[[str, _Range], Any]
) -> IslandSettings:
    """The settings of an island of the table at `path`, the numbers in ranges chosen."""
    given = {key: value for key, value in group.items() if key != "count"}
    try:
        tables = _merged(rest.tables(), given, IslandSettings, path, choose)
        return IslandSettings.model_validate(tables)
    except ValidationError as error:
        lines = str(error_of(error, IslandSettings)).splitlines()
        raise ConfigError("\n".join(_named(line, path) for line in lines)) from None


def _named(line: str, path: str) -> str:
    """A line of an error in the table at `path`."""
    if line.startswith(" "):
        return line
    # One that begins with no key is about the table itself.
    return f"{path}: {line}" if " " in line.partition(":")[0] else f"{path}.{line}"


def _merged(
    table: dict[str, Any],
    given: Tables,
    model: type[BaseModel],
    path: str,
    choose: Callable[[str, _Range], Any],
) -> dict[str, Any]:
    """`table` with what is `given`, key by key."""
    result = dict(table)
    if model is FunctionSettings and {"size", "min", "max", "init"} & given.keys():
        for key in ("size", "min", "max", "init"):
            result.pop(key, None)
    if "method" in given:
        for name, key in OF_SOME_METHODS:
            if name == "search" and key not in given:
                result.pop(key, None)
    for key, value in given.items():
        here = f"{path}.{key}"
        inner = table_at(model, key)
        if inner and isinstance(value, Mapping):
            before = result.get(key)
            whole = before if isinstance(before, dict) else {}
            result[key] = _merged(whole, value, inner, here, choose)
        elif _is_range(value) and (kinds := _numbers(model, key)):
            # As in the table: which of several it is says nothing of what is drawn.
            short = here.partition(".")[2]
            result[key] = choose(short, _range(value, here, whole=float not in kinds))
        else:
            result[key] = copy.deepcopy(value)
    return result


def _has_ranges(given: Tables, model: type[BaseModel]) -> bool:
    for key, value in given.items():
        inner = table_at(model, key)
        if inner and isinstance(value, Mapping):
            if _has_ranges(value, inner):
                return True
        elif _is_range(value):
            return True
    return False


def _is_range(value: Any) -> bool:
    return isinstance(value, Mapping) and {"min", "max"} <= value.keys()


def _numbers(model: type[BaseModel], key: str) -> set[type]:
    """The kinds of numbers that a key may have."""
    field = model.model_fields.get(key)
    return {kind for kind in _kinds(field.annotation) if kind in (int, float)} if field else set()


def _kinds(annotation: Any) -> Iterator[Any]:
    yield annotation
    for inner in get_args(annotation):
        yield from _kinds(inner)


def _range(value: Tables, path: str, *, whole: bool) -> _Range:
    if unknown := [key for key in value if key not in ("min", "max", "scale")]:
        what = expected("min, max and scale", repr(unknown[0]))
        raise ConfigError(f"{path}: {what}")
    least, most, scale = value["min"], value["max"], value.get("scale", "linear")
    for key, number in (("min", least), ("max", most)):
        kinds = (int,) if whole else (int, float)
        if type(number) not in kinds or not math.isfinite(number):
            what = expected("a whole number" if whole else "a number", repr(number))
            raise ConfigError(f"{path}.{key}: {what}")
    if scale not in _SCALES:
        what = expected(" or ".join(map(repr, _SCALES)), repr(scale), nearest(str(scale), _SCALES))
        raise ConfigError(f"{path}.scale: {what}")
    if most < least:
        raise ConfigError(f"{path}.max: {expected(f'min ({least}) or more', most)}")
    if scale == "log" and least <= 0:
        raise ConfigError(
            f"{path}.min: {expected('a number above 0, on a scale of ratios', least)}"
        )
    return _Range(least, most, scale == "log", whole)
