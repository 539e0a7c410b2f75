"""How raw columns become a task's features and labels: kept beside the task, so that new rows can
be treated as the training rows were."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

__all__ = ["Preparation", "Scaling"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Scaling:
    """Standardisation of columns: ``(ldexp(X, -exponent) - mean - rest) / scale``, each (F,).

    Columns are first scaled by a power of two, which is exact, so that squares neither overflow
    nor vanish; `rest` is what the sum behind `mean` lost where the mean dwarfs the spread.
    """

    exponent: npt.NDArray[np.int64]
    mean: Array
    rest: Array
    scale: Array

    @classmethod
    def of(cls, X: Array) -> Scaling:
        """What gives each column of (n, F) mean 0 and deviation 1; one that is constant is only
        shifted."""
        low, high = X.min(axis=0), X.max(axis=0)
        constant = low == high
        exponent = np.frexp(np.maximum(np.abs(low), np.abs(high)))[1].astype(np.int64)
        exponent[constant] = 0
        with np.errstate(over="ignore", invalid="ignore"):  # only constant columns can, unused then
            centred = np.ldexp(X, -exponent)
            mean = centred.sum(axis=0) / len(X)
            centred -= mean
            rest = centred.sum(axis=0) / len(X)
            centred -= rest
            centred *= centred
            std = np.sqrt(centred.sum(axis=0) / len(X))
        # Rounding can leave a constant column a tiny deviation: its entries decide, not the sums.
        mean, rest = np.where(constant, low, mean), np.where(constant, 0.0, rest)
        return cls(exponent, mean, rest, np.where(constant | (std == 0), 1.0, std))

    def apply(self, X: Array) -> Array:
        with np.errstate(over="ignore", invalid="ignore"):
            result: Array = np.ldexp(X, -self.exponent)
            result -= self.mean
            result -= self.rest
            result /= self.scale
        return result

    def undo(self, X: Array) -> Array:
        """What `apply` made X of, but for rounding."""
        result: Array = np.ldexp(X * self.scale + self.rest + self.mean, self.exponent)
        return result


@dataclass(frozen=True, slots=True, eq=False)
class Preparation:
    """What was done to a table's rows to make a task of them.

    `columns`: the features' names, in the order of the task's features; `target`: the label's;
    `gaps`: what a missing entry of each column is filled with, None where that is an error;
    `scaling`: of the features, and `label_scaling` of the labels, (1,), None where they are used
    as they are; `classes`: the label that class k stands for at k, empty for regression;
    `encoded`: by their names, columns that are 1 where a column of texts has a certain value, that
    column and the value; all of such a column, where a task has drawn some of `columns`.
    """

    columns: tuple[str, ...]
    target: str = ""
    scaling: Scaling | None = None
    classes: tuple[str, ...] = ()
    label_scaling: Scaling | None = None
    gaps: Array | None = None
    encoded: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    def features(self, X: Array) -> Array:
        """The task's features of raw rows, (n, F) with the columns in their order."""
        if self.gaps is not None:
            X = np.where(np.isnan(X), self.gaps, X)
        return X if self.scaling is None else self.scaling.apply(X)

    def labels(self, y: Array) -> Array:
        """Labels, or predictions of them, in the table's own units."""
        return y if self.label_scaling is None else self.label_scaling.undo(y)
