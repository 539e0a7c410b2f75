"""Intervals: how sure one can be of a mean over few tasks."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["mean_interval"]


def mean_interval(
    differences: NDArray[np.float64], level: float = 0.95
) -> tuple[float, float, float]:
    """Mean, and low and high end of Student's interval for it; of one number alone, that number
    three times."""
    mean, count = float(np.mean(differences)), len(differences)
    if count < 2 or not math.isfinite(mean):
        return mean, mean, mean
    from scipy.special import stdtrit

    spread = float(np.std(differences, ddof=1)) / math.sqrt(count)
    half = float(stdtrit(count - 1, 0.5 + level / 2)) * spread
    return mean, mean - half, mean + half
