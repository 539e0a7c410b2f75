"""`TaskOptions`: a set of tasks as a search file or the command line describes it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from azc.errors import ConfigError, TaskError, expected, nearest
from azc.tasks.making import MAX_COUNT, MAX_EXAMPLES, make_set
from azc.tasks.spec import parse_spec
from azc.tasks.task import MAX_FEATURES, Task

__all__ = ["TaskOptions", "config_error", "read_options"]

Examples = Annotated[int, Field(ge=1, le=MAX_EXAMPLES)]


class TaskOptions(BaseModel):
    """What `make_set` takes, under the keys of a search file's ``[tasks.search]``.

    Types are strict (no texts for numbers) and unknown keys are refused. None is the kind's
    default throughout.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    task: str
    count: Annotated[int, Field(ge=1, le=MAX_COUNT)] | None = None
    features: Annotated[int, Field(ge=1, le=MAX_FEATURES)] | None = None
    train: Examples | None = None
    valid: Examples | None = None
    seed: Annotated[int, Field(ge=0, le=2**64 - 1)] = 0
    metric: Literal["rmse", "accuracy"] | None = None
    data: str | os.PathLike[str] | None = None
    target: str | None = None

    @field_validator("task")
    @classmethod
    def _known(cls, task: str) -> str:
        try:
            parse_spec(task)
        except TaskError as error:
            raise ValueError(str(error)) from None
        return task

    @model_validator(mode="after")
    def _consistent(self) -> TaskOptions:
        spec = parse_spec(self.task)
        table = spec.file is not None and not spec.single
        if table and self.target is None:
            raise ValueError(expected(f"target, the label's column, with {self.task!r}", "none"))
        if self.target is not None and not table:
            what = f"target only with a .csv or .parquet file, not with {self.task!r}"
            raise ValueError(expected(what, repr(self.target)))
        if spec.single and self.count not in (None, 1):
            what = f"count 1 with {self.task!r}, which is used exactly as given"
            raise ValueError(expected(what, self.count))
        if spec.synthetic and self.metric == "accuracy":
            raise ValueError(expected(f"metric 'rmse' with {self.task!r}", "'accuracy'"))
        pixels = spec.images.pixels if spec.images and spec.raw else None
        if pixels and self.features not in (None, pixels):
            raise ValueError(expected(f"features {pixels} with {self.task!r}", self.features))
        return self

    def make(self, first: int = 0) -> list[Task]:
        """The tasks. Raises `TaskError` or `ResourceError` as `make_set` does."""
        rest: dict[str, Any] = dict(self)
        return make_set(rest.pop("task"), first=first, **rest)


def read_options(table: Mapping[str, Any], where: str = "tasks") -> TaskOptions:
    """`TaskOptions` of a table of settings at the key path `where`; raises `ConfigError`."""
    try:
        return TaskOptions.model_validate(dict(table))
    except ValidationError as error:
        raise config_error(error, where, TaskOptions) from None


def config_error(error: ValidationError, where: str, model: type[BaseModel]) -> ConfigError:
    """One line per problem: the key's path, what was expected, what was given."""
    return ConfigError("\n".join(_line(problem, where, model) for problem in error.errors()))


def _line(problem: Any, where: str, model: type[BaseModel]) -> str:
    keys = [str(key) for key in problem["loc"] if str(key) in model.model_fields]
    kind, got = problem["type"], repr(problem["input"])
    if kind == "extra_forbidden":
        name = str(problem["loc"][-1])
        known = ", ".join(model.model_fields)
        do = nearest(name, model.model_fields) or f"the keys are {known}"
        return f"{where}: {expected('known keys', repr(name), do)}"
    path = ".".join([where, *keys]) if where else ".".join(keys)
    if kind == "missing":
        return f"{where}: {expected('the key ' + repr(str(problem['loc'][-1])), 'none')}"
    if kind == "value_error":
        return f"{path}: {problem['ctx']['error']}"
    what = problem["msg"].removeprefix("Input should be ")
    return f"{path}: {expected(what, got if len(got) <= 80 else got[:77] + '…')}"
