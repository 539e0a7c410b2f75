"""What the tables of a search file have in common: strictness, and errors that name the key."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from azc.errors import ConfigError, expected, nearest
from azc.tasks.options import config_error

__all__ = [
    *("Count", "MisfitError", "Part", "Seed", "Table", "error_of", "fill", "table_at"),
    "whole_path",
]

Count = Annotated[int, Field(ge=1, le=2**63 - 1)]
Seed = Annotated[int, Field(ge=0, le=2**64 - 1)]
Part = Annotated[float, Field(gt=0.0, le=1.0)]


class Table(BaseModel):
    """A table: types are strict (no texts for numbers), unknown keys are refused, and what has been
    read cannot be changed."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class MisfitError(ValueError):
    """A value that does not fit the others; `key` is its path below the table that is checked."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key


def fill(table: Table, **values: Any) -> None:
    """Set what `table` was not given, once the rest is known. Only for its own validators."""
    for key, value in values.items():
        object.__setattr__(table, key, value)


def error_of(error: ValidationError, model: type[BaseModel]) -> ConfigError:
    """The `ConfigError` with a line for each problem, which begins with the path of its key."""
    lines = [_line(problem, model) for problem in error.errors(include_url=False)]
    return ConfigError("\n".join(dict.fromkeys(lines)))


def _line(problem: Any, model: type[BaseModel]) -> str:
    path, rest = [], list(problem["loc"])
    cause = problem.get("ctx", {}).get("error")
    if isinstance(cause, MisfitError):
        rest += cause.key.split(".")
    # A key that lacks or that nobody knows is told of the table in which it is one.
    last = 1 if problem["type"] in ("missing", "extra_forbidden") else 0
    while len(rest) > last and (inner := table_at(model, rest[0])):
        path.append(rest.pop(0))
        model = inner
    details: Any = {**_reworded(problem), "loc": tuple(rest)}
    alone = ValidationError.from_exception_data(model.__name__, [details])
    return str(config_error(alone, ".".join(path), model)).removeprefix(": ")


def table_at(model: type[BaseModel], key: object) -> type[BaseModel] | None:
    """The model of the table at `key` of `model`, if there is a table."""
    field = model.model_fields.get(str(key))
    kinds = (field.annotation, *get_args(field.annotation)) if field else ()
    tables = (kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel))
    return next(tables, None)


def whole_path(model: type[BaseModel], steps: Sequence[str]) -> str:
    """The path below `model` whose last keys are `steps`, the shortest if there are several; "" if
    there is none."""
    paths = (path for path in _paths(model, ()) if len(path) > 1)
    ends = sorted((path for path in paths if path[-len(steps) :] == tuple(steps)), key=len)
    return ".".join(ends[0]) if ends else ""


def _paths(model: type[BaseModel], above: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for key in model.model_fields:
        path = (*above, key)
        yield path
        if table := table_at(model, key):
            yield from _paths(table, path)


def _reworded(problem: Any) -> dict[str, Any]:
    """The problem in the words of TOML rather than Python's, with the nearest of the choices."""
    kind, given = problem["type"], problem["input"]
    if kind in ("model_type", "dict_type"):
        message = expected("a table", repr(given))
    elif kind in ("tuple_type", "list_type"):
        message = expected("a list", repr(given))
    elif kind == "literal_error":
        what = problem["ctx"]["expected"]
        near = nearest(given, re.findall(r"'([^']*)'", what)) if isinstance(given, str) else ""
        message = expected(what, repr(given), near)
    else:
        kept = ("type", "input", "ctx")
        return {key: problem[key] for key in kept if key in problem}
    return {"type": "value_error", "input": given, "ctx": {"error": ValueError(message)}}
