"""Many tasks of one table: sides that share no row, and what differs from task to task."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import numpy.typing as npt

from azc.errors import TaskError, expected
from azc.tasks.declared import TaskKeywords
from azc.tasks.draws import PAIRS, PARAMETERS, SIDES, generator, ordered_product, standardise
from azc.tasks.reading import memory_limit, read_npz
from azc.tasks.tables import Table

__all__ = ["is_pool", "member", "pool_of_npz", "side"]

#: Where each side ends, of the rows.
_ENDS = {"search": 0.5, "select": 0.75, "final": 1.0}


def is_pool(given: TaskKeywords) -> bool:
    """Whether rows are to be shared out in a way that a file, used exactly as given, has not."""
    return given.get("vary") is not None or given.get("rows") is not None


def pool_of_npz(path: Path) -> Table:
    """X and y of an .npz file as a table or, where it has none, its training and validation parts
    together; a test part stays out of it."""
    names = {"X": 2, "y": 1, "X_train": 2, "y_train": 1, "X_valid": 2, "y_valid": 1}
    arrays = read_npz(path, path, names, memory_limit(), optional=frozenset(names))
    if "X" in arrays and "y" in arrays:
        X, y = arrays["X"], arrays["y"]
    elif {"X_train", "y_train", "X_valid", "y_valid"} <= arrays.keys():
        X = np.concatenate([arrays["X_train"], arrays["X_valid"]])
        y = np.concatenate([arrays["y_train"], arrays["y_valid"]])
    else:
        what = f"arrays X and y in {path}, or X_train, y_train, X_valid and y_valid"
        raise TaskError(expected(what, ", ".join(sorted(arrays)) or "none of them"))
    if X.ndim != 2 or y.shape != (len(X),):
        what = f"X (n, F) and y (n,) in {path}"
        raise TaskError(expected(what, f"shapes {X.shape} and {y.shape}"))
    X, y = X.astype(np.float64), y.astype(np.float64)
    if not np.isfinite(X).all():
        raise TaskError(expected(f"finite numbers in {path}", "others"))
    columns = tuple(f"column {number}" for number in range(X.shape[1]))
    return Table(path, "y", columns, X, None, y, is_class=False)


def side(table: Table, name: str | None, metric: str | None) -> Table:
    """The rows of one side: half of all for ``"search"``, a quarter each for ``"select"`` and
    ``"final"``, whatever the seed of the tasks; of every class, for accuracy, the same share."""
    if name is None:
        return table
    labels, classes = table.labels(metric or table.metric)
    groups = [labels == k for k in range(len(classes))] or [np.ones(len(labels), dtype=bool)]
    order = generator(0, 0, SIDES).permutation(len(labels))
    shares = np.empty(len(labels))
    for group in groups:
        here = order[group[order]]
        shares[here] = (np.arange(len(here)) + 0.5) / len(here)
    ends = list(_ENDS.values())
    number = list(_ENDS).index(name)
    low = ends[number - 1] if number else 0.0
    kept = np.flatnonzero((shares >= low) & (shares < ends[number]))
    lacking = [text for text, group in zip(classes, groups, strict=False) if not group[kept].any()]
    if lacking or len(kept) < 2:
        got = f"no {lacking[0]!r}" if lacking else f"{len(kept)} rows"
        what = f"rows of every class of {table.path} for each of its sides"
        raise TaskError(expected(what, got, "add rows, or leave rows out"))
    return _rows(table, kept)


def member(table: Table, given: TaskKeywords, index: int) -> tuple[Table, TaskKeywords]:
    """What task `index` is made of: the table with other columns, or two of its classes; with the
    options that are left for `split_table`."""
    vary, width = given["vary"], given["features"]
    if vary in (None, "rows"):
        return table, given
    if vary == "pairs":
        return _pair(table, given["seed"], index), {**given, "metric": "accuracy"}
    there = table.X.shape[1]
    rng = generator(given["seed"], index, PARAMETERS)
    if vary == "columns":
        count = max(1, there // 2) if width is None else width
        if count > there:
            raise TaskError(expected(f"at most {there} features of {table.path}", count))
        chosen = np.sort(rng.permutation(there)[:count])
        columns = tuple(table.columns[k] for k in chosen)
        return replace(table, X=table.X[:, chosen], columns=columns), {**given, "features": None}
    if np.isnan(table.X).any():
        what = f"every entry of {table.path}, for projections"
        raise TaskError(expected(what, "gaps", "drop the columns that have some"))
    count = there if width is None else width
    directions = rng.normal(size=(there, count)) / np.sqrt(there)
    projected = ordered_product(standardise(table.X)[0], directions)
    columns = tuple(f"projection {k}" for k in range(count))
    return replace(table, X=projected, columns=columns), {**given, "features": None}


def _pair(table: Table, seed: int, index: int) -> Table:
    """Two classes, all pairs in turn, in an order that is drawn once."""
    labels, classes = table.labels("accuracy")
    if len(classes) < 3:
        do = "leave vary out"
        raise TaskError(expected(f"at least 3 classes in {table.path} for pairs", 2, do))
    pairs = list(combinations(range(len(classes)), 2))
    order = generator(seed, 0, PAIRS).permutation(len(pairs))
    first, second = pairs[order[index % len(pairs)]]
    return _rows(table, np.flatnonzero((labels == first) | (labels == second)))


def _rows(table: Table, kept: npt.NDArray[np.intp]) -> Table:
    texts = None if table.texts is None else table.texts[kept]
    numbers = None if table.numbers is None else table.numbers[kept]
    return replace(table, X=table.X[kept], texts=texts, numbers=numbers)
