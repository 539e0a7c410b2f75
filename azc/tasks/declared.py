"""The options of a set of tasks, each declared once: `TaskKeywords`.

What `make_set` takes, the options of commands (`azc.cli.evaluating`) and the keys of a search
file's tables of tasks (`azc.tasks.options`) follow from it, with their types and limits. Nothing
heavy is imported here, since the help of a command shows all of it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, TypedDict, get_args, get_origin, get_type_hints

from azc.checks import whole_number
from azc.errors import TaskError, expected, nearest

__all__ = [
    *("MAX_COUNT", "MAX_EXAMPLES", "MAX_FEATURES", "METRICS", "TaskKeywords", "TaskOption"),
    *("checked_options", "task_options"),
]

METRICS = ("rmse", "accuracy")
MAX_FEATURES = 4096
MAX_COUNT = 100_000
MAX_EXAMPLES = 100_000_000

#: Kinds of tasks that an option may be only for, as messages name them.
TABLE, CSV, IMAGES = "a table (.csv, .tsv, .parquet)", "a .csv or .tsv file", "an image set"
ROWS = "a table (.csv, .tsv, .parquet, iris, …)"
POOL = "a table or an .npz file"


@dataclass(frozen=True, slots=True)
class TaskOption:
    """One option: `help` is its line in the help of commands, `metavar` and `flag` (``--name``
    unless given) are for them too. Numbers go from `low` to `high`; texts are among `choices` if
    there are any. `only`: the kind of task that it is for, all if empty. `name` and `type` are
    those of the entry of `TaskKeywords`."""

    help: str
    metavar: str = ""
    flag: str = ""
    low: int = 1
    high: int = MAX_EXAMPLES
    choices: tuple[str, ...] = ()
    only: str = ""
    name: str = ""
    type: Any = None


class TaskKeywords(TypedDict, total=False):
    """The options of `make_set` beside the kind of task. None is the kind's default throughout."""

    count: (
        Annotated[
            int,
            TaskOption(
                "Number of tasks of the kind.  [default: 8; 1 for a file]",
                metavar="N",
                flag="--tasks",
                high=MAX_COUNT,
            ),
        ]
        | None
    )
    features: (
        Annotated[int, TaskOption("Features of an example.", metavar="F", high=MAX_FEATURES)] | None
    )
    train: Annotated[int, TaskOption("Training examples of a task.", metavar="N")] | None
    valid: Annotated[int, TaskOption("Validation examples of a task.", metavar="N")] | None
    seed: Annotated[
        int,
        TaskOption(
            "Of the tasks, and of all that is drawn in the evaluation.",
            metavar="N",
            low=0,
            high=2**64 - 1,
        ),
    ]
    metric: (
        Annotated[
            str,
            TaskOption(
                "How predictions are scored.  [default: the kind's; for a table accuracy if the "
                "target is texts, booleans or exactly 0 and 1, otherwise rmse]",
                choices=METRICS,
            ),
        ]
        | None
    )
    data: (
        Annotated[
            str | os.PathLike[str],
            TaskOption("Folder of the image sets' files.  [default: $AZC_DATA]", metavar="DIR"),
        ]
        | None
    )
    test_images: (
        Annotated[
            str,
            TaskOption(
                "Where the test part of an image task comes from: what is left of the training "
                "images, or all of the set's own test files.  [default: training]",
                choices=("training", "official"),
                only=IMAGES,
            ),
        ]
        | None
    )
    target: (
        Annotated[str, TaskOption("The label's column in a table.", metavar="COLUMN", only=TABLE)]
        | None
    )
    drop: (
        Annotated[
            Sequence[str],
            TaskOption(
                "A column of a table to leave out; may be given several times.",
                metavar="COLUMN",
                only=ROWS,
            ),
        ]
        | None
    )
    encode: (
        Annotated[
            Sequence[str],
            TaskOption(
                "A column of texts to use, as a column of 0 and 1 for each of its values; may be "
                "given several times.",
                metavar="COLUMN",
                only=TABLE,
            ),
        ]
        | None
    )
    fill: (
        Annotated[
            str,
            TaskOption(
                "What stands in for missing features of a table: of their column in the training "
                "part.  [default: they are refused]",
                choices=("mean", "median"),
                only=TABLE,
            ),
        ]
        | None
    )
    split: (
        Annotated[
            str,
            TaskOption(
                "How rows of a table are shared out: with the classes in equal parts, or at "
                "random.  [default: stratified for accuracy]",
                choices=("stratified", "random"),
                only=ROWS,
            ),
        ]
        | None
    )
    standardize_labels: (
        Annotated[
            bool,
            TaskOption("Give a table's labels mean 0 and deviation 1, for rmse.", only=ROWS),
        ]
        | None
    )
    rows: (
        Annotated[
            str,
            TaskOption(
                "The side of a table whose rows are used: half of them, or a quarter each; sides "
                "share no row.  [default: all rows]",
                choices=("search", "select", "final"),
                only=POOL,
            ),
        ]
        | None
    )
    vary: (
        Annotated[
            str,
            TaskOption(
                "How tasks of one table differ beside the way its rows are shared out: not at all "
                "(rows), by columns or projections, of which there are --features, or by pairs of "
                "its classes.  [default: rows; an .npz file is used exactly as given]",
                choices=("rows", "columns", "projection", "pairs"),
                only=POOL,
            ),
        ]
        | None
    )
    separator: (
        Annotated[
            str,
            TaskOption(
                "What separates columns: one character, or tab.  [default: , and tab for .tsv]",
                metavar="C",
                only=CSV,
            ),
        ]
        | None
    )
    encoding: (
        Annotated[
            str,
            TaskOption("Of the text, such as latin-1.  [default: utf-8]", metavar="NAME", only=CSV),
        ]
        | None
    )


@cache
def task_options() -> tuple[TaskOption, ...]:
    """The options as declared, with `name` and `type`, in order."""
    options = []
    for name, hint in get_type_hints(TaskKeywords, include_extras=True).items():
        # X | None: the option belongs to X.
        inner = hint if get_origin(hint) is Annotated else get_args(hint)[0]
        kind, option = get_args(inner)
        filled = {key: getattr(option, key) for key in TaskOption.__slots__}
        options.append(TaskOption(**{**filled, "name": name, "type": kind}))
    return tuple(options)


def checked_options(given: Mapping[str, Any]) -> TaskKeywords:
    """`given` with every option, each checked by itself; raises `TaskError`."""
    known = {option.name: option for option in task_options()}
    for name in given:
        if name not in known:
            do = nearest(name, known) or f"there are {', '.join(known)}"
            raise TaskError(expected("options of a set of tasks", repr(name), do))
    result: dict[str, Any] = dict.fromkeys(known)
    for name, value in given.items():
        if value is not None:
            result[name] = _checked(known[name], value)
    result["seed"] = result["seed"] or 0
    return result  # type: ignore[return-value]


def _checked(option: TaskOption, value: Any) -> Any:
    name = option.name
    if option.type is int:
        return whole_number(name, value, option.low, option.high, error=TaskError)
    if option.type is bool:
        if not isinstance(value, bool):
            raise TaskError(expected(f"{name} to be True or False", repr(value)))
    elif option.choices:
        if value not in option.choices:
            what = " or ".join(map(repr, option.choices))
            do = nearest(value, option.choices) if isinstance(value, str) else ""
            raise TaskError(expected(f"{name} {what}", repr(value), do))
    elif option.type == Sequence[str]:
        names = [value] if isinstance(value, str) else value
        if not isinstance(names, (list, tuple)) or not all(isinstance(n, str) for n in names):
            raise TaskError(expected(f"{name} to be a text or a list of texts", repr(value)))
        return tuple(names)
    elif not isinstance(value, (str, os.PathLike) if name == "data" else str):
        raise TaskError(expected(f"{name} to be a text", repr(value)))
    return value
