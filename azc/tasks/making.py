"""From a spec to tasks: the one module where kinds, options and data meet."""

from __future__ import annotations

import importlib.util
import inspect
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Unpack

from azc.checks import whole_number
from azc.errors import ResourceError, TaskError, expected
from azc.runtime import _core
from azc.tasks.bundled import BUNDLED, Bundled, read_bundled
from azc.tasks.declared import TaskKeywords, checked_options, task_options
from azc.tasks.families import is_pool, member, pool_of_npz, side
from azc.tasks.images.catalogue import IMAGE_SETS
from azc.tasks.images.store import find, pools
from azc.tasks.projection import FEATURES, classes_of, default_features, make_image_task
from azc.tasks.reading import memory_limit
from azc.tasks.spec import Spec, check_fit, parse_spec
from azc.tasks.synthetic import FEATURES as SYNTHETIC_FEATURES
from azc.tasks.synthetic import SENTENCES, TRAIN_EXAMPLES, VALID_EXAMPLES, make_synthetic
from azc.tasks.tables import Table
from azc.tasks.task import Task
from azc.tasks.taskset import TaskSet

__all__ = ["DEFAULT_COUNT", "Kind", "kinds", "make", "make_set"]

DEFAULT_COUNT = 8

_Path = str | os.PathLike[str]


def make(spec: str, *, index: int = 0, **options: Unpack[TaskKeywords]) -> Task:
    """Task `index` of the set that `make_set` describes: the same bits."""
    index = whole_number("index", index, 0, 2**32 - 1, error=TaskError)
    options["count"] = 1
    return make_set(spec, first=index, **options)[0]


def make_set(spec: str, *, first: int = 0, **options: Unpack[TaskKeywords]) -> TaskSet:
    """Tasks `first` … `first + count - 1` of a kind.

    Parameters
    ----------
    spec : str
        ``linear``, ``affine``, ``teacher-nn``; an image set such as ``digits``, ``digits:3,8``,
        ``digits:search``, ``digits:select``, ``digits:all``, ``cifar10:raw:3,8``; ``iris``,
        ``wine``, ``breast-cancer`` or ``diabetes``, tables that come with scikit-learn; or the path
        of an .npz, .csv, .tsv or .parquet file (.csv.gz and .tsv.gz too); a pattern such as
        ``data/*.csv`` gives a task from each file that fits it.
    count : int, optional
        Default 8; 1 for a file, as many as there are for a pattern.
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
    test_images : "training" or "official", optional
        Where the test part of an image task comes from: what is left of the training images
        (default), or all images of its classes in the set's own test files.
    target : str, optional
        Label column of a table.
    drop : text or list of texts, optional
        Columns of a table to leave out.
    encode : text or list of texts, optional
        Columns of texts to use: each as a column of 0 and 1 for each of its values.
    fill : "mean" or "median", optional
        What stands in for missing features of a table: of their column in the training part.
    split : "stratified" or "random", optional
        How a table's rows are shared out; default stratified for accuracy, random for rmse.
    standardize_labels : bool, optional
        Give a table's labels the mean 0 and the deviation 1 in the training part; for rmse.
        Default False, but for ``diabetes``.
    rows : "search", "select" or "final", optional
        The side of a table, or of an .npz file, whose rows are used: half of them, or a quarter
        each, the same for every seed. Default all.
    vary : "rows", "columns", "projection" or "pairs", optional
        How tasks of one table, or .npz file, differ beside the way its rows are shared out: not at
        all; by the columns, or random projections, that are their `features`; by the two of its
        classes that they tell apart.
    separator, encoding : str, optional
        Of a .csv or .tsv file: one character or ``"tab"``; such as ``"latin-1"``.

    Raises `TaskError`, or `ResourceError` if the tasks would not fit in memory.
    """
    parsed = parse_spec(spec)
    first = whole_number("first", first, 0, 2**32 - 1, error=TaskError)
    given = checked_options(options)
    check_fit(parsed, given)
    if parsed.single and not is_pool(given) and first > 0:
        what = f"one task from {spec!r}, which is used exactly as given"
        raise TaskError(expected(what, f"first {first}"))
    count = given["count"]
    if count is None and parsed.several:
        count = len(parsed.files()) - first
    if count is None:
        count = 1 if parsed.file is not None else DEFAULT_COUNT
    with _core.Environment():
        return _made(parsed, range(first, first + count), given)


def _made(parsed: Spec, indices: range, given: TaskKeywords) -> TaskSet:
    """The tasks at `indices`, from options that were checked."""
    if parsed.file is not None:
        return TaskSet(_from_file(parsed, indices, given))
    if parsed.images is not None:
        return TaskSet(_from_images(parsed, indices, given))
    if parsed.bundled is not None:
        return TaskSet(_from_bundled(parsed.bundled, indices, given))
    if parsed.synthetic is None:
        got = f"{parsed.text!r}, which stands for tasks that were given from Python"
        raise TaskError(expected("tasks that can be made", got, "give them again, as tasks=…"))
    features = given["features"] or SYNTHETIC_FEATURES
    train, valid = given["train"] or TRAIN_EXAMPLES, given["valid"] or VALID_EXAMPLES
    _check_memory(parsed.text, len(indices) * (train + valid) * (features + 1))
    kind, seed = parsed.synthetic, given["seed"]
    return TaskSet(make_synthetic(kind, features, train, valid, seed, i) for i in indices)


def _shown(function: Callable[..., object]) -> inspect.Signature:
    """The signature with the options by name, for `help` and editors."""
    shown = inspect.signature(function)
    kept = [p for p in shown.parameters.values() if p.kind is not p.VAR_KEYWORD]
    options = [
        inspect.Parameter(
            option.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=0 if option.name == "seed" else None,
            annotation=option.type,
        )
        for option in task_options()
        if function is not make or option.name != "count"
    ]
    return shown.replace(parameters=[*kept, *options])


for _function in (make, make_set):
    setattr(_function, "__signature__", _shown(_function))  # noqa: B010, mypy knows of none


def _from_images(spec: Spec, indices: range, given: TaskKeywords) -> list[Task]:
    info = spec.images
    assert info is not None
    seed, data = given["seed"], given["data"]
    defaults = info.all if spec.part == "all" else info.pair
    examples = (given["train"] or defaults[0]) + (given["valid"] or defaults[1])
    width = given["features"] or default_features(spec)
    needed = sorted({c for i in indices for c in classes_of(spec, seed, i)})
    _check_memory(spec.text, len(indices) * examples * (width + 1))
    images = pools(info, needed, data)
    tests = None
    if given["test_images"] == "official":
        tests = pools(info, needed, data, test=True)
        more = sum(len(tests[c]) for i in indices for c in classes_of(spec, seed, i))
        _check_memory(spec.text, (len(indices) * examples + more) * (width + 1))
    return [
        make_image_task(
            spec,
            images,
            features=given["features"],
            train=given["train"],
            valid=given["valid"],
            seed=seed,
            index=index,
            metric=given["metric"],
            tests=tests,
        )
        for index in indices
    ]


def _from_file(spec: Spec, indices: range, given: TaskKeywords) -> list[Task]:
    from azc.tasks.files import hint_at_classes, read_npz_task
    from azc.tasks.table_files import read_table

    assert spec.file is not None
    if spec.several:
        files = spec.files()
        if indices.stop > len(files):
            raise TaskError(expected(f"at most {len(files)} tasks of {spec.text!r}", indices.stop))
        each = (parse_spec(str(files[index])) for index in indices)
        return [task for one in each for task in _from_file(one, range(1), given)]
    sizes: Any = {key: given[key] for key in ("features", "train", "valid", "metric")}
    if spec.single and is_pool(given):
        return _members(pool_of_npz(spec.file), indices, given)
    if spec.single:
        return [read_npz_task(spec.file, **sizes)]
    table = read_table(
        spec.file,
        given["target"],
        drop=given["drop"] or (),
        encode=given["encode"] or (),
        gaps=given["fill"] is not None,
        separator=given["separator"],
        encoding=given["encoding"],
    )
    if given["metric"] is None and table.metric == "rmse" and table.numbers is not None:
        hint_at_classes(spec.file, table.numbers)
    return _members(table, indices, given)


def _members(table: Table, indices: range, given: TaskKeywords) -> list[Task]:
    """Tasks of one table."""
    from azc.tasks.files import split_table

    width = given["features"] or table.X.shape[1]
    _check_memory(str(table.path), len(indices) * len(table.X) * (width + 1))
    table = side(table, given["rows"], given["metric"])
    return [split_table(*member(table, given, index), index) for index in indices]


def _from_bundled(info: Bundled, indices: range, given: TaskKeywords) -> list[Task]:
    table = read_bundled(info.name, tuple(given["drop"] or ()))
    if given["standardize_labels"] is None:
        given = {**given, "standardize_labels": not info.classes}
    return _members(table, indices, given)


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
            there = bool(find(info, data))
        except TaskError:
            there = False
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
                there,
            )
        )
    for bundled in BUNDLED.values():
        there = importlib.util.find_spec("sklearn") is not None
        numbers = (len(bundled.columns), *bundled.sizes, bundled.classes)
        result.append(Kind(bundled.name, bundled.sentence, *numbers, (), "", there))
    own = {
        "FILE.npz": "Your arrays X_train, y_train, X_valid, y_valid, exactly as given.",
        "FILE.csv": "Your table with --target COLUMN: shared out and standardised; .tsv, .gz too.",
        "FILE.parquet": "The same from a Parquet file; needs pip install 'azc[parquet]'.",
    }
    for name, text in own.items():
        there = name != "FILE.parquet" or importlib.util.find_spec("pyarrow") is not None
        result.append(Kind(name, text, None, None, None, None, (), "", there))
    return result
