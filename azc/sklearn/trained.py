"""`Trained`: a program trained on rows of numbers, as estimators need it."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from azc.analysis import live, needed, predicts_vector
from azc.model import Model
from azc.prepared import least_features
from azc.program import Program
from azc.tasks import Scaling, Task
from azc.training import train

__all__ = ["Preparing", "Trained", "train_on", "width_of"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Preparing:
    """How rows become examples: standardised, where that is asked for, and with columns of zeros
    behind, up to `width`."""

    scaling: Scaling | None
    label_scaling: Scaling | None
    width: int

    @classmethod
    def of(cls, X: Array, y: Array, *, classes: int, standardize: bool, least: int) -> Preparing:
        """`classes`: 0 for regression; `least`: features that are needed at least."""
        scaling = Scaling.of(X) if standardize else None
        label_scaling = Scaling.of(y[:, None]) if standardize and not classes else None
        # Two at least, or programs that need an entry to mark and one to leave have none.
        return cls(scaling, label_scaling, max(X.shape[1], classes, least, 2))

    def features(self, X: Array) -> Array:
        scaled = X if self.scaling is None else self.scaling.apply(X)
        return np.pad(scaled, ((0, 0), (0, self.width - X.shape[1])))

    def labels(self, y: Array) -> Array:
        return y if self.label_scaling is None else self.label_scaling.apply(y[:, None])[:, 0]

    def undo_labels(self, y: Array) -> Array:
        if self.label_scaling is None:
            return y
        with np.errstate(over="ignore", invalid="ignore"):
            return self.label_scaling.undo(y[:, None])[:, 0]


@dataclass(frozen=True)
class Trained:
    """One model; or one for each class, where a program for two classes has to tell more."""

    models: tuple[Model, ...]
    classes: int

    def raw(self, X: Array) -> Array:
        """(n,) predictions in regression, odds of class 1 of two; (n, C) for more."""
        return self._joined([_apart(model, X) for model in self.models])

    def _joined(self, each: Sequence[Array]) -> Array:
        if len(each) > 1:
            return np.stack(each, axis=1)
        raw = each[0]
        if self.classes == 2 and raw.ndim == 2:
            with np.errstate(invalid="ignore"):
                return raw[:, 1] - raw[:, 0]
        return raw if raw.ndim == 1 else raw[:, : self.classes]

    def raw_in_turn(self, X: Array) -> Array:
        """The same, but that a row's may depend on those before it: quicker, and as good to judge a
        program by."""
        return self._joined([model.predict(X) for model in self.models])

    def after(self, X: Array, y: Array) -> Trained:
        """This one trained on further prepared rows, in their order; itself it stays as it is."""
        models = tuple(map(copy.copy, self.models))
        for number, model in enumerate(models):
            model.partial_fit(X, (y == number).astype(np.float64) if self.one_for_each else y)
        return Trained(models, self.classes)

    def position(self) -> list[int]:
        """Numbers that tell where training stands, to draw by."""
        return [self.models[0].seed % 2**32, self.models[0].step % 2**32]

    @property
    def one_for_each(self) -> bool:
        return len(self.models) > 1


def train_on(
    program: Program,
    X: Array,
    y: Array,
    classes: int,
    **options: Any,
) -> Trained:
    """`program` trained on prepared rows in their order; `classes`: 0 for regression, else labels
    are 0 to classes - 1. `options` are those of `azc.train`."""

    def model(labels: Array, count: int) -> Model:
        metric: dict[str, Any] = (
            {"metric": "accuracy", "classes": count} if count else {"metric": "rmse"}
        )
        # Every row is to train on; a task has one to validate on, at least.
        return train(program, Task(X, labels, X[:1], labels[:1], **metric), **options)

    if classes > 2 and not predicts_vector(program):
        each = tuple(model((y == k).astype(np.float64), 2) for k in range(classes))
        return Trained(each, classes)
    # A program that predicts a vector tells two classes from a third that never comes.
    count = 3 if classes == 2 and predicts_vector(program) else classes
    return Trained((model(y, count),), classes)


def width_of(program: Program, classes: int) -> int:
    """Features that `program` needs at least."""
    return max(least_features(program), 3 if classes == 2 and predicts_vector(program) else 0)


def _apart(model: Model, X: Array) -> Array:
    """Predictions that do not depend on what else is in X: each row is predicted from the model as
    training left it."""
    if not _remembers(model):
        return model.predict(X)
    return np.concatenate([model.predict(X[k : k + 1]) for k in range(len(X))])


def _remembers(model: Model) -> bool:
    """Whether a prediction can depend on those before it: Predict draws random numbers, or changes
    memory that it reads again."""
    predict = live(model.program, model.classes).predict
    written = {instruction.output for instruction in predict}
    random = any(instruction.op.random for instruction in predict)
    return random or bool(written & needed(model.program, model.classes).between)
