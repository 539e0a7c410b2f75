"""Tables of the user's own, whatever the file: which columns are used, and who reads them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from azc.errors import TaskError, expected, nearest, warn
from azc.tasks.tables import Choose, Columns, Encoded, Table, without
from azc.tasks.task import Array

__all__ = ["read_features", "read_table"]

#: Columns that count rows: pandas' names for an index without one.
_INDEX = re.compile(r"Unnamed: \d+(\.\d+)*|__index_level_\d+__")
#: Names under which pandas puts an index among the columns; they can be features, too.
_RESET = frozenset({"index", "level_0"})
#: Rows from which on it is no chance that every whole number of a column is another.
_MANY_ROWS = 30


def read_table(
    path: Path,
    target: str | None,
    *,
    drop: Sequence[str] = (),
    encode: Sequence[str] = (),
    gaps: bool = False,
    separator: str | None = None,
    encoding: str | None = None,
) -> Table:
    """The table in `path` with `target` as its label column, without the columns of `drop`, and
    with a column for each value of those of `encode`.

    Missing features become NaN if there may be `gaps`. `separator` and `encoding` are for
    text. Raises `TaskError` with the row (from 0, after the header) and the column of what is
    missing or is not a number. Columns that only count rows are left out, with a warning.
    """

    def choose(names: Sequence[str], index: Sequence[str]) -> Columns:
        return _choose_columns(path, names, target, drop, encode, index)

    table = _without_counters(_read(path, choose, gaps, separator, encoding))
    _hint_at_names(table)
    return table


def read_features(
    path: Path,
    columns: Sequence[str] | None,
    *,
    encoded: Encoded | None = None,
    gaps: bool = False,
    separator: str | None = None,
    encoding: str | None = None,
) -> Array:
    """(n, F) the columns of that name in that order, whatever else the table in `path` holds: rows
    to predict, as `Preparation.features` takes them; None: all columns. `encoded` are those that
    are made of texts. The rest is as in `read_table`."""
    known: dict[str, list[str]] = {}
    for column, value in (encoded or {}).values():
        known.setdefault(column, []).append(value)

    def choose(names: Sequence[str], index: Sequence[str]) -> Columns:
        wanted = names if columns is None else columns
        numeric = [name for name in wanted if name not in (encoded or {})]
        _check_names(path, names, (*numeric, *known))
        encode = {list(names).index(name): values for name, values in known.items()}
        return Columns(None, [list(names).index(name) for name in numeric], encode)

    table = _read(path, choose, gaps, separator, encoding)
    wanted = table.columns if columns is None else columns
    return np.ascontiguousarray(table.X[:, [table.columns.index(name) for name in wanted]])


def _read(
    path: Path, choose: Choose, gaps: bool, separator: str | None, encoding: str | None
) -> Table:
    if path.suffix.lower() == ".parquet":
        from azc.tasks.parquet import read_parquet

        return read_parquet(path, choose, gaps)
    from azc.tasks.delimited import read_delimited

    return read_delimited(path, choose, gaps, separator, encoding)


def _choose_columns(
    path: Path,
    names: Sequence[str],
    target: str | None,
    drop: Sequence[str],
    encode: Sequence[str],
    index: Sequence[str],
) -> Columns:
    """Which columns are used; `index` are those that the file itself says are no data."""
    if target is None:
        do = f"name the label's column with --target; there are {_listed(names)}"
        raise TaskError(expected(f"a target column for {path}", "none", do))
    _check_names(path, names, (target, *drop, *encode))
    for what, others in (("kept", drop), ("the label only", encode)):
        if target in others:
            got = "it in drop" if others is drop else "it in encode"
            raise TaskError(expected(f"the target {target!r} of {path} to be {what}", got))
    if both := [name for name in encode if name in drop]:
        raise TaskError(expected(f"column {both[0]!r} of {path} in drop or encode", "it in both"))
    features, counters = [], []
    for position, name in enumerate(names):
        if name == target or name in drop or name in encode:
            continue
        if not name.strip() or name in index or _INDEX.fullmatch(name):
            counters.append(name)
        else:
            features.append(position)
    if not features and not encode:
        raise TaskError(expected(f"feature columns beside {target!r} in {path}", "none"))
    _say_left_out(path, counters)
    encoded = dict.fromkeys(list(names).index(name) for name in encode)
    return Columns(list(names).index(target), features, encoded)


def _check_names(path: Path, names: Sequence[str], needed: Sequence[str]) -> None:
    """Raise if columns cannot be told apart, or one that is needed is not there."""
    for position, name in enumerate(names):
        # The first may lack one: pandas and R write the names of rows so.
        if not name.strip() and position:
            do = "name or remove it"
            raise TaskError(expected(f"a name for column {position} of {path}", "none", do))
        if name in names[:position]:
            raise TaskError(expected(f"columns of different names in {path}", f"{name!r} twice"))
    for name in needed:
        if name not in names:
            do = nearest(name, names) or f"there are {_listed(names)}"
            raise TaskError(expected(f"a column {name!r} in {path}", "none of that name", do))


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:20]) + (", …" if len(names) > 20 else "")


def _say_left_out(path: Path, columns: Sequence[str]) -> None:
    if columns:
        named = ", ".join(map(repr, columns))
        what = "columns" if len(columns) > 1 else "column"
        warn(
            f"{what} {named} of {path} left out: names of rows are no features "
            f"(pandas: to_csv(…, index=False)); to learn from one, give it another name"
        )


def _without_counters(table: Table) -> Table:
    """Without columns called as pandas calls an index, if a whole number of its own stands in
    every row."""
    counters = [
        name
        for name, column in zip(table.columns, table.X.T, strict=True)
        if name in _RESET and _counts(column)
    ]
    if not counters or len(counters) == len(table.columns):
        return table
    _say_left_out(table.path, counters)
    return without(table, counters)


def _hint_at_names(table: Table) -> None:
    """Warn of columns that may only name rows, as numbers of customers do."""
    if len(table.X) < _MANY_ROWS:
        return
    for name, column in zip(table.columns, table.X.T, strict=True):
        if name not in table.encoded and _counts(column):
            warn(
                f"column {name!r} of {table.path} has another whole number in every row: if it "
                f"only says which row it is, leave it out (--drop {shlex.quote(name)})"
            )


def _counts(column: Array) -> bool:
    whole = (column == np.floor(column)).all() and (column >= 0).all()
    return bool(whole and len(np.unique(column)) == len(column))
