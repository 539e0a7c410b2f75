"""The interpreter against the NumPy reference, and against itself in every other arrangement."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import programs
import pytest

import azc
from azc.ops import OPS
from azc.program import Program
from azc.runtime import _core

FEATURES = (1, 2, 4, 8, 16, 33)
LANES = (1, 2, 4, 8, 16)


def case(number: int) -> tuple[Program, list, dict, int]:
    """Program, tasks, settings and lanes number `number`: over all ops, sizes, metrics, values."""
    rng = np.random.default_rng(number)
    features = FEATURES[number % len(FEATURES)]
    classes = (0, 2, 3)[number // 6 % 3] if features >= 3 else (0, 2)[number // 6 % 2]
    special = (0.0, 0.05, 0.3)[number // 18 % 3]
    tasks = [
        programs.random_task(rng, features, classes=classes, special=special) for _ in range(3)
    ]
    settings = {
        "epochs": 1 + number % 3,
        "seed": number,
        "max_abs_error": (100.0, math.inf, 2.0)[number // 2 % 3],
    }
    return programs.random_program(rng), tasks, settings, LANES[number % len(LANES)]


def uses_transcendental(program: Program) -> bool:
    return any(i.op.number in programs.TRANSCENDENTAL for i in program.instructions())


def test_programs_cover_every_op(full: bool) -> None:
    seen = {i.op.number for n in range(300) for i in case(n)[0].instructions()}
    assert seen == {op.number for op in OPS}


@pytest.mark.parametrize("part", range(6))
def test_agrees_with_the_reference(part: int, full: bool) -> None:
    """To the bit where both use the same exp, sin, …; within 1e-9 against NumPy's own, except where
    a program blows a last bit up (then the first comparison must have held, and few may)."""
    count = 1000 if full else 60
    blown_up = 0
    for number in range(part * count, (part + 1) * count):
        program, tasks, settings, lanes = case(number)
        ours = programs.interpret(program, tasks, lanes=lanes, **settings)
        same_math = programs.refer(program, tasks, programs.RuntimeMath(), **settings)
        assert ours.same_bits(same_math), f"case {number}"
        numpy_math = programs.refer(program, tasks, **settings)
        # Classification applies a sigmoid or softmax whatever the program is.
        exact = not uses_transcendental(program) and tasks[0].classes == 0
        if exact:
            for a, b in zip(ours.predictions, numpy_math.predictions, strict=True):
                assert programs.bits(a) == programs.bits(b), f"case {number}"
        if not ours.close(numpy_math, 1e-9):
            assert not exact, f"case {number}"
            blown_up += 1
    print(f"{count} programs: all equal to the bit, {blown_up} beyond 1e-9 with NumPy's functions")
    assert blown_up <= count // 100


@pytest.mark.parametrize("number", range(0, 240, 7))
def test_arrangement_changes_no_bit(number: int) -> None:
    """Lanes, batch, level of the instruction set, block size, dead code, a used machine."""
    program, tasks, settings, _ = case(number)
    rng = np.random.default_rng(1000 + number)
    tasks += [
        programs.random_task(rng, tasks[0].features, classes=tasks[0].classes, special=0.1)
        for _ in range(14)
    ]
    expected = programs.interpret(program, tasks, lanes=1, **settings)
    for lanes in LANES[1:]:
        assert programs.interpret(program, tasks, lanes=lanes, **settings).same_bits(expected)
    for block in (1, 2, 3, 64):
        blocked = programs.interpret(program, tasks, lanes=4, block=block, **settings)
        assert blocked.same_bits(expected), f"block of {block}"
    unsliced = programs.interpret(program, tasks, lanes=8, keep_dead=True, **settings)
    assert unsliced.same_bits(expected)
    best = _core.level()
    try:
        for level in _core.levels():
            _core.use_level(level)
            for lanes in LANES:
                levelled = programs.interpret(program, tasks, lanes=lanes, **settings)
                assert levelled.same_bits(expected), (level, lanes)
    finally:
        _core.use_level(best)
    machine = _core.Machine()
    for other in range(5):
        dirty, dirty_tasks, dirty_settings, lanes = case(number + other + 1)
        programs.interpret(dirty, dirty_tasks, lanes=lanes, machine=machine, **dirty_settings)
    used = programs.interpret(program, tasks, lanes=16, machine=machine, **settings)
    assert used.same_bits(expected)


@pytest.mark.parametrize("features", [1, 4, 33])
@pytest.mark.parametrize("lanes", [1, 4, 16])
def test_normal_numbers_of_setup_are_those_of_each_program_alone(features: int, lanes: int) -> None:
    """A machine keeps them from one program to the next: of fewer and of more entries, of other
    tasks and seeds, of more instructions and of larger matrices than it keeps any for."""
    shown = azc.parse(
        "def Predict():\n    v1 = dot(m1, v0)\n    s2 = dot(v2, v1)\n    s1 = s1 + s2\n"
        "def Learn():\n    s3 = s0 - s1\n    v3 = s3 * v0\n    v2 = v2 + v3\n"
        "    s2 = gaussian(0.0, 0.1)\n    m1 = s2 * m1\n"
    )
    draws = {
        "s": "s4 = gaussian(0.25, 2.0)\n    s1 = s1 + s4",
        "v": "v4 = gaussian(-0.0, 1.0)\n    v2 = v2 + v4",
        "m": "m2 = gaussian(0.5, 0.1)\n    m1 = m1 + m2",
        "u": "s4 = uniform(0.0, 1.0)\n    s1 = s1 + s4",
    }
    rng = np.random.default_rng(features)
    tasks = [programs.random_task(rng, features) for _ in range(lanes + 1)]
    machine, met = _core.Machine(), set()
    for number, order in enumerate(("sm", "m", "vsm", "mmv", "umv", "vvvvsssssm", "m", "sv")):
        text = "\n    ".join(draws[kind] for kind in order)
        program = replace(shown, setup=azc.parse(f"def Setup():\n    {text}\n").setup)
        settings = {"seed": number // 3, "max_abs_error": math.inf}
        expected = programs.refer(program, tasks, programs.RuntimeMath(), **settings)
        for used in (machine, _core.Machine()):
            ours = programs.interpret(program, tasks, lanes=lanes, machine=used, **settings)
            assert ours.same_bits(expected), order
        met.add(programs.bits(expected.fitness))
    assert len(met) == number + 1


@pytest.mark.parametrize("op", [op for op in OPS if op.output], ids=lambda op: op.name)
@pytest.mark.parametrize("features", [1, 3, 8, 11])
def test_each_op(op: programs.Op, features: int) -> None:
    """One op on random and special values, its output also one of its operands, every number of
    lanes, made visible entry by entry through the prediction."""
    rng = np.random.default_rng(op.number * 100 + features)
    to_vector = {"s": "vector_broadcast", "v": "vector_max", "m": "matrix_vector_dot"}
    for aliased in (False, True):
        counts = dict.fromkeys(programs.Type, 1 if aliased else 3)
        counts[programs.Type.VECTOR] = 2 if aliased else 4
        counts[programs.Type.SCALAR] = 3
        body = [
            programs.random_instruction(rng, counts, programs.by_name(name))
            for name in ("scalar_vector_mul", "outer", "vector_norm", "matrix_gaussian")
        ]
        body.append(programs.random_instruction(rng, counts, op))
        shown = programs.by_name(to_vector[op.output.value])
        inputs = (body[-1].out, 0) if len(shown.inputs) == 2 else (body[-1].out,)
        body.append(programs.Instruction(shown, 1, inputs))
        body.append(programs.Instruction(programs.by_name("dot"), 1, (1, 0)))
        program = Program(predict=tuple(body), learn=tuple(body[:5]))
        tasks = [programs.random_task(rng, features, special=0.2) for _ in range(3)]
        settings = {"max_abs_error": math.inf, "seed": 3}
        expected = programs.refer(program, tasks, programs.RuntimeMath(), **settings)
        for lanes in LANES:
            assert programs.interpret(program, tasks, lanes=lanes, **settings).same_bits(expected)


@pytest.mark.parametrize("pair", programs.fused_pairs(), ids=lambda pair: pair[0])
def test_fusing_changes_no_bit(pair: tuple) -> None:
    """Random programs over the ops of one pair, until some were run with the fused kernel, against
    the same programs instruction by instruction."""
    name, first, second, _ = pair
    around = ("dot", "matrix_vector_dot", "scalar_vector_mul", "outer", "scalar_const")
    ops = (first, second, first, second, *map(programs.by_name, around))
    met = 0
    for number in range(2000):
        rng = np.random.default_rng(number)
        program = programs.random_program(rng, most=10, ops=ops, addresses=(4, 4, 3))
        if name not in programs.fused_in(program):
            continue
        tasks = [programs.random_task(rng, (3, 8)[number % 2], special=0.05) for _ in range(2)]
        settings = {"max_abs_error": math.inf, "epochs": 2}
        for lanes in LANES:
            fused = programs.interpret(program, tasks, lanes=lanes, **settings)
            apart = programs.interpret(program, tasks, lanes=lanes, keep_dead=True, **settings)
            assert fused.same_bits(apart), f"case {number}"
        met += 1
        if met == 3:
            return
    pytest.fail(f"expected 3 programs that fuse {name}, got {met}")


#: A matrix that is learned, by a gradient that is added one example late.
LATE = """
def Setup():
    s2 = 0.3
    v4 = gaussian(0.1, 1.0)
    {setup}
def Predict():
    v2 = maximum(v4, v0)
    v3 = dot(m1, v2)
    s1 = dot(v3, v0)
    {predict}
def Learn():
    {before}
    {late}
    s3 = s0 - s1
    s3 = s2 * s3
    v5 = s3 * v0
    {between}
    m0 = outer({a}, v2)
    {after}
"""
CARRIED = {"outer_matrix_add_b", "outer_matrix_sub_a", "outer_matrix_sub_b", "outer_matrix_mul_b"}


@pytest.mark.parametrize(
    ("parts", "kernel"),
    [
        ({}, "outer_matrix_add_b"),
        ({"late": "m1 = m0 + m1"}, "outer_matrix_add_b"),
        ({"late": "m1 = m0 - m1"}, "outer_matrix_sub_a"),
        ({"late": "m1 = m1 - m0"}, "outer_matrix_sub_b"),
        ({"a": "v2"}, "outer_matrix_add_b"),
        ({"a": "v0"}, "outer_matrix_add_b"),
        # what the vectors were, not what they became
        ({"after": "v2 = v2 + v5"}, "outer_matrix_add_b"),
        # another use of the address, and nothing that comes from one example to the next
        ({"between": "m0 = m1 + m1\n    m1 = s3 * m0"}, "outer_matrix_add_b"),
        # the matrix is that of memory, or of this example, or is read elsewhere
        ({"setup": "m0 = gaussian(0.0, 0.1)"}, None),
        ({"setup": "m0[0, 0] = 0.5"}, None),
        ({"before": "m0 = outer(v4, v0)"}, "outer_matrix_add_b"),
        ({"predict": "m0[0, 1] = 0.5"}, None),
        ({"predict": "v2 = dot(m0, v0)\n    s1 = dot(v2, v0)"}, None),
        ({"before": "v5 = dot(m0, v0)\n    v2 = v2 + v5"}, None),
        ({"between": "v5 = dot(m0, v0)"}, None),
        ({"late": "m1 = m0 + m0"}, None),
        ({"after": "m0[0, 0] = 0.5"}, None),
    ],
    ids=str,
)
def test_a_matrix_that_is_added_one_example_late(parts: dict[str, str], kernel: str | None) -> None:
    """The vectors that it is made of are carried to the next example instead; against the same
    instruction by instruction, and against the reference."""
    lines = {"setup": "", "predict": "", "before": "", "between": "", "after": ""}
    text = LATE.format(**{**lines, "late": "m1 = m1 + m0", "a": "v5", **parts})
    program = azc.parse(text)
    assert programs.fused_in(program) & CARRIED == ({kernel} if kernel else set())
    rng = np.random.default_rng(1)
    for features in (2, 3, 4, 8, 11):
        tasks = [programs.random_task(rng, features, special=0.02) for _ in range(3)]
        settings = {"max_abs_error": math.inf, "epochs": 2, "seed": 4}
        expected = programs.refer(program, tasks, programs.RuntimeMath(), **settings)
        for lanes in LANES:
            for apart in (False, True):
                got = programs.interpret(program, tasks, lanes=lanes, keep_dead=apart, **settings)
                assert got.same_bits(expected), (features, lanes, apart)


@pytest.mark.parametrize("features", [64, 257])
def test_larger_features(features: int) -> None:
    """Sums of many blocks, in the layout of one lane and of several."""
    rng = np.random.default_rng(features)
    for _ in range(6):
        program = programs.random_program(rng, most=5)
        tasks = [programs.random_task(rng, features, train=2, valid=2) for _ in range(2)]
        settings = {"max_abs_error": math.inf, "seed": 1}
        expected = programs.refer(program, tasks, programs.RuntimeMath(), **settings)
        for lanes in (1, 2, 8):
            assert programs.interpret(program, tasks, lanes=lanes, **settings).same_bits(expected)
