"""`SearchClassifier`, `SearchRegressor`: programs that are evolved on the rows to learn from."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from azc.analysis import live
from azc.errors import AzcError, ConfigError, expected
from azc.evaluation import evaluate
from azc.ops import Type
from azc.program import FUNCTIONS, Program
from azc.search import Search
from azc.sklearn.estimators import Classifier, Estimator, Regressor, program_of
from azc.sklearn.trained import Array, Preparing, Trained, train_on
from azc.tasks import Task

__all__ = ["SearchClassifier", "SearchRegressor"]

Rows = npt.NDArray[np.intp]

#: Of the rows, those that decide which program is best; of the others, those that each task of the
#: search validates on.
_SELECT, _VALID = 0.25, 0.25
#: Rows that the search needs: fewer leave no part for one of its ends.
_LEAST_ROWS = 4
#: Rows of a task of the search at most. More make every program cost more, and hardly change which
#: are better.
_MOST_ROWS = 2000
#: Orders of the rows to learn from in which a program is selected: one may be luck.
_ORDERS = 4
#: Programs without a better one, after which a population ends and the next begins.
_PATIENCE = 300
#: What a program that the search starts from may gain: instructions of each function, addresses of
#: each type.
_MORE_INSTRUCTIONS, _MORE_ADDRESSES = 4, 1

_SEARCH = {
    "method": "mgg",
    "population": 20,
    "children": 10,
    "filter": True,
    "mutations": ("alter-parameter", "randomize-instruction", "insert", "remove"),
}
_SPACE = {
    "scalars": 5,
    "vectors": 5,
    "matrices": 2,
    "setup": {"min": 1, "max": 6, "init": 3},
    "predict": {"min": 1, "max": 6, "init": 3},
    "learn": {"min": 1, "max": 10, "init": 6},
}


class _Search(Estimator):
    """
    Parameters
    ----------
    programs : the budget: programs that the search draws. The result then follows from the data,
        the parameters and `random_state`.
    seconds : a budget of time, instead of `programs` or beside it. Where time ends a search, the
        result depends on the machine and what else it does: it is not repeatable.
    start : what the search begins with: ``"auto"``, that of some linear models and a network of the
        library which does best on the search's tasks; ``"random"`` or ``"empty"``; or programs, one
        or a list, as `ProgramClassifier` takes them.
    tasks : ways of sharing out rows that programs are evaluated on.
    epochs : passes over the training rows, in the search and after it.
    settings : tables of a search file, as a dict, instead of what is set otherwise.
    standardize : whether features, and the labels of a regression, get mean 0 and deviation 1.
    random_state : of all that is drawn: the parts, the search, the order of rows.

    A quarter of the rows is held back from the search, and ranks the programs that it offers, and
    those that it could begin with. The best is trained on all rows; one of the latter, unless one
    that the search offers is better by a standard error.

    Attributes
    ----------
    program_ : the program that predicts.
    programs_ : the best programs on the rows held back, the best first.
    fitness_ : their fitness there.
    n_programs_ : programs drawn.
    """

    def __init__(
        self,
        *,
        programs: int | None = 1000,
        seconds: float | None = None,
        start: Program | str | Path | Sequence[Any] = "auto",
        tasks: int = 4,
        epochs: int = 5,
        settings: Mapping[str, Any] | None = None,
        standardize: bool = True,
        random_state: Any = None,
    ) -> None:
        self.programs, self.seconds, self.start = programs, seconds, start
        self.tasks, self.epochs, self.settings = tasks, epochs, settings
        self.standardize, self.random_state = standardize, random_state

    programs: int | None
    seconds: float | None
    start: Any
    tasks: int
    epochs: int
    settings: Any

    def _fitted(
        self, X: Array, y: Array, classes: int, rng: np.random.RandomState, seed: int
    ) -> Trained:
        if len(X) < _LEAST_ROWS:
            what = expected(f"at least {_LEAST_ROWS} rows to search on", f"n_samples = {len(X)}")
            raise ValueError(what)
        self._preparing = Preparing.of(
            X, y, classes=classes, standardize=self.standardize, least=3 if classes == 2 else 1
        )
        rows, labels = self._preparing.features(X), self._preparing.labels(y)
        metric: dict[str, Any] = {"metric": "rmse"}
        if classes:
            metric = {"metric": "accuracy", "classes": classes}
        chosen, held = _parted(np.arange(len(rows)), y, _SELECT, bool(classes), rng)

        def task(train: Rows, valid: Rows, name: str) -> Task:
            parts = rows[train], labels[train], rows[valid], labels[valid]
            return Task(*parts, name=name, **metric)

        tasks = []
        for number in range(self.tasks):
            train, valid = _parted(chosen, y, _VALID, bool(classes), rng)
            tasks.append(task(train[:_MOST_ROWS], valid[:_MOST_ROWS], f"rows[{number}]"))
        orders = [rng.permutation(chosen) for _ in range(_ORDERS)]
        select = [task(order, held, f"rows held back[{k}]") for k, order in enumerate(orders)]
        candidates = self._search_on(tasks, select, classes, seed)
        every, given = rng.permutation(len(rows)), {"epochs": self.epochs, "seed": seed}
        for program in candidates:
            # What fails on all rows, as it may, did not on those that it was selected by.
            for order in (every, *orders):
                try:
                    trained = train_on(program, rows[order], labels[order], classes, **given)
                except AzcError:
                    continue
                self.program_ = program
                return trained
        what = "a program that learns from these rows"
        raise ValueError(expected(what, "none", "search longer, or start from another program"))

    def _search_on(
        self, tasks: Sequence[Task], select: Sequence[Task], classes: int, seed: int
    ) -> Sequence[Program]:
        """Sets `programs_` and what else the search says; returns programs to train, the first that
        learns being the one."""
        pool = [live(program_of(given), classes) for given in self._starts(classes)]
        starts = pool
        if self.start == "auto":
            # What suits these rows best begins; the others would only make the space larger.
            starts = [max(pool, key=lambda program: self._mean(program, tasks))]
        with tempfile.TemporaryDirectory() as folder:
            outcome = Search(
                self._described(starts, seed, Path(folder)),
                tasks=tasks,
                select=select,
                **_keywords(self.settings),
            ).run()
        selected = [(best.select or 0.0, best.program) for best in outcome.hall]
        # What was there before is ranked with these, on rows that the search has not seen.
        scored = [(self._mean(program, select), program) for program in pool]
        ranked = sorted([*scored, *selected], key=lambda one: -one[0])
        self.programs_ = [program for _, program in ranked]
        self.fitness_ = [fitness for fitness, _ in ranked]
        self.n_programs_ = outcome.report.total("programs")
        if not scored:
            return self.programs_
        # The best of many on few rows is often luck: it has to be better than what was there by
        # more than these rows can be wrong about that.
        least = _beyond_doubt(
            max(fitness for fitness, _ in scored), len(select[0].y_valid), classes
        )
        surely = [program for fitness, program in ranked if fitness > least]
        return [*surely, *(p for p in self.programs_ if p in pool), *self.programs_]

    def _mean(self, program: Program, tasks: Sequence[Task]) -> float:
        return float(np.mean(evaluate(program, tasks, epochs=self.epochs).fitness))

    def _described(self, starts: Sequence[Program], seed: int, folder: Path) -> dict[str, Any]:
        stop = {"programs": self.programs, "seconds": self.seconds}
        budget = {key: value for key, value in stop.items() if value is not None}
        if not budget:
            raise ConfigError(expected("a budget: programs or seconds", "neither"))
        paths = [folder / f"start{number}.az" for number in range(len(starts))]
        for path, program in zip(paths, starts, strict=True):
            path.write_text(str(program), encoding="utf-8")
        if starts:
            space = {**_around(starts), "start": [str(path) for path in paths]}
        else:
            space = {**_SPACE, "start": self.start}
        return {
            "search": {**_SEARCH, "seed": seed, "stop": budget},
            "space": space,
            "restart": {"patience": _PATIENCE},
            "evaluation": {"epochs": self.epochs},
            "compile": {"hot": False},
        }

    def _starts(self, classes: int) -> Sequence[Any]:
        """The programs to start from, as they were given."""
        if not isinstance(self.start, str):
            return self.start if isinstance(self.start, (list, tuple)) else [self.start]
        if self.start in ("random", "empty"):
            return []
        if self.start != "auto":
            return [self.start]
        if classes:
            return (
                ["softmax", "softmax_network"]
                if classes > 2
                else ["logistic", "network_classifier"]
            )
        # Without a sigmoid logistic regression is a linear one, which some data are too much for.
        return ["logistic", "least_squares", "network"]


class SearchClassifier(Classifier, _Search):
    """Evolves a program that learns to tell classes, and trains it."""

    __doc__ += _Search.__doc__ or ""


class SearchRegressor(Regressor, _Search):
    """Evolves a program that learns to predict numbers, and trains it."""

    __doc__ += _Search.__doc__ or ""


def _beyond_doubt(fitness: float, rows: int, classes: int) -> float:
    """What is better by a standard error of the score that this fitness is of, on so many rows."""
    if classes:
        return fitness + math.sqrt(fitness * (1.0 - fitness) / rows)
    error = math.tan((1.0 - fitness) * math.pi / 2.0) * (1.0 - 1.0 / math.sqrt(2.0 * rows))
    return 1.0 - 2.0 / math.pi * math.atan(error)


def _keywords(settings: Any) -> dict[str, Any]:
    if settings is None:
        return {}
    if not isinstance(settings, Mapping) or set(settings) & {"tasks", "select", "final"}:
        what = "settings to be tables of a search file but those of tasks"
        raise ConfigError(expected(what, repr(settings)))
    return dict(settings)


def _around(programs: Sequence[Program]) -> dict[str, Any]:
    """A space that has room for each of `programs` and some more."""
    used = set().union(*(program.addresses() for program in programs))
    counts = {
        kind: max((a.number for a in used if a.type is kind), default=-1) + 1 + _MORE_ADDRESSES
        for kind in Type
    }
    space: dict[str, Any] = {
        "scalars": max(4, counts[Type.SCALAR]),
        "vectors": max(3, counts[Type.VECTOR]),
        "matrices": counts[Type.MATRIX],
    }
    for name in FUNCTIONS:
        sizes = [len(getattr(program, name)) for program in programs]
        space[name] = {"min": 0, "max": max(sizes) + _MORE_INSTRUCTIONS, "init": min(sizes)}
    return space


def _parted(
    rows: Rows, y: Array, share: float, classify: bool, rng: np.random.RandomState
) -> tuple[Rows, Rows]:
    """`rows` in random order, in two parts, the second of about `share` and at least one; of every
    class about as large a share."""
    rows = rng.permutation(rows)
    if not classify:
        cut = max(1, round(share * len(rows)))
        return rows[cut:], rows[:cut]
    # Row k of a class, of n, stands at (k + u) / n, so that every beginning has its share of each.
    keys = np.empty(len(rows))
    for label in np.unique(y[rows]):
        here = np.flatnonzero(y[rows] == label)
        keys[here] = (np.arange(len(here)) + rng.uniform()) / len(here)
    rows = rows[np.argsort(keys, kind="stable")]
    cut = max(1, round(share * len(rows)))
    return rng.permutation(rows[cut:]), rng.permutation(rows[:cut])
