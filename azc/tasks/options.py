"""`TaskOptions`: a set of tasks as a search file describes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    create_model,
    field_validator,
    model_validator,
)

from azc.errors import ConfigError, TaskError, expected, nearest
from azc.tasks.declared import TaskOption, task_options
from azc.tasks.making import make_set
from azc.tasks.spec import check_fit, parse_spec
from azc.tasks.taskset import TaskSet

__all__ = ["TaskOptions", "config_error", "read_options"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    task: str


def _field(option: TaskOption) -> Any:
    """The type of a key and its default, as pydantic takes them."""
    kind: Any = option.type
    if kind is int:
        kind = Annotated[int, Field(ge=option.low, le=option.high)]
    elif option.choices:
        kind = Literal[option.choices]
    elif kind == Sequence[str]:
        kind = list[str]
    return (kind, 0) if option.name == "seed" else (kind | None, None)


if TYPE_CHECKING:

    class _Fields(_Strict):
        def __getattr__(self, name: str) -> Any: ...
else:
    _Fields = create_model(
        "_Fields", __base__=_Strict, **{option.name: _field(option) for option in task_options()}
    )


class TaskOptions(_Fields):
    """What `make_set` takes, under the keys of a search file's ``[tasks.search]``: the fields are
    those of `azc.tasks.declared.TaskKeywords`.

    Types are strict (no texts for numbers) and unknown keys are refused. None is the kind's
    default throughout.
    """

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
        try:
            check_fit(spec, dict(self))
        except TaskError as error:
            raise ValueError(str(error)) from None
        if spec.is_table and self.target is None:
            raise ValueError(expected(f"target, the label's column, with {self.task!r}", "none"))
        pixels = spec.images.pixels if spec.images and spec.raw else None
        if pixels and self.features not in (None, pixels):
            raise ValueError(expected(f"features {pixels} with {self.task!r}", self.features))
        return self

    def make(self, first: int = 0) -> TaskSet:
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
