"""Live slice, canonical form and hash."""

from __future__ import annotations

import math

import numpy as np
import programs
import pytest
from programs import Instruction, Type

import azc
from azc.analysis import canonical, canonical_hash, live, live_mask, predicts_vector
from azc.program import Program


def live_lines(text: str, classes: int = 0) -> str:
    return str(live(azc.parse(text), classes)).strip()


def test_dead_and_live() -> None:
    text = """
def Setup():
    s2 = 0.1
    s3 = 0.2
    m0 = gaussian(0, 1)
def Predict():
    v2 = heaviside(v0, 1.0)
    s1 = dot(v0, v1)
    s4 = s1 + s1
def Learn():
    s5 = s0 - s1
    s5 = s5 * s2
    s6 = s5 * s3
    v2 = s5 * v0
    v1 = v1 + v2
    s6 = s6 + s6
"""
    masks = live_mask(azc.parse(text))
    assert masks == (
        [True, False, False],
        [False, True, False],
        [True, True, False, True, True, False],
    )


def test_a_value_that_only_feeds_itself_is_dead() -> None:
    assert "s7" not in live_lines(
        "def Learn():\n    s7 = s7 + s0\ndef Predict():\n    s1 = s2 + s2\n"
    )


def test_state_carried_through_predict_and_learn() -> None:
    text = """
def Setup():
    s2 = 1
def Predict():
    s3 = s4 + s4
    s1 = s3 * s2
def Learn():
    s4 = s5 + s5
    s5 = s6 + s6
    s6 = s0 + s0
"""
    assert live_mask(azc.parse(text)) == ([True], [True, True], [True, True, True])


def test_features_and_label_do_not_outlive_a_call() -> None:
    text = """
def Setup():
    v0 = bcast(s1)
def Predict():
    s0 = dot(v0, v0)
    s1 = dot(v0, v1)
def Learn():
    v0 = v0 + v0
    v1 = v1 + v1
    s0 = s0 + s0
"""
    assert live_mask(azc.parse(text)) == ([False], [False, True], [False, True, False])


def test_setting_one_entry_keeps_the_others_live() -> None:
    text = "def Predict():\n    v1 = bcast(s2)\n    v1[0] = 1.0\n    s1 = dot(v0, v1)\n"
    assert live_mask(azc.parse(text))[1] == [True, True, True]


def test_an_untouched_prediction_is_what_learn_left() -> None:
    assert live_mask(azc.parse("def Learn():\n    s1 = s0 + s0\n"))[2] == [True]


def test_the_prediction_depends_on_the_classes() -> None:
    program = azc.parse("def Predict():\n    s1 = dot(v0, v0)\n    v2 = v0 + v0\n")
    assert live_mask(program, 0)[1] == [True, False]
    assert live_mask(program, 3)[1] == [False, True]
    assert not predicts_vector(program)
    assert predicts_vector(azc.parse("def Predict():\n    v2 = v0 + v0\n"))


@pytest.mark.parametrize("classes", [0, 2, 3])
def test_slice_and_canonical_form_predict_the_same(classes: int, full: bool) -> None:
    """On the reference, which runs every instruction it is given."""
    for number in range(2000 if full else 150):
        rng = np.random.default_rng(number)
        program = programs.random_program(rng)
        tasks = [programs.random_task(rng, 3, classes=classes, special=0.1)]
        settings = {"max_abs_error": math.inf, "epochs": 2, "seed": 1}
        expected = programs.refer(program, tasks, **settings)
        for form in (live(program, classes), canonical(program, classes)):
            assert programs.refer(form, tasks, **settings).same_bits(expected), number
        again = canonical(canonical(program, classes), classes)
        assert again == canonical(program, classes)
        assert all(live_mask(live(program, classes), classes)[f] == [True] * len(body)
                   for f, (_, body) in enumerate(live(program, classes).functions()))  # fmt: skip


def renamed(program: Program, rng: np.random.Generator) -> Program:
    """The same program under other addresses, operands of commutative ops swapped at random, and a
    dead instruction here and there."""
    fixed = {Type.SCALAR: [0, 1], Type.VECTOR: [0, 1, 2], Type.MATRIX: []}
    maps = {
        kind: dict(
            zip(range(20), [*keep, *(len(keep) + rng.permutation(20 - len(keep)))], strict=True)
        )
        for kind, keep in fixed.items()
    }

    def change(instruction: Instruction) -> Instruction:
        op = instruction.op
        inputs = tuple(int(maps[t][n]) for t, n in zip(op.inputs, instruction.inputs, strict=True))
        if op.commutative and rng.random() < 0.5:
            inputs = inputs[::-1]
        out = int(maps[op.output][instruction.out]) if op.output else 0
        return Instruction(op, out, inputs, instruction.constants)

    def body(instructions: tuple[Instruction, ...]) -> tuple[Instruction, ...]:
        changed = []
        for instruction in instructions:
            if rng.random() < 0.3:
                changed.append(Instruction(programs.by_name("scalar_add"), 30, (30, 1)))
            changed.append(change(instruction))
        return tuple(changed)

    return Program(body(program.setup), body(program.predict), body(program.learn))


def test_equal_programs_have_equal_hashes_and_others_do_not() -> None:
    hashes: dict[str, Program] = {}
    for number in range(400):
        rng = np.random.default_rng(number)
        program = programs.random_program(rng)
        for classes in (0, 3):
            expected = canonical_hash(program, classes)
            assert canonical_hash(renamed(program, rng), classes) == expected, number
        form = canonical(program, 0)
        assert hashes.setdefault(canonical_hash(program, 0), form) == form
    assert len(hashes) > 250


def test_addresses_that_are_never_written_are_all_the_same_zero() -> None:
    a = azc.parse("def Predict():\n    s1 = s5 + s7\n")
    b = azc.parse("def Predict():\n    s1 = s9 + s9\n")
    assert a.hash == b.hash


def test_hash_tells_constants_apart_to_the_bit() -> None:
    texts = ["0.1", "0.10000000000000002", "-0.1", "0.0", "-0.0", "inf", "nan"]
    assert len({azc.parse(f"def Predict():\n    s1 = {t}\n").hash for t in texts}) == len(texts)


def test_operand_order_matters_where_the_op_does_not_commute() -> None:
    a = azc.parse("def Setup():\n    s2 = 1\n    s3 = 2\ndef Predict():\n    s1 = s2 - s3\n")
    b = azc.parse("def Setup():\n    s2 = 1\n    s3 = 2\ndef Predict():\n    s1 = s3 - s2\n")
    c = azc.parse(
        "def Setup():\n    s2 = 1\n    s3 = 2\ndef Predict():\n    s1 = minimum(s2, s3)\n"
    )
    d = azc.parse(
        "def Setup():\n    s2 = 1\n    s3 = 2\ndef Predict():\n    s1 = minimum(s3, s2)\n"
    )
    assert len({p.hash for p in (a, b, c, d)}) == 4
