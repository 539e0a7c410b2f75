"""What a function or operator means on operands of given types: an op, or a few of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Final

from azc.errors import expected, nearest
from azc.lang.reader import read
from azc.lang.source import Source
from azc.lang.spellings import CONSTANT, ENTRY, RECIPROCAL, SPELLINGS, Head
from azc.lang.syntax import Assign, Expression
from azc.ops import Op, Type

__all__ = [
    "ALIASES",
    "DRAWS",
    "MACROS",
    "PARAMETERS",
    "Direct",
    "Expand",
    "Meaning",
    "Spread",
    "describe",
    "known_functions",
    "mismatch",
    "operand_types",
    "resolve",
    "template",
]

_S, _V, _M = Type

#: Other names of functions.
ALIASES: Final = {
    "absolute": "abs",
    "acos": "arccos",
    "asin": "arcsin",
    "atan": "arctan",
    "max": "maximum",
    "min": "minimum",
}

#: What the operands are called in a macro.
PARAMETERS: Final = ("a", "b", "c")

#: Functions that are no ops, by what they stand for. Where an operand is NaN, so is the result:
#: `minimum` and `maximum` keep their first operand then, but for matrices the second.
MACROS: Final[dict[Head, str]] = {
    Head("relu", (_S,)): "maximum(a, 0)",
    Head("relu", (_V,)): "maximum(a, 0)",
    Head("relu", (_M,)): "maximum(0, a)",
    Head("clip", (_S, _S, _S)): "minimum(maximum(a, b), c)",
    Head("clip", (_V, _V, _V)): "minimum(maximum(a, b), c)",
    Head("clip", (_M, _M, _M)): "minimum(c, maximum(b, a))",
    Head("sigmoid", (_S,)): "1 / (1 + exp(-a))",
    Head("tanh", (_S,)): "1 - 2 / (1 + exp(a + a))",
    Head("sqrt", (_S,)): "exp(0.5 * log(a))",
    Head("sum", (_V,)): "dot(a, bcast(1))",
    Head("sum", (_M,)): "dot(dot(a, bcast(1)), bcast(1))",
    Head("sum", (_M,), 0): "dot(transpose(a), bcast(1))",
    Head("sum", (_M,), 1): "dot(a, bcast(1))",
    Head("mean", (_M,), 0): "mean(transpose(a), axis=1)",
    Head("std", (_M,), 0): "std(transpose(a), axis=1)",
    Head("dot", (_M, _M)): "matmul(a, b)",
    Head("dot", (_V, _M)): "dot(transpose(b), a)",
    Head("matmul", (_V, _V)): "dot(a, b)",
    Head("matmul", (_M, _V)): "dot(a, b)",
    Head("matmul", (_V, _M)): "dot(transpose(b), a)",
}

#: Draws whose constants are not constant, from draws whose are; the second if the first is zero.
DRAWS: Final = {
    "gaussian": ("a + b * gaussian(0, 1)", "b * gaussian(0, 1)"),
    "uniform": ("a + maximum(b - a, 0) * uniform(0, 1)", "maximum(b, 0) * uniform(0, 1)"),
}

_HEADS: Final = (*(head for head in SPELLINGS if head.given), *MACROS)
_LIST: Final = "see `azc ops` and docs/language.md"
_FORMS: Final = (RECIPROCAL, CONSTANT, ENTRY)

# Functions and operators of several operands of one type that give this type, entry by entry:
# their operands are spread to a common type.
_ENTRYWISE: Final = {"clip"} | {
    head.name for head, op in SPELLINGS.items() if len(set(op.inputs)) == 1 and op.elementwise
}


@dataclass(frozen=True, slots=True)
class Direct:
    """One op; `swap` if its operands stand in the other order."""

    op: Op
    swap: bool = False


@dataclass(frozen=True, slots=True)
class Spread:
    """The same on operands that are all made this type."""

    type: Type


@dataclass(frozen=True, slots=True)
class Expand:
    """The expression `template(text)`, its names being the operands."""

    text: str


Meaning = Direct | Spread | Expand


def resolve(name: str, types: tuple[Type, ...], axis: int | None = None) -> Meaning | None:
    """What `name` means on operands of these types; None where it has no meaning."""
    head = Head(name, types, axis)
    if head in SPELLINGS:
        return Direct(SPELLINGS[head])
    if head in MACROS:
        return Expand(MACROS[head])
    swapped = SPELLINGS.get(Head(name, types[::-1], axis))
    if swapped and name == "*":
        return Direct(swapped, swap=True)
    widest = max(types, key=lambda type: type.rank, default=_S)
    if name in _ENTRYWISE and Head(name, (widest,) * len(types), axis) in _HEADS:
        return Spread(widest)
    return None


@cache
def template(text: str) -> Expression:
    """A macro's text as an expression."""
    statement = read(Source(f"result = {text}")).items[0]
    assert isinstance(statement, Assign)
    return statement.value


@lru_cache(maxsize=1024)
def operand_types(
    name: str, count: int, axis: int | None, want: Type | None
) -> tuple[Type | None, ...]:
    """The type that each operand must have for the result to be a `want`; None if it may vary.

    Only for draws that state no shape: what other operands are, they tell themselves.
    """
    form = (name, count, axis)
    heads = [head for head in _HEADS if (head.name, len(head.given), head.axis) == form]
    if name in _ENTRYWISE:
        return (want if any(want in head.given for head in heads) else _only(heads, 0),) * count
    giving = [head for head in heads if head in SPELLINGS and SPELLINGS[head].output is want]
    return tuple(_only(giving or heads, position) for position in range(count))


def _only(heads: list[Head], position: int) -> Type | None:
    types = {head.given[position] for head in heads}
    return types.pop() if len(types) == 1 else None


def known_functions() -> list[str]:
    """The names of all functions."""
    names = {head.name for head in (*SPELLINGS, *MACROS)} - {*_FORMS}
    return sorted(name for name in names | set(ALIASES) if name.isidentifier())


def mismatch(name: str, types: tuple[Type, ...], axis: int | None) -> str:
    """The message for operands on which function or operator `name` has no meaning."""
    heads = [head for head in _HEADS if head.name == name]
    if not heads:
        return expected("a function", repr(name), nearest(name, known_functions()) or _LIST)
    got = describe(name, types, axis)
    counts = {len(head.given) for head in heads}
    if len(types) not in counts:
        what = " or ".join(f"{n} operand{'s' * (n != 1)}" for n in sorted(counts))
        return expected(f"{what} of {name}", len(types), f"write {_forms(heads)}")
    do = ""
    if len(types) == 1 and {head.given for head in heads} == {(_S,)}:
        do = f"there is no {name} of each entry"
    return expected(_forms(heads), got, do)


def describe(name: str, types: Iterable[Type], axis: int | None = None) -> str:
    """A form as the user reads it, such as ``dot(matrix, vector)``."""
    labels = [type.label for type in types]
    if not name.isidentifier():
        return f" {name} ".join(labels)
    return f"{name}({', '.join([*labels, *([] if axis is None else [f'axis={axis}'])])})"


def _forms(heads: Iterable[Head]) -> str:
    shown = sorted(heads, key=lambda head: ([type.rank for type in head.given], head.axis or -1))
    texts = [describe(head.name, head.given, head.axis) for head in shown]
    return ", ".join(texts[:-1]) + (" or " if texts[1:] else "") + texts[-1]
