"""Intervals and tests, against values that are known or can be worked out by hand."""

from __future__ import annotations

import math

import pytest
from scipy import stats

from azc.paper.statistics import (
    event_rate,
    exact_share,
    fisher,
    greater,
    mean_of,
    rate_ratio,
    sign_test,
    wilson_share,
    z_of_shares,
)


def test_wilson():
    # Centre (p + z²/2n) / (1 + z²/n), half width z/(1 + z²/n) √(p(1 - p)/n + z²/4n²).
    z, p, n = 1.959963984540054, 0.8, 10
    middle, scale = p + z * z / (2 * n), 1 + z * z / n
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    found = wilson_share(8, 10)
    assert (found.value, found.low, found.high) == pytest.approx(
        (0.8, (middle - half) / scale, (middle + half) / scale)
    )


def test_clopper_pearson():
    found = exact_share(0, 10)
    # Nothing in ten has probability 0.025 at this share.
    assert (found.value, found.low) == (0.0, 0.0)
    assert found.high == pytest.approx(1 - 0.025**0.1)
    assert exact_share(10, 10).low == pytest.approx(0.025**0.1)


@pytest.mark.parametrize("share", [wilson_share, exact_share])
def test_share_of_nothing(share):
    assert math.isnan(share(0, 0).value)
    assert (share(0, 0).low, share(0, 0).high) == (0.0, 1.0)


def test_event_rate():
    none = event_rate(0, 10.0)
    assert (none.value, none.low) == (0.0, 0.0)
    assert none.high == pytest.approx(-math.log(0.025) / 10.0)
    some = event_rate(7, 2.0)
    assert some.value == 3.5
    # At the ends the number of events found is just improbable enough.
    assert stats.poisson.sf(6, 2.0 * some.low) == pytest.approx(0.025)
    assert stats.poisson.cdf(7, 2.0 * some.high) == pytest.approx(0.025)
    assert math.isnan(event_rate(0, 0.0).value)


def test_rate_ratio():
    ratio, p = rate_ratio((10, 100.0), (5, 200.0))
    assert ratio.value == pytest.approx(4.0)
    assert ratio.low < 4.0 < ratio.high
    # Of 15 events 10 or more in a third of the exposure.
    assert p == pytest.approx(stats.binom.sf(9, 15, 1 / 3))
    back, _ = rate_ratio((5, 200.0), (10, 100.0))
    assert (1 / back.high, 1 / back.low) == pytest.approx((ratio.low, ratio.high))
    alone, p = rate_ratio((3, 10.0), (0, 10.0))
    assert alone.value == alone.high == math.inf
    assert p == pytest.approx(1 / 8)
    nothing, p = rate_ratio((0, 10.0), (0, 10.0))
    assert math.isnan(nothing.value)
    assert p == 1.0


def test_tests_of_shares():
    # Of the ways to choose 8 of 60, those in which all are among the first 30.
    assert fisher((8, 30), (0, 30)) == pytest.approx(math.comb(30, 8) / math.comb(60, 8))
    # The bounds in section 4.3 of the paper.
    assert z_of_shares((8, 30), (0, 30)) < 0.0005
    assert z_of_shares((30, 30), (3, 30)) < 1e-14
    assert z_of_shares((24, 30), (0, 30)) < 1e-11
    assert z_of_shares((0, 5), (0, 5)) == 0.5
    assert z_of_shares((5, 5), (0, 5)) == 0.0


def test_mann_whitney_and_sign():
    assert greater([3.0, 4.0], [1.0, 2.0]) == pytest.approx(1 / 6)
    assert greater([], [1.0]) == 1.0
    assert sign_test(3, 3) == pytest.approx(1 / 8)
    assert sign_test(0, 0) == 1.0


def test_mean():
    found = mean_of([1.0, 2.0, 3.0])
    half = 4.302652729911275 / math.sqrt(3)
    assert (found.value, found.low, found.high) == pytest.approx((2.0, 2.0 - half, 2.0 + half))
    assert mean_of([1.0]).high == math.inf
    assert math.isnan(mean_of([]).value)
