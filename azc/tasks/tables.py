"""Tables of the user's own, .csv and .parquet: numeric feature columns and a target column."""

from __future__ import annotations

import csv
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from azc.errors import TaskError, expected, nearest
from azc.tasks.reading import memory_limit, reading
from azc.tasks.task import Array

__all__ = ["Table", "read_table"]

_CHUNK = 8192


@dataclass(frozen=True, slots=True)
class Table:
    """`X` (n, F) float64 and the target's values: float64, or texts.

    `is_class`: the target's type (texts, booleans) says that it names classes.
    """

    path: Path
    target: str
    X: Array
    values: npt.NDArray[Any]
    is_class: bool

    @property
    def metric(self) -> str:
        """accuracy for texts, booleans and exactly the numbers 0 and 1, else rmse."""
        if self.is_class or np.array_equal(np.unique(self.values), [0.0, 1.0]):
            return "accuracy"
        return "rmse"

    def labels(self, metric: str) -> tuple[Array, int]:
        """(n,) float64 labels and the number of classes, 0 for rmse.

        Classes are numbered in sorted order: texts as texts, integers as numbers.
        """
        is_text = self.values.dtype.kind == "U"
        column = f"target {self.target!r} of {self.path}"
        if metric == "rmse":
            if is_text:
                do = "use metric accuracy"
                raise TaskError(expected(f"numbers in {column} for rmse", "texts", do))
            return self.values, 0
        if not is_text and not (self.values == np.floor(self.values)).all():
            row = int(np.argmax(self.values != np.floor(self.values)))
            what = f"class labels (texts or integers) in {column} for accuracy"
            raise TaskError(expected(what, f"{self.values[row]:g} in row {row}", "use metric rmse"))
        names, labels = np.unique(self.values, return_inverse=True)
        if len(names) < 2:
            raise TaskError(expected(f"at least 2 classes in {column}", f"only {names[0]}"))
        return labels.astype(np.float64), len(names)


def read_table(path: Path, target: str | None) -> Table:
    """The table in `path` with `target` as its label column.

    Raises `TaskError` with the row (from 0, after the header) and the column of what is missing
    or is not a number.
    """
    if path.suffix.lower() == ".csv":
        return _read_csv(path, target)
    return _read_parquet(path, target)


def _target(path: Path, names: Sequence[str], target: str | None) -> int:
    """The position of the target among the columns, which are checked."""
    columns = ", ".join(names[:20]) + (", …" if len(names) > 20 else "")
    if target is None:
        do = f"name the label's column with --target; there are {columns}"
        raise TaskError(expected(f"a target column for {path}", "none", do))
    for position, name in enumerate(names):
        if not name.strip():
            do = "name or remove it (pandas: to_csv(…, index=False))"
            raise TaskError(expected(f"a name for column {position} of {path}", "none", do))
        if name in names[:position]:
            raise TaskError(expected(f"columns of different names in {path}", f"{name!r} twice"))
    if target not in names:
        do = nearest(target, names) or f"there are {columns}"
        raise TaskError(expected(f"a column {target!r} in {path}", "none of that name", do))
    if len(names) < 2:
        raise TaskError(expected(f"feature columns beside {target!r} in {path}", "none"))
    return list(names).index(target)


def _read_csv(path: Path, target: str | None) -> Table:
    what, do = "a CSV file", "save it as UTF-8, separated by commas"
    with reading(path, what):
        size = path.stat().st_size
        if size > memory_limit() // 4:
            raise TaskError(expected(f"{path} to fit in memory", f"{size:,} bytes"))
        try:
            # Spreadsheets put a byte order mark before UTF-8.
            with path.open(encoding="utf-8-sig", newline="") as file:
                return _parse_csv(path, csv.reader(file, strict=True), target)
        except (UnicodeDecodeError, csv.Error) as error:
            raise TaskError(expected(f"{path} to be {what}", error, do)) from None


def _parse_csv(path: Path, lines: Iterator[list[str]], target: str | None) -> Table:
    names = next(lines, None)
    if not names:
        raise TaskError(expected(f"a header line in {path}", "an empty line or file"))
    if all(_number(name) is not None for name in names):
        do = "put the columns' names into the first line"
        raise TaskError(expected(f"a header line in {path}", f"numbers ({names[0]}, …)", do))
    if len(names) == 1 and any(mark in names[0] for mark in ";\t"):
        raise TaskError(expected(f"columns separated by commas in {path}", repr(names[0][:40])))
    label = _target(path, names, target)
    features = [i for i in range(len(names)) if i != label]
    blocks: list[Array] = []
    texts: list[str] = []
    rows = (line for line in lines if line)
    start = 0
    while chunk := list(itertools.islice(rows, _CHUNK)):
        for row, line in enumerate(chunk, start):
            if len(line) != len(names):
                what = f"{len(names)} entries in row {row} of {path}"
                raise TaskError(expected(what, len(line)))
            if not line[label].strip():
                _missing(path, names[label], row, line[label])
        texts += [line[label].strip() for line in chunk]
        blocks.append(_floats(path, names, features, chunk, start))
        start += len(chunk)
    if not blocks:
        raise TaskError(expected(f"rows below the header of {path}", "none"))
    values, is_text = _target_values(path, names[label], texts)
    return Table(path, names[label], np.concatenate(blocks), values, is_text)


def _number(text: str) -> float | None:
    """The number that `text` is, if it is one; underscores are Python's, not a table's."""
    try:
        return None if "_" in text else float(text)
    except ValueError:
        return None


def _missing(path: Path, column: str, row: int, got: object) -> None:
    do = "fill it or remove the row; rows count from 0 after the header"
    raise TaskError(expected(f"a number in column {column!r}, row {row} of {path}", repr(got), do))


def _floats(
    path: Path, names: Sequence[str], features: Sequence[int], chunk: list[list[str]], start: int
) -> Array:
    """(rows, F) numbers of a chunk of lines; `start` is its first row."""
    try:
        block = np.array([[float(line[i]) for i in features] for line in chunk])
        if np.isfinite(block).all() and not any("_" in line[i] for line in chunk for i in features):
            return block
    except ValueError:
        pass
    for row, line in enumerate(chunk, start):
        for i in features:
            number = _number(line[i])
            if number is None and line[i].strip().lower() not in _MISSING:
                do = "encode it as numbers or remove the column"
                what = f"numbers in column {names[i]!r} of {path}"
                raise TaskError(expected(what, f"{line[i]!r} in row {row}", do))
            if number is None or not math.isfinite(number):
                _missing(path, names[i], row, line[i])
    raise AssertionError("a chunk that failed as a whole has an entry that fails")


_MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "?", "-"})


def _target_values(path: Path, column: str, texts: Sequence[str]) -> tuple[npt.NDArray[Any], bool]:
    """The target as numbers if every entry is one, else as texts."""
    numbers = [_number(text) for text in texts]
    parsed = [number for number in numbers if number is not None]
    if len(parsed) == len(texts):
        for row, number in enumerate(parsed):
            if not math.isfinite(number):
                _missing(path, column, row, texts[row])
        return np.array(parsed), False
    # Mostly numbers: the others are slips or missing values, not class labels.
    if 2 * len(parsed) > len(texts):
        row = numbers.index(None)
        _missing(path, column, row, texts[row])
    return np.array(texts), True


def _read_parquet(path: Path, target: str | None) -> Table:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        do = "pip install 'azc[parquet]', or convert it to .csv"
        raise TaskError(expected(f"pyarrow to read {path}", "no such package", do)) from None
    try:
        with reading(path, "a Parquet file"), pq.ParquetFile(path) as file:
            names = list(file.schema_arrow.names)
            label = _target(path, names, target)
            rows = file.metadata.num_rows
            if not rows:
                raise TaskError(expected(f"rows in {path}", "none"))
            if 8 * rows * len(names) > memory_limit() // 2:
                got = f"{rows:,} rows of {len(names)} columns"
                raise TaskError(expected(f"{path} to fit in memory", got))
            for name, kind in zip(names, file.schema_arrow.types, strict=True):
                if name != names[label] and not _is_numeric(pa, kind):
                    do = "encode it as numbers or remove the column"
                    raise TaskError(expected(f"numbers in column {name!r} of {path}", kind, do))
            table = file.read()
        columns = [_column(pa, path, name, table.column(name)) for name in names]
    except pa.ArrowException as error:
        got = str(error).split("\n")[0][:200]
        raise TaskError(expected(f"{path} to be a Parquet file", got, "save it again")) from None
    values = columns.pop(label)
    is_class = values.dtype.kind == "U" or pa.types.is_boolean(table.column(label).type)
    X = np.empty((rows, len(columns)))
    for position, column in enumerate(columns):
        X[:, position] = column
    return Table(path, names[label], X, values, is_class)


def _is_numeric(pa: Any, kind: Any) -> bool:
    is_a = pa.types
    checks = (is_a.is_integer, is_a.is_floating, is_a.is_boolean, is_a.is_decimal)
    return any(check(kind) for check in checks)


def _column(pa: Any, path: Path, name: str, column: Any) -> npt.NDArray[Any]:
    """(n,) float64, or texts for a column of texts; nothing missing."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.cast(kind.value_type), kind.value_type
    if column.null_count:
        row = next(i for i, valid in enumerate(column.is_valid().to_pylist()) if not valid)
        _missing(path, name, row, None)
    if _is_numeric(pa, kind):
        values: npt.NDArray[Any] = column.cast(pa.float64(), safe=False).to_numpy()
        if not np.isfinite(values).all():
            row = int(np.argmin(np.isfinite(values)))
            _missing(path, name, row, float(values[row]))
        return values
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return np.array(column.to_pylist(), dtype=str)
    do = "use numbers, booleans or texts"
    raise TaskError(expected(f"numbers or texts in column {name!r} of {path}", kind, do))
