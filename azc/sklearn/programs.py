"""`ProgramClassifier`, `ProgramRegressor`: one program, whose params are hyper-parameters."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from azc.errors import AzcError, ConfigError, expected, nearest
from azc.program import Program
from azc.sklearn.estimators import Classifier, Estimator, Regressor, checked, program_of
from azc.sklearn.trained import Array, Preparing, Trained, train_on, width_of
from azc.use.tune.constants import Constant, with_constants

__all__ = ["ProgramClassifier", "ProgramRegressor"]

_PREFIX = "params__"


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

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The parameters; with `deep` the program's own too."""
        found: dict[str, Any] = super().get_params(deep=False)
        if deep:
            try:
                loaded = program_of(self.program)
            except (AzcError, OSError, TypeError):
                return found  # told when it is to be fitted
            own = {param.name: param.default for param in loaded.params}
            given = self.params if isinstance(self.params, Mapping) else {}
            found |= {_PREFIX + name: given.get(name, value) for name, value in own.items()}
        return found

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
            epochs=self.epochs,
            seed=seed,
            max_abs_error=self.max_abs_error,
        )


class ProgramClassifier(Classifier, _Program):
    """A program that learns to tell classes.

    A program that predicts a vector has an entry for each class; one that predicts a number is
    trained once for each class against the others, where there are more than two.
    """

    __doc__ += _Program.__doc__ or ""

    def __init__(
        self,
        program: Program | str | Path = "softmax",
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


class ProgramRegressor(Regressor, _Program):
    """A program that learns to predict numbers."""

    __doc__ += _Program.__doc__ or ""

    def __init__(
        self,
        program: Program | str | Path = "least_squares",
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
