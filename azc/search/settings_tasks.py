"""The tasks of a search: what it learns on, what it is selected by, what it is reported on.

No two of these sets may share a task, or the later one would measure what was already fitted.
"""

from __future__ import annotations

import os
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Annotated, Any, Literal

import xxhash
from pydantic import BeforeValidator, model_validator

from azc.errors import ConfigError, TaskError, expected
from azc.search.settings_base import MisfitError, Table
from azc.tasks.declared import MAX_FEATURES
from azc.tasks.making import DEFAULT_COUNT
from azc.tasks.options import TaskOptions
from azc.tasks.projection import classes_of, default_features
from azc.tasks.spec import GIVEN, Spec, parse_spec
from azc.tasks.synthetic import FEATURES, TRAIN_EXAMPLES, VALID_EXAMPLES
from azc.tasks.task import Array, Task
from azc.tasks.taskset import TaskSet

__all__ = ["SETS", "Facts", "TaskTable", "TaskTables", "Which", "check_disjoint", "facts_of"]

Which = Literal["search", "select", "final"]
SETS: tuple[Which, ...] = ("search", "select", "final")


def _features(value: Any) -> Any:
    """One number or a tuple of them, checked here so that there is one message and not two."""
    several = isinstance(value, (list, tuple))
    numbers = value if several else [value]
    good = bool(numbers) and all(type(n) is int and 1 <= n <= MAX_FEATURES for n in numbers)
    if value is not None and not good:
        what = f"a whole number from 1 to {MAX_FEATURES}, or a list of them"
        raise ValueError(expected(what, repr(value)))
    return tuple(value) if several else value


Features = Annotated[int | tuple[int, ...] | None, BeforeValidator(_features)]


class TaskTable(TaskOptions):
    """One set of tasks: what `make_set` takes, but `features` may be several numbers, which the
    tasks take in turn. What a kind has defaults for is filled in."""

    features: Features = None

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, table: Any) -> Any:
        try:
            spec = parse_spec(table["task"])
        except (TaskError, TypeError, KeyError):
            return table  # refused with the key's path when the keys are looked at
        given = {key: value for key, value in table.items() if value is not None}
        try:
            return {**_defaults(spec), **given}
        except TaskError as error:
            raise MisfitError("task", str(error)) from None

    @model_validator(mode="after")
    def _one_width(self) -> TaskTable:
        spec = parse_spec(self.task)
        if isinstance(self.features, tuple) and (spec.file or spec.bundled) and not self._widened:
            what = "one number of features with a file, whose columns are used as they are"
            raise MisfitError("features", expected(what, repr(list(self.features))))
        return self

    @property
    def _widened(self) -> bool:
        """Whether `features` is how many of a table's columns, or projections, tasks have."""
        return self.vary in ("columns", "projection")

    def made_like(self, other: TaskTable) -> bool:
        """Whether these tasks can be made if `other`'s can: drawn, or from the same images."""
        if self.rows or self.vary:
            return False
        mine, theirs = parse_spec(self.task), parse_spec(other.task)
        if mine.images:
            return mine.images == theirs.images and self.data == other.data
        return mine.synthetic is not None or mine.bundled is not None

    @property
    def uses_data(self) -> bool:
        """Whether `data` matters to it."""
        return parse_spec(self.task).images is not None

    @property
    def size(self) -> int:
        """How many tasks there are."""
        return DEFAULT_COUNT if self.count is None else self.count

    def make(self, first: int = 0) -> TaskSet:
        if not isinstance(self.features, tuple):
            return super().make(first)
        tasks: list[Task] = []
        for index in range(first, first + self.size):
            features = self.features[index % len(self.features)]
            one = self.model_copy(update={"features": features, "count": 1})
            tasks += one.make(index)
        return TaskSet(tasks)

    @property
    def _widths(self) -> tuple[int | None, ...]:
        """Numbers of features, which the tasks take in turn."""
        return self.features if isinstance(self.features, tuple) else (self.features,)

    def facts(self) -> Facts:
        """What is known of the tasks before they are made."""
        spec = parse_spec(self.task)
        pairs = self.vary == "pairs"
        metric = self.metric or ("accuracy" if pairs else "rmse" if spec.single else None)
        classes = 0 if metric == "rmse" else None
        if spec.images and metric == "accuracy":
            classes = len(classes_of(spec, 0, 0))
        if spec.bundled and metric == "accuracy":
            classes = spec.bundled.classes
        if pairs:
            classes = 2
        known = [width for width in self._widths[: self.size] if width is not None]
        return Facts(metric, classes, min(known, default=None), self.train, self.valid)

    def identities(self) -> Iterator[tuple[Hashable, str]]:
        """For each task what makes it the task it is, and its name.

        The number of examples is left out, since fewer are a prefix of more, and so are the
        features of an image task, since fewer are the first columns of the same projection.
        """
        spec = parse_spec(self.task)
        varied = (self.rows, self.vary) if self.rows or self.vary else ()
        if spec.several:
            for path in spec.files()[: self.size]:
                rest = (self.target, self.seed, 0) if spec.is_table or varied else ()
                yield (os.path.realpath(path), *rest, *varied), f"{path.name}[0]"
            return
        if spec.file is not None:
            file = os.path.realpath(spec.file)
            for index in range(self.size):
                rest = () if spec.single and not varied else (self.target, self.seed, index)
                yield (file, *rest, *varied), f"{spec.file.name}[{index}]"
            return
        for index in range(self.size):
            what: Hashable = self._widths[index % len(self._widths)]
            if spec.images:
                what = frozenset(classes_of(spec, self.seed, index))
            kind = spec.images.name if spec.images else spec.text
            yield (kind, what, self.seed, index, *varied), f"{spec.text}[{index}]"


def _defaults(spec: Spec) -> dict[str, Any]:
    if spec.several:
        return {"count": len(spec.files())}
    if spec.file is not None:
        return {"count": 1}
    if spec.bundled is not None:
        return {"count": DEFAULT_COUNT, "metric": spec.bundled.metric}
    if spec.text == GIVEN:
        return {}
    if spec.images is None:
        examples, features, metric = (TRAIN_EXAMPLES, VALID_EXAMPLES), FEATURES, "rmse"
    else:
        examples = (spec.images.all if spec.part == "all" else spec.images.pair)[:2]
        features, metric = default_features(spec), "accuracy"
    counts = {"count": DEFAULT_COUNT, "train": examples[0], "valid": examples[1]}
    return {**counts, "features": features, "metric": metric}


@dataclass(frozen=True, slots=True)
class Facts:
    """What has to agree: the metric, the number of classes (0 for regression), the smallest of
    features and of examples; None where only the data can tell."""

    metric: str | None
    classes: int | None
    features: int | None
    train: int | None
    valid: int | None

    @property
    def aim(self) -> str | None:
        """What programs are to predict, in words."""
        if self.classes is None:
            return None
        if self.classes > 2:
            return "more than two classes"
        return "two classes" if self.classes else "real numbers"


def facts_of(tasks: Sequence[Task]) -> Facts:
    """The facts of tasks that have been made."""
    metrics = {task.metric for task in tasks}
    return Facts(
        metric=metrics.pop() if len(metrics) == 1 else None,
        classes=max(task.classes for task in tasks),
        features=min(task.features for task in tasks),
        train=min(len(task.y_train) for task in tasks),
        valid=min(len(task.y_valid) for task in tasks),
    )


class TaskTables(Table):
    """``[tasks.search]``, and where configured ``[tasks.select]`` and ``[tasks.final]``."""

    search: TaskTable
    select: TaskTable | None = None
    final: TaskTable | None = None

    @model_validator(mode="before")
    @classmethod
    def _seeds(cls, tables: Any) -> Any:
        """Seeds that differ, so that sets of one kind share no task unless they are told to."""
        if not isinstance(tables, Mapping):
            return tables
        seeded = dict(tables)
        for seed, which in enumerate(SETS):
            if isinstance(table := tables.get(which), Mapping):
                seeded[which] = {"seed": seed, **table}
        return seeded

    @model_validator(mode="after")
    def _disjoint(self) -> TaskTables:
        tables = self.configured()
        for first, second in combinations(tables, 2):
            here, there = (dict(tables[which].identities()) for which in (first, second))
            if shared := next((key for key in here if key in there), None):
                raise MisfitError(second, _shares(first, here[shared], there[shared]))
        return self

    def needed_at_once(self) -> list[Which]:
        """The sets to be made before the search begins: that of the search, and those of which only
        then is known that they can be made and share no task with the others."""
        return [
            which
            for which, table in self.configured().items()
            if which == "search" or not table.made_like(self.search)
        ]

    def configured(self) -> dict[Which, TaskTable]:
        """The sets that there are."""
        tables = ((which, getattr(self, which)) for which in SETS)
        return {which: table for which, table in tables if table is not None}


def check_disjoint(sets: Mapping[Which, Sequence[Task]]) -> None:
    """Raise `ConfigError` if two of the sets of tasks, as they have been made, share one: the same
    training examples, or the same validation examples."""
    digests = {which: dict(_digests(sets[which])) for which in SETS if which in sets}
    for first, second in combinations(digests, 2):
        here, there = digests[first], digests[second]
        if shared := next((digest for digest in here if digest in there), None):
            message = _shares(first, here[shared], there[shared])
            raise ConfigError(f"tasks.{second}: {message}")


def _digests(tasks: Iterable[Task]) -> Iterator[tuple[tuple[str, str], str]]:
    for task in tasks:
        for part in ("train", "valid"):
            arrays = (getattr(task, f"X_{part}"), getattr(task, f"y_{part}"))
            yield (part, _digest(arrays)), task.name


def _digest(arrays: Iterable[Array]) -> str:
    digest = xxhash.xxh3_128()
    for array in arrays:
        digest.update(repr(array.shape).encode())
        digest.update(array.data.cast("B"))
    return digest.hexdigest()


def _shares(other: Which, theirs: str, ours: str) -> str:
    what = f"tasks that tasks.{other} does not have"
    got = repr(ours) if ours == theirs else f"{ours!r}, which is {theirs!r} there"
    return expected(what, got, "give another seed, another part or another file")
