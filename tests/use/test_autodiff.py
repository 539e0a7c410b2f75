"""The derivative of every op against differences, and of whole Predicts."""

from __future__ import annotations

import numpy as np
import pytest

from azc.ops import OPS, Type
from azc.program import Address, Instruction
from azc.reference import _EXPRESSIONS, total
from azc.use.explain.autodiff import RULES, Entry, gradients

F = 5


def value_of(op, operands, rng):
    scope = {"np": np, "total": total, "F": F, **dict(zip("ab", operands, strict=False))}
    return np.asarray(eval(_EXPRESSIONS[op.number], scope), dtype=float)


def test_every_op_has_a_rule():
    assert set(RULES) == {op.name for op in OPS if op.output}


@pytest.mark.parametrize("op", [op for op in OPS if op.has_operands], ids=lambda op: op.name)
def test_against_differences(op):
    rng = np.random.default_rng(op.number)
    # Away from kinks and from the edges of what arcsin and log take.
    operands = [np.asarray(rng.uniform(0.15, 0.85, (F,) * t.rank)) for t in op.inputs]
    result = value_of(op, operands, rng)
    adjoint = np.asarray(rng.normal(size=result.shape))
    got = RULES[op.name](*operands, result, adjoint)
    for k, operand in enumerate(operands):
        expected = np.zeros_like(operand)
        for place in np.ndindex(operand.shape):
            sides = []
            for sign in (1, -1):
                moved = [o.copy() for o in operands]
                moved[k][place] += sign * 1e-6
                sides.append(np.sum(adjoint * value_of(op, moved, rng)))
            expected[place] = (sides[0] - sides[1]) / 2e-6
        assert np.allclose(got[k], expected, rtol=1e-4, atol=1e-7), (op.name, k)


def test_an_entry_that_is_set_stops_the_gradient():
    set_entry = next(op for op in OPS if op.name == "vector_const")
    v1 = Address(Type.VECTOR, 1)
    entry = Entry(Instruction(set_entry, 1, (), (2, 0.5)), (), np.ones(F))
    assert gradients([entry], v1, np.ones(F))[v1].tolist() == [1, 1, 0, 1, 1]


def test_an_overwritten_operand():
    multiply = next(op for op in OPS if op.name == "scalar_mul")
    s1, s2 = Address(Type.SCALAR, 1), Address(Type.SCALAR, 2)
    # s2 = s2 * s2, then s1 = s2 * s2: s1 is the fourth power of what s2 was.
    two, four = np.asarray(2.0), np.asarray(4.0)
    tape = [
        Entry(Instruction(multiply, 2, (2, 2)), (two, two), four),
        Entry(Instruction(multiply, 1, (2, 2)), (four, four), np.asarray(16.0)),
    ]
    assert gradients(tape, s1, np.asarray(1.0)) == {s2: 32.0}
