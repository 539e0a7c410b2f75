"""The type of an expression, as far as it can be told; what is wrong with it is told later."""

from __future__ import annotations

from collections.abc import Callable

from azc.lang.functions import (
    ALIASES,
    PARAMETERS,
    Direct,
    Expand,
    Spread,
    operand_types,
    resolve,
    template,
)
from azc.lang.spellings import RANDOM, trailing_literals
from azc.lang.syntax import Attribute, Binary, Call, Expression, Name, Number, Tuple, Unary
from azc.ops import Type

__all__ = ["axis_of", "infer", "infer_call", "operands_of", "shape_type"]

Lookup = Callable[[Name], Type | None]


def infer(expression: Expression, lookup: Lookup, want: Type | None = None) -> Type | None:
    """The type of `expression`; None if it has none or a name in it has none yet.

    `want` is the type that is asked for where the expression stands: a draw without a shape has it.
    """
    if isinstance(expression, Number):
        return Type.SCALAR
    if isinstance(expression, Name):
        return lookup(expression)
    if isinstance(expression, Unary):
        return infer(expression.operand, lookup, want)
    if isinstance(expression, Attribute):
        return Type.MATRIX if expression.name == "T" else None
    if isinstance(expression, Binary):
        if expression.symbol == "**":
            return infer(expression.left, lookup, want)
        operands = (expression.left, expression.right)
        name = "matmul" if expression.symbol == "@" else expression.symbol
        return infer_call(name, operands, None, lookup, want)
    if isinstance(expression, Call) and isinstance(expression.function, Name):
        name = ALIASES.get(expression.function.text, expression.function.text)
        if name in RANDOM:
            return shape_type(expression.arguments) or want
        return infer_call(name, operands_of(name, expression), axis_of(expression), lookup, want)
    return None


def infer_call(
    name: str,
    operands: tuple[Expression, ...],
    axis: int | None,
    lookup: Lookup,
    want: Type | None,
) -> Type | None:
    """The type of function or operator `name` on `operands`."""
    wanted = operand_types(name, len(operands), axis, want)
    inferred = [
        infer(operand, lookup, type) for operand, type in zip(operands, wanted, strict=True)
    ]
    types = tuple(type for type in inferred if type)
    return _result(name, types, axis) if len(types) == len(inferred) else None


def _result(name: str, types: tuple[Type, ...], axis: int | None) -> Type | None:
    meaning = resolve(name, types, axis)
    if isinstance(meaning, Direct):
        return meaning.op.output
    if isinstance(meaning, Spread):
        return meaning.type
    if isinstance(meaning, Expand):
        given = dict(zip(PARAMETERS, types, strict=False))
        return infer(template(meaning.text), lambda name: given.get(name.text))
    return None


def operands_of(name: str, call: Call) -> tuple[Expression, ...]:
    """The operands of a call, without the literals that the function's text ends with."""
    literals = trailing_literals(name)
    count = len(call.arguments) - len(literals)
    last = tuple(item.value for item in call.arguments[max(count, 0) :] if isinstance(item, Number))
    return call.arguments[:count] if count > 0 and last == literals else call.arguments


def axis_of(call: Call) -> int | None:
    """The axis that a call names."""
    for keyword in call.keywords:
        if keyword.name == "axis" and isinstance(keyword.value, Number):
            return keyword.value.coordinate
    return None


def shape_type(arguments: tuple[Expression, ...]) -> Type | None:
    """The type that a draw's last argument states as its shape."""
    shape = arguments[-1] if arguments else None
    items = shape.items if isinstance(shape, Tuple) else (shape,)
    if not all(isinstance(item, Name) and item.text == "n_features" for item in items):
        return None
    return {1: Type.VECTOR, 2: Type.MATRIX}.get(len(items))
