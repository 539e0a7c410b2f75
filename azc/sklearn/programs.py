"""`ProgramClassifier`, `ProgramRegressor`: one program, whose params are hyper-parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import FunctionType
from typing import Any, TypeVar

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d, validate_data

from azc.errors import AzcError, ConfigError, expected, nearest
from azc.program import Program
from azc.sklearn.estimators import (
    MOST_SEED,
    Classifier,
    Estimator,
    Regressor,
    checked,
    program_of,
)
from azc.sklearn.trained import Array, Preparing, Trained, train_on, width_of
from azc.use.tune.constants import Constant, with_constants

__all__ = ["ProgramClassifier", "ProgramRegressor"]

_PREFIX = "params__"
_Init = TypeVar("_Init", bound=Callable[..., None])


class _Program(Estimator):
    """
    Parameters
    ----------
    program : a `Program`, its text, the path of an .az file, or the name of one of the library.
    params : values of its params, by name; others keep their defaults. Each is a parameter of the
        estimator too: ``set_params(params__lr=0.01)``.
    epochs : passes over the training rows.
    standardize : whether features, and the labels of a regression, get mean 0 and deviation 1.
    shuffle : whether rows are taken in a random order, rather than in theirs.
    max_abs_error : training that meets a larger error, or NaN, has failed.
    random_state : of the order of rows and of the program's random instructions.

    Attributes
    ----------
    program_ : the program as it was trained, with its params.
    """

    program: Any
    params: Any
    epochs: int
    shuffle: bool
    max_abs_error: float

    def __init__(
        self,
        program: Program | str | Path = "",
        *,
        params: Mapping[str, float] | None = None,
        epochs: int = 10,
        standardize: bool = True,
        shuffle: bool = True,
        max_abs_error: float = 100.0,
        random_state: Any = None,
    ) -> None:
        self.program, self.params = program, params
        self.epochs, self.standardize, self.shuffle = epochs, standardize, shuffle
        self.max_abs_error, self.random_state = max_abs_error, random_state

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The parameters; with `deep` the program's own too."""
        params: dict[str, Any] = super().get_params(deep=False)
        if deep:
            try:
                loaded = program_of(self.program)
            except (AzcError, OSError, TypeError):
                return params  # told when it is to be fitted
            own = {param.name: param.default for param in loaded.params}
            given = self.params if isinstance(self.params, Mapping) else {}
            params |= {_PREFIX + name: given.get(name, value) for name, value in own.items()}
        return params

    def set_params(self, **params: Any) -> Any:
        """Set parameters; ``params__NAME`` the program's own."""
        own = {
            name.removeprefix(_PREFIX): value
            for name, value in params.items()
            if name.startswith(_PREFIX)
        }
        super().set_params(**{k: v for k, v in params.items() if not k.startswith(_PREFIX)})
        if own:
            _check_names(program_of(self.program), own)
            self.params = {**(self.params or {}), **own}
        return self

    def _fitted(
        self, X: Array, y: Array, classes: int, rng: np.random.RandomState, seed: int
    ) -> Trained:
        return self._begun(X, y, classes, rng, seed, self.epochs)

    def _begun(
        self, X: Array, y: Array, classes: int, rng: np.random.RandomState, seed: int, epochs: int
    ) -> Trained:
        self.program_ = _with_params(program_of(self.program), self.params)
        least = width_of(self.program_, classes)
        self._preparing = Preparing.of(
            X, y, classes=classes, standardize=self.standardize, least=least
        )
        order = rng.permutation(len(X)) if self.shuffle else np.arange(len(X))
        return train_on(
            self.program_,
            self._preparing.features(X)[order],
            self._preparing.labels(y)[order],
            classes,
            epochs=epochs,
            seed=seed,
            max_abs_error=self.max_abs_error,
        )

    def _gone_on(self, X: Array, y: Array, classes: int, begins: bool) -> None:
        """One pass over checked rows, which begins a model or goes on with it."""
        if begins:
            rng = check_random_state(self.random_state)
            seed = int(rng.randint(MOST_SEED))
            several = not self._classifies or classes > 1
            self._trained = self._begun(X, y, classes, rng, seed, 1) if several else None
            return
        if self._trained is None:
            return
        order = np.arange(len(X))
        if self.shuffle:
            order = np.random.RandomState(self._trained.position()).permutation(len(X))
        rows, labels = self._preparing.features(X)[order], self._preparing.labels(y)[order]
        self._trained = self._trained.after(rows, labels)


def _with_program(init: _Init, program: str) -> _Init:
    """`init` with that program by default: a function of its own, since scikit-learn reads the
    parameters of an estimator and their defaults off its signature."""
    made = FunctionType(init.__code__, init.__globals__, init.__name__, (program,))
    made.__kwdefaults__ = init.__kwdefaults__
    made.__annotations__ = init.__annotations__
    return made  # type: ignore[return-value]


class ProgramClassifier(Classifier, _Program):
    """A program that learns to tell classes.

    A program that predicts a vector has an entry for each class; one that predicts a number is
    trained once for each class against the others, where there are more than two.
    """

    __doc__ += _Program.__doc__ or ""
    __init__ = _with_program(_Program.__init__, "softmax")

    def partial_fit(self, X: Any, y: Any, classes: Any = None) -> ProgramClassifier:
        """Train on further rows, once, from where training stands; without a model, begin one.

        `classes`: all that there will be, needed where a model begins. Features are standardised as
        in the rows that a model began with. Where training fails, the model stays as it was.
        """
        begins = not hasattr(self, "_trained")
        X, y = validate_data(self, X, y, dtype=np.float64, reset=begins)
        check_classification_targets(y)
        y = column_or_1d(y, warn=True)
        if begins and classes is None:
            what = expected("classes in the first call to partial_fit", "none")
            raise ValueError(f"{what}; give all that there will be")
        known = np.unique(classes) if begins else self.classes_
        if classes is not None and not np.array_equal(np.unique(classes), known):
            got = np.unique(classes).tolist()
            raise ValueError(expected(f"the classes of before, {known.tolist()}", got))
        if not np.isin(y, known).all():
            other = np.setdiff1d(y, known).tolist()
            raise ValueError(expected(f"labels of the classes {known.tolist()}", f"{other} too"))
        self._gone_on(X, np.searchsorted(known, y).astype(np.float64), len(known), begins)
        self.classes_ = known
        return self


class ProgramRegressor(Regressor, _Program):
    """A program that learns to predict numbers."""

    __doc__ += _Program.__doc__ or ""
    __init__ = _with_program(_Program.__init__, "least_squares")

    def partial_fit(self, X: Any, y: Any) -> ProgramRegressor:
        """Train on further rows, once, from where training stands; without a model, begin one.

        Features and labels are standardised as in the rows that a model began with. Where training
        fails, the model stays as it was.
        """
        begins = not hasattr(self, "_trained")
        X, y = validate_data(self, X, y, dtype=np.float64, y_numeric=True, reset=begins)
        self._gone_on(X, np.asarray(column_or_1d(y, warn=True), dtype=np.float64), 0, begins)
        return self


def _check_names(program: Program, given: Mapping[str, Any]) -> None:
    known = [param.name for param in program.params]
    for name in given:
        if name not in known:
            do = nearest(name, known) or (f"it has {', '.join(known)}" if known else "")
            raise ConfigError(expected(f"names of params of {program.filename}", repr(name), do))


def _with_params(program: Program, given: Any) -> Program:
    if not given:
        return program
    if not isinstance(given, Mapping):
        raise ConfigError(f"params: {expected('a dict of numbers by name', repr(given))}")
    _check_names(program, given)
    chosen = [param for param in program.params if param.name in given]
    constants = [
        Constant(p.name, p.function, p.index, p.constant, p.default, p.default, p.default, p.scale)
        for p in chosen
    ]
    values = [checked(f"params: {param.name}", given[param.name]) for param in chosen]
    return with_constants(program, constants, values)
