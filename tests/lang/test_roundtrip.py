"""Printing and parsing are inverse, for every program."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from azc.lang import format_text, parse
from azc.ops import OPS, ConstantKind, Op, Type
from azc.program import MAX_ADDRESS, Instruction, Program, verify

NUMBERS = st.floats() | st.sampled_from([0.0, -0.0, 5e-324, 1e16, 1e-5, 0.1, 1 / 3, 1.7e308])
INDICES = st.integers(0, 4095) | st.floats(0.0, 1.0, exclude_max=True)
ADDRESSES = st.integers(0, 5) | st.integers(0, MAX_ADDRESS)


@st.composite
def instructions(draw: st.DrawFn, ops: st.SearchStrategy[Op]) -> Instruction:
    op = draw(ops)
    constants = [draw(INDICES if k is ConstantKind.INDEX else NUMBERS) for k in op.constants]
    inputs = [draw(ADDRESSES) for _ in op.inputs]
    return Instruction(op, draw(ADDRESSES) if op.output else 0, tuple(inputs), tuple(constants))


BODIES = st.lists(instructions(st.sampled_from(OPS)), max_size=8).map(tuple)
PROGRAMS = st.builds(Program, setup=BODIES, predict=BODIES, learn=BODIES)


@given(PROGRAMS)
def test_programs(program: Program) -> None:
    text = str(verify(program))
    parsed = verify(parse(text))
    assert parsed == program
    assert parsed.packed() == program.packed()
    assert format_text(text) == text


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
@settings(max_examples=5)
@given(data=st.data())
def test_every_op(op: Op, data: st.DataObject) -> None:
    instruction = data.draw(instructions(st.just(op)))
    (parsed,) = parse(f"def Predict():\n    {instruction}\n").predict
    assert parsed == instruction
    assert parsed.op is op


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_the_table_spells_what_the_printer_prints(op: Op) -> None:
    fields = {"out": f"{op.output.value}7" if op.output else "", "c0": "0.5", "c1": "0.25"}
    fields |= {letter: f"{type.value}3" for letter, type in zip("ab", op.inputs, strict=False)}
    text = op.text.format(**fields, c2="0.125")
    (parsed,) = parse(f"def Learn():\n  {text}").learn
    assert parsed.op is op
    assert str(parsed) == text


@given(st.text(st.characters(), max_size=40) | st.text("\"'\\\n\r\t #\0{}", max_size=12))
def test_docstrings(doc: str) -> None:
    text = str(Program(doc=doc))
    text.encode()
    parsed = parse(text)
    assert parsed.doc == doc
    assert parsed == Program()


@given(NUMBERS)
def test_constants_keep_their_bits(value: float) -> None:
    program = Program(learn=(Instruction(OPS[56], 2, (), (value,)),))
    (constant,) = parse(str(program)).learn[0].constants
    if value == value:
        assert struct.pack("=d", constant) == struct.pack("=d", value)
    else:
        assert constant != constant


def test_equal_numbers_of_other_types() -> None:
    """NumPy's floats and Python's ints print as floats do."""
    import numpy as np

    one = Instruction(OPS[56], 2, (), (np.float64(1.0),))
    assert str(one) == str(Instruction(OPS[56], 2, (), (1,))) == "s2 = 1.0"


@given(PROGRAMS)
def test_limits(program: Program) -> None:
    need = dict.fromkeys(Type, 0)
    for address in program.addresses():
        need[address.type] = max(need[address.type], address.number + 1)
    assert parse(str(program), limits=need) == program


@pytest.mark.parametrize(
    "doc", ['"', '"""', 'a"""b', '""', '\\"', "\\", '"""\\"""', "\r\n", "\u2028"]
)
def test_hostile_docstrings(doc: str) -> None:
    assert parse(str(Program(doc=doc))).doc == doc
