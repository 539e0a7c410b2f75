"""How code is spelled: a dictionary for each layout of memory, and the ops' expressions."""

from __future__ import annotations

import re
from collections.abc import Iterable

from azc.compiler.structure import ENTRIES, LANES
from azc.ops import Op
from azc.ops.emitted import argument_names, is_function

__all__ = ["SPELLINGS", "Names", "expression", "indented", "loop", "substitute"]

Names = dict[str, str]

#: What differs between the layouts. `number` is the type of a scalar, `at` which of the examples is
#: meant, `chunk` which of the groups of tasks; the others are expressions over {names}.
SPELLINGS: dict[str, Names] = {
    LANES: {
        "number": "vec",
        "integers": "t, row, i, j, q, at",
        "zero": "spread(0.0)",
        "spread": "{text}",
        "chunk": "q",
        "at": "at",
        "entry": "{name}[{index}]",
        "row": "{name} + {index} * {F}",
        "scalar": "(<vec *>base)[{register}]",
        "base": "c.memory + q * c.span",
        "constants": "c.constants + q * {each}",
        "errors": "(<vec *>c.bad)[q]",
        "labels": "(<const vec *>c.y)",
        "predictions": "(<vec *>c.predictions)[(t - c.first) * c.chunks + q]",
    },
    ENTRIES: {
        "number": "double",
        "integers": "t, row, i, j",
        "zero": "0.0",
        "spread": "spread({text})",
        "chunk": "0",
        "at": "row",
        "entry": "(<double *>{name})[{index}]",
        "row": "<vec *>(<double *>{name} + {index} * {F})",
        "scalar": "base[{offset}]",
        "base": "c.memory",
        "constants": "c.constants",
        "errors": "c.bad[0]",
        "labels": "c.y",
        "predictions": "c.predictions[t - c.first]",
    },
}

_NUMBER = re.compile(r"\b\d+\.\d*\b")
_OPERAND = re.compile(r"\b(a|b|t0|t1|n|c0)\b")
_INDENT = "    "


def substitute(expression: str, values: Names) -> str:
    """An op's expression with `values` for its operands."""
    return _OPERAND.sub(lambda match: values[match[0]], expression)


def expression(op: Op, values: Names, *, vec: bool, spread: str = "{text}") -> str:
    """The op's expression with `values` for its operands, on `vec`s or on doubles; `spread` makes
    a `vec` of it where none of the operands is one."""
    if is_function(op):
        return f"{op.name}({', '.join(values[name] for name in argument_names(op))})"
    if not vec:
        return spread.format(text=substitute(op.c, values))
    values = values | {"n": f"spread({values['n']})"} if "n" in values else values
    return spread.format(text=substitute(_NUMBER.sub(r"spread(\g<0>)", op.c), values))


def indented(lines: Iterable[str]) -> list[str]:
    return [_INDENT + line for line in lines]


def loop(variable: str, bounds: str, body: Iterable[str]) -> list[str]:
    return [f"for {variable} in range({bounds}):", *indented(body)]
