"""The search of an estimator: its tasks, made of rows, and its settings."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from azc.analysis import live, predicts_vector
from azc.ops import Type
from azc.program import FUNCTIONS, Program
from azc.search import Outcome, Search
from azc.sklearn.judging import Judge, Rows
from azc.tasks import Task

__all__ = ["FROM_NOTHING", "evolved"]

#: Starts that are no programs.
FROM_NOTHING = ("random", "empty")

#: Of the rows of a task, those that it validates on.
_VALID = 0.25
#: Rows of a task at most. More make every program cost more, and hardly change which are better.
_MOST_ROWS = 2000
#: Tasks of a search from nothing at least: what learns few tasks by heart is easily found there.
_LEAST_TASKS = 8
#: What a program that the search starts from may gain: instructions of each function, addresses of
#: each type.
_MORE_INSTRUCTIONS, _MORE_ADDRESSES = 4, 1

#: From programs: few at a time, changed a little.
_AROUND: dict[str, Any] = {
    "search": {
        "method": "mgg",
        "population": 20,
        "children": 10,
        "filter": True,
        "mutations": ("alter-parameter", "randomize-instruction", "insert", "remove"),
    },
    "restart": {"patience": 300},
}
_SETUP = ("scalar_const", "vector_gaussian", "matrix_gaussian")
_PREDICT = ("dot", "scalar_add", "matrix_vector_dot", "vector_heaviside", "vector_max")
_LEARN = (
    *("scalar_add", "scalar_sub", "scalar_mul", "scalar_vector_mul", "vector_add"),
    *("outer", "matrix_add"),
)
#: From nothing: many, of which only those that learn all that they predict from are run, and to the
#: end only those that begin well.
_ANEW: dict[str, Any] = {
    "search": {"method": "niches", "population": 1000, "repeat": 0.3, "filter": "strict"},
    "niches": {"grown": 3, "parsimony": 0.0005, "least": 0.9},
    "constants": {"scale": "log"},
    "restart": {"patience": 5000, "growth": 1.5},
    "fec": {"train": 8},
    "space": {
        "scalars": 4,
        "vectors": 4,
        "matrices": 1,
        "setup": {
            "min": 0,
            "max": 4,
            "ops": ("scalar_const", "vector_gaussian", "matrix_gaussian"),
        },
        "predict": {"min": 0, "max": 4, "ops": _PREDICT},
        "learn": {"min": 0, "max": 8, "ops": _LEARN},
    },
}
#: Where hurdles stand, in shares of the rows to train on.
_HURDLES = (0.25, 0.6)


def evolved(
    judge: Judge,
    start: Sequence[Program] | str,
    changes: Mapping[str, Any],
    *,
    tasks: int,
    stop: Mapping[str, float],
    epochs: int,
    seed: int,
) -> Outcome:
    """What a search on the rows that are not held back comes to. `start`: programs, or one of
    `FROM_NOTHING`; `changes`: keywords of `azc.Search`."""
    anew = isinstance(start, str)
    programs = [] if isinstance(start, str) else list(start)
    whole = any(predicts_vector(one) for one in programs)
    given = _tasks(judge, max(tasks, _LEAST_TASKS) if anew else tasks, whole)
    with tempfile.TemporaryDirectory() as folder:
        tables: dict[str, Any] = dict(_ANEW if anew else _AROUND)
        if anew:
            count = len(given[0].y_train)
            trains = sorted({max(16, round(share * count)) for share in _HURDLES})
            tables["hurdles"] = [
                {"train": train, "quantile": 0.5} for train in trains if train < count
            ]
            tables["space"] = {**_ANEW["space"], "start": start}
        else:
            slices = [live(one, 3 if whole else 2) for one in programs]
            tables["space"] = _around(slices, Path(folder))
        tables["search"] = {**tables["search"], "seed": seed, "stop": dict(stop)}
        tables |= {"evaluation": {"epochs": epochs}, "compile": {"hot": False}}
        return Search(tables, tasks=given, **changes).run()


def _tasks(judge: Judge, count: int, whole: bool) -> list[Task]:
    """Tasks of the rows chosen, each shared out anew.

    More than two classes are one task for programs that predict a vector (`whole`); for others each
    task is a pair of classes, since a program for two classes is trained for each against the
    others in the end.
    """
    labels, classes = judge.labels, judge.classes
    metric: dict[str, Any] = {"metric": "accuracy", "classes": classes}
    if not classes:
        metric = {"metric": "rmse"}
    every = [judge.chosen]
    if classes > 2 and not whole:
        metric["classes"] = 2
        pairs = list(itertools.combinations(range(classes), 2))
        judge.rng.shuffle(pairs)
        every = [
            judge.chosen[(labels[judge.chosen] == a) | (labels[judge.chosen] == b)]
            for a, b in pairs
        ]
    parts: list[tuple[Rows, Rows]] = []
    for number in range(count):
        train, valid = judge.parted(every[number % len(every)], _VALID)
        parts.append((train[:_MOST_ROWS], valid[:_MOST_ROWS]))
    # The tasks of a search have equally many examples.
    most = min(len(train) for train, _ in parts), min(len(valid) for _, valid in parts)
    tasks = []
    for number, (train, valid) in enumerate(parts):
        train, valid = train[: most[0]], valid[: most[1]]
        y_train, y_valid = labels[train], labels[valid]
        if len(every) > 1:
            larger = max(y_train.max(), y_valid.max())
            y_train, y_valid = (y_train == larger) * 1.0, (y_valid == larger) * 1.0
        task = Task(
            judge.rows[train],
            y_train,
            judge.rows[valid],
            y_valid,
            name=f"rows[{number}]",
            **metric,
        )
        tasks.append(task)
    return tasks


def _around(programs: Sequence[Program], folder: Path) -> dict[str, Any]:
    """A space that has room for each of `programs` and some more, and begins with these."""
    used = set().union(*(program.addresses() for program in programs))
    counts = {
        kind: max((a.number for a in used if a.type is kind), default=-1) + 1 + _MORE_ADDRESSES
        for kind in Type
    }
    paths = [folder / f"start{number}.az" for number in range(len(programs))]
    for path, program in zip(paths, programs, strict=True):
        path.write_text(str(program), encoding="utf-8")
    space: dict[str, Any] = {
        "scalars": max(4, counts[Type.SCALAR]),
        "vectors": max(3, counts[Type.VECTOR]),
        "matrices": counts[Type.MATRIX],
        "start": [str(path) for path in paths],
    }
    for name in FUNCTIONS:
        sizes = [len(getattr(program, name)) for program in programs]
        space[name] = {"min": 0, "max": max(sizes) + _MORE_INSTRUCTIONS, "init": min(sizes)}
    return space
