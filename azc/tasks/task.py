"""`Task`: the examples that a program learns from and is scored on, checked once and then fixed."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from azc.checks import whole_number
from azc.errors import TaskError, expected, nearest
from azc.runtime import _core
from azc.tasks.declared import MAX_FEATURES, METRICS
from azc.tasks.preparation import Preparation

__all__ = ["MAX_FEATURES", "METRICS", "Array", "Task", "arrays_of"]

Array = npt.NDArray[np.float64]

_FIELDS = (
    *("X_train", "y_train", "X_valid", "y_valid", "X_test", "y_test"),
    *("metric", "classes", "name", "seed", "preparation"),
)


#: How names of classes, of any type, become numbers from 0 that all parts share.
NUMBERING = (
    "names = np.unique(np.concatenate([y_train, y_valid])), "
    "then np.searchsorted(names, y_train) and np.searchsorted(names, y_valid)"
)


class Task:
    """One learning problem: training examples in order, validation examples, and how it is scored.

    Parameters
    ----------
    X_train, X_valid : array_like, shape (n, F)
        Features, any integer, boolean or real dtype, finite; 1 <= F <= 4096, n >= 1.
    y_train, y_valid : array_like, shape (n,)
        Labels: any finite numbers for ``"rmse"``, integers 0…C-1 for ``"accuracy"``, none of
        which is left out by both parts unless `classes` is given.
    metric : "rmse" or "accuracy", optional
        ``"rmse"`` unless given; never guessed from the labels.
    name : str
        What tables and messages call the task.
    classes : int, optional
        Number of classes C, for ``"accuracy"`` only. Default: the largest label plus one, at
        least 2. More than two classes need F >= C.
    seed : int, optional
        0 <= seed < 2**64. What a program's random instructions draw under (see `key`).
    X_test, y_test : array_like, optional
        A further part that no search looks at; both or neither.
    preparation : Preparation, optional
        How the features and labels were made of a table's columns; nothing is done with it but
        that a trained model keeps it, for new rows.

    Attributes are the parameters, all arrays float64, C-contiguous and read-only (views of the
    caller's arrays where these already have that form: do not write to them afterwards),
    `features` (F) and `classes` (0 for ``"rmse"``). A task cannot be changed.

    Raises `TaskError` for anything that does not fit, with the array and where in it.
    """

    __slots__ = (*_FIELDS, "_key", "features")

    X_train: Array
    y_train: Array
    X_valid: Array
    y_valid: Array
    X_test: Array | None
    y_test: Array | None
    features: int
    metric: str
    classes: int
    name: str
    seed: int | None
    preparation: Preparation | None
    _key: int | None

    def __init__(
        self,
        X_train: npt.ArrayLike,
        y_train: npt.ArrayLike,
        X_valid: npt.ArrayLike,
        y_valid: npt.ArrayLike,
        *,
        metric: str | None = None,
        name: str = "task",
        classes: int | None = None,
        seed: int | None = None,
        X_test: npt.ArrayLike | None = None,
        y_test: npt.ArrayLike | None = None,
        preparation: Preparation | None = None,
    ) -> None:
        metric = "rmse" if metric is None else metric
        if metric not in METRICS:
            hint = nearest(metric, METRICS) if isinstance(metric, str) else ""
            raise TaskError(expected("metric 'rmse' or 'accuracy'", repr(metric), hint))
        if not isinstance(name, str) or not name:
            raise TaskError(expected("name to be a non-empty text", repr(name)))
        if seed is not None:
            seed = whole_number("seed", seed, 0, 2**64 - 1, error=TaskError)
        if (X_test is None) != (y_test is None):
            alone = "y_test" if X_test is None else "X_test"
            raise TaskError(expected("X_test and y_test together", f"{alone} alone"))

        fields: dict[str, Any] = {"metric": metric, "name": name, "seed": seed, "_key": None}
        fields["preparation"] = preparation
        parts = [("train", X_train, y_train), ("valid", X_valid, y_valid)]
        if X_test is not None and y_test is not None:
            parts.append(("test", X_test, y_test))
        else:
            fields["X_test"] = fields["y_test"] = None
        for part, X, y in parts:
            fields[f"X_{part}"], fields[f"y_{part}"] = _examples(part, X, y)
        features = fields["X_train"].shape[1]
        for part, _, _ in parts[1:]:
            got = fields[f"X_{part}"].shape
            if got[1] != features:
                raise TaskError(
                    expected(f"X_{part} of shape (n, {features}) as X_train has", f"shape {got}")
                )
        fields["features"] = features
        labels = {f"y_{part}": fields[f"y_{part}"] for part, _, _ in parts}
        fields["classes"] = _classes(metric, classes, labels, features)
        for field, value in fields.items():
            object.__setattr__(self, field, value)

    @property
    def key(self) -> int:
        """64 bits that a program's random instructions draw under.

        The seed where one was given, else XXH3-64 of the shapes and the bytes of the training and
        validation parts: equal data draw alike, on every machine.
        """
        if self._key is None:
            object.__setattr__(self, "_key", self.seed if self.seed is not None else self._hash())
        assert self._key is not None
        return self._key

    def _hash(self) -> int:
        import xxhash

        digest = xxhash.xxh3_64()
        for array in arrays_of(self):
            digest.update(repr(array.shape).encode())
            digest.update(array.astype("<f8", copy=False).data.cast("B"))
        return digest.intdigest()

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"a Task cannot be changed; make a new one to change {name!r}")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"a Task cannot be changed; {name!r} cannot be deleted")

    def __repr__(self) -> str:
        classes = f", classes={self.classes}" if self.metric == "accuracy" else ""
        return (
            f"Task({self.name!r}, features={self.features}, train={len(self.y_train)}, "
            f"valid={len(self.y_valid)}, metric={self.metric!r}{classes})"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        # For the way to worker processes; the constructor checks again and locks the arrays again.
        return _rebuild, ({field: getattr(self, field) for field in _FIELDS},)


def _rebuild(fields: dict[str, Any]) -> Task:
    if fields["metric"] == "rmse":
        fields = {**fields, "classes": None}
    return Task(**fields)


def _examples(part: str, X: npt.ArrayLike, y: npt.ArrayLike) -> tuple[Array, Array]:
    """The checked, read-only (X, y) of one part."""
    X_name, y_name = f"X_{part}", f"y_{part}"
    features, labels = _numeric(X_name, X), _numeric(y_name, y)
    if features.ndim != 2:
        do = "make it two-dimensional, one row per example"
        if features.ndim == 1:
            do += f"; for one feature, pass np.reshape({X_name}, (-1, 1))"
        raise TaskError(expected(f"{X_name} of shape (n, F)", f"shape {features.shape}", do))
    if labels.ndim != 1:
        do = f"pass np.ravel({y_name})" if labels.size == len(features) else ""
        if labels.ndim == 2 and labels.shape[1] > 1 and _one_hot(labels):
            do = f"pass np.argmax({y_name}, axis=1), with metric='accuracy'"
        raise TaskError(expected(f"{y_name} of shape (n,)", f"shape {labels.shape}", do))
    if len(features) < 1:
        raise TaskError(expected(f"at least 1 example in {X_name}", f"shape {features.shape}"))
    if not 1 <= features.shape[1] <= MAX_FEATURES:
        what = f"1 to {MAX_FEATURES} features in {X_name}"
        raise TaskError(expected(what, f"{features.shape[1]} (shape {features.shape})"))
    if len(features) != len(labels):
        what = f"{y_name} of shape ({len(features)},) to go with {X_name} of {features.shape}"
        raise TaskError(expected(what, f"shape {labels.shape}"))
    return _finite(X_name, features), _finite(y_name, labels)


def _one_hot(labels: npt.NDArray[Any]) -> bool:
    return bool(np.isin(labels, (0, 1)).all() and (labels.sum(axis=1) == 1).all())


def _numeric(name: str, values: npt.ArrayLike) -> npt.NDArray[Any]:
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        do = f"pass {name}.filled(0), or another value in place of 0"
        raise TaskError(expected(f"{name} without masked entries", "a masked array", do))
    # SciPy's sparse matrices and arrays: NumPy would make one object of them.
    if hasattr(values, "toarray") and hasattr(values, "nnz"):
        got = f"a sparse {type(values).__name__}"
        raise TaskError(expected(f"{name} to be a dense array", got, f"pass {name}.toarray()"))
    try:
        array = np.asarray(values)
    except Exception as error:  # whatever the type's own way to become an array raises
        got = str(error).split("\n")[0]
        raise TaskError(expected(f"{name} to be an array of numbers", got)) from None
    if array.dtype.kind not in "biuf":
        got = f"dtype {array.dtype}" if array.ndim else f"a {type(values).__name__}"
        raise TaskError(expected(f"{name} of a real numeric dtype", got, _remedy(name, array)))
    return array


def _remedy(name: str, array: npt.NDArray[Any]) -> str:
    """How to make numbers of an array of another dtype, in words that work when followed."""
    if array.dtype.kind == "c":
        return "give real and imaginary parts as columns of their own"
    if array.dtype.kind in "mM":
        return f"pass {name}.astype('int64')"
    if array.ndim == 0 or array.dtype.kind not in "OUST":
        return ""
    if array.size and _all_numbers(array):
        return f"pass np.asarray({name}, dtype=float)"
    if name.startswith("y"):
        return f"number the classes with metric='accuracy': {NUMBERING}"
    frame = f"pandas.get_dummies(pandas.DataFrame({name}), dtype=float)"
    return f"make a column of 0 and 1 of each text, with all parts at once: {frame}"


def _all_numbers(array: npt.NDArray[Any]) -> bool:
    try:
        np.asarray(array, dtype=float)
    except (TypeError, ValueError):
        return False
    return True


def _finite(name: str, array: npt.NDArray[Any]) -> Array:
    with _core.Environment(), np.errstate(over="ignore"):
        result = np.ascontiguousarray(array, dtype=np.float64)
    # The sum is finite unless an entry is not or it overflows: one pass without a temporary.
    with np.errstate(all="ignore"):
        suspicious = not np.isfinite(result.sum())
    if suspicious and not (good := np.isfinite(result)).all():
        index = np.unravel_index(int(np.argmin(good)), result.shape)
        where = f"row {index[0]}" + (f", column {index[1]}" if result.ndim == 2 else "")
        do = "remove or fill such examples; rows and columns count from 0"
        raise TaskError(expected(f"finite numbers in {name}", f"{result[index]} in {where}", do))
    view = result.view()
    view.flags.writeable = False
    return view


def _classes(metric: str, classes: int | None, labels: dict[str, Array], features: int) -> int:
    """C for accuracy after checking every label against it; 0 for rmse."""
    if metric == "rmse":
        if classes not in (None, 0):
            do = "give metric='accuracy' or leave classes out"
            raise TaskError(expected("no classes with metric 'rmse'", repr(classes), do))
        return 0
    if classes is not None:
        classes = whole_number("classes", classes, 2, MAX_FEATURES, error=TaskError)
    what = "labels 0 to C-1" if classes is None else f"labels 0 to {classes - 1}"
    for name, y in labels.items():
        bad = (y != np.floor(y)) | (y < 0)
        if classes is not None:
            bad |= y >= classes
        if bad.any():
            row = int(np.argmax(bad))
            do = "map -1 and 1 to 0 and 1" if set(np.unique(y)) == {-1.0, 1.0} else ""
            got = f"{y[row]:g} in row {row}"
            raise TaskError(expected(f"{what} in {name} for metric 'accuracy'", got, do))
    if classes is None:
        top = max(labels["y_train"].max(), labels["y_valid"].max())
        if top >= MAX_FEATURES:
            raise TaskError(expected(f"at most {MAX_FEATURES} classes", f"the label {top:g}"))
        classes = max(2, int(top) + 1)
        both = np.concatenate([labels["y_train"], labels["y_valid"]])
        counts = np.bincount(both.astype(np.intp), minlength=int(top) + 1)
        # Labels of 1 alone are those of two classes, like labels of 0 alone.
        if top > 1 and not counts.all():
            absent = int(np.argmin(counts))
            what = f"every label from 0 to {int(top)} in y_train or y_valid for metric 'accuracy'"
            do = f"number the classes: {NUMBERING}; or give classes={classes}"
            raise TaskError(expected(what, f"no label {absent}", do))
        if "y_test" in labels and labels["y_test"].max() >= classes:
            got = f"{labels['y_test'].max():g}"
            raise TaskError(expected(f"labels 0 to {classes - 1} in y_test", got, "give classes"))
    if classes > 2 and features < classes:
        what = f"at least {classes} features for {classes} classes"
        do = "a program holds one entry of a vector per class"
        raise TaskError(expected(what, features, do))
    return classes


def arrays_of(task: Task) -> tuple[Array, Array, Array, Array]:
    """What training and validation take of a task."""
    return task.X_train, task.y_train, task.X_valid, task.y_valid
