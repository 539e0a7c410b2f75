"""Whether counts and values look like draws of a distribution; seeds are fixed, so that a test
comes out the same each time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pytest
from scipy import stats

#: Far below what the number of such tests makes likely.
LEAST_P = 1e-4


def fits(counts: Mapping[object, int], expected: Mapping[object, float]) -> None:
    """Chi-square: `counts` are draws from `expected` probabilities."""
    assert set(counts) <= {key for key, share in expected.items() if share > 0}, counts
    assert sum(expected.values()) == pytest.approx(1.0)
    keys = [key for key, share in expected.items() if share > 0]
    total = sum(counts.values())
    observed = [counts.get(key, 0) for key in keys]
    if len(keys) > 1:
        shares = np.array([expected[key] for key in keys])
        assert (shares * total).min() > 5, "too few for a chi-square test"
        assert stats.chisquare(observed, shares / shares.sum() * total).pvalue > LEAST_P, observed


def uniform(values: Iterable[object], over: Iterable[object]) -> None:
    keys = list(over)
    fits(Counter(values), dict.fromkeys(keys, 1 / len(keys)))


def follows(values: Sequence[float], law: object) -> None:
    """Kolmogorov-Smirnov."""
    assert stats.kstest(values, law.cdf).pvalue > LEAST_P
