"""What the estimators share: checks, shuffling, classes, predictions."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from azc import library
from azc.errors import ConfigError, expected
from azc.lang import load, parse
from azc.program import Program, require_program
from azc.sklearn.trained import Array, Preparing, Trained

__all__ = ["MOST_SEED", "Classifier", "Estimator", "Regressor", "checked", "program_of"]

#: Seeds are drawn below it.
MOST_SEED = 2**31


def program_of(given: Any) -> Program:
    """The program that `given` is, or is the text or the path of, or the library's of that name."""
    if isinstance(given, Path) or (isinstance(given, str) and given.endswith(".az")):
        return load(given)
    if isinstance(given, str):
        return parse(given) if "\n" in given else library.load(given)
    require_program(given)
    assert isinstance(given, Program)
    return given


class Estimator(BaseEstimator):  # type: ignore[misc]
    """Rows in, a trained program out. Subclasses have a constructor, and `_fitted`."""

    random_state: Any
    standardize: bool

    def fit(self, X: Any, y: Any) -> Any:
        """Train on features (n, F) and labels (n,); returns the estimator itself."""
        X, y = validate_data(self, X, y, dtype=np.float64, y_numeric=not self._classifies)
        rng = check_random_state(self.random_state)
        seed = int(rng.randint(MOST_SEED))
        labels, classes = self._numbered(column_or_1d(y, warn=True))
        if self._classifies and classes == 1:
            self._trained: Trained | None = None
            return self
        self._trained = self._fitted(X, labels, classes, rng, seed)
        return self

    _classifies = False

    def _numbered(self, y: npt.NDArray[Any]) -> tuple[Array, int]:
        """Labels as programs see them, and how many classes there are (0 in regression)."""
        raise NotImplementedError

    def _fitted(
        self, X: Array, y: Array, classes: int, rng: np.random.RandomState, seed: int
    ) -> Trained:
        """The program, trained; `_preparing` is set meanwhile."""
        raise NotImplementedError

    def _raw(self, X: Any) -> Array | None:
        """Raw predictions; None where there is only one class."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        if self._trained is None:
            return None
        preparing: Preparing = self._preparing
        return self._trained.raw(preparing.features(X))


class Regressor(RegressorMixin, Estimator):  # type: ignore[misc]
    """Predictions are numbers."""

    def _numbered(self, y: npt.NDArray[Any]) -> tuple[Array, int]:
        return np.asarray(y, dtype=np.float64), 0

    def predict(self, X: Any) -> Array:
        """(n,) predictions, in the labels' own units."""
        raw = self._raw(X)
        assert raw is not None
        preparing: Preparing = self._preparing
        # Where a program has none, the middle of what numbers there are.
        return preparing.undo_labels(np.nan_to_num(raw, nan=0.0, posinf=1e100, neginf=-1e100))


class Classifier(ClassifierMixin, Estimator):  # type: ignore[misc]
    """Predictions are classes, of any type: `classes_`, in sorted order."""

    _classifies = True

    def _numbered(self, y: npt.NDArray[Any]) -> tuple[Array, int]:
        check_classification_targets(y)
        self.classes_, numbers = np.unique(y, return_inverse=True)
        return numbers.astype(np.float64), len(self.classes_)

    def decision_function(self, X: Any) -> Array:
        """What the program predicts, (n,) for two classes: above 0 the second; (n, C) for more: the
        largest of a row. NaN counts as the least."""
        raw = self._raw(X)
        if raw is None:
            return np.zeros(len(X))
        return np.nan_to_num(raw, nan=-1e300, posinf=1e300, neginf=-1e300)

    def predict_proba(self, X: Any) -> Array:
        """(n, C) probabilities: of two classes by the sigmoid; of more by the softmax or, where
        each has a model of its own, by their sigmoids, scaled to a sum of 1."""
        odds = self.decision_function(X)
        if self._trained is None:
            return np.ones((len(odds), 1))
        if odds.ndim == 1:
            second = _sigmoid(odds)
            return np.stack([1.0 - second, second], axis=1)
        if self._trained.one_for_each:
            each = np.maximum(_sigmoid(odds), 1e-300)
        else:
            each = np.exp(odds - odds.max(axis=1, keepdims=True))
        shares: Array = each / each.sum(axis=1, keepdims=True)
        return shares

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """(n,) classes."""
        odds = self.decision_function(X)
        numbers = (odds > 0).astype(np.intp) if odds.ndim == 1 else odds.argmax(axis=1)
        predicted: npt.NDArray[Any] = self.classes_[numbers]
        return predicted


def _sigmoid(odds: Array) -> Array:
    with np.errstate(over="ignore"):
        return 1.0 / (1.0 + np.exp(-odds))


def checked(name: str, value: Any) -> float:
    """A finite number; raises `ConfigError`."""
    good = isinstance(value, (int, float, np.integer, np.floating)) and math.isfinite(value)
    if not good or isinstance(value, bool):
        raise ConfigError(f"{name}: {expected('a finite number', repr(value))}")
    return float(value)
