"""The same three algorithms in NumPy, and in loops for Numba, for compiled.py; nothing to run."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

Array = np.ndarray
#: (X_train, y_train, X_valid, y_valid, predictions of the validation) -> fitness
Algorithm = Callable[[Array, Array, Array, Array, Array], float]

LIMIT = 100.0


def rmse_fitness(p: Array, y: Array) -> float:
    error = y - p
    if not np.all(np.abs(error) <= LIMIT):
        return 0.0
    return 1.0 - 2.0 / math.pi * math.atan(math.sqrt(np.mean(error * error)))


def accuracy_fitness(p: Array, y: Array) -> float:
    return float(np.mean((1.0 / (1.0 + np.exp(-p)) > 0.5) == (y == 1.0)))


# ---- NumPy: one example after the other ---------------------------------------------------------


def linear(X: Array, y: Array, X_valid: Array, y_valid: Array, p_valid: Array) -> float:
    rate, w = 0.001, np.zeros(X.shape[1])
    for x, label in zip(X, y, strict=True):
        error = label - w @ x
        if not abs(error) <= LIMIT:
            return 0.0
        w += (rate * error) * x
    p_valid[:] = X_valid @ w
    return rmse_fitness(p_valid, y_valid)


def logistic(X: Array, y: Array, X_valid: Array, y_valid: Array, p_valid: Array) -> float:
    rate, w, b = 0.1, np.zeros(X.shape[1]), 0.0
    for x, label in zip(X, y, strict=True):
        error = label - 1.0 / (1.0 + math.exp(-(w @ x + b)))
        if not abs(error) <= LIMIT:
            return 0.0
        step = rate * error
        w += step * x
        b += step
        rate *= 0.998
    p_valid[:] = X_valid @ w + b
    return accuracy_fitness(p_valid, y_valid)


def network(X: Array, y: Array, X_valid: Array, y_valid: Array, p_valid: Array) -> float:
    F = X.shape[1]
    rate, b, c = 0.001, 0.0, np.zeros(F)
    W, u = np.full((F, F), 0.1 * 0.1), np.full(F, 0.1)
    for x, label in zip(X, y, strict=True):
        hidden = W @ x + c
        active = np.maximum(hidden, 0.0)
        error = label - (u @ active + b)
        if not abs(error) <= LIMIT:
            return 0.0
        step = rate * error
        back = step * u * (hidden > 0.0)
        u += step * active
        c += back
        b += step
        W += np.outer(back, x)
    p_valid[:] = np.maximum(X_valid @ W.T + c, 0.0) @ u + b
    return rmse_fitness(p_valid, y_valid)


NUMPY: dict[str, Algorithm] = {"linear": linear, "logistic": logistic, "network": network}


# ---- loops, which Numba compiles ----------------------------------------------------------------


def linear_loops(X: Array, y: Array, X_valid: Array, y_valid: Array, p_valid: Array) -> float:
    F = X.shape[1]
    rate, w = 0.001, np.zeros(F)
    for t in range(len(y)):
        total = 0.0
        for i in range(F):
            total += w[i] * X[t, i]
        error = y[t] - total
        if not abs(error) <= LIMIT:
            return 0.0
        step = rate * error
        for i in range(F):
            w[i] += step * X[t, i]
    squares = 0.0
    for t in range(len(y_valid)):
        total = 0.0
        for i in range(F):
            total += w[i] * X_valid[t, i]
        p_valid[t] = total
        error = y_valid[t] - total
        if not abs(error) <= LIMIT:
            return 0.0
        squares += error * error
    return 1.0 - 2.0 / math.pi * math.atan(math.sqrt(squares / len(y_valid)))


def logistic_loops(X: Array, y: Array, X_valid: Array, y_valid: Array, p_valid: Array) -> float:
    F = X.shape[1]
    rate, w, b = 0.1, np.zeros(F), 0.0
    for t in range(len(y)):
        total = 0.0
        for i in range(F):
            total += w[i] * X[t, i]
        error = y[t] - 1.0 / (1.0 + math.exp(-(total + b)))
        if not abs(error) <= LIMIT:
            return 0.0
        step = rate * error
        for i in range(F):
            w[i] += step * X[t, i]
        b += step
        rate *= 0.998
    right = 0
    for t in range(len(y_valid)):
        total = 0.0
        for i in range(F):
            total += w[i] * X_valid[t, i]
        p_valid[t] = total + b
        right += (1.0 / (1.0 + math.exp(-p_valid[t])) > 0.5) == (y_valid[t] == 1.0)
    return right / len(y_valid)


def network_loops(X: Array, y: Array, X_valid: Array, y_valid: Array, p_valid: Array) -> float:
    F = X.shape[1]
    rate, b, c = 0.001, 0.0, np.zeros(F)
    W, u = np.full((F, F), 0.1 * 0.1), np.full(F, 0.1)
    hidden = np.zeros(F)
    for t in range(len(y)):
        p = b
        for i in range(F):
            total = 0.0
            for j in range(F):
                total += W[i, j] * X[t, j]
            hidden[i] = total + c[i]
            p += u[i] * max(hidden[i], 0.0)
        error = y[t] - p
        if not abs(error) <= LIMIT:
            return 0.0
        step = rate * error
        for i in range(F):
            back = step * u[i] if hidden[i] > 0.0 else 0.0
            u[i] += step * max(hidden[i], 0.0)
            c[i] += back
            for j in range(F):
                W[i, j] += back * X[t, j]
        b += step
    squares = 0.0
    for t in range(len(y_valid)):
        p = b
        for i in range(F):
            total = 0.0
            for j in range(F):
                total += W[i, j] * X_valid[t, j]
            p += u[i] * max(total + c[i], 0.0)
        p_valid[t] = p
        error = y_valid[t] - p
        if not abs(error) <= LIMIT:
            return 0.0
        squares += error * error
    return 1.0 - 2.0 / math.pi * math.atan(math.sqrt(squares / len(y_valid)))


LOOPS: dict[str, Algorithm] = {
    "linear": linear_loops,
    "logistic": logistic_loops,
    "network": network_loops,
}


def numba_versions() -> dict[str, dict[str, Algorithm]]:
    """The loops, compiled: adding in the given order, and in any. ImportError without Numba."""
    import numba

    def compiled(**options: Any) -> dict[str, Algorithm]:
        return {name: numba.njit(**options)(function) for name, function in LOOPS.items()}

    return {
        "Numba": compiled(),
        "reordered": compiled(fastmath={"reassoc", "nsz", "contract"}),
    }
