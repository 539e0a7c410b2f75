"""Tasks from a file of the user's own: arrays exactly as given, or a table to split."""

from __future__ import annotations

from pathlib import Path

from azc.errors import TaskError, expected
from azc.tasks.draws import ROWS, generator, standardise, task_seed
from azc.tasks.reading import memory_limit, read_npz
from azc.tasks.tables import Table
from azc.tasks.task import Array, Task

__all__ = ["read_npz_task", "split_table"]

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
    return task


def split_table(
    table: Table,
    *,
    features: int | None,
    train: int | None,
    valid: int | None,
    metric: str | None,
    seed: int,
    index: int,
) -> Task:
    """Split `index` of a table: rows shuffled, then train, valid and what is left as test.

    A fifth of the rows is for validation and the others for training unless said otherwise.
    Features are standardised with the training part's mean and deviation; labels are not.
    `metric` None is accuracy for classes (texts, booleans, or numbers 0 and 1), else rmse.
    """
    path, n = table.path, len(table.X)
    _check_features(path, features, table.X.shape[1])
    metric = table.metric if metric is None else metric
    y, classes = table.labels(metric)
    if n < 2:
        raise TaskError(expected(f"at least 2 rows in {path}", n))
    if valid is None:
        valid = max(1, n // 5) if train is None else max(1, min(n // 5, n - train))
    if train is None:
        train = n - valid
    if train < 1 or train + valid > n:
        what = f"at most {n:,} training and validation examples together of {path}"
        raise TaskError(expected(what, f"{max(train, 1):,} + {valid:,}"))
    rows = generator(seed, index, ROWS).permutation(n)
    cuts = [rows[:train], rows[train : train + valid], rows[train + valid :]]
    cuts = [cut for cut in cuts if len(cut)]
    X = standardise(*(table.X[cut] for cut in cuts))
    labels: list[Array] = [y[cut] for cut in cuts]
    has_test = len(cuts) == 3
    try:
        return Task(
            X[0],
            labels[0],
            X[1],
            labels[1],
            metric=metric,
            name=f"{path.name}[{index}]",
            classes=classes or None,
            seed=task_seed(seed, index),
            X_test=X[2] if has_test else None,
            y_test=labels[2] if has_test else None,
        )
    except TaskError as error:
        raise TaskError(f"{path}: {error}") from error


def _check_features(path: Path, asked: int | None, there: int) -> None:
    if asked is not None and asked != there:
        do = "a file's columns are used as they are; leave features out"
        raise TaskError(expected(f"features {there}, as many as {path} has", asked, do))
