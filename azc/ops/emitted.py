"""How an op is said in C: what its expression is made of, and what stands for it in emitted code.

Both who writes the runtime's tables when it is built (`runtime/generate.py`) and who emits programs
when they run (`azc.compiler`) go by it, so that one names what the other defines.
"""

from __future__ import annotations

import re

from azc.ops.model import Op

__all__ = ["argument_names", "is_function", "is_plain", "is_product", "sums_rows", "total_name"]

_PLAIN = re.compile(r"[abnt0-9c.+\-*/() ]+")


def total_name(expression: str) -> str:
    """What emitted code calls the sum of a C expression: ``total_ab`` for ``a * b``."""
    return "total_" + re.sub(r"\W", "", expression)


def is_plain(op: Op) -> bool:
    """Whether the op's expression is made of + - * / alone, so that emitted code holds it as it
    is; the others are functions there, or kernels where they draw numbers or call azmath.h."""
    return _PLAIN.fullmatch(op.c) is not None


def is_function(op: Op) -> bool:
    """Whether emitted code calls the op as a function of `native_bodies.h`."""
    return bool(op.index) and not (is_plain(op) or op.random or "az_" in op.c)


def sums_rows(op: Op) -> bool:
    """Whether the op's sums run along rows, entries that lie side by side; else down columns."""
    result, first = op.result_indices, op.operand_indices[0]
    summed = "".join(sorted(set(op.index) - set(result) - set(",->")))
    return summed == first[-len(summed) :] and not result.endswith("j")


def is_product(op: Op) -> bool:
    """Whether there is a routine for the op that takes several rows at once."""
    two = len(op.operand_indices) == 2
    return op.reduction and two and sums_rows(op) and bool(op.result_indices) and op.c == "t0"


def argument_names(op: Op) -> tuple[str, ...]:
    """What the op's expression is made from, in the order of the function's arguments."""
    return tuple(name for name in ("a", "b", "t0", "t1", "n") if re.search(rf"\b{name}\b", op.c))
