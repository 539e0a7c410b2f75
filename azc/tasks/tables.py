"""Tables: numeric feature columns and a target column, whatever file they are from."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from azc.errors import TaskError, expected, nearest
from azc.tasks.task import Array

__all__ = [
    "MISSING",
    "Choose",
    "Columns",
    "Encoded",
    "Table",
    "number",
    "refuse_entry",
    "refuse_texts",
    "without",
]

#: What stands for a missing entry, in lower case: the words of pandas, R and others.
MISSING = frozenset(
    {"", "na", "n/a", "#n/a", "<na>", "nan", "-nan", "nat", "null", "none", "?", "-", "."}
)
#: Classes that are fractions are believed where each occurs so often on average.
_OFTEN = 10


def number(text: str) -> float | None:
    """The number that `text` is, if it is one; underscores are Python's, not a table's."""
    try:
        return None if "_" in text else float(text)
    except ValueError:
        return None


def refuse_entry(
    path: Path,
    column: str,
    row: int,
    got: object,
    what: str = "a number",
    *,
    missing: bool = False,
) -> NoReturn:
    """Refuse an entry; of features that are `missing` others may stand in."""
    do = "let fill stand in for it (--fill median)" if missing else "fill it"
    do += " or remove the row; rows count from 0 after the header"
    if what == "a label":
        do += "; a class of that name needs another"
    raise TaskError(expected(f"{what} in column {column!r}, row {row} of {path}", repr(got), do))


def refuse_texts(path: Path, columns: Sequence[str], got: str) -> NoReturn:
    """Refuse features that are texts: all such columns at once, with how to leave them out."""
    names = ", ".join(map(repr, columns))
    encode, drop = (
        " ".join(f"{option} {shlex.quote(column)}" for column in columns)
        for option in ("--encode", "--drop")
    )
    what = f"numbers in column{'s' if len(columns) > 1 else ''} {names} of {path}"
    do = f"use them as classes, {encode}, or leave them out: {drop}"
    raise TaskError(expected(what, got, do))


#: By the name of a feature: the column, and its value, that the feature is 1 for.
Encoded = Mapping[str, tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Table:
    """`X` (n, F) float64, NaN where an entry is missing, with the names of its `columns`, and the
    target: as `texts` (n,) str, as `numbers` (n,) float64, or both where every text is a number.

    `is_class`: the target's type (texts, booleans) says that it names classes. `encoded`: of
    which value of which column those of `columns` are that were texts.
    """

    path: Path
    target: str
    columns: tuple[str, ...]
    X: Array
    texts: npt.NDArray[Any] | None
    numbers: Array | None
    is_class: bool
    encoded: Encoded = field(default_factory=dict)

    @property
    def metric(self) -> str:
        """accuracy for texts, booleans and exactly the numbers 0 and 1, else rmse."""
        if self.is_class:
            return "accuracy"
        values = () if self.numbers is None else np.unique(self.numbers)
        return "accuracy" if np.array_equal(values, [0.0, 1.0]) else "rmse"

    @property
    def _where(self) -> str:
        return f"target {self.target!r} of {self.path}"

    def labels(self, metric: str) -> tuple[Array, tuple[str, ...]]:
        """(n,) float64 labels and the names of the classes in order, none for rmse.

        Classes are numbered in sorted order: texts as texts, numbers as numbers.
        """
        self._check_present(metric)
        if metric == "rmse":
            if self.numbers is None:
                self._refuse_texts()
            return self.numbers, ()
        if self.numbers is None:
            assert self.texts is not None
            texts, labels = np.unique(self.texts, return_inverse=True)
            names: Sequence[str] = texts.tolist()
        else:
            names, labels = self._numbered(self.numbers)
        if len(names) < 2:
            raise TaskError(expected(f"at least 2 classes in {self._where}", f"only {names[0]}"))
        return labels.reshape(-1).astype(np.float64), tuple(names)

    def _check_present(self, metric: str) -> None:
        """Raise for what stands for a missing label, with its row."""
        if self.numbers is not None and np.isfinite(self.numbers).all():
            return
        if self.texts is not None:
            lower = np.char.lower(np.char.strip(self.texts))
            # A minus is a class where a plus is one.
            missing = MISSING - ({"-"} if "+" in lower else set())
            gone = np.isin(lower, list(missing))
            if gone.any():
                row = int(np.argmax(gone))
                what = "a label" if metric == "accuracy" else "a number"
                refuse_entry(self.path, self.target, row, str(self.texts[row]), what)
        if self.numbers is not None:
            row = int(np.argmin(np.isfinite(self.numbers)))
            got: object = float(self.numbers[row]) if self.texts is None else str(self.texts[row])
            refuse_entry(self.path, self.target, row, got)

    def _refuse_texts(self) -> NoReturn:
        assert self.texts is not None
        parsed = [number(text) for text in self.texts.tolist()]
        if 2 * sum(value is not None for value in parsed) <= len(parsed):
            do = "use metric accuracy"
            raise TaskError(expected(f"numbers in {self._where} for rmse", "texts", do))
        row = parsed.index(None)
        what = f"a number in column {self.target!r}, row {row} of {self.path}"
        do = "correct it or remove the row, or, if these are classes, use metric accuracy"
        raise TaskError(expected(what, repr(str(self.texts[row])), do))

    def _numbered(self, numbers: Array) -> tuple[Sequence[str], npt.NDArray[np.intp]]:
        """Names and numbers of classes that all read as numbers.

        Whole numbers are told apart by value, unless zeros lead (007 is a name): then, and where
        they have fractions, by how they are written.
        """
        whole = bool((numbers == np.floor(numbers)).all())
        texts = self.texts
        if texts is None:
            texts = np.array([f"{value:.17g}" for value in numbers.tolist()])
        if whole and not any(re.match(r"[+-]?0\d", text) for text in texts.tolist()):
            values, labels = np.unique(numbers, return_inverse=True)
            return [f"{value:.0f}" for value in values], labels
        names = np.unique(texts)
        if not whole and len(names) * _OFTEN > len(texts) and len(names) > 2:
            row = int(np.argmax(numbers != np.floor(numbers)))
            what = f"class labels (texts or integers) in {self._where} for accuracy"
            got = f"{numbers[row]:g} in row {row}"
            raise TaskError(expected(what, got, "use metric rmse"))
        ordered = sorted(names.tolist(), key=lambda name: (float(name), name))
        numbered = {name: number for number, name in enumerate(ordered)}
        return ordered, np.array([numbered[text] for text in texts.tolist()], dtype=np.intp)


@dataclass(frozen=True, slots=True)
class Columns:
    """Positions of the columns that are used: of numbers, `features`; of texts, `encode`, with the
    values to tell apart, None for all there are. `label` is None where rows have none."""

    label: int | None
    features: list[int]
    encode: Mapping[int, Sequence[str] | None] = field(default_factory=dict)


#: From the names of columns, and those that the file itself says are no data, to what is used.
Choose = Callable[[Sequence[str], Sequence[str]], Columns]


def without(table: Table, drop: Sequence[str]) -> Table:
    """The table without some of its columns."""
    for name in drop:
        if name not in table.columns:
            do = nearest(name, table.columns) or f"there are {', '.join(table.columns)}"
            raise TaskError(expected(f"a column {name!r} in {table.path}", "none of that name", do))
    kept = [i for i, name in enumerate(table.columns) if name not in drop]
    if not kept:
        raise TaskError(expected(f"feature columns in {table.path}", "none"))
    columns = tuple(table.columns[i] for i in kept)
    X = np.ascontiguousarray(table.X[:, kept])
    return replace(table, columns=columns, X=X)
