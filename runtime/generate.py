"""Writes the C text that is derived from the op table.

Run by `setup.py` before the kernels are compiled. Two files come out: `ops.h` (numbers, types and
properties, for the analysis and the interpreter) and `bodies.h` (one line per op, naming the loop
of `lanes.h` that fits its index notation, with the op's C expression inside).
"""

from __future__ import annotations

import re
from pathlib import Path

from azc.ops import OPS, TABLE_VERSION, Op, Type

_ENTRIES = {0: "1", 1: "F", 2: "F * F"}
_TYPE_CODE = {None: 0, Type.SCALAR: 1, Type.VECTOR: 2, Type.MATRIX: 3}
_MATH_CALL = re.compile(r"(az_\w+)\(a\)")


def _place(letters: str, result: str) -> str:
    """Which entry of an operand belongs to entry `result` of the result, as `lanes.h` names it."""
    if letters == "":
        return "LANE"
    if letters == result:
        return "SAME"
    return {"i": "ROW", "j": "COLUMN", "ji": "SWAPPED"}[letters]


def _substitute(expression: str, **names: str) -> str:
    for old, new in names.items():
        expression = re.sub(rf"\b{old}\b", new, expression)
    return expression


def body(op: Op) -> str:
    """The line of `bodies.h` for `op`.

    Constants are operands of the kernel like any other: cells that hold one value per lane.
    """
    result, operands = op.result_indices, op.operand_indices
    if not op.index:
        return f"AZ_NOTHING({op.name})"
    if op.entry:
        return f"AZ_ENTRY({op.name})"
    if op.random:
        expression = _substitute(op.c, c0="a", c1="b")
        return f"AZ_RANDOM({op.name}, {_ENTRIES[len(result)]}, {expression})"
    if op.reduction:
        return _reduction(op)
    if op.constants:
        return f"AZ_MAP1({op.name}, {_ENTRIES[len(result)]}, LANE, {_substitute(op.c, c0='a')})"
    if call := _MATH_CALL.fullmatch(op.c):
        return f"AZ_MATH({op.name}, {call[1]}_n)"
    places = [_place(letters, result) for letters in operands]
    if set(places) <= {"SAME", "LANE"}:
        shape = f"AZ_MAP{len(places)}({op.name}, {_ENTRIES[len(result)]}"
    else:
        shape = f"AZ_GRID{len(places)}({op.name}"
    return f"{shape}, {', '.join(places)}, {op.c})"


def _reduction(op: Op) -> str:
    """Sums run along rows (contiguous entries) or down columns; see `lanes.h`."""
    result, first = op.result_indices, op.operand_indices[0]
    summed = "".join(sorted(set(op.index) - set(result) - set(",->")))
    two = len(op.operand_indices) == 2
    sums = ", ".join(op.sums)
    arity = f"{len(op.sums)}"
    if summed == first[-len(summed) :] and not result.endswith("j"):
        rows = _ENTRIES[len(result)]
        count = _ENTRIES[len(summed)]
        operand_b = "pb" if two else "pa"
        return f"AZ_ROWS{arity}({op.name}, {rows}, {count}, {operand_b}, {sums}, {op.c})"
    rows = "F" if two else "1"
    if two:
        return f"AZ_COLUMNS2({op.name}, {rows}, F, {sums}, {op.c})"
    # One operand: it stands where a product has its second, read down the columns.
    return f"AZ_COLUMNS1({op.name}, {rows}, F, {_substitute(sums, a='b')}, {op.c})"


def ops_header() -> str:
    """The text of `ops.h`."""
    lines = [
        "/* Generated from azc/ops/table.py by runtime/generate.py. */",
        f"#define AZ_TABLE_VERSION {TABLE_VERSION}",
        f"#define AZ_OP_COUNT {len(OPS)}",
        "#define AZ_EACH_OP(X) \\",
        *(f"    X({op.number}, {op.name}) \\" for op in OPS),
        "",
        "/* number, result, first, second operand type; constants; random; entry; in place; swaps */",
        "#define AZ_EACH_OP_INFO(X) \\",
    ]
    for op in OPS:
        a, b = (*op.inputs, None, None)[:2]
        fields = [
            op.number,
            _TYPE_CODE[op.output],
            _TYPE_CODE[a],
            _TYPE_CODE[b],
            len(op.constants),
            int(op.random),
            int(op.entry),
            int(op.elementwise),
            int(op.commutative),
        ]
        lines.append(f"    X({', '.join(map(str, fields))}) \\")
    return "\n".join(lines) + "\n\n"


def bodies_header() -> str:
    """The text of `bodies.h`."""
    head = "/* Generated from azc/ops/table.py by runtime/generate.py; loops are in lanes.h. */"
    return "\n".join([head, *map(body, OPS)]) + "\n"


def write(directory: Path) -> list[Path]:
    """Write both files into `directory`, touching only what changed; returns their paths."""
    directory.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, text in (("ops.h", ops_header()), ("bodies.h", bodies_header())):
        path = directory / name
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
        paths.append(path)
    return paths
