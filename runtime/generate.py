"""Writes the C text that is derived from tables: that of ops, and those of `tables.py`.

Run by `setup.py` before the kernels are compiled; nothing that runs later imports it. Out come
`ops.h` (numbers, types and properties, for the analysis and the interpreter), `bodies.h` (one line
per op, naming the loop of `lanes.h` that fits its index notation, with the op's C expression
inside), `native_bodies.h` (the sums and the ops that emitted code calls; `native.h` says what
becomes of them) and `search_tables.h`.
"""

from __future__ import annotations

import re
from pathlib import Path

from azc.ops import OPS, TABLE_VERSION, Op, Type, by_name
from azc.ops.emitted import argument_names, is_function, is_product, sums_rows, total_name

from . import tables

_ENTRIES = {0: "1", 1: "F", 2: "F * F"}
_TYPE_CODE = {None: 0, Type.SCALAR: 1, Type.VECTOR: 2, Type.MATRIX: 3}
_MATH_CALL = re.compile(r"(az_\w+)\(a\)")


def _offset(letters: str, result: str) -> str:
    """Which entry of an operand belongs to entry `result` of the result, as `lanes.h` names it."""
    if letters == "":
        return "SPREAD" if result else "LANE"
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
    offsets = [_offset(letters, result) for letters in operands]
    if set(offsets) <= {"SAME", "SPREAD", "LANE"}:
        shape = f"AZ_MAP{len(offsets)}({op.name}, {_ENTRIES[len(result)]}"
    elif set(offsets) <= {"ROW", "COLUMN", "SWAPPED"}:
        shape = f"AZ_GRID{len(offsets)}({op.name}"
    else:
        raise ValueError(f"{op.name}: lanes.h has no loop for {op.index!r}; write one there")
    return f"{shape}, {', '.join(offsets)}, {op.c})"


def _reduction(op: Op) -> str:
    """Sums run along rows (contiguous entries) or down columns; see `lanes.h`."""
    result = op.result_indices
    sums = ", ".join(op.sums)
    two = len(op.operand_indices) == 2
    if is_product(op):
        return f"AZ_PRODUCT({op.name}, {sums})"
    if sums_rows(op):
        rows = _ENTRIES[len(result)]
        count = _ENTRIES[len(set(op.index) - set(result) - set(",->"))]
        second = "pb" if two else "pa"
        return f"AZ_ROWS{len(op.sums)}({op.name}, {rows}, {count}, {second}, {sums}, {op.c})"
    if two:
        return f"AZ_COLUMNS2({op.name}, F, F, {sums}, {op.c})"
    # One operand: it stands where a product has its second, read down the columns.
    return f"AZ_COLUMNS1({op.name}, 1, F, {_substitute(sums, a='b')}, {op.c})"


# Pairs that the interpreter runs as one pass where nothing else reads what the first makes: any of
# the producers, then any of the consumers of the same row. The result is rounded after each, so
# the bits are those of the two ops.
_PAIRS = (
    (
        ("scalar_add", "scalar_sub", "scalar_mul"),
        ("scalar_add", "scalar_sub", "scalar_mul"),
    ),
    (
        ("scalar_vector_mul", "vector_add", "vector_sub", "vector_mul", "vector_heaviside"),
        ("vector_add", "vector_sub", "vector_mul"),
    ),
    (
        ("outer", "scalar_matrix_mul", "matrix_mul", "matrix_heaviside"),
        ("matrix_add", "matrix_sub", "matrix_mul"),
    ),
)


def fused() -> list[tuple[str, Op, Op, int]]:
    """(name, producer, consumer, which operand of the consumer is the producer's result)."""
    pairs = []
    for producers, consumers in _PAIRS:
        for first in map(by_name, producers):
            for second in map(by_name, consumers):
                for side in (1,) if second.commutative else (0, 1):
                    pairs.append((f"{first.name}_{second.name}_{'ab'[side]}", first, second, side))
    return pairs


def fused_body(name: str, first: Op, second: Op, side: int) -> str:
    """The line of `bodies.h` for a fused pair: operands a, b are the producer's, c the other."""
    result = second.result_indices
    names = {"ab"[side]: f"({first.c})", "ab"[1 - side]: "c"}
    expression = re.sub(r"\b[ab]\b", lambda match: names[match[0]], second.c)
    offsets = [_offset(letters, result) for letters in first.operand_indices]
    offsets += offsets[:1] * (2 - len(offsets)) + ["SAME" if result else "LANE"]
    if set(offsets) <= {"SAME", "SPREAD", "LANE"}:
        return f"AZ_MAP3({name}, {_ENTRIES[len(result)]}, {', '.join(offsets)}, {expression})"
    assert offsets == ["ROW", "COLUMN", "SAME"], f"lanes.h has no loop for {name}"
    return f"AZ_GRID3({name}, {expression})"


def ops_header() -> str:
    """The text of `ops.h`."""
    pairs = fused()
    lines = [
        "/* Generated from azc/ops/table.py by runtime/generate.py. */",
        f"#define AZ_TABLE_VERSION {TABLE_VERSION}",
        f"#define AZ_OP_COUNT {len(OPS)}",
        f"#define AZ_FUSED_COUNT {len(pairs)}",
        "#define AZ_EACH_KERNEL(X) \\",
        *(f"    X({op.number}, {op.name}) \\" for op in OPS),
        *(f"    X({len(OPS) + k}, {pair[0]}) \\" for k, pair in enumerate(pairs)),
        "",
        "/* kernel, producer, consumer, operand of the consumer that the producer makes */",
        "#define AZ_EACH_FUSED(X) \\",
        *(
            f"    X({len(OPS) + k}, {first.number}, {second.number}, {side}) \\"
            for k, (_, first, second, side) in enumerate(pairs)
        ),
        "",
        "/* number, result, first, second type; constants; random; entry; in place; commutes;",
        " * symmetric; adds */",
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
            int(op.symmetric),
            int(op.adds),
        ]
        lines.append(f"    X({', '.join(map(str, fields))}) \\")
    lines += ["", "/* op, number of the constant, drawn from [low, high), how it mutates */"]
    lines.append("#define AZ_EACH_CONSTANT(X) \\")
    for op in OPS:
        for which, kind in enumerate(op.constants):
            mutation = "AZ_" + kind.mutation.replace("-", "_").upper()
            lines.append(f"    X({op.number}, {which}, {kind.low}, {kind.high}, {mutation}) \\")
    return "\n".join(lines) + "\n\n"


def bodies_header() -> str:
    """The text of `bodies.h`."""
    head = "/* Generated from azc/ops/table.py by runtime/generate.py; loops are in lanes.h. */"
    pairs = [fused_body(*pair) for pair in fused()]
    return "\n".join([head, *map(body, OPS), *pairs]) + "\n"


# ---- emitted code -------------------------------------------------------------------------------

_CHOICE = re.compile(r"(.+?) \? (.+?) : (.+)")
_CALL = re.compile(r"\b(sqrt|fabs)\(")


def on_vectors(expression: str) -> str:
    """A C expression over doubles as one over vectors of them."""
    if choice := _CHOICE.fullmatch(expression):
        condition, yes, no = map(on_vectors, choice.groups())
        return f"az_pick({condition}, AZ_WIDE({yes}), AZ_WIDE({no}))"
    return _CALL.sub(r"az_vec_\1(", expression)


def native_header() -> str:
    """The text of `native_bodies.h`."""
    head = "/* Generated from azc/ops/table.py by runtime/generate.py; native.h takes it in. */"
    sums = dict.fromkeys(expression for op in OPS for expression in op.sums)
    lines = [head, *(f"AZ_NATIVE_TOTAL({total_name(e)}, {e})" for e in sums)]
    each = " ".join(f"X({total_name(e)}, n, {e})" for e in sums)
    lines.append(f"#define AZ_EACH_TOTAL(X, n) {each}")
    lines += [f"AZ_NATIVE_PRODUCT({op.name}, {op.sums[0]})" for op in filter(is_product, OPS)]
    for op in filter(is_function, OPS):
        names = argument_names(op)
        fields = ", ".join((op.name, *names, op.c, on_vectors(op.c)))
        lines.append(f"AZ_NATIVE_OP{len(names)}({fields})")
        lines.append(f"#define az_{op.name}(...) AZ_OP({op.name}, __VA_ARGS__)")
    return "\n".join(lines) + "\n"


def write(directory: Path) -> list[Path]:
    """Write the files into `directory`, touching only what changed; returns their paths."""
    directory.mkdir(parents=True, exist_ok=True)
    paths = []
    texts = {
        "ops.h": ops_header(),
        "bodies.h": bodies_header(),
        "native_bodies.h": native_header(),
        "search_tables.h": tables.header(),
    }
    for name, text in texts.items():
        path = directory / name
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
        paths.append(path)
    return paths
