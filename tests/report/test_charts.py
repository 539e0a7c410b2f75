"""Axes: how far they go, and where their ticks are."""

from __future__ import annotations

import math

import pytest

from azc.report.charts import Axis, limits, shown, ticks


@pytest.mark.parametrize(
    ("axis", "values", "expected"),
    [
        (Axis("x"), [0.0, 1.0], (-0.05, 1.05)),
        (Axis("x", low=0.0), [0.5, 1.0], (0.0, 1.05)),
        (Axis("x", log=True), [1.0, 100.0], (1.0, 100.0)),
        (Axis("x", log=True), [0.0, 8.0], (4.0, 16.0)),
        (Axis("x"), [2.0, math.nan], (1.9, 2.1)),
        (Axis("x", log=True), [], (1.0, 10.0)),
    ],
)
def test_limits(axis, values, expected):
    assert limits(axis, values) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("axis", "low", "high", "expected"),
    [
        (Axis("x"), 0.0, 1.0, [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (Axis("x"), 0.68, 0.715, [0.68, 0.69, 0.7, 0.71]),
        (Axis("x", log=True), 3.0, 2e4, [10.0, 100.0, 1000.0, 10000.0]),
        (Axis("x", log=True), 30.0, 90.0, [30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0]),
    ],
)
def test_ticks(axis, low, high, expected):
    assert ticks(axis, low, high, 6) == pytest.approx(expected)


def test_a_narrow_logarithmic_axis_has_ticks_too():
    assert ticks(Axis("x", log=True), 29_160, 29_685, 3) == pytest.approx([29_200, 29_400, 29_600])


@pytest.mark.parametrize("high", [1e-9, 3.7, 1e12])
@pytest.mark.parametrize("most", [3, 6])
def test_ticks_are_few_and_inside(high, most):
    for axis in (Axis("x"), Axis("x", log=True)):
        found = ticks(axis, high / 5000, high, most)
        assert 1 <= len(found) <= most + 1
        assert all(high / 5001 <= value <= high * 1.001 for value in found)


def test_shown():
    assert [shown(v) for v in (0.25, 1500.0, 2e6, 999.96, math.nan)] == [
        "0.25", "1.5k", "2M", "1k", "",
    ]  # fmt: skip
    assert shown(0.125, percent=True) == "12.5 %"
