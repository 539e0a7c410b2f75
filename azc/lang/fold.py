"""Expressions of numbers alone: their value, computed as IEEE 754 has it."""

from __future__ import annotations

import math

from azc.lang.syntax import Binary, Expression, Name, Number, Unary

__all__ = ["CONSTANTS", "arithmetic", "fold"]

#: Names of floats that have no literal.
CONSTANTS = {"inf": math.inf, "nan": math.nan}


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
        left, right = fold(expression.left), fold(expression.right)
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
        case "**":
            return _power(left, right)
    return None


def _quotient(left: float, right: float) -> float:
    if right != 0.0:
        return left / right
    if left == 0.0 or left != left:
        return math.nan
    return math.copysign(math.inf, left) * math.copysign(1.0, right)


def _power(left: float, right: float) -> float:
    try:
        return math.pow(left, right)
    except OverflowError:
        odd = right % 2.0 == 1.0
        return -math.inf if left < 0.0 and odd else math.inf
    except ValueError:
        # A pole (zero to a negative power), or a root of a negative number.
        return math.inf if left == 0.0 else math.nan
