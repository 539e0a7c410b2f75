"""Where the next constant vectors come from: ask for some, tell what they reached.

Every method is a function of its seed and of what it was told. Positions are in the unit cube: one
coordinate per constant, the share of its range.
"""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from azc.errors import ConfigError, expected, nearest

__all__ = ["METHODS", "Method", "make_method"]

Array = NDArray[np.float64]

METHODS = ("random", "tpe", "cmaes", "gp")

#: What Optuna's samplers need besides: module, name, what to do.
_NEEDED = {
    "cmaes": (("cmaes", "the package cmaes", "pip install 'azc[tune]'"),),
    "gp": (("torch", "PyTorch", "pip install torch greenlet"),),
}


class Method(Protocol):
    """`batch`: how many positions it wants evaluated before it is told. `hurdles`: whether it can
    do with a low guess at the fitness of the hopeless."""

    batch: int
    hurdles: bool

    def ask(self, count: int) -> Array:
        """(count, n) positions."""
        ...

    def tell(self, fitness: Sequence[float]) -> None:
        """What the positions asked for last reached, in their order."""
        ...


def make_method(name: str, constants: int, seed: int, start: Array) -> Method:
    """A method for so many constants; `start` (n,) is where the program's own lie."""
    if name == "random":
        return _Random(constants, seed)
    if name in METHODS:
        return _Optuna(name, constants, seed, start)
    raise ConfigError(
        "method: " + expected(f"one of {', '.join(METHODS)}", repr(name), nearest(name, METHODS))
    )


class _Random:
    """All constants at once, each uniform in its range, as the paper tunes them."""

    batch = 256
    hurdles = True

    def __init__(self, constants: int, seed: int) -> None:
        self._constants = constants
        self._rng = np.random.Generator(np.random.PCG64DXSM(np.random.SeedSequence(seed)))

    def ask(self, count: int) -> Array:
        return self._rng.random((count, self._constants))

    def tell(self, fitness: Sequence[float]) -> None:
        pass


class _Optuna:
    """Optuna's samplers, by ask and tell, in batches of one size whatever the workers."""

    hurdles = False

    def __init__(self, name: str, constants: int, seed: int, start: Array) -> None:
        for module, what, do in (
            ("optuna", "Optuna", "pip install 'azc[tune]'"),
            *_NEEDED.get(name, ()),
        ):
            if importlib.util.find_spec(module) is None:
                raise ConfigError(expected(f"{what} for method {name!r}", "none installed", do))
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.batch = 16
        self._names = [f"c{k}" for k in range(constants)]
        spread = optuna.distributions.FloatDistribution(0.0, 1.0)
        self._space: dict[str, Any] = dict.fromkeys(self._names, spread)
        seed %= 2**32
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            sampler = self._sampler(optuna.samplers, name, seed, start)
            self._study = optuna.create_study(direction="maximize", sampler=sampler)
        self._asked: list[Any] = []

    def _sampler(self, samplers: Any, name: str, seed: int, start: Array) -> Any:
        if name == "tpe":
            return samplers.TPESampler(
                seed=seed, multivariate=True, constant_liar=True, n_startup_trials=32
            )
        if name == "cmaes":
            x0 = dict(zip(self._names, start.tolist(), strict=True))
            self.batch = 4 + int(3 * np.log(len(self._names)))
            return samplers.CmaEsSampler(
                seed=seed, x0=x0, sigma0=0.2, n_startup_trials=1, popsize=self.batch
            )
        return samplers.GPSampler(seed=seed, n_startup_trials=16)

    def ask(self, count: int) -> Array:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._asked = [self._study.ask(self._space) for _ in range(count)]
        return np.array([[trial.params[name] for name in self._names] for trial in self._asked])

    def tell(self, fitness: Sequence[float]) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for trial, value in zip(self._asked, fitness, strict=True):
                self._study.tell(trial, float(value))
