"""Synthetic regression tasks: a hidden function of normal features, without noise.

linear      y = w·x            w ~ N(0, 1)^F
affine      y = w·x + a        a ~ N(0, 1)
teacher-nn  y = u·relu(M x)    M (F, F) and u (F,) from N(0, 1)

x ~ N(0, 1)^F; w, a, M and u are drawn once per task (Real et al., "AutoML-Zero", ICML 2020).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from azc.tasks.draws import PARAMETERS, TRAIN, VALID, generator, ordered_product, task_seed
from azc.tasks.task import Array, Task

__all__ = ["FEATURES", "SENTENCES", "TRAIN_EXAMPLES", "VALID_EXAMPLES", "make_synthetic"]

FEATURES, TRAIN_EXAMPLES, VALID_EXAMPLES = 8, 1000, 100

Labels = Callable[[Array], Array]


def _linear(features: int, rng: np.random.Generator) -> Labels:
    w = rng.standard_normal(features)
    return lambda X: ordered_product(X, w)


def _affine(features: int, rng: np.random.Generator) -> Labels:
    w, a = rng.standard_normal(features), rng.standard_normal()
    return lambda X: ordered_product(X, w) + a


def _teacher(features: int, rng: np.random.Generator) -> Labels:
    M, u = rng.standard_normal((features, features)), rng.standard_normal(features)
    transposed = np.ascontiguousarray(M.T)
    return lambda X: ordered_product(np.maximum(ordered_product(X, transposed), 0.0), u)


_TEACHERS = {"linear": _linear, "affine": _affine, "teacher-nn": _teacher}

SENTENCES = {
    "linear": "Regression: the label is a hidden linear function of normal features.",
    "affine": "Regression: the label is a hidden linear function plus a hidden constant.",
    "teacher-nn": "Regression: the label is a hidden one-layer ReLU network of normal features.",
}


def make_synthetic(kind: str, features: int, train: int, valid: int, seed: int, index: int) -> Task:
    """Task `index` of the set `seed`; fewer examples are a prefix of more."""
    labels = _TEACHERS[kind](features, generator(seed, index, PARAMETERS))
    X_train = generator(seed, index, TRAIN).standard_normal((train, features))
    X_valid = generator(seed, index, VALID).standard_normal((valid, features))
    return Task(
        X_train,
        labels(X_train),
        X_valid,
        labels(X_valid),
        metric="rmse",
        name=f"{kind}[{index}]",
        seed=task_seed(seed, index),
    )
