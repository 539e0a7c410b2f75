"""The options of commands that evaluate programs, and what becomes of them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import click

from azc.cli.base import OneOf, Whole

if TYPE_CHECKING:
    from azc.tasks import Task

__all__ = ["TaskChoice", "data_option", "evaluation_options"]

_MOST = 2**31 - 1
_MOST_SEEDS = 2**64 - 1


def _metrics() -> Sequence[str]:
    from azc.tasks.task import METRICS

    return METRICS


def _tiers() -> Sequence[str]:
    from azc.tiers import TIERS

    return TIERS


data_option = click.option(
    "--data", metavar="DIR", help="Folder of the image sets' files.  [default: $AZC_DATA]"
)

# In the order of the help.
_OPTIONS = (
    click.option(
        "--task",
        required=True,
        metavar="T",
        help="What to learn: a kind from 'azc tasks', or a file.",
    ),
    click.option(
        "--tasks",
        "count",
        type=Whole(1, _MOST),
        metavar="N",
        help="Number of tasks of the kind.  [default: 8; 1 for a file]",
    ),
    click.option("--features", type=Whole(1, _MOST), metavar="F", help="Features of an example."),
    click.option("--train", type=Whole(1, _MOST), metavar="N", help="Training examples of a task."),
    click.option(
        "--valid", type=Whole(1, _MOST), metavar="N", help="Validation examples of a task."
    ),
    click.option(
        "--epochs",
        type=Whole(1, _MOST),
        default=1,
        show_default=True,
        metavar="N",
        help="Passes over the training examples.",
    ),
    click.option(
        "--seed",
        type=Whole(0, _MOST_SEEDS),
        default=0,
        show_default=True,
        metavar="N",
        help="Of the tasks, and of all that is drawn in the evaluation.",
    ),
    click.option("--metric", type=OneOf(_metrics), help="How predictions are scored."),
    click.option(
        "--tier", type=OneOf(_tiers), default="auto", show_default=True, help="What runs programs."
    ),
    data_option,
    click.option(
        "--target", metavar="COLUMN", help="The label's column in a .csv or .parquet file."
    ),
)


@dataclass(frozen=True, slots=True)
class TaskChoice:
    """The tasks that the options describe; None is the kind's default."""

    task: str
    count: int | None
    features: int | None
    train: int | None
    valid: int | None
    seed: int
    metric: str | None
    data: str | None
    target: str | None

    def make(self) -> list[Task]:
        """The tasks; raises `TaskError` or `ResourceError`."""
        from azc.tasks import make_set

        return make_set(
            self.task,
            count=self.count,
            features=self.features,
            train=self.train,
            valid=self.valid,
            seed=self.seed,
            metric=self.metric,
            data=self.data,
            target=self.target,
        )


def evaluation_options(function: Callable[..., None]) -> Callable[..., None]:
    """Adds the options to a command's function, which gets `choice`, `epochs` and `tier`."""
    names = [field.name for field in fields(TaskChoice)]

    @functools.wraps(function)
    def gather(**values: Any) -> None:
        choice = TaskChoice(**{name: values.pop(name) for name in names})
        function(choice=choice, **values)

    for option in reversed(_OPTIONS):
        gather = option(gather)
    return gather
