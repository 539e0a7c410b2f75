"""Numbers as users give them: Python's own and NumPy's alike, and nothing that only looks like one.

Every public function that takes a whole number, or a limit, has it checked here, so that what one
accepts all accept. Truth values are refused: ``epochs=True`` is a mistake, though Python counts it
as 1.
"""

from __future__ import annotations

import operator
from contextlib import suppress
from numbers import Real

from azc.errors import AzcError, ConfigError, expected

__all__ = ["positive_number", "whole_number"]


def _is_truth(value: object) -> bool:
    # NumPy's has a type of its own, which this module need not import NumPy to know.
    return isinstance(value, bool) or type(value).__name__ in ("bool", "bool_")


def whole_number(
    name: str,
    value: object,
    least: int,
    most: int | None = None,
    *,
    error: type[AzcError] = ConfigError,
) -> int:
    """`value` as an int: any whole number from `least` to `most`, of whatever integer type.

    Raises `error`, which names the argument `name`.
    """
    number = value if type(value) is int else None
    if number is None and not _is_truth(value):
        with suppress(TypeError):
            number = operator.index(value)  # type: ignore[arg-type]
    if number is None or number < least or (most is not None and number > most):
        what = f"a whole number from {least}" + ("" if most is None else f" to {_shown(most)}")
        raise error(f"{name}: {expected(what, repr(value))}")
    return number


def positive_number(name: str, value: object, *, error: type[AzcError] = ConfigError) -> float:
    """`value` as a float above 0, infinity among them; `error` otherwise."""
    number = 0.0
    if isinstance(value, Real) and not _is_truth(value):
        with suppress(OverflowError):
            number = float(value)
    if not number > 0:
        raise error(f"{name}: {expected('a number above 0', repr(value))}")
    return number


def _shown(number: int) -> str:
    """Large powers of two less one as people write them."""
    power = (number + 1).bit_length() - 1
    return f"2^{power} - 1" if power >= 31 and number == 2**power - 1 else str(number)
