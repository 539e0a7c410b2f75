"""What the experiments' numbers say: intervals and tests, plain functions of plain numbers.

Intervals are two-sided, of 95 % unless `level` says otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = [
    "Estimate",
    "event_rate",
    "exact_share",
    "fisher",
    "greater",
    "mean_of",
    "rate_ratio",
    "sign_test",
    "wilson_share",
    "z_of_shares",
]

LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value between the ends of its interval."""

    value: float
    low: float
    high: float


def _stats() -> Any:
    """SciPy's, which take longer to import than all else: who still searches does without."""
    from scipy import stats

    return stats


def wilson_share(successes: int, trials: int, level: float = LEVEL) -> Estimate:
    """The share of successes, with Wilson's score interval (1927)."""
    if trials == 0:
        return Estimate(math.nan, 0.0, 1.0)
    proportion = _stats().binomtest(successes, trials).proportion_ci(level, "wilson")
    return Estimate(successes / trials, float(proportion.low), float(proportion.high))


def exact_share(successes: int, trials: int, level: float = LEVEL) -> Estimate:
    """The share of successes, with the interval of Clopper and Pearson (1934), which is never too
    short."""
    if trials == 0:
        return Estimate(math.nan, 0.0, 1.0)
    proportion = _stats().binomtest(successes, trials).proportion_ci(level, "exact")
    return Estimate(successes / trials, float(proportion.low), float(proportion.high))


def event_rate(events: int, exposure: float, level: float = LEVEL) -> Estimate:
    """Events per unit of exposure (programs, seconds), as a Poisson process has them; Garwood's
    interval (1936)."""
    if exposure <= 0.0:
        return Estimate(math.nan, 0.0, math.inf)
    tail = (1.0 - level) / 2.0
    low = _stats().chi2.ppf(tail, 2 * events) / 2.0 if events else 0.0
    high = _stats().chi2.isf(tail, 2 * (events + 1)) / 2.0
    return Estimate(events / exposure, float(low) / exposure, float(high) / exposure)


def rate_ratio(
    first: tuple[int, float], second: tuple[int, float], level: float = LEVEL
) -> tuple[Estimate, float]:
    """How many times the second's rate the first's is, and the one-sided p that it is no greater.

    Each is (events, exposure). Given the sum of events, those of the first are binomial, so both
    interval and test are exact.
    """
    (events, exposure), (others, rest) = first, second
    if events + others == 0 or exposure <= 0.0 or rest <= 0.0:
        return Estimate(math.nan, 0.0, math.inf), 1.0
    share = exact_share(events, events + others, level)
    odds = [p / (1.0 - p) if p < 1.0 else math.inf for p in (share.value, share.low, share.high)]
    value, low, high = (rest / exposure * each for each in odds)
    equal = exposure / (exposure + rest)
    p = _stats().binomtest(events, events + others, equal, alternative="greater").pvalue
    return Estimate(value, low, high), float(p)


def fisher(first: tuple[int, int], second: tuple[int, int]) -> float:
    """One-sided p of Fisher's exact test that the first's share is no greater; each is
    (successes, trials)."""
    table = [[wins, trials - wins] for wins, trials in (first, second)]
    return float(_stats().fisher_exact(table, alternative="greater")[1])


def z_of_shares(first: tuple[int, int], second: tuple[int, int]) -> float:
    """One-sided p that the first's share is no greater, by the normal approximation with each
    share's own variance. The bounds that the paper gives for its adaptations hold for this one."""
    shares = [wins / trials for wins, trials in (first, second)]
    sizes = (first[1], second[1])
    variance = sum(p * (1.0 - p) / n for p, n in zip(shares, sizes, strict=True))
    difference = shares[0] - shares[1]
    if variance == 0.0:
        return 0.5 if difference == 0.0 else float(difference < 0.0)
    return float(_stats().norm.sf(difference / math.sqrt(variance)))


def greater(first: Sequence[float], second: Sequence[float]) -> float:
    """One-sided p of the test of Mann and Whitney that the first are no greater than the second;
    1 where either is empty."""
    if not len(first) or not len(second):
        return 1.0
    return float(_stats().mannwhitneyu(first, second, alternative="greater").pvalue)


def sign_test(wins: int, trials: int) -> float:
    """One-sided p that a trial is won with a probability of one half or less."""
    if trials == 0:
        return 1.0
    return float(_stats().binomtest(wins, trials, 0.5, alternative="greater").pvalue)


def mean_of(values: Sequence[float], level: float = LEVEL) -> Estimate:
    """The mean, with Student's interval; without one where there is a single value."""
    if not len(values):
        return Estimate(math.nan, math.nan, math.nan)
    mean = float(np.mean(values))
    if len(values) == 1:
        return Estimate(mean, -math.inf, math.inf)
    error = float(np.std(values, ddof=1)) / math.sqrt(len(values))
    half = error * float(_stats().t.ppf((1.0 + level) / 2.0, len(values) - 1))
    return Estimate(mean, mean - half, mean + half)
