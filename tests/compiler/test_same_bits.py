"""Compiled programs against the interpreter, to the bit: fitness, value and predictions."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import programs
import pytest
from programs import Instruction, Op, Outcome, Type, by_name

import azc
from azc import library
from azc.analysis import live_mask, predicts_vector
from azc.compiler.natives import Obtained, obtain
from azc.compiler.structure import ENTRIES, LANES, Arguments, Structure, structure_of
from azc.compiler.toolchain import find_toolchain, missing
from azc.ops import OPS
from azc.packing import pack
from azc.program import Address, Program
from azc.runtime import _core

if reason := missing():
    pytest.skip(f"needs a C compiler: {reason}", allow_module_level=True)

#: Features and layout; matrices of 72 and 96 are beyond 32 KiB, and multiples of 8.
SHAPES = (
    *((features, LANES) for features in (1, 3, 4, 8, 13, 16, 33, 64)),
    *((features, ENTRIES) for features in (1, 3, 4, 8, 13, 16, 33, 64, 72, 96, 72)),
)
LIMITS = (100.0, 1.5, math.inf)
#: Programs of one call of `obtain`.
BATCH = 400


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """A program on tasks in one layout; `chunks` of lanes at most side by side."""

    name: str
    program: Program
    tasks: list[Any]
    layout: str
    settings: dict[str, Any]
    chunks: int = 1

    @property
    def structure(self) -> tuple[Structure, Arguments]:
        task = self.tasks[0]
        return structure_of(
            self.program, classes=task.classes, features=task.features, layout=self.layout
        )

    @property
    def interpreted(self) -> Outcome:
        lanes = 8 if self.tasks[0].features <= 16 and len(self.tasks) > 1 else 1
        return programs.interpret(self.program, self.tasks, lanes=lanes, **self.settings)

    def compiled(self, found: dict[Structure, Obtained]) -> Outcome:
        structure, arguments = self.structure
        native, first = found[structure].native, self.tasks[0]
        wide = first.classes if first.classes > 2 else 1
        lanes = native.lanes
        while self.layout == LANES and wide == 1 and lanes < min(native.lanes * self.chunks, 16):
            lanes *= 2
        outcome = Outcome(np.empty(0), np.empty(0), [])
        machine, code = _core.Machine(), _core.Code(self.program.packed())
        for start in range(0, len(self.tasks), lanes):
            members = self.tasks[start : start + lanes]
            fitness, value = np.zeros(lanes), np.zeros(lanes)
            raw = np.zeros((lanes, len(first.y_valid), wide))
            machine.run(
                code,
                pack(members, lanes, native.lanes),
                fitness,
                value,
                raw,
                native=native,
                constants=arguments.for_lanes(lanes, native.lanes),
                places=arguments.places,
                **self.settings,
            )
            outcome.fitness = np.append(outcome.fitness, fitness[: len(members)])
            outcome.value = np.append(outcome.value, value[: len(members)])
            for lane in range(len(members)):
                outcome.predictions.append(raw[lane] if wide > 1 else raw[lane, :, 0])
        return outcome


def differing(cases: Sequence[Case], cpu: str = "native") -> list[str]:
    """Names of those cases on which the tiers disagree."""
    bad = []
    for start in range(0, len(cases), BATCH):
        batch = cases[start : start + BATCH]
        found = obtain([case.structure[0] for case in batch], cpu=cpu)
        bad += [case.name for case in batch if not case.compiled(found).same_bits(case.interpreted)]
    return bad


def also_to_inputs(program: Program, rng: np.random.Generator) -> Program:
    """Some of the program's writes go to v0 and s0 instead."""

    def body(instructions: tuple[Instruction, ...]) -> tuple[Instruction, ...]:
        return tuple(replace(i, out=0) if rng.random() < 0.15 else i for i in instructions)

    return replace(program, **{name: body(found) for name, found in program.functions()})


def filled_memory(addresses: tuple[int, int, int]) -> tuple[Instruction, ...]:
    """A number at every address, so that less of a random program is zero."""
    scalars, vectors, matrices = addresses
    return (
        *(Instruction(by_name("scalar_gaussian"), n, (), (0.5, 0.5)) for n in range(2, scalars)),
        *(Instruction(by_name("vector_gaussian"), n, (), (0.0, 1.0)) for n in range(1, vectors)),
        *(Instruction(by_name("matrix_gaussian"), n, (), (0.0, 0.5)) for n in range(matrices)),
    )


def random_case(
    number: int,
    *,
    most: int = 12,
    least: int = 0,
    shapes: Sequence[tuple[int, str]] = SHAPES,
    ops: tuple[Op, ...] = OPS,
    addresses: tuple[int, int, int] = (5, 4, 3),
) -> Case:
    """Case `number`: mostly a program of which much is live, `least` instructions or more, and
    whose predictions are numbers that differ."""
    rng = np.random.default_rng(number)
    features, layout = shapes[number % len(shapes)]
    classes = int(rng.choice((0, 0, 2, 3, min(features, 7)) if features >= 3 else (0, 2)))
    train, valid = ((6, 5), (6, 5), (1, 1), (70, 131))[number % 4 if features <= 16 else 0]
    count = int(rng.integers(1, 17)) if layout == LANES else 1 + number % 2
    settings = {
        "epochs": int(rng.integers(1, 4)),
        "seed": number,
        "max_abs_error": float(rng.choice(LIMITS)),
    }
    special = float(rng.choice((0.0, 0.05, 0.05, 0.3)))
    tasks = [
        programs.random_task(
            rng, features, train=train, valid=valid, classes=classes, special=special
        )
        for _ in range(count)
    ]
    wanted = least or int(rng.integers(0, most))
    chunks = int(rng.choice((1, 2, 8)))
    for _ in range(40):
        program = programs.random_program(rng, most=most, ops=ops, addresses=addresses)
        if rng.random() < 0.3:
            program = also_to_inputs(program, rng)
        if rng.random() < 0.7:
            program = replace(program, setup=filled_memory(addresses) + program.setup)
        case = Case(f"case {number}", program, tasks, layout, settings, chunks)
        if live_count(program, classes) >= wanted and (wanted < 2 or varies(case.interpreted)):
            break
    return case


def live_count(program: Program, classes: int) -> int:
    return sum(sum(mask) for mask in live_mask(program, classes))


def varies(outcome: Outcome) -> bool:
    """Whether predictions are numbers that differ from one example or task to another."""
    made = np.concatenate([predictions.ravel() for predictions in outcome.predictions])
    return len(np.unique(made[np.isfinite(made)])) > 1


@pytest.fixture
def level() -> Iterator[None]:
    """Puts the runtime's level back after a test."""
    best = _core.level()
    yield
    _core.use_level(best)


# ---- random programs ----------------------------------------------------------------------------


def test_cases_cover_every_op_and_setting() -> None:
    """And have an effect: what is compared are seldom zeros."""
    cases = [random_case(number) for number in range(240)]
    running = [case.structure[0].program for case in cases]
    seen = {i.op for program in running for i in program.instructions()}
    assert seen == {op for op in OPS if op.output}
    assert {(case.tasks[0].features, case.layout) for case in cases} == set(SHAPES)
    assert {case.tasks[0].classes for case in cases} >= {0, 2, 3, 7}
    written = {i.output for program in running for i in program.instructions()}
    assert {Address(Type.SCALAR, 0), Address(Type.VECTOR, 0), Address(Type.VECTOR, 1)} <= written
    assert sum(varies(case.interpreted) for case in cases) > 150
    assert sum(len([*program.instructions()]) > 4 for program in running) > 120


def test_random_programs(full: bool) -> None:
    count = 8000 if full else 60
    assert differing([random_case(number) for number in range(count)]) == []
    print(f"{count} programs: all equal to the bit")


def test_larger_programs(full: bool) -> None:
    """Of 60 to 200 instructions a function, over more addresses."""
    count = 300 if full else 5
    shapes = ((4, LANES), (8, ENTRIES), (13, LANES), (16, ENTRIES), (72, ENTRIES))
    cases = [
        random_case(
            10**6 + n, most=60 + n * 41 % 141, least=60, shapes=shapes, addresses=(12, 10, 6)
        )
        for n in range(count)
    ]
    assert differing(cases) == []


def test_matrix_programs_in_one_pass(full: bool) -> None:
    """Over ops that share loops over large matrices, in the layout where they do."""
    ops = [op for op in OPS if Type.MATRIX in (*op.inputs, op.output) and op.name != "matmul"]
    ops += [by_name(name) for name in ("scalar_vector_mul", "vector_add", "vector_mul", "dot")]
    ops.remove(by_name("matrix_reciprocal"))
    count = 700 if full else 16
    cases = [
        random_case(2 * 10**6 + n, most=10, shapes=((72, ENTRIES), (80, ENTRIES)), ops=tuple(ops))
        for n in range(count)
    ]
    assert differing(cases) == []


@pytest.mark.parametrize("name", ["avx2", "baseline"])
def test_other_vector_widths(name: str, level: None, full: bool) -> None:
    if name not in _core.levels():
        pytest.skip(f"this machine has no {name}")
    _core.use_level(name)
    assert find_toolchain().vector == {"avx2": 4, "baseline": 2}[name]
    count = 500 if full else 12
    assert differing([random_case(3 * 10**6 + n) for n in range(count)]) == []


def test_portable_code(full: bool) -> None:
    """Built for any CPU of this kind, run with the kernels of this one."""
    count = 500 if full else 12
    assert differing([random_case(4 * 10**6 + n) for n in range(count)], cpu="portable") == []


# ---- very large programs ------------------------------------------------------------------------

#: Ops whose results stay small whatever their operands, and others, after which small is made of
#: large; sums are kept of all, so that everything is live and nothing is lost in infinity.
CALM = (
    *("scalar_sin", "scalar_cos", "scalar_arctan", "scalar_heaviside", "scalar_min", "scalar_max"),
    *("scalar_abs", "scalar_const", "scalar_uniform", "vector_heaviside", "vector_broadcast"),
    *("vector_abs", "vector_mean", "vector_min", "vector_max", "vector_const", "vector_uniform"),
    *("matrix_heaviside", "matrix_abs", "matrix_mean", "matrix_min", "matrix_max", "matrix_const"),
    *("row_mean", "column_broadcast", "row_broadcast", "transpose"),
)
WILD = (
    *("scalar_sub", "scalar_mul", "scalar_vector_mul", "vector_sub", "vector_mul", "dot", "outer"),
    *("matrix_sub", "matrix_mul", "matrix_vector_dot", "scalar_matrix_mul", "vector_norm"),
    *("row_norm", "column_norm"),
)
COUNTS = {Type.SCALAR: 8, Type.VECTOR: 6, Type.MATRIX: 4}


def long_body(rng: np.random.Generator, length: int) -> tuple[Instruction, ...]:
    found: list[Instruction] = []
    while len(found) < length:
        wild = rng.random() < 0.3
        op = by_name(str(rng.choice(WILD if wild else CALM)))
        made = programs.random_instruction(rng, COUNTS, op)
        out, kind = made.out, op.output
        assert kind is not None
        if kind is Type.SCALAR and out == 1:
            continue
        found.append(replace(made, constants=tuple(rng.random(len(op.constants)).tolist())))
        if wild:
            found.append(Instruction(by_name(f"{kind.label}_heaviside"), out, (out,)))
        add = by_name(f"{kind.label}_{'add' if len(found) % 3 else 'sub'}")
        found.append(Instruction(add, COUNTS[kind], (COUNTS[kind], out)))
    return tuple(found[:length])


def long_program(seed: int, lengths: tuple[int, int, int]) -> Program:
    rng = np.random.default_rng(seed)
    setup, predict, learn = (long_body(rng, length) for length in lengths)
    end = (
        Instruction(by_name("row_mean"), 7, (4,)),
        Instruction(by_name("vector_add"), 7, (7, 6)),
        Instruction(by_name("vector_mean"), 9, (7,)),
        Instruction(by_name("scalar_add"), 9, (9, 8)),
        Instruction(by_name("scalar_sin"), 1, (9,)),
    )
    return Program(setup, predict + end, learn)


@pytest.mark.parametrize(
    ("lengths", "features", "layout"),
    [
        ((50, 200, 50), 8, LANES),
        ((50, 50, 200), 72, ENTRIES),
        pytest.param((0, 10_000, 0), 16, ENTRIES, marks=pytest.mark.slow),
        pytest.param((3000, 3000, 3000), 4, LANES, marks=pytest.mark.slow),
    ],
)
def test_thousands_of_instructions(
    lengths: tuple[int, int, int], features: int, layout: str, full: bool
) -> None:
    if sum(lengths) > 1000 and not full:
        pytest.skip("minutes of compiling; in the full count")
    program = long_program(1, lengths)
    # A body's last instructions may have been cut off before what adds them up.
    assert live_count(program, 0) >= sum(lengths)
    rng = np.random.default_rng(2)
    tasks = [programs.random_task(rng, features, train=4, valid=3) for _ in range(2)]
    case = Case("long", program, tasks, layout, {"epochs": 2, "seed": 1, "max_abs_error": 5.0})
    assert varies(case.interpreted)
    assert differing([case]) == []


# ---- op by op -----------------------------------------------------------------------------------


def shown(address: int, kind: Type) -> list[Instruction]:
    """Adds what stands at an address to the prediction, each entry with a weight of its own."""
    out = []
    if kind is Type.MATRIX:
        out.append(Instruction(by_name("matrix_vector_dot"), 3, (address, 0)))
        address = 3
    if kind is not Type.SCALAR:
        out.append(Instruction(by_name("dot"), 4, (address, 0)))
        address = 4
    return [*out, Instruction(by_name("scalar_add"), 1, (1, address))]


def filled() -> list[Instruction]:
    """Numbers in s2, s3, v1, v2, m0 and m1: positive and negative, of random numbers and state."""
    make = [
        Instruction(by_name("vector_uniform"), 1, (), (-1.5, 1.5)),
        Instruction(by_name("vector_max"), 2, (0, 1)),
        Instruction(by_name("matrix_gaussian"), 0, (), (0.1, 1.0)),
        Instruction(by_name("matrix_uniform"), 1, (), (-2.0, 2.0)),
        Instruction(by_name("vector_mean"), 2, (0,)),
        Instruction(by_name("scalar_sin"), 3, (2,)),
    ]
    return [*make, Instruction(by_name("scalar_const"), 1, (), (0.25,))]


def op_program(op: Op) -> Program:
    """Shows the op's result in Predict, and in Learn what it makes in place of its operands."""
    first = {Type.SCALAR: (2, 3), Type.VECTOR: (1, 2), Type.MATRIX: (0, 1)}
    inputs = tuple(first[kind][place] for place, kind in enumerate(op.inputs))
    constants = tuple((0.7, 0.4, 1.25)[: len(op.constants)])
    assert op.output is not None
    new = {Type.SCALAR: 4, Type.VECTOR: 3, Type.MATRIX: 2}[op.output]
    apart = Instruction(op, new, inputs, constants)
    predict = [*filled(), apart, *shown(new, op.output)]
    learn = []
    for place, kind in enumerate(op.inputs):
        if kind is op.output:
            learn.append(Instruction(op, inputs[place], inputs, constants))
            learn += [*shown(inputs[place], kind), Instruction(by_name("scalar_sin"), 5, (1,))]
    if not learn:
        learn = [Instruction(op, new, inputs, constants), *shown(new, op.output)]
        learn.append(Instruction(by_name("scalar_sin"), 5, (1,)))
    # What Learn made reaches the next prediction.
    predict.append(Instruction(by_name("scalar_add"), 1, (1, 5)))
    return Program(predict=tuple(predict), learn=tuple(learn))


def cases_of(
    named: Sequence[tuple[str, Program]], features: int, layout: str, special: float
) -> list[Case]:
    rng = np.random.default_rng(features)
    count = 10 if layout == LANES else 2
    tasks = [programs.random_task(rng, features, special=special) for _ in range(count)]
    settings = {"max_abs_error": math.inf, "epochs": 2, "seed": 5}
    return [Case(name, program, tasks, layout, settings, 2) for name, program in named]


@pytest.fixture(params=[(3, LANES), (8, ENTRIES), (13, ENTRIES), (72, ENTRIES)], ids=str)
def shape(request: pytest.FixtureRequest, full: bool) -> tuple[int, str]:
    found: tuple[int, str] = request.param
    if found == (8, ENTRIES) and not full:
        pytest.skip("as with 13 features, but for the rest of a register; in the full count")
    return found


def worth_it(op: Op, features: int) -> bool:
    """Only what is done with matrices depends on their being large."""
    return features <= 64 or Type.MATRIX in (*op.inputs, op.output)


def test_each_op(shape: tuple[int, str]) -> None:
    """With its result apart from its operands and in place of each of them, on numbers and on
    what is not."""
    features, layout = shape
    made = [(op.name, op_program(op)) for op in OPS if op.output and worth_it(op, features)]
    plain = cases_of(made, features, layout, 0.0)
    # Each shows what its op does: two programs that give the same are the same op on vectors.
    seen = {case.name: np.concatenate(case.interpreted.predictions).tobytes() for case in plain}
    assert sum(np.isfinite(np.frombuffer(bits)).any() for bits in seen.values()) > 0.9 * len(made)
    assert len(set(seen.values())) > 0.9 * len(made)
    assert differing(plain) == []
    assert differing(cases_of(made, features, layout, 0.1)) == []


def test_each_pair_that_the_interpreter_fuses(shape: tuple[int, str]) -> None:
    features, layout = shape
    made = []
    for name, first, second, side in programs.fused_pairs():
        if not worth_it(second, features):
            continue
        kind = second.output
        assert kind is not None
        addresses = {Type.SCALAR: (2, 3), Type.VECTOR: (1, 2), Type.MATRIX: (0, 1)}
        inputs = tuple(addresses[t][place] for place, t in enumerate(first.inputs))
        other = addresses[kind][0]
        new = {Type.SCALAR: 4, Type.VECTOR: 3, Type.MATRIX: 2}[kind]
        pair = (new, other) if side == 0 else (other, new)
        body = (*filled(), Instruction(first, new, inputs), Instruction(second, new, pair))
        program = Program(predict=(*body, *shown(new, kind)))
        assert name in programs.fused_in(program)
        made.append((name, program))
    assert differing(cases_of(made, features, layout, 0.05)) == []


# ---- by hand ------------------------------------------------------------------------------------

#: Each keeps something from one prediction to the next, which a stopped validation must restore.
STATEFUL = {
    "scalar": """
def Setup():
    s2 = 0.0625
def Predict():
    s3 = s3 + s2
    s4 = mean(v0)
    s1 = s3 * s4
""",
    "vector": """
def Predict():
    v1 = v1 + v0
    s1 = mean(v1)
def Learn():
    s2 = s0 - s1
    v2 = s2 * v0
    v1 = v1 - v2
""",
    "matrix": """
def Predict():
    m0 = outer(v0, v0)
    m1 = m1 + m0
    s1 = mean(m1)
def Learn():
    s2 = 0.5
    m1 = s2 * m1
""",
    "random": """
def Setup():
    v1 = gaussian(0, 0.1)
def Predict():
    v2 = uniform(-0.5, 0.5)
    v1 = v1 + v2
    s2 = dot(v0, v1)
    s3 = gaussian(0, 1)
    s1 = s2 + s3
def Learn():
    v1[0.5] = 0.25
""",
    "inputs": """
def Predict():
    v0 = v0 + v1
    v1 = abs(v0)
    s0 = s0 + s2
    s2 = abs(s1)
    s1 = mean(v0)
    s1 = s1 + s0
def Learn():
    s3 = s0 - s1
    v2 = s3 * v0
    v1 = v1 - v2
    v0 = abs(v1)
    s0 = s3 * s3
""",
}


@pytest.mark.parametrize("features", [4, 13, 72])
def test_validation_that_stops(features: int) -> None:
    """In the middle, at another example in each task, over several epochs: programs with state go
    on from where they stopped."""
    rng = np.random.default_rng(features)
    cases = []
    for layout in (LANES, ENTRIES) if features <= 64 else (ENTRIES,):
        for name, text in STATEFUL.items():
            tasks = []
            for place in range(16 if layout == LANES else 4):
                task = programs.random_task(rng, features, train=4, valid=9)
                if place % 4:
                    task.y_valid[place % 9] = 1e12
                tasks.append(task)
            settings = {"epochs": 3, "seed": 2, "max_abs_error": 1e9}
            program = azc.parse(text)
            cases.append(Case(f"{name} {layout}", program, tasks, layout, settings, 2))
    for case in cases:
        ended = [np.isnan(predictions) for predictions in case.interpreted.predictions]
        assert any(nan.any() and not nan.all() for nan in ended), "expected one to stop midway"
        assert any(not nan.any() for nan in ended), "expected one to reach the end"
    assert differing(cases) == []


BY_HAND = {
    "nothing": "def Predict():\n    pass\n",
    "only Setup": "def Setup():\n    s1 = 0.5\n",
    "only Learn": "def Learn():\n    s1 = 0.5\n    s1 = s1 + s0\n",
    "label before Learn": "def Predict():\n    s1 = s0 + s0\n",
    "unset": "def Setup():\n    v1 = v0 + v1\n    s2 = s0 + s1\n    m0 = m0 + m1\n"
    "def Predict():\n    v2 = dot(m0, v1)\n    s3 = mean(v2)\n    s1 = s2 + s3\n",
    "matmul in place": "def Setup():\n    m0 = gaussian(0, 0.5)\n    m1 = gaussian(0, 0.5)\n"
    "def Predict():\n    v1 = dot(m0, v0)\n    v1 = dot(m1, v1)\n    s1 = dot(v0, v1)\n"
    "def Learn():\n    m0 = matmul(m0, m1)\n    m1 = matmul(m1, m1)\n    m1 = matmul(m0, m1)\n"
    "    s2 = norm(m1)\n    s2 = 1 / s2\n    m1 = s2 * m1\n    m0 = transpose(m0)\n"
    "    s2 = norm(m0)\n    s2 = 1 / s2\n    m0 = s2 * m0\n",
    "transpose twice": "def Predict():\n    m0 = outer(v0, v1)\n    m0 = transpose(m0)\n"
    "    m1 = transpose(m0)\n    v1 = dot(m1, v0)\n    v2 = dot(m0, v0)\n    s1 = dot(v1, v2)\n"
    "def Learn():\n    v1 = bcast(s0)\n    v1 = v1 + v0\n",
    "prediction as state": "def Predict():\n    s2 = 0.5\n    s1 = s1 * s2\n    s2 = mean(v0)\n"
    "    s1 = s1 + s2\ndef Learn():\n    s1 = s1 - s0\n",
    "entries": "def Setup():\n    v1[0.99] = 2\n    v1[0] = 3\n    m0[0.5, 0.99] = -1\n"
    "    m0[0, 0] = 0.5\ndef Predict():\n    v2 = dot(m0, v0)\n    s1 = dot(v1, v2)\n"
    "def Learn():\n    m0[0.3, 0.3] = 0.25\n    m1 = outer(v0, v0)\n    m1[0.9, 0.1] = 0\n"
    "    m0 = m0 + m1\n    v1[0.5] = -1\n",
}
CLASSES = {
    "label written": "def Predict():\n    v1 = v1 + v0\n    v2 = abs(v1)\n"
    "def Learn():\n    v3 = v1 - v2\n    v1 = s0 * v0\n    v0 = v1 + v3\n    m0 = outer(v3, v0)\n",
    "label read in Predict": "def Predict():\n    v3 = v1 + v0\n    v2 = v3 + v4\n"
    "def Learn():\n    v4 = v1 - v2\n",
    "prediction as state": "def Predict():\n    v2 = v2 - v0\ndef Learn():\n    v2 = v1 + v2\n",
    "nothing": "def Learn():\n    v3 = v1 + v2\n",
}


@pytest.mark.parametrize("features", [3, 13, 72])
def test_programs_by_hand(features: int) -> None:
    rng = np.random.default_rng(features)
    cases = []
    for classes in (0, 2, 3):
        texts = CLASSES if classes > 2 else BY_HAND
        for layout in (LANES, ENTRIES) if features <= 64 else (ENTRIES,):
            tasks = [programs.random_task(rng, features, classes=classes) for _ in range(3)]
            for name, text in texts.items():
                for limit in (2.0, math.inf):
                    settings = {"epochs": 2, "seed": 3, "max_abs_error": limit}
                    label = f"{name}, {classes} classes, {layout}, limit {limit}"
                    cases.append(Case(label, azc.parse(text), tasks, layout, settings))
    assert differing(cases) == []


# ---- the library --------------------------------------------------------------------------------


@pytest.mark.parametrize("features", [4, 16])
def test_library(features: int) -> None:
    """On one task and on ten, of numbers, two classes and more."""
    rng = np.random.default_rng(features)
    found = [library.load(name) for name in library.names()]
    trained = set()
    for count in (1, 10):
        azc.compile(found, features=features, tasks=count)
        for program in found:
            for classes in (3,) if predicts_vector(program) else (0, 2):
                tasks = [labelled(rng, features, classes) for _ in range(count)]
                options = {"epochs": 2, "seed": 4}
                compiled = azc.evaluate(program, tasks, tier="compiled", **options)
                interpreted = azc.evaluate(program, tasks, tier="interpreter", **options)
                same = outcome(compiled).same_bits(outcome(interpreted))
                assert same, f"{program.filename}, {count} tasks of {classes} classes"
                if varies(outcome(interpreted)):
                    trained.add(program.filename)
    assert len(trained) == len(found)


def labelled(rng: np.random.Generator, features: int, classes: int) -> azc.Task:
    x = rng.normal(size=(40, features))
    y = x @ rng.normal(size=features)
    if classes:
        y = np.digitize(y, np.quantile(y, np.arange(1, classes) / classes)).astype(float)
    metric = "accuracy" if classes else "rmse"
    return azc.Task(x[:30], y[:30], x[30:], y[30:], metric=metric)


def outcome(result: azc.Result) -> Outcome:
    return Outcome(result.fitness, result.value, result.predictions)
