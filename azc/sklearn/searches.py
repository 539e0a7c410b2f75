"""`SearchClassifier`, `SearchRegressor`: programs that are evolved on the rows to learn from."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from azc.errors import AzcError, ConfigError, expected
from azc.program import Program
from azc.sklearn.estimators import Classifier, Estimator, Regressor, program_of
from azc.sklearn.evolving import FROM_NOTHING, evolved
from azc.sklearn.judging import Candidate, Judge, best_of
from azc.sklearn.trained import Array, Preparing, Trained

__all__ = ["SearchClassifier", "SearchRegressor"]

#: Rows that a search needs: fewer leave no part for one of its ends.
_LEAST_ROWS = 4
#: Programs whose constants are tuned, of those known before and of those found.
_MOST_TUNED = 3
#: Of the seconds given, what the search has at least.
_LEAST_SHARE = 0.1

#: Programs of the library to start from, what is to be preferred where nothing tells them apart
#: first. Two classes have the sigmoid; without it logistic regression is a linear one.
_KNOWN = {
    "classes": ("logistic", "softmax", "softmax_network", "network_classifier", "arctan_decay"),
    "two": ("logistic", "least_squares", "network_classifier", "arctan_decay"),
    "numbers": ("least_squares", "logistic", "network", "network_nlms"),
}


class _Search(Estimator):
    """
    Parameters
    ----------
    programs : the budget: programs that the search draws. The result then follows from the data,
        the parameters and `random_state`.
    seconds : a budget of time for all of a fit but the last training, instead of `programs` or
        beside it. Where time ends a search, the result depends on the machine and what else it
        does: it is not repeatable.
    start : what the search begins with: ``"auto"``, known programs of the library, linear models
        and networks; ``"random"`` or ``"empty"``, nothing, so that what predicts was found on these
        rows alone; or programs, one or a list, as `ProgramClassifier` takes them.
    tasks : ways of sharing out rows that programs are evaluated on.
    epochs : passes over the training rows; trials of constants also try twice and four times as
        many.
    trials : vectors of constants that are tried for each of the best programs; 0 for none.
    settings : tables of a search file, as a dict, instead of what is set otherwise.
    standardize : whether features, and the labels of a regression, get mean 0 and deviation 1.
    random_state : of all that is drawn: the parts, the search, the order of rows.

    Programs to start from are judged by cross-validation, the constants of the best are tuned, and
    the search begins with the best of all. It does not see a quarter of the rows. What it finds has
    to be better by a standard error than what it began with, on that quarter and in
    cross-validation, and is tuned too; otherwise the known program is what predicts. So the result
    of ``start="auto"`` is often a known program with its constants fitted: `found_` says so.

    Attributes
    ----------
    program_ : the program that predicts.
    epochs_ : its passes over the rows.
    found_ : whether the search found it; otherwise it was there before.
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
        trials: int = 24,
        settings: Mapping[str, Any] | None = None,
        standardize: bool = True,
        random_state: Any = None,
    ) -> None:
        self.programs, self.seconds, self.start = programs, seconds, start
        self.tasks, self.epochs, self.trials, self.settings = tasks, epochs, trials, settings
        self.standardize, self.random_state = standardize, random_state

    programs: int | None
    seconds: float | None
    start: Any
    tasks: int
    epochs: int
    trials: int
    settings: Any

    def _fitted(
        self, X: Array, y: Array, classes: int, rng: np.random.RandomState, seed: int
    ) -> Trained:
        if len(X) < _LEAST_ROWS:
            what = expected(f"at least {_LEAST_ROWS} rows to search on", f"n_samples = {len(X)}")
            raise ValueError(what)
        began = time.monotonic()
        self._preparing = Preparing.of(
            X, y, classes=classes, standardize=self.standardize, least=3 if classes == 2 else 1
        )
        rows, labels = self._preparing.features(X), self._preparing.labels(y)
        judge = Judge(rows, labels, classes, rng, seed)
        known = self._judged(judge, map(program_of, self._known(classes)))
        best = best_of([*known, *self._tuned(judge, known)]) if known else None
        hall = self._evolved(judge, known, best, seed, began)
        found = self._better(judge, hall, best)
        there = [*([best] if best else []), *known]
        self._rank(judge, [*found, *there, *hall])
        # What fails on all rows, as it may, did not on those that it was judged by.
        for candidate in [*found, *there, *hall]:
            try:
                trained = judge.trained(candidate.program, candidate.epochs, judge.order())
            except AzcError:
                continue
            self.program_, self.epochs_ = candidate.program, candidate.epochs
            self.found_ = all(candidate is not one for one in there)
            return trained
        what = "a program that learns from these rows"
        raise ValueError(expected(what, "none", "search longer, or start from another program"))

    def _judged(self, judge: Judge, programs: Iterable[Program]) -> list[Candidate]:
        return [judge.on_all(program, self.epochs) for program in programs]

    def _tuned(self, judge: Judge, candidates: Sequence[Candidate]) -> list[Candidate]:
        ranked = sorted(candidates, key=lambda one: one.loss)
        return [judge.tuned(one, self.trials) for one in ranked[:_MOST_TUNED]]

    def _evolved(
        self,
        judge: Judge,
        known: Sequence[Candidate],
        best: Candidate | None,
        seed: int,
        began: float,
    ) -> list[Candidate]:
        """What a search offers, judged on the rows that it has not seen, the best first."""
        budget: dict[str, float] = {}
        if self.programs is not None:
            budget["programs"] = self.programs
        if self.seconds is not None:
            spent = time.monotonic() - began
            budget["seconds"] = max(self.seconds - spent, _LEAST_SHARE * self.seconds)
        if not budget:
            raise ConfigError(expected("a budget: programs or seconds", "neither"))
        if best is None:
            start: Any = self.start
        elif self.start == "auto":
            # What suits these rows best begins; the others would only make the space larger.
            start = [best.program]
        else:
            start = [one.program for one in known]
        outcome = evolved(
            judge,
            start,
            _keywords(self.settings),
            tasks=self.tasks,
            stop=budget,
            epochs=self.epochs,
            seed=seed,
        )
        self.n_programs_ = outcome.report.total("programs")
        hall = [judge.on_held(one.program, self.epochs) for one in outcome.hall]
        return sorted(hall, key=lambda one: one.loss)

    def _better(
        self, judge: Judge, hall: Sequence[Candidate], best: Candidate | None
    ) -> list[Candidate]:
        """Of the hall what is better than `best`, the best first, with constants of its own tuned.

        The best of many on few rows is often luck: it has to be better by more than these rows can
        be wrong about, on those that the search has not seen first.
        """
        if best is not None:
            before = judge.on_held(best.program, best.epochs)
            hall = [one for one in hall if one.beats(before)]
        found = self._judged(judge, (one.program for one in hall[:_MOST_TUNED]))
        if best is not None:
            found = [one for one in found if one.beats(best)]
        return sorted([*found, *self._tuned(judge, found)], key=lambda one: one.loss)

    def _rank(self, judge: Judge, candidates: Sequence[Candidate]) -> None:
        """Sets `programs_` and `fitness_`."""
        once = {(one.program, one.epochs): None for one in candidates}
        held = [judge.on_held(*which) for which in once]
        held.sort(key=lambda one: one.loss)
        self.programs_ = [one.program for one in held]
        self.fitness_ = [judge.fitness(one) for one in held]

    def _known(self, classes: int) -> Sequence[Any]:
        """The programs to start from, as they were given."""
        if not isinstance(self.start, str):
            return self.start if isinstance(self.start, (list, tuple)) else [self.start]
        if self.start in FROM_NOTHING:
            return []
        if self.start != "auto":
            return [self.start]
        return _KNOWN["numbers" if not classes else "two" if classes == 2 else "classes"]


class SearchClassifier(Classifier, _Search):
    """Evolves a program that learns to tell classes, and trains it."""

    __doc__ += _Search.__doc__ or ""


class SearchRegressor(Regressor, _Search):
    """Evolves a program that learns to predict numbers, and trains it."""

    __doc__ += _Search.__doc__ or ""


def _keywords(settings: Any) -> dict[str, Any]:
    if settings is None:
        return {}
    if not isinstance(settings, Mapping) or set(settings) & {"tasks", "select", "final"}:
        what = "settings to be tables of a search file but those of tasks"
        raise ConfigError(expected(what, repr(settings)))
    return dict(settings)
