"""Writes docs/ops.md, the page that lists all ops: ``python -m azc.ops.page >docs/ops.md``."""

from __future__ import annotations

from collections.abc import Iterable

from azc.ops.model import ConstantKind, Op, Type
from azc.ops.table import OPS

__all__ = ["page"]

_HEAD = """\
# The {count} ops

Written by `make docs` from the op table, `azc/ops/table.py`; do not edit it here. `azc ops` prints
the same in a terminal. [semantics.md](semantics.md) says what a table cannot: memory, the order of
sums, NaN, randomness.

In the spellings, `s`, `v` and `m` are addresses of scalars, vectors and matrices, whatever their
numbers. In what an op does, `a` and `b` are its first and second operand, `f` and `g` its index
constants, `lo` and `hi` its bounds, F the number of features. *Loops* is the op in index notation:
entries of the operands before the arrow, of the result behind it; an index that the result lacks is
summed over. *Cost* is relative to one addition of two numbers; every instruction
costs {dispatch:g} more, for being dispatched.
"""
_CONSTANTS = """\
A constant is any float64, but for an index: that is a fraction of F in [0, 1), or a whole number,
the coordinate itself. Where constants are drawn at random, they are uniform on these ranges:
"""
_MARKS = {
    "commutative": "operands may swap",
    "reduction": "sums",
    "random": "draws",
    "entry": "keeps the other entries",
}
_KIND_COLUMNS = ("kind", "range")
_COLUMNS = ("op", "name", "spelling", "does", "properties", "loops", "cost")


def page() -> str:
    """The whole page, Markdown."""
    parts = [_HEAD.format(count=len(OPS), dispatch=OPS[0].cost(1))]
    for result in (None, *Type):
        ops = [op for op in OPS if op.output is result]
        parts.append(f"## {_title(result)}\n\n{_table(_COLUMNS, map(_row, ops))}")
    parts.append(f"## Constants\n\n{_CONSTANTS}\n{_table(_KIND_COLUMNS, map(_kind, ConstantKind))}")
    return "\n".join(parts)


def _title(result: Type | None) -> str:
    return f"Into a {result.label}" if result else "Without effect"


def _row(op: Op) -> tuple[str, ...]:
    marks = ", ".join(text for name, text in _MARKS.items() if getattr(op, name))
    loops = f"`{op.index}`" if any(map(str.isalpha, op.index)) and not op.entry else ""
    return (op.paper, f"`{op.name}`", f"`{_spelling(op)}`", op.sentence, marks, loops, _cost(op))


def _spelling(op: Op) -> str:
    """The op's text with a letter for each address and a name for each constant."""
    out = op.output.value if op.output else ""
    return op.spelled(out, (kind.value for kind in op.inputs))


def _cost(op: Op) -> str:
    """The cost as a formula in F, got by trying: iterations are a power of F."""
    if not op.index:
        return ""
    weight, power = f"{op.weight:g}", next(p for p in range(4) if op.iterations(2) == 2**p)
    if not power:
        return weight
    times = "F" if power == 1 else f"F^{power}"
    return times if op.weight == 1 else f"{weight} {times}"


def _kind(kind: ConstantKind) -> tuple[str, ...]:
    return f"`{kind.label}`", f"[{kind.low:g}, {kind.high:g})"


def _table(columns: Iterable[str], rows: Iterable[tuple[str, ...]]) -> str:
    columns = list(columns)
    lines = [columns, ["---"] * len(columns), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


if __name__ == "__main__":
    print(page(), end="")
