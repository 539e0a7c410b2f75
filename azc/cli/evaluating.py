"""The options of commands that evaluate programs, and what becomes of them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from azc.cli.base import OneOf, Whole
from azc.tasks.declared import TaskKeywords, TaskOption, task_options

if TYPE_CHECKING:
    from azc.search.settings_tasks import TaskTable
    from azc.tasks import TaskSet

__all__ = [
    *("TaskChoice", "data_option", "encoding_option", "evaluation_options"),
    *("optional_evaluation_options", "separator_option"),
]

_MOST = 2**31 - 1

Decorator = Callable[[Callable[..., None]], Callable[..., None]]


def _tiers() -> Sequence[str]:
    from azc.tiers import TIERS

    return TIERS


def _declared(option: TaskOption) -> Decorator:
    """An option of the command line as the declaration of the options of tasks has it."""
    flag = option.flag or "--" + option.name.replace("_", "-")
    shown: dict[str, Any] = {"help": option.help}
    if option.type is bool:
        return click.option(flag, option.name, is_flag=True, default=None, **shown)
    if option.metavar:
        shown["metavar"] = option.metavar
    if option.type is int:
        shown["type"] = Whole(option.low, option.high)
    elif option.choices:
        shown["type"] = OneOf(lambda: option.choices)
    elif option.type == Sequence[str]:
        shown["multiple"] = True
    if option.name == "seed":
        shown |= {"default": 0, "show_default": True}
    return click.option(flag, option.name, **shown)


_TASKS = {option.name: _declared(option) for option in task_options()}
data_option, separator_option = _TASKS["data"], _TASKS["separator"]
encoding_option = _TASKS["encoding"]


def _options(required: bool) -> tuple[Decorator, ...]:
    """In the order of the help."""
    return (
        click.option(
            "--task",
            required=required,
            metavar="T",
            help="What to learn: a kind from 'azc tasks', a file, or what a search learned: the "
            "folder of a run, or FOLDER:search, :select or :final.",
        ),
        *_TASKS.values(),
        click.option(
            "--epochs",
            type=Whole(1, _MOST),
            default=1,
            show_default=True,
            metavar="N",
            help="Passes over the training examples.",
        ),
        click.option(
            "--tier",
            type=OneOf(_tiers),
            default="auto",
            show_default=True,
            help="What runs programs.",
        ),
    )


@dataclass(frozen=True, slots=True)
class TaskChoice:
    """What tasks are made by, and the seed of what is drawn in evaluations: a kind of task with its
    options, of which None is the kind's default, or `table`, a set of tasks of a run."""

    task: str
    options: TaskKeywords
    seed: int
    table: TaskTable | None = None

    def make(self, first: int = 0, count: int | None = None) -> TaskSet:
        """The tasks, or `count` others from number `first` on; raises `TaskError` or
        `ResourceError`."""
        if self.table is not None:
            more = {} if count is None else {"count": count}
            return self.table.model_copy(update=more).make(first)
        from azc.tasks import make_set

        options = self.options if count is None else {**self.options, "count": count}
        return make_set(self.task, first=first, **options)


def evaluation_options(function: Callable[..., None]) -> Callable[..., None]:
    """Adds the options to a command's function, which gets `choice`, `epochs` and `tier`."""
    return _gathering(function, required=True)


def optional_evaluation_options(function: Callable[..., None]) -> Callable[..., None]:
    """The same, but `choice` is None where there is no ``--task``."""
    return _gathering(function, required=False)


def _gathering(function: Callable[..., None], required: bool) -> Callable[..., None]:
    @functools.wraps(function)
    def gather(**values: Any) -> None:
        options: Any = {name: values.pop(name) for name in _TASKS}
        task = values.pop("task")
        choice = None
        if task is not None:
            choice, changes = _choice(task, options)
            values |= {name: value for name, value in changes.items() if name in values}
        function(choice=choice, **values)

    decorated: Callable[..., None] = gather
    for option in reversed(_options(required)):
        decorated = option(decorated)
    return decorated


def _choice(task: str, options: TaskKeywords) -> tuple[TaskChoice, dict[str, Any]]:
    """The choice, and how a run evaluated where the command line does not say."""
    from azc.cli.run_tasks import folder_in, settings_of, table_of

    named = folder_in(task)
    if named is None:
        return TaskChoice(task, options, options["seed"]), {}
    folder, which = named
    settings = settings_of(folder)
    changes = {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in options.items()
        if value not in (None, ()) and _given(name)
    }
    where, table = table_of(settings, folder, which, changes)
    evaluation = settings.evaluation
    seed = options["seed"] if _given("seed") else evaluation.seed
    kept = {"epochs": evaluation.epochs, "max_abs_error": evaluation.max_abs_error}
    return TaskChoice(where, options, seed, table), {
        name: value for name, value in kept.items() if not _given(name)
    }


def _given(name: str) -> bool:
    """Whether the command line itself says it."""
    source = click.get_current_context().get_parameter_source(name)
    return source not in (None, ParameterSource.DEFAULT, ParameterSource.DEFAULT_MAP)
