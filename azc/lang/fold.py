"""Expressions of numbers alone: their value, computed as IEEE 754 has it."""

from __future__ import annotations

import math
from typing import Final

from azc.errors import expected
from azc.lang.source import PlacedError
from azc.lang.syntax import Binary, Expression, Name, Number, Unary

__all__ = ["CONSTANTS", "HALF", "arithmetic", "exponent", "fold"]

#: Names of floats that have no literal.
CONSTANTS: Final = {"inf": math.inf, "nan": math.nan}

#: Whole exponents reach this far; each doubling costs a multiplication.
MAX_EXPONENT: Final = 64
#: The exponent that stands for the square root.
HALF: Final = 0.5


def fold(expression: Expression) -> float | None:
    """The value of `expression`; None if it is more than numbers and arithmetic."""
    if isinstance(expression, Number):
        return expression.value
    if isinstance(expression, Name):
        return CONSTANTS.get(expression.text)
    if isinstance(expression, Unary):
        value = fold(expression.operand)
        return value if value is None or expression.symbol == "+" else -value
    if isinstance(expression, Binary):
        left = fold(expression.left)
        if left is not None and expression.symbol == "**":
            return power(left, exponent(expression.right))
        right = fold(expression.right)
        if left is not None and right is not None:
            return arithmetic(expression.symbol, left, right)
    return None


def arithmetic(symbol: str, left: float, right: float) -> float | None:
    """``left SYMBOL right``; None if the symbol is not one of numbers."""
    match symbol:
        case "+":
            return left + right
        case "-":
            return left - right
        case "*":
            return left * right
        case "/":
            return _quotient(left, right)
    return None


def exponent(expression: Expression) -> float:
    """The value of what follows ``**``; raises `PlacedError` if it cannot be lowered."""
    value = fold(expression)
    if value != HALF and not (value and value.is_integer() and abs(value) <= MAX_EXPONENT):
        what = f"a whole exponent from 1 to {MAX_EXPONENT}, its negative, or {HALF}"
        got = "an expression" if value is None else f"{value:g}"
        raise PlacedError(expected(what, got), expression.place)
    return value


def power(base: float, exponent: float) -> float:
    """``base ** exponent`` by the multiplications that the ops would do."""
    if exponent == HALF:
        return math.sqrt(base) if base >= 0.0 else math.nan
    if exponent < 0:
        return _quotient(1.0, power(base, -exponent))
    if exponent == 1:
        return base
    half = power(base, exponent // 2)
    return half * half * base if exponent % 2 else half * half


def _quotient(left: float, right: float) -> float:
    # Python raises where the hardware gives an infinity or NaN.
    if right != 0.0:
        return left / right
    if left == 0.0 or left != left:
        return math.nan
    return math.copysign(math.inf, left) * math.copysign(1.0, right)
