"""Which program learns best from rows: each is trained on some, and judged on the others."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from azc.errors import AzcError
from azc.program import Program
from azc.sklearn.trained import Array, Trained, train_on
from azc.use.tune.constants import constants_of, with_constants

__all__ = ["Candidate", "Judge", "Rows", "best_of"]

Rows = npt.NDArray[np.intp]

#: Parts that the rows are shared out to; each is held back once.
_PARTS = 4
#: Orders of the rows to learn from, where one part is held back: one may be luck.
_ORDERS = 4
#: How often all rows are shared out anew: of fewer rows, more often, since chance is larger there.
_REPEATS, _FEW_ROWS = 3, 1000
#: A row that a program fails on, in variances of the labels, counts as so much at most.
_MOST_LOSS = 100.0
#: How far trials move constants, in shares of their ranges.
_STEP = 0.15
#: Passes over the rows that trials choose from, in multiples of what was asked for.
_MORE_EPOCHS = (1, 2, 4)
#: Rows to learn from in a first trial, on one part, and the share of vectors that go on to all.
_FIRST_ROWS = 500
_KEPT = 0.25


@dataclass(frozen=True, eq=False)
class Candidate:
    """A program, how often it passes over the rows, and what it loses on each row that it has not
    seen: `losses` (n,), 0 or 1 where classes are told apart, else the squared error."""

    program: Program
    epochs: int
    losses: Array

    @property
    def loss(self) -> float:
        return float(self.losses.mean())

    def beats(self, other: Candidate) -> bool:
        """Whether it is better by a standard error of the difference on the same rows."""
        gains = other.losses - self.losses
        return float(gains.mean()) > float(gains.std()) / math.sqrt(len(gains))


@dataclass
class Judge:
    """Rows as `Preparing` makes them, their labels, and `classes` (0: regression).

    `held` are rows that no search has seen, and `chosen` the others.
    """

    rows: Array
    labels: Array
    classes: int
    rng: np.random.RandomState
    seed: int
    held: Rows = field(init=False)
    chosen: Rows = field(init=False)

    def __post_init__(self) -> None:
        every = np.arange(len(self.rows))
        self.chosen, self.held = self.parted(every, 1.0 / _PARTS)
        self._shared = [self._share(every) for _ in range(self._repeats())]
        self._orders = [(self.rng.permutation(self.chosen), self.held) for _ in range(_ORDERS)]

    def _repeats(self) -> int:
        return _REPEATS if len(self.rows) < _FEW_ROWS else 1

    def _share(self, rows: Rows) -> list[tuple[Rows, Rows]]:
        parts: list[Rows] = []
        rest = rows
        for left in range(_PARTS, 1, -1):
            rest, part = self.parted(rest, 1.0 / left)
            parts.append(part)
        parts.append(rest)
        return [(self.rng.permutation(np.setdiff1d(rows, part)), part) for part in parts]

    def parted(self, rows: Rows, share: float) -> tuple[Rows, Rows]:
        """`rows` in two parts, the second of this share."""
        return _parted(rows, self.labels if self.classes else None, share, self.rng)

    def order(self) -> Rows:
        """All rows, in a random order."""
        return self.rng.permutation(len(self.rows))

    def trained(self, program: Program, epochs: int, order: Rows) -> Trained:
        """Raises what `azc.train` does."""
        return train_on(
            program,
            self.rows[order],
            self.labels[order],
            self.classes,
            epochs=epochs,
            seed=self.seed,
        )

    def on_all(self, program: Program, epochs: int) -> Candidate:
        """Judged on every row, by programs that have not seen it."""
        losses = np.zeros(len(self.rows))
        for shared in self._shared:
            for train, valid in shared:
                losses[valid] += self._losses(program, epochs, train, valid) / len(self._shared)
        return Candidate(program, epochs, losses)

    def on_held(self, program: Program, epochs: int) -> Candidate:
        """Judged on the rows held back, by what it learns from the others in several orders."""
        every = [self._losses(program, epochs, *order) for order in self._orders]
        return Candidate(program, epochs, np.mean(every, axis=0))

    def tuned(self, candidate: Candidate, trials: int) -> Candidate:
        """The same program with the best constants and epochs of `trials` around its own, if they
        are better beyond doubt; judged on all rows, as the candidate has to be."""
        train, valid = self._shared[0][0]
        train = train[:_FIRST_ROWS]
        tried = [
            Candidate(program, epochs, self._losses(program, epochs, train, valid))
            for program, epochs in self._around(candidate, trials)
        ]
        tried.sort(key=lambda one: one.loss)
        kept = tried[: math.ceil(_KEPT * len(tried))]
        finals = [self.on_all(one.program, one.epochs) for one in kept]
        best = min(finals, key=lambda one: one.loss, default=candidate)
        return best if best.beats(candidate) else candidate

    def _around(self, candidate: Candidate, trials: int) -> Iterator[tuple[Program, int]]:
        constants = constants_of(candidate.program, self.classes)
        own = np.array([_share_of(one.value, one.low, one.high, one.scale) for one in constants])
        for _ in range(trials):
            shares = np.clip(own + self.rng.normal(scale=_STEP, size=len(own)), 0.0, 1.0 - 1e-9)
            values = [float(one.at(share)) for one, share in zip(constants, shares, strict=True)]
            more = int(self.rng.choice(_MORE_EPOCHS))
            yield with_constants(candidate.program, constants, values), more * candidate.epochs

    def _losses(self, program: Program, epochs: int, train: Rows, valid: Rows) -> Array:
        labels = self.labels[valid]
        worst = 1.0 if self.classes else _MOST_LOSS * max(float(self.labels.var()), 1e-300)
        try:
            raw = self.trained(program, epochs, train).raw_in_turn(self.rows[valid])
        except AzcError:
            return np.full(len(valid), worst)
        with np.errstate(all="ignore"):
            if self.classes:
                raw = np.nan_to_num(raw, nan=-1e300)
                told = raw > 0 if raw.ndim == 1 else raw.argmax(axis=1)
                return np.asarray(told != labels, dtype=np.float64)
            return np.minimum(np.nan_to_num((raw - labels) ** 2, nan=worst), worst)

    def fitness(self, candidate: Candidate) -> float:
        """What a task that validates on the rows judged on would say."""
        if self.classes:
            return 1.0 - candidate.loss
        return 1.0 - 2.0 / math.pi * math.atan(math.sqrt(candidate.loss))


def best_of(candidates: Sequence[Candidate]) -> Candidate:
    """The first one, unless another is better beyond doubt; of such the best."""
    first = candidates[0]
    return min(
        (one for one in candidates[1:] if one.beats(first)),
        key=lambda one: one.loss,
        default=first,
    )


def _share_of(value: float, low: float, high: float, scale: str) -> float:
    if scale == "log":
        low, high = sorted((math.log(abs(low)), math.log(abs(high))))
        value = math.log(abs(value))
    return (value - low) / (high - low) if high > low else 0.0


def _parted(
    rows: Rows, classes: Array | None, share: float, rng: np.random.RandomState
) -> tuple[Rows, Rows]:
    """`rows` in random order, in two parts, the second of about `share` and at least one; of every
    one of `classes`, those of all rows, about as large a share."""
    rows = rng.permutation(rows)
    if classes is None:
        cut = max(1, round(share * len(rows)))
        return rows[cut:], rows[:cut]
    # Row k of a class, of n, stands at (k + u) / n, so that every beginning has its share of each.
    keys = np.empty(len(rows))
    for label in np.unique(classes[rows]):
        here = np.flatnonzero(classes[rows] == label)
        keys[here] = (np.arange(len(here)) + rng.uniform()) / len(here)
    rows = rows[np.argsort(keys, kind="stable")]
    cut = max(1, round(share * len(rows)))
    return rng.permutation(rows[cut:]), rng.permutation(rows[:cut])
