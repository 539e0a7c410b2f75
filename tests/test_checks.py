"""Numbers as arguments: Python's and NumPy's alike, truth values never."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import azc
from azc.checks import positive_number, whole_number

TEXT = "def Predict():\n    s1 = dot(v0, v1)\ndef Learn():\n    v1 = gaussian(0, 1)\n"


@pytest.mark.parametrize(
    "value", [3, np.int64(3), np.int8(3), np.uint64(3), np.array(3), np.arange(4)[3]]
)
def test_whole_numbers(value: Any) -> None:
    assert whole_number("epochs", value, 1) == 3
    assert type(whole_number("epochs", value, 1, 3)) is int


@pytest.mark.parametrize(
    "value", [True, np.True_, np.bool_(True), 3.0, np.float64(3), "3", None, [3], 0, 5, Fraction(3)]
)
def test_what_is_no_whole_number_in_range(value: Any) -> None:
    with pytest.raises(azc.ConfigError, match=r"^epochs: expected a whole number from 1 to 4, got"):
        whole_number("epochs", value, 1, 4)
    with pytest.raises(azc.TaskError):
        whole_number("epochs", value, 1, 4, error=azc.TaskError)


def test_large_limits_are_written_as_powers() -> None:
    with pytest.raises(azc.ConfigError, match=r"from 0 to 2\^64 - 1, got 18446744073709551616"):
        whole_number("seed", 2**64, 0, 2**64 - 1)


@pytest.mark.parametrize("value", [2, 2.0, np.float32(2), np.float64(2), np.int64(2), Fraction(2)])
def test_positive_numbers(value: Any) -> None:
    assert positive_number("max_abs_error", value) == 2.0
    assert type(positive_number("max_abs_error", value)) is float


@pytest.mark.parametrize("value", [0, -1.0, float("nan"), None, "2", True, np.True_, [2], 1j])
def test_what_is_no_positive_number(value: Any) -> None:
    with pytest.raises(azc.ConfigError, match=r"^max_abs_error: expected a number above 0, got"):
        positive_number("max_abs_error", value)


def test_everywhere() -> None:
    """One call of each public function that takes whole numbers, with NumPy's."""
    whole = np.int64
    tasks = azc.tasks.make_set(
        "linear",
        **{name: whole(4) for name in ("count", "first", "features", "train", "valid", "seed")},
    )
    program = azc.parse(TEXT)
    result = azc.evaluate(program, tasks, epochs=whole(2), seed=np.uint64(5))
    assert (
        result.fitness.tolist() == azc.evaluate(program, tasks, epochs=2, seed=5).fitness.tolist()
    )
    limit = azc.evaluate(program, tasks, max_abs_error=np.float32(100))
    assert limit.fitness.tolist() == azc.evaluate(program, tasks).fitness.tolist()
    for wrong in ({"epochs": True}, {"seed": np.True_}, {"max_abs_error": None}):
        with pytest.raises(azc.ConfigError, match=f"^{next(iter(wrong))}: expected a"):
            azc.evaluate(program, tasks, **wrong)
    with pytest.raises(azc.ConfigError, match=r"^features: expected a whole number"):
        azc.compile([program], features=True)
    with pytest.raises(azc.ConfigError, match=r"^classes: expected a whole number"):
        azc.compile([program], features=4, classes=True)
