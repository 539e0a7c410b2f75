"""Every consumer of the op table covers every op."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import azc
from azc.cli.main import main
from azc.ops import OPS, TABLE_VERSION, ConstantKind, Op, Type, by_name, by_number
from azc.ops.page import page
from azc.program import Instruction, Program, verify
from azc.runtime import _core, generate

ROOT = Path(__file__).parents[2]
OPS_PAGE = ROOT / "docs" / "ops.md"
HEADERS = "".join(path.read_text("utf-8") for path in (ROOT / "runtime").glob("*.h"))

each_op = pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
TASK = azc.Task([[0.3, 0.7], [0.2, 0.9]], [0.0, 0.1], [[0.4, 0.6]], [0.2], seed=1)


def instruction(op: Op) -> Instruction:
    """`op` on addresses that differ, with constants that differ."""
    constants = tuple(0.25 + 0.25 * place for place in range(len(op.constants)))
    return Instruction(op, 4 if op.output else 0, (5, 6)[: len(op.inputs)], constants)


def shown(op: Op) -> Program:
    """A program whose prediction is made of the op's result."""
    made = instruction(op)
    show = {
        None: (),
        Type.SCALAR: (Instruction(by_name("scalar_abs"), 1, (4,)),),
        Type.VECTOR: (Instruction(by_name("vector_mean"), 1, (4,)),),
        Type.MATRIX: (Instruction(by_name("matrix_mean"), 1, (4,)),),
    }[op.output]
    return verify(Program(predict=(made, *show)))


def test_numbers_count_up() -> None:
    """From 0 to the paper's 64, and on."""
    assert [op.number for op in OPS] == list(range(max(65, len(OPS))))
    assert all(by_number(op.number) is op and by_name(op.paper) is op for op in OPS)


def test_names_are_unique() -> None:
    assert len({op.name for op in OPS}) == len(OPS)
    assert all(by_name(op.name) is op for op in OPS)


@each_op
def test_printed_and_parsed(op: Op) -> None:
    """The printer writes what the parser reads, for a random constant and for a coordinate."""
    made = instruction(op)
    variants = [made]
    if ConstantKind.INDEX in op.constants:
        whole = tuple(
            1 if kind is ConstantKind.INDEX else value
            for kind, value in zip(op.constants, made.constants, strict=True)
        )
        variants.append(Instruction(op, made.out, made.inputs, whole))
    for variant in variants:
        program = azc.parse(f"def Learn():\n    {variant}\n")
        assert program.learn == (variant,)


def test_runtime_is_built_from_this_table() -> None:
    assert len(OPS) == _core.OP_COUNT
    assert TABLE_VERSION == _core.TABLE_VERSION


@each_op
def test_kernel(op: Op) -> None:
    """The generated line names the op and a loop that is written."""
    line = generate.body(op)
    macro, name = re.match(r"(AZ_\w+)\((\w+)", line).groups()
    assert name == op.name
    assert re.search(rf"#define {macro}\(", HEADERS)
    assert f"X({op.number}, {op.name})" in generate.ops_header()


@each_op
def test_interpreted(op: Op) -> None:
    """The interpreter takes the op's kernel where the op is live."""
    kernels = _core.kernels_used(_core.Code(shown(op).packed()), 0)
    assert (op.number in kernels) == (op.output is not None)


@each_op
def test_tiers_agree(op: Op) -> None:
    """Both tiers run it, and predict the same to within the accuracy of the math functions."""
    program = shown(op)
    one, other = (
        azc.evaluate(program, [TASK], tier=tier, max_abs_error=np.inf)
        for tier in ("interpreter", "reference")
    )
    np.testing.assert_allclose(one.predictions, other.predictions, rtol=1e-12)


@each_op
def test_numpy_expression(op: Op) -> None:
    """It is written on its own, names only what it may, and gives the result's shape."""
    assert bool(op.numpy) == bool(op.index)
    if not op.numpy:
        return
    rng = np.random.default_rng(op.number)
    scope = {"np": np, "F": 3, "total": np.sum}
    scope |= {n: rng.random((3,) * t.rank) for n, t in zip("ab", op.inputs, strict=False)}
    scope |= {f"c{k}": rng.random() for k in range(len(op.constants))}
    shape = (3,) * op.output.rank
    if op.random:
        scope |= {"u": rng.random(shape), "w": rng.random(shape)}
    result = np.asarray(eval(op.numpy, {"__builtins__": {}}, scope))
    assert result.shape == (() if op.entry else shape)


def of_two(op: Op, a: Any, b: Any) -> Any:
    """What NumPy makes of two operands of size 5."""
    scope = {"np": np, "F": 5, "total": np.sum, "a": a, "b": b}
    return np.asarray(eval(op.numpy, scope))


@each_op
def test_swaps_if_it_says_so(op: Op) -> None:
    """`commutative` holds to the bit; an op with operands of one shape that is not marked must
    have operands that do not swap."""
    if len(op.inputs) != 2 or op.inputs[0] is not op.inputs[1]:
        assert not op.commutative
        return
    rng = np.random.default_rng(op.number)
    a, b = rng.standard_normal((2, *(5,) * op.inputs[0].rank))
    b.flat[0] = a.flat[0] = np.nan if op.name.endswith(("min", "max")) else 1.5
    b.flat[-1] = 7.0
    one, other = of_two(op, a, b), of_two(op, b, a)
    if op.commutative:
        assert one.tobytes() == other.tobytes()
    elif not op.name.endswith(("min", "max")):
        assert one.tobytes() != other.tobytes()


@each_op
def test_symmetric_but_for_ties_and_nan(op: Op) -> None:
    if len(op.inputs) != 2 or op.inputs[0] is not op.inputs[1]:
        assert not op.symmetric
        return
    rng = np.random.default_rng(op.number)
    a, b = rng.standard_normal((2, *(5,) * op.inputs[0].rank))
    one, other = of_two(op, a, b), of_two(op, b, a)
    assert op.symmetric == (one.tobytes() == other.tobytes())


@each_op
def test_adds(op: Op) -> None:
    if len(op.inputs) != 2 or op.inputs[0] is not op.inputs[1]:
        assert not op.adds
        return
    a, b = np.random.default_rng(op.number).standard_normal((2, *(5,) * op.inputs[0].rank))
    with np.errstate(all="ignore"):
        more = of_two(op, a, b) - a
    assert op.adds == any(np.allclose(more, change) for change in (b, -b))


@each_op
def test_sentence(op: Op) -> None:
    assert re.fullmatch(r"[A-Z1e].{8,90}\.", op.sentence)


@each_op
def test_cost_grows_with_the_loops(op: Op) -> None:
    costs = [op.cost(features) for features in (2, 4, 8)]
    assert costs == sorted(costs)
    assert (costs[0] < costs[-1]) == (any(map(str.isalpha, op.index)) and not op.entry)


def test_page_is_up_to_date() -> None:
    """`make docs` writes it."""
    assert OPS_PAGE.read_text("utf-8") == page()


@each_op
def test_page_lists_it(op: Op) -> None:
    rows = [row for row in page().splitlines() if row.startswith(f"| {op.paper} | `{op.name}` |")]
    assert len(rows) == 1
    assert op.sentence in rows[0]


def test_command_lists_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ops", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [(entry["number"], entry["name"]) for entry in listed] == [
        (op.number, op.name) for op in OPS
    ]
