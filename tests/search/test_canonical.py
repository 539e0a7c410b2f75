"""Hashes, canonical forms and the dependency filter, against witnesses in Python."""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import programs
import pytest
import reference_analysis as witness
import xxhash
from hypothesis import given
from hypothesis import strategies as st
from programs import bits
from search.reference_drawing import Spec, fields

import azc
from azc.analysis import canonical_names, interface_addresses, live, needed
from azc.ops import OPS, Op, by_name
from azc.program import Address, Instruction, Program
from azc.runtime import _core

MANY_CLASSES = [0, 2, 3]


def form_of(program: Program, classes: int) -> _core.Canonical:
    return _core.Canonical(program.code, classes)


def structure(program: Program, classes: int = 0) -> int:
    return form_of(program, classes).structure_hash


def depends(program: Program, classes: int = 0) -> bool:
    return form_of(program, classes).depends


def random_programs(count: int) -> Iterator[Program]:
    """Short ones that use each op often, and some with many instructions or addresses."""
    to_vector = [op for op in OPS if op.output and op.output.value == "v"]
    for number in range(count):
        rng = np.random.default_rng(number)
        most, addresses = [(8, (5, 4, 3)), (8, (2, 3, 1)), (60, (20, 20, 20))][number % 3]
        program = programs.random_program(rng, most=most, addresses=addresses)
        if number % 2:  # a prediction for several classes
            room = dict(zip(programs.Type, addresses, strict=True))
            last = programs.random_instruction(
                rng, room, to_vector[rng.integers(len(to_vector))]
            )  # fmt: skip
            program = replace(program, predict=(*program.predict, replace(last, out=2)))
        yield program


#: Few of these forget what they are given.
DENSE = tuple(map(by_name, (
    "scalar_add", "scalar_sub", "dot", "scalar_vector_mul", "vector_broadcast", "vector_add",
    "vector_norm", "outer", "matrix_add", "matrix_vector_dot", "row_mean", "scalar_const",
    "vector_const", "matrix_const", "scalar_gaussian", "vector_uniform",
)))  # fmt: skip


def near_learners(count: int, classes: int) -> Iterator[Program]:
    """Programs that learn, after some mutations: many still depend on features and labels, and many
    nearly do."""
    kinds = ("alter-parameter", "randomize-instruction", "insert", "remove")
    ops = (tuple(op.name for op in DENSE),) * 3
    spec = Spec((4, 4, 2), ops, least=(0, 0, 0), most=(9, 9, 9), mutations=kinds)
    start = azc.parse(BY_HAND["several classes"][0] if classes > 2 else LEARNER).packed()
    space = spec.core()
    for number in range(count):
        program = start
        for step in range(number % 9):
            _, program = space.mutate(program, step, number)
        yield Program.unpacked(program)


# ---- hashes --------------------------------------------------------------------------------------


@given(st.binary(min_size=1, max_size=64), st.integers(_core.HASH_LEAST, 6000), st.integers(0, 99))
def test_hash_is_xxh3(seed: bytes, length: int, shift: int) -> None:
    """At any alignment of what is hashed."""
    data = np.random.default_rng(list(seed)).bytes(length + shift)[shift:]
    for own in (False, True):
        assert _core.hash128(data, own) == xxhash.xxh3_128_intdigest(data)


def test_hash_is_xxh3_at_every_length(full: bool) -> None:
    data = np.random.default_rng(1).bytes(1 << 20)
    edges = {block * 1024 + rest for block in (1, 2, 3, 64, 1023) for rest in range(-66, 67)}
    for length in sorted({*range(_core.HASH_LEAST, 3000 if full else 400), *edges, 1 << 20}):
        for part in (data[:length], bytes(length)):
            for own in (False, True):
                assert _core.hash128(part, own) == xxhash.xxh3_128_intdigest(part), length


@pytest.mark.skipif(sys.platform != "linux", reason="others may hide the package's function")
def test_the_packages_function_is_used() -> None:
    assert _core.HASH_OF_PACKAGE


@pytest.mark.parametrize("length", [0, 1, 240])
def test_too_little_to_hash_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match="at least 241"):
        _core.hash128(bytes(length))


# ---- canonical forms -----------------------------------------------------------------------------


@pytest.mark.parametrize("classes", MANY_CLASSES)
def test_canonical_form_as_by_hand(classes: int, full: bool) -> None:
    """And all that is said with it: live instructions, what they need, names, arguments."""
    seen: set[Op] = set()
    for number, program in enumerate(random_programs(5000 if full else 300)):
        expected, form = witness.canonical(program, classes), form_of(program, classes)
        assert form.packed == expected.packed(), number
        assert f"{form.hash:032x}" == witness.canonical_hash(program, classes), number
        again = form_of(expected, classes)
        assert (again.packed, again.hash) == (form.packed, form.hash)
        assert form.bare == witness.bare(program, classes).packed(), number
        assert canonical_names(program, classes) == witness.canonical_names(program, classes)
        told, computed = form.arguments(5), witness.arguments(program, classes, 5)
        assert (bits(told[0]), told[1]) == (bits(computed[0]), computed[1]), number
        assert live(program, classes) == witness.live(program, classes), number
        found = needed(program, classes)
        sets = (found.between, found.after_predict, found.before_setup)
        assert sets == tuple(map(frozenset, witness.needed(program, classes))), number
        seen |= {instruction.op for instruction in expected.instructions()}
    assert seen == set(OPS[1:])  # all but NoOp are somewhere alive


@pytest.mark.parametrize("classes", MANY_CLASSES)
def test_empty_and_dead_programs_have_one_form(classes: int) -> None:
    dead = azc.parse("def Setup():\n    m0 = gaussian(0, 1)\ndef Predict():\n    NoOp()\n")
    form, empty = form_of(dead, classes), form_of(Program(), classes)
    assert (form.packed, form.hash) == (empty.packed, empty.hash)
    assert form.structure_hash == empty.structure_hash
    assert form.packed == (b"", b"", b"")
    assert not depends(dead, classes)


def bare(program: Program, classes: int) -> tuple[bytes, ...]:
    """The canonical form with all constants zero."""
    bodies = []
    for body in form_of(program, classes).packed:
        records = fields(body).copy()
        records["constant"] = 0
        bodies.append(records.tobytes())
    return tuple(bodies)


@pytest.mark.parametrize("classes", MANY_CLASSES)
def test_structure_is_all_but_constants(classes: int, full: bool) -> None:
    """Equal structures, equal hashes, and the other way round."""
    rng = np.random.default_rng(classes)
    bodies: dict[int, tuple[bytes, ...]] = {}
    hashes: dict[tuple[bytes, ...], int] = {}
    varied = 0
    for program in random_programs(3000 if full else 400):
        value, body = structure(program, classes), bare(program, classes)
        assert bodies.setdefault(value, body) == body
        assert hashes.setdefault(body, value) == value
        other = with_other_constants(program, rng)
        assert structure(other, classes) == value
        varied += form_of(other, classes).hash != form_of(program, classes).hash
    assert len(hashes) > 200
    assert varied > 100  # constants that are alive differ in the other hash


def with_other_constants(program: Program, rng: np.random.Generator) -> Program:
    def change(instruction: Instruction) -> Instruction:
        constants = tuple(
            programs.random_constant(kind, rng) for kind in instruction.op.constants
        )  # fmt: skip
        return replace(instruction, constants=constants)

    setup, predict, learn = (tuple(map(change, body)) for _, body in program.functions())
    return Program(setup, predict, learn)


def test_structure_tells_the_functions_apart() -> None:
    line = "    s1 = s0 + s1\n"
    texts = [f"def {one}():\n{line}" for one in ("Predict", "Learn")]
    texts += ["".join(texts), f"def Predict():\n{line}{line}", "def Learn():\n    s1 = s0 - s1\n"]
    assert len({structure(azc.parse(text)) for text in texts}) == len(texts)


# ---- dependence ----------------------------------------------------------------------------------

LEARNER = "def Setup():\n    s2 = 0.1\n" + programs.LINEAR.partition("{rate}\n")[2]

BY_HAND = {
    "linear regression": (LEARNER, 0, True),
    "nothing": ("def Learn():\n    s2 = 1\n", 0, False),
    "features alone": ("def Predict():\n    s1 = dot(v0, v0)\n", 0, False),
    "labels alone": ("def Learn():\n    s1 = s0 + s0\n", 0, False),
    "labels that Predict sees are zeros": ("def Predict():\n    s2 = norm(v0)\n    s1 = s2 + s0\n",
                                           0, False),
    "learning from features alone": (
        "def Predict():\n    s1 = dot(v0, v1)\ndef Learn():\n    v1 = v1 + v0\n", 0, False),
    "features of earlier examples": (
        "def Predict():\n    s1 = dot(v1, v1)\ndef Learn():\n    v1 = s0 * v0\n", 0, False),
    "what is learned is overwritten": (
        "def Predict():\n    s2 = 0.5\n    s3 = norm(v0)\n    s1 = s2 * s3\n"
        "def Learn():\n    s2 = s0 + s2\n", 0, False),
    "features through two examples of memory": (
        "def Predict():\n    s4 = norm(v0)\n    s1 = s4 * s3\n    s3 = s2 + s5\n"
        "def Learn():\n    s2 = s0 + s0\n", 0, True),
    "one entry keeps the others": (
        "def Predict():\n    v1[0] = 0.5\n    s1 = dot(v0, v1)\n"
        "def Learn():\n    v1 = bcast(s0)\n", 0, True),
    "a whole vector does not": (
        "def Predict():\n    v1 = gaussian(0, 1)\n    s1 = dot(v0, v1)\n"
        "def Learn():\n    v1 = bcast(s0)\n", 0, False),
    "the prediction's own sigmoid": (
        "def Predict():\n    s2 = norm(v0)\n    s1 = s1 + s2\ndef Learn():\n    s1 = s0 + s0\n",
        2, True),
    "several classes": (
        "def Predict():\n    v2 = dot(m0, v0)\ndef Learn():\n    m0 = outer(v1, v0)\n", 3, True),
    "the scalar label is none of several classes": (
        "def Predict():\n    v2 = s2 * v0\ndef Learn():\n    s2 = s0 + s2\n", 3, False),
    "the scalar prediction is none of several classes": (LEARNER, 3, False),
}  # fmt: skip


@pytest.mark.parametrize("name", BY_HAND)
def test_dependence_by_hand(name: str) -> None:
    text, classes, expected = BY_HAND[name]
    assert depends(azc.parse(text), classes) is expected


Taint = dict[Address, frozenset[str]]


def taint_after(program: Program, function: str, before: Taint) -> Taint:
    now = dict(before)
    for instruction in getattr(program, function):
        if instruction.output:
            sources = [now.get(address, frozenset()) for address in instruction.reads]
            now[instruction.output] = frozenset().union(*sources)
    return now


def taints(program: Program, classes: int) -> list[frozenset[str]]:
    """What may reach a prediction: ``label`` of training, ``own`` features of the example. Follows
    every course of training and validation, any number of epochs; dead instructions run."""
    features, label, prediction = interface_addresses(classes)
    own, known = frozenset({"own"}), frozenset({"label"})

    def kept(memory: Taint) -> Taint:
        """Features and label are set anew; those of earlier examples are not one's own."""
        past = {address: taint - {"own"} for address, taint in memory.items()}
        return past | {features: own, label: frozenset()}

    met: list[Taint] = []
    found: list[frozenset[str]] = []
    to_do: list[Taint] = [kept({})]
    while to_do:
        memory = to_do.pop()
        if memory in met:
            continue
        met.append(memory)
        after = taint_after(program, "predict", memory)
        found.append(after.get(prediction, frozenset()))
        to_do.append(kept(after))
        to_do.append(kept(taint_after(program, "learn", after | {features: own, label: known})))
    return found


@pytest.mark.parametrize("classes", MANY_CLASSES)
def test_dependence_agrees_with_taint(classes: int, full: bool) -> None:
    found = {True: 0, False: 0}
    for number, program in enumerate(near_learners(5000 if full else 500, classes)):
        expected = {"own", "label"} in taints(program, classes)
        assert depends(program, classes) is expected, number
        found[expected] += 1
    assert min(found.values()) > 50, found


CARRIED = """
def Predict():
    s4 = dot(v0, v0)
    s1 = s2 * s4
    s2 = s3 + s5
def Learn():
    s3 = s0 + s5
    s2 = 0.5
"""


def test_dependence_follows_validation() -> None:
    """Learn overwrites s2 in training, but from one validation example to the next it survives."""
    program = azc.parse(CARRIED)
    assert depends(program)
    one, two = predictions(program, 0, changed_labels)
    assert one[0] == two[0]
    assert (one[1:] != two[1:]).all()


# ---- what dependence means -----------------------------------------------------------------------


def changed_labels(task: Any, rng: np.random.Generator) -> None:
    task.y_train = 1 - task.y_train if task.classes == 2 else np.roll(task.y_train, 1) + 0.0
    if not task.classes:
        task.y_train = rng.normal(size=task.y_train.shape)
    elif task.classes > 2:
        task.y_train = (task.y_train + rng.integers(1, task.classes)) % task.classes


def changed_features(task: Any, rng: np.random.Generator) -> None:
    task.X_valid = task.X_valid.copy()
    task.X_valid[-1] = rng.normal(size=task.features)


def predictions(
    program: Program, classes: int, change: Any, *, seed: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Of a task, and of the same task after a change; errors stop nothing but by being NaN."""
    rng = np.random.default_rng(seed)
    task = programs.random_task(rng, 3, classes=classes, train=12, valid=3)
    other = copy.copy(task)
    change(other, rng)
    settings = {"lanes": 1, "max_abs_error": np.inf}
    one, two = (programs.interpret(program, [t], **settings) for t in (task, other))
    return one.predictions[0], two.predictions[0]


@pytest.mark.parametrize("classes", MANY_CLASSES)
def test_what_does_not_depend_does_not_change(classes: int, full: bool) -> None:
    """The last validation prediction, when labels of training or its own features change."""
    moved = {True: 0, False: 0}
    for number, program in enumerate(near_learners(4000 if full else 400, classes)):
        pairs = [
            predictions(program, classes, change, seed=number)
            for change in (changed_labels, changed_features)
        ]
        moved[depends(program, classes)] += all(bits(a[-1]) != bits(b[-1]) for a, b in pairs)
    assert moved[False] == 0
    assert moved[True] > 20  # most values do move where they may
