"""From a spec to tasks: the one place where kinds, options and data meet."""

from __future__ import annotations

import importlib.util
import os
from dataclasses import dataclass

from azc.checks import whole_number
from azc.errors import ResourceError, TaskError, expected
from azc.tasks.images.catalogue import IMAGE_SETS
from azc.tasks.images.store import find, pools
from azc.tasks.projection import FEATURES, classes_of, default_features, make_image_task
from azc.tasks.reading import memory_limit
from azc.tasks.spec import Spec, parse_spec
from azc.tasks.synthetic import FEATURES as SYNTHETIC_FEATURES
from azc.tasks.synthetic import SENTENCES, TRAIN_EXAMPLES, VALID_EXAMPLES, make_synthetic
from azc.tasks.task import MAX_FEATURES, METRICS, Task

__all__ = ["DEFAULT_COUNT", "MAX_COUNT", "MAX_EXAMPLES", "Kind", "kinds", "make", "make_set"]

DEFAULT_COUNT = 8
MAX_COUNT = 100_000
MAX_EXAMPLES = 100_000_000

_Path = str | os.PathLike[str]


def make(
    spec: str,
    *,
    features: int | None = None,
    train: int | None = None,
    valid: int | None = None,
    seed: int = 0,
    index: int = 0,
    metric: str | None = None,
    data: _Path | None = None,
    target: str | None = None,
) -> Task:
    """Task `index` of the set that `make_set` describes: the same bits."""
    index = whole_number("index", index, 0, 2**32 - 1, error=TaskError)
    tasks = make_set(
        spec,
        count=1,
        first=index,
        features=features,
        train=train,
        valid=valid,
        seed=seed,
        metric=metric,
        data=data,
        target=target,
    )
    return tasks[0]


def make_set(
    spec: str,
    *,
    count: int | None = None,
    first: int = 0,
    features: int | None = None,
    train: int | None = None,
    valid: int | None = None,
    seed: int = 0,
    metric: str | None = None,
    data: _Path | None = None,
    target: str | None = None,
) -> list[Task]:
    """Tasks `first` … `first + count - 1` of a kind.

    Parameters
    ----------
    spec : str
        ``linear``, ``affine``, ``teacher-nn``; an image set such as ``digits``, ``digits:3,8``,
        ``digits:search``, ``digits:select``, ``digits:all``, ``cifar10:raw:3,8``; or the path
        of an .npz, .csv or .parquet file.
    count : int, optional
        Default 8; 1 for files.
    features, train, valid : int, optional
        F and the numbers of examples; each kind has its defaults (`kinds`). A file's features
        are what it has.
    seed : int
        Of the set. A task depends on (seed, its index) alone, not on `count`; sets that must not
        share tasks need different seeds. An .npz file is used as it is.
    metric : "rmse" or "accuracy", optional
        Default: rmse for synthetic tasks and .npz files, accuracy for image sets; for tables
        accuracy if the target is text, boolean or exactly the numbers 0 and 1, else rmse.
    data : path, optional
        Folder of the image sets' files; default the environment's ``AZC_DATA``.
    target : str, optional
        Label column of a .csv or .parquet file.

    Raises `TaskError`, or `ResourceError` if the tasks would not fit in memory.
    """
    parsed = parse_spec(spec)
    first = whole_number("first", first, 0, 2**32 - 1, error=TaskError)
    if count is None:
        count = 1 if parsed.file is not None else DEFAULT_COUNT
    count = whole_number("count", count, 1, MAX_COUNT, error=TaskError)
    seed = whole_number("seed", seed, 0, 2**64 - 1, error=TaskError)
    if features is not None:
        features = whole_number("features", features, 1, MAX_FEATURES, error=TaskError)
    if train is not None:
        train = whole_number("train", train, 1, MAX_EXAMPLES, error=TaskError)
    if valid is not None:
        valid = whole_number("valid", valid, 1, MAX_EXAMPLES, error=TaskError)
    if metric is not None and metric not in METRICS:
        raise TaskError(expected("metric 'rmse' or 'accuracy'", repr(metric)))
    if target is not None and (parsed.file is None or parsed.single):
        do = "a target column belongs to a .csv or .parquet file"
        raise TaskError(expected(f"no target for {spec!r}", repr(target), do))
    if parsed.single and (first > 0 or count > 1):
        what = f"one task from {spec!r}, which is used exactly as given"
        raise TaskError(expected(what, f"count {count}, first {first}"))
    if parsed.synthetic is not None and metric == "accuracy":
        what = f"metric 'rmse' for {spec!r}, whose labels are real"
        raise TaskError(expected(what, "'accuracy'"))

    indices = range(first, first + count)
    if parsed.synthetic is not None:
        features = SYNTHETIC_FEATURES if features is None else features
        train = TRAIN_EXAMPLES if train is None else train
        valid = VALID_EXAMPLES if valid is None else valid
        _check_memory(spec, count * (train + valid) * (features + 1))
        return [make_synthetic(parsed.synthetic, features, train, valid, seed, i) for i in indices]
    if parsed.file is not None:
        return _from_file(parsed, indices, features, train, valid, seed, metric, target)
    return _from_images(parsed, indices, features, train, valid, seed, metric, data)


def _from_images(
    spec: Spec,
    indices: range,
    features: int | None,
    train: int | None,
    valid: int | None,
    seed: int,
    metric: str | None,
    data: _Path | None,
) -> list[Task]:
    info = spec.images
    assert info is not None
    defaults = info.all if spec.part == "all" else info.pair
    examples = (train or defaults[0]) + (valid or defaults[1])
    width = default_features(spec) if features is None else features
    _check_memory(spec.text, len(indices) * examples * (width + 1))
    needed = sorted({c for i in indices for c in classes_of(spec, seed, i)})
    images = pools(info, needed, data)
    return [
        make_image_task(
            spec,
            images,
            features=features,
            train=train,
            valid=valid,
            seed=seed,
            index=index,
            metric=metric,
        )
        for index in indices
    ]


def _from_file(
    spec: Spec,
    indices: range,
    features: int | None,
    train: int | None,
    valid: int | None,
    seed: int,
    metric: str | None,
    target: str | None,
) -> list[Task]:
    from azc.tasks.files import read_npz_task, split_table
    from azc.tasks.tables import read_table

    assert spec.file is not None
    if spec.single:
        return [
            read_npz_task(spec.file, features=features, train=train, valid=valid, metric=metric)
        ]
    table = read_table(spec.file, target)
    _check_memory(spec.text, len(indices) * (table.X.size + len(table.X)))
    return [
        split_table(
            table,
            features=features,
            train=train,
            valid=valid,
            metric=metric,
            seed=seed,
            index=index,
        )
        for index in indices
    ]


def _check_memory(text: str, numbers: int) -> None:
    """Refuse sets that no machine of this size holds, before any of it is made."""
    required, limit = 8 * numbers, memory_limit()
    if required > limit:
        what = f"the tasks of {text!r} to take at most {limit:,} bytes"
        do = "use fewer tasks, examples or features"
        raise ResourceError(expected(what, f"{required:,}", do), required)


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of task, as `azc tasks` lists it.

    `features`, `train` and `valid` are defaults, None where the file decides; `classes` is 0 for
    regression and None where the file decides; `files` are those to get, from `page`, and
    `found` tells whether they (or the package that holds the data) are there.
    """

    name: str
    sentence: str
    features: int | None
    train: int | None
    valid: int | None
    classes: int | None
    files: tuple[str, ...]
    page: str
    found: bool


def kinds(data: _Path | None = None) -> list[Kind]:
    """Every kind of task; `data` is where to look for image sets. Opens no file."""
    result = [
        Kind(name, text, SYNTHETIC_FEATURES, TRAIN_EXAMPLES, VALID_EXAMPLES, 0, (), "", found=True)
        for name, text in SENTENCES.items()
    ]
    for info in IMAGE_SETS.values():
        try:
            found = bool(find(info, data))
        except TaskError:
            found = False
        train, valid, _ = info.pair
        result.append(
            Kind(
                info.name,
                info.sentence,
                FEATURES,
                train,
                valid,
                info.classes,
                info.files,
                info.page,
                found,
            )
        )
    own = {
        "FILE.npz": "Your arrays X_train, y_train, X_valid, y_valid, exactly as given.",
        "FILE.csv": "Your table with --target COLUMN: split at random and standardised.",
        "FILE.parquet": "The same from a Parquet file; needs pip install 'azc[parquet]'.",
    }
    for name, text in own.items():
        found = name != "FILE.parquet" or importlib.util.find_spec("pyarrow") is not None
        result.append(Kind(name, text, None, None, None, None, (), "", found))
    return result
