"""The emitted text: what it depends on, and that nothing of a program's text but ops gets there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import programs
import pytest
from programs import by_name

import azc
from azc import library
from azc.compiler.build import Source, build
from azc.compiler.emit import emit
from azc.compiler.natives import obtain
from azc.compiler.structure import ENTRIES, LANES, LAYOUTS, Structure, structure_of
from azc.compiler.toolchain import find_toolchain, missing
from azc.ops import OPS, ConstantKind, Type
from azc.program import Address, Instruction, Param, Program

needs_compiler = pytest.mark.skipif(missing() is not None, reason="needs a C compiler")

PLAIN = """
def Setup():
    s2 = 0.5
    m0[0.5, 0.25] = 2.0
def Predict():
    v1 = dot(m0, v0)
    v1 = s2 * v1
    s1 = mean(v1)
def Learn():
    s3 = s0 - s1
    v2 = s3 * v0
    m1 = outer(v1, v2)
    m0 = m0 + m1
"""


def structure(
    program: Program, features: int = 8, layout: str = LANES, classes: int = 0
) -> Structure:
    return structure_of(program, classes=classes, features=features, layout=layout)[0]


def text(program: Program, features: int = 8, layout: str = LANES, vector: int = 8) -> str:
    return emit([structure(program, features, layout)], vector)


# ---- what it depends on -------------------------------------------------------------------------

#: Ends of strings and comments in Cython, C and C preprocessors, in a name each.
HOSTILE = (
    '"""\nimport os\nos.abort()\n"""',
    "*/ int main(void) { abort(); } /*",
    "\\\n#include </etc/passwd>\n",
    "# cython: profile=True",
    "'; system('true'); '",
    "\x00\r\n\t\x1b[31m",
    "é\u2028\U0001f600 𝐱",
    "{version} {layout} {number} %s %d $(true) `true`",
)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_names_and_documents_change_nothing(layout: str) -> None:
    program = azc.parse(PLAIN)
    expected = text(program, layout=layout)
    for hostile in HOSTILE:
        named = replace(
            program,
            doc=hostile,
            filename=hostile,
            params=(Param(hostile, "setup", 0, 0, 0.5),),
            names={Address(Type.VECTOR, 1): hostile, Address(Type.MATRIX, 0): hostile},
        )
        assert text(named, layout=layout) == expected


def test_what_an_author_names_does_not_show() -> None:
    source = '''
"""{word} of a model. */ """
param {word} = 0.1 in log(1e-3, 1)
var {word}_w: vector
def Predict(x):
    # {word}
    return dot({word}_w, x)
def Learn(x, y):
    {word}_w += {word} * (y - prediction) * x
'''
    texts = {
        text(azc.parse(source.format(word=word), f"{word}.az"))
        for word in ("rate", "az_program", "cdef", "memcpy", "naïve", "abort")
    }
    assert len(texts) == 1
    assert texts == {text(azc.parse(source.format(word="x1"), "/etc/passwd"))}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_constants_change_nothing(layout: str) -> None:
    """They are arguments; so are entries' places."""
    program = azc.parse(PLAIN)
    first, given = structure_of(program, classes=0, features=8, layout=layout)
    for value in (0.0, -0.0, float("nan"), float("inf"), 1e308, 5e-324):
        setup = (
            replace(program.setup[0], constants=(value,)),
            replace(program.setup[1], constants=(0.0, 0.9, value)),
        )
        other, others = structure_of(
            replace(program, setup=setup), classes=0, features=8, layout=layout
        )
        assert other == first
        assert other.key("x") == first.key("x")
        assert emit([other], 8) == emit([first], 8)
        assert programs.bits(others.constants) == programs.bits(np.array([value, value]))
    assert given.constants.tolist() == [0.5, 2.0]
    assert given.places.tolist() == [4 * 8 + 2]
    assert others.places.tolist() == [7]


def test_dead_instructions_and_addresses_change_nothing() -> None:
    program = azc.parse(PLAIN)
    moved = azc.parse(
        PLAIN.replace("m0", "m7").replace("v2", "v9").replace("s3", "s1000").replace("v1", "v2")
        + "    v30 = exp_of\n".replace("exp_of", "v0 + v0")
    )
    assert structure(moved) == structure(program)
    assert text(moved) == text(program)


def test_structures_differ() -> None:
    """By features, layout, kind of prediction, any op, address or function."""
    program = azc.parse(PLAIN)
    variants = [
        structure(program),
        structure(program, features=9),
        structure(program, layout=ENTRIES),
        structure(azc.parse(PLAIN.replace("s0 - s1", "s0 + s1"))),
        structure(azc.parse(PLAIN.replace("outer(v1, v2)", "outer(v2, v1)"))),
        structure(azc.parse(PLAIN.replace("mean(v1)", "norm(v1)"))),
        structure(replace(program, predict=program.setup + program.predict, setup=())),
        structure(replace(program, learn=())),
        structure(Program()),
        structure(Program(), classes=3),
    ]
    for identity in ("", "gcc"):
        assert len({variant.key(identity) for variant in variants}) == len(variants)
    assert structure(program, classes=2) == structure(program)


def test_instructions_cannot_change_functions_unseen() -> None:
    """The same instructions, cut at another place."""
    one = Instruction(by_name("scalar_add"), 1, (1, 0))
    cuts = [Program((), (one,) * n, (one,) * (4 - n)) for n in range(5)]
    assert len({structure(program).key("") for program in cuts}) == 5


def test_keys_differ_by_toolchain() -> None:
    made = structure(azc.parse(PLAIN))
    assert made.key("gcc 12") != made.key("gcc 13")
    assert re.fullmatch("[0-9a-f]{32}", made.key("gcc 12"))
    assert made.key("gcc 12") == made.key("gcc 12")


@needs_compiler
def test_keys_differ_by_machine_and_flags(monkeypatch: pytest.MonkeyPatch) -> None:
    made = structure(azc.parse(PLAIN))
    identities = [find_toolchain(cpu).identity for cpu in ("native", "portable")]
    monkeypatch.setenv("AZC_CFLAGS", "-O1")
    identities.append(find_toolchain().identity)
    assert len({made.key(identity) for identity in identities}) == 3


def test_vectors_of_each_width_have_their_text() -> None:
    assert len({text(azc.parse(PLAIN), 24, ENTRIES, vector) for vector in (2, 4, 8)}) == 3


def test_structures_of_two_layouts_are_refused() -> None:
    program = azc.parse(PLAIN)
    with pytest.raises(AssertionError, match="one layout"):
        emit([structure(program), structure(program, layout=ENTRIES)], 8)


#: Pairs of matrices that are made again for the loop that takes their difference.
TWICE = """
def Predict():
    v1 = dot(m0, v0)
    s1 = mean(v1)
def Learn():
    m1 = outer(v0, v1)
    m2 = outer(v1, v0)
    m3 = bcast(v1, axis=0)
    m4 = bcast(v0, axis=1)
    m0 = transpose(m6)
    m6 = m1 - m3
    m0 = m0 + m6
    m5 = transpose(m7)
    m7 = m2 - m4
    m0 = m0 + m7
    m0 = m0 + m5
    m5 = transpose(m8)
    m8 = m1 - m4
    m0 = m0 + m8
    m0 = m0 + m5
    m5 = transpose(m9)
    m9 = m2 - m3
    m0 = m0 + m9
    m0 = m0 + m5
"""

SAME = """
import sys
import azc
import numpy as np
sys.path.insert(0, {tests!r})
import programs
from azc.compiler.emit import emit
from azc.compiler.structure import structure_of
rng = np.random.default_rng(1)
found = [azc.parse({twice!r})]
found += [programs.random_program(rng, most=30, addresses=(5, 5, 5)) for _ in range(60)]
for layout, features in (("lanes", 8), ("entries", 13), ("entries", 72)):
    print(emit([structure_of(program, classes=0, features=features, layout=layout)[0]
                for program in found], 8))
"""


def test_the_same_in_every_process() -> None:
    """Whatever the order of sets, which differs from one process to the next."""
    code = SAME.format(tests=os.path.dirname(programs.__file__), twice=TWICE)
    texts = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "3", "4", "9")
    }
    assert len(texts) == 1
    assert len(texts.pop()) > 100_000


def test_ascii_without_tabs() -> None:
    """As the scanner that reads it is told."""
    for name in library.names():
        program = library.load(name)
        for layout in LAYOUTS:
            made = emit([structure(program, layout=layout, classes=3)], 8)
            assert made.isascii()
            assert "\t" not in made
            assert max(map(len, made.splitlines())) < 4000


# ---- what compiles ------------------------------------------------------------------------------


def every_op() -> Program:
    """Each op, its result apart from its operands and in their place; all that is made counts."""
    body: list[Instruction] = []
    for op in OPS:
        if op.output is None:
            continue
        constants = tuple(0.5 if kind is not ConstantKind.BOUND else 1.0 for kind in op.constants)
        for out, first, second in ((2, 3, 4), (3, 3, 3)):
            body.append(Instruction(op, out, (first, second)[: len(op.inputs)], constants))
            add = by_name(f"{op.output.label}_add")
            body.append(Instruction(add, 5, (5, out)))
    body += [
        Instruction(by_name("matrix_vector_dot"), 6, (5, 5)),
        Instruction(by_name("vector_mean"), 6, (6,)),
        Instruction(by_name("scalar_add"), 1, (5, 6)),
    ]
    return Program(predict=tuple(body))


@needs_compiler
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("features", [1, 11])
def test_every_op_compiles(features: int, layout: str) -> None:
    made = structure(every_op(), features, layout)
    assert {i.op for i in made.program.instructions()} == {op for op in OPS if op.output}
    assert set(obtain([made])) == {made}


@needs_compiler
@pytest.mark.parametrize("layout", LAYOUTS)
def test_compiles_without_warnings(
    layout: str, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of use before initialisation, above all: which would be a value out of nowhere."""
    rng = np.random.default_rng(3)
    made = [programs.random_program(rng, most=12) for _ in range(8)]
    made += [library.load(name) for name in library.names()]
    features = 13 if layout == ENTRIES else 5
    found = find_toolchain()
    text = emit([structure(p, features, layout) for p in made], found.vector)
    source = Source("azc_warned", text)
    flags = (
        *(flag for flag in found.flags if flag != "-w"),
        *("-Werror=uninitialized", "-Werror=maybe-uninitialized", "-Werror=array-bounds"),
    )
    [built] = build([source], replace(found, flags=flags), tmp_path_factory.mktemp("built"))
    assert built.path.exists()
