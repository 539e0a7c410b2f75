"""Tasks from a file of the user's own: arrays exactly as given, or a table to split."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import numpy as np
import numpy.typing as npt

from azc.errors import TaskError, expected, warn
from azc.tasks.declared import TaskKeywords
from azc.tasks.draws import ROWS, apportion, drawn, generator, task_seed
from azc.tasks.preparation import Preparation, Scaling
from azc.tasks.reading import memory_limit, read_npz
from azc.tasks.tables import Table
from azc.tasks.task import Array, Task

__all__ = ["hint_at_classes", "read_npz_task", "split_table"]

_ARRAYS = {"X_train": 2, "y_train": 1, "X_valid": 2, "y_valid": 1, "X_test": 2, "y_test": 1}
_TEST = frozenset({"X_test", "y_test"})


def read_npz_task(
    path: Path, *, features: int | None, train: int | None, valid: int | None, metric: str | None
) -> Task:
    """The task of an .npz file, as given and in order: the same as `Task` on its arrays.

    Arrays X_train, y_train, X_valid, y_valid, and if present X_test with y_test; other arrays are
    left alone. `train` and `valid` take the first so many examples. `metric` None is rmse.
    """
    arrays = read_npz(path, path, _ARRAYS, memory_limit(), optional=_TEST)
    for part, count in (("train", train), ("valid", valid)):
        there = len(arrays[f"X_{part}"])
        if count is not None and count > there:
            what = f"at most {there:,} {part} examples of {path}"
            raise TaskError(expected(what, f"{count:,}"))
        if count is not None and count < there:
            arrays[f"X_{part}"] = arrays[f"X_{part}"][:count]
            arrays[f"y_{part}"] = arrays[f"y_{part}"][:count]
    name = f"{path.name}[0]"
    try:
        task = Task(
            arrays["X_train"],
            arrays["y_train"],
            arrays["X_valid"],
            arrays["y_valid"],
            metric=metric,
            name=name,
            X_test=arrays.get("X_test"),
            y_test=arrays.get("y_test"),
        )
    except TaskError as error:
        raise TaskError(f"{path}: {error}") from error
    _check_features(path, features, task.features)
    if metric is None:
        hint_at_classes(path, task.y_train)
    return task


def _known(table: Table) -> dict[str, tuple[str, str]]:
    """All values of the columns of texts that a task uses, if it uses some of them only: what is
    left of a column that tasks differ by is no news in rows to predict."""
    used = {table.encoded[name][0] for name in table.columns if name in table.encoded}
    return {name: of for name, of in table.encoded.items() if of[0] in used}


def split_table(table: Table, given: TaskKeywords, index: int) -> Task:
    """Split `index` of a table: rows shuffled, then train, valid and what is left as test.

    A fifth of the rows is for validation and the others for training unless said otherwise. For
    accuracy, every part gets of each class what is due to it. Features are standardised with the
    training part's mean and deviation; labels are not unless asked for. `metric` None is accuracy
    for classes (texts, booleans, or numbers 0 and 1), else rmse.
    """
    path, n, seed = table.path, len(table.X), given["seed"]
    train, valid, metric = given["train"], given["valid"], given["metric"]
    split, fill, standardize = given["split"], given["fill"], given["standardize_labels"]
    _check_features(path, given["features"], table.X.shape[1])
    metric = table.metric if metric is None else metric
    y, classes = table.labels(metric)
    if n < 2:
        raise TaskError(expected(f"at least 2 rows in {path}", n))
    if valid is None:
        valid = max(1, n // 5) if train is None else max(1, min(n // 5, n - train))
        if metric == "accuracy" and train is None:
            valid = max(valid, min(len(classes), n // 2))
    if train is None:
        train = n - valid
    if train < 1 or train + valid > n:
        what = f"at most {n:,} training and validation examples together of {path}"
        raise TaskError(expected(what, f"{max(train, 1):,} + {valid:,}"))
    sizes = [size for size in (train, valid, n - train - valid) if size]
    if metric == "accuracy" and standardize:
        do = "give metric rmse or leave standardize_labels out"
        raise TaskError(expected(f"labels of {path} that are numbers to learn", "classes", do))
    if metric == "rmse" and split == "stratified":
        do = "give metric accuracy or leave split out"
        raise TaskError(expected(f"classes in {path} for a stratified split", "numbers", do))
    if metric == "rmse" or split == "random":
        rows = generator(seed, index, ROWS).permutation(n)
        cuts = np.split(rows, np.cumsum(sizes)[:-1])
    else:
        cuts = _stratified(table, y, classes, sizes, seed, index)
    if metric == "accuracy":
        _check_classes(table, classes, [y[cut] for cut in cuts])
    parts = [table.X[cut] for cut in cuts]
    gaps = None if fill is None else _fill(table, parts, fill)
    scaling = Scaling.of(parts[0])
    X = [scaling.apply(part) for part in parts]
    labels: list[Array] = [y[cut] for cut in cuts]
    label_scaling = Scaling.of(labels[0][:, None]) if standardize else None
    if label_scaling:
        labels = [label_scaling.apply(part[:, None])[:, 0] for part in labels]
    has_test = len(cuts) == 3
    try:
        return Task(
            X[0],
            labels[0],
            X[1],
            labels[1],
            metric=metric,
            name=f"{path.name}[{index}]",
            classes=len(classes) or None,
            seed=task_seed(seed, index),
            X_test=X[2] if has_test else None,
            y_test=labels[2] if has_test else None,
            preparation=Preparation(
                table.columns,
                table.target,
                scaling,
                tuple(classes),
                label_scaling,
                gaps,
                _known(table),
            ),
        )
    except TaskError as error:
        raise TaskError(f"{path}: {error}") from error


_PARTS = ("training", "validation", "test")


def _stratified(
    table: Table, y: Array, classes: Sequence[str], sizes: Sequence[int], seed: int, index: int
) -> list[npt.NDArray[np.intp]]:
    """The rows of each part, every class shared out in proportion, at least one to each part."""
    counts = np.bincount(y.astype(np.intp), minlength=len(classes)).tolist()
    few = int(np.argmin(counts))
    # A test part of fewer rows than classes is what happens to be left over.
    parts = [part for part in range(len(sizes)) if part < 2 or sizes[part] >= len(classes)]
    for part in parts:
        if sizes[part] < len(classes):
            what = f"at least {len(classes)} {_PARTS[part]} examples of {table.path}"
            do = "every class has to be there"
            raise TaskError(expected(what, f"{sizes[part]}, with {len(classes)} classes", do))
    if counts[few] < len(parts):
        _refuse_rare(table, classes[few], counts[few], len(parts))
    left, shares = list(counts), {}
    for part in (1, 2, 0)[: len(sizes)] if len(sizes) == 3 else (1, 0):
        # What must stay for the parts that come after.
        after = sum(1 for other in parts if other != part and other not in shares)
        low = [1 if part in parts else 0] * len(classes)
        high = [size - after for size in left]
        shares[part] = apportion(left, sizes[part], low, high)
        left = [size - got for size, got in zip(left, shares[part], strict=True)]
    ordered = [np.flatnonzero(y == c) for c in range(len(classes))]
    cuts = []
    for labels, which in drawn(counts, [shares[p] for p in range(len(sizes))], seed, index):
        rows = np.empty(len(labels), dtype=np.intp)
        for c, here in enumerate(ordered):
            rows[labels == c] = here[which[labels == c]]
        cuts.append(rows)
    return cuts


def _check_classes(table: Table, classes: Sequence[str], parts: Sequence[Array]) -> None:
    """Raise if a part lacks a class: a constant prediction could look like a perfect one."""
    for number, y in enumerate(parts):
        there = np.bincount(y.astype(np.intp), minlength=len(classes))
        if there.all() or (number == 2 and len(y) < len(classes)):
            continue
        name = classes[int(np.argmin(there))]
        what = f"every class of {table.target!r} in the {_PARTS[number]} part of {table.path}"
        do = "use split stratified, another seed or more examples"
        raise TaskError(expected(what, f"no {name!r}", do))


def _refuse_rare(table: Table, name: str, count: int, parts: int) -> NoReturn:
    what = f"at least {parts} rows of every class of {table.target!r} in {table.path}, one a part"
    do = "add rows of it or remove the class"
    if parts == 3:
        do += "; without train and valid there are two parts"
    raise TaskError(expected(what, f"{count} of {name!r}", do))


def _fill(table: Table, parts: Sequence[Array], fill: str) -> Array:
    """Put the training part's mean or median of the column instead of what is missing;
    returns these, (F,)."""
    values = np.empty(len(table.columns))
    for index, name in enumerate(table.columns):
        column = parts[0][:, index]
        known = column[~np.isnan(column)]
        if not len(known):
            what = f"numbers in column {name!r} of the training part of {table.path}"
            raise TaskError(expected(what, "none", "leave the column out with drop"))
        value = known.mean() if fill == "mean" else np.median(known)
        for part in parts:
            part[np.isnan(part[:, index]), index] = value
        values[index] = value
    return values


_FEW_VALUES = 20


def hint_at_classes(path: Path, labels: Array) -> None:
    """Warn where numbers that are learned by default look like the numbers of classes."""
    values = np.unique(labels)
    whole = np.array_equal(values, np.floor(values))
    if whole and 2 <= len(values) <= min(_FEW_VALUES, len(labels) // 5):
        warn(
            f"labels of {path} are {len(values)} whole numbers ({values[0]:g} … {values[-1]:g}) "
            "and are learned as numbers, with metric rmse; if they name classes, give metric "
            "accuracy, otherwise metric rmse"
        )


def _check_features(path: Path, asked: int | None, there: int) -> None:
    if asked is not None and asked != there:
        do = "a file's columns are used as they are; leave features out"
        raise TaskError(expected(f"features {there}, as many as {path} has", asked, do))
