"""`azc compile`, and what `azc run` says of the tier that it took."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

import azc as library_of_azc
from azc import tiers
from azc.analysis import canonical_hash
from azc.cli.emitting import annotated
from azc.compiler import build, natives, toolchain
from azc.compiler.emit import emit
from azc.compiler.natives import _import
from azc.compiler.structure import LANES, structure_of
from azc.compiling import structures_for
from azc.runtime import _core

from .conftest import LINEAR

PAGE = (Path(__file__).parents[2] / "docs" / "compiling.md").read_text("utf-8")
#: The same function, for other constants, under other names.
OTHER = LINEAR.replace("0.05", "0.01").replace("s3", "s9").replace("v1", "v5")
AUTHORED = """
param lr = 0.05
var w: vector
def Predict(x):
    return dot(w, x)
def Learn(x, y):
    w += lr * (y - prediction) * x
"""
needs_compiler = pytest.mark.skipif(
    toolchain.missing() is not None, reason="needs a C compiler with Python's headers"
)


@pytest.fixture
def no_builds(monkeypatch):
    monkeypatch.setattr(build, "_build", lambda *_: pytest.fail("something was built"))


def _below(text: str) -> str:
    """Emitted text without the comments that name what it was made of."""
    assert text.startswith("# What the names ")
    return text[text.index("\n\n") + 2 :]


def _above(text: str) -> list[str]:
    return text[: text.index("\n\n")].split("\n")


# ---- building -----------------------------------------------------------------------------------


@needs_compiler
def test_json_has_the_documented_form(azc, files):
    (files / "other.az").write_text(OTHER)
    (files / "two.az").write_text(LINEAR.replace("s0 - s1", "s1 - s0"))
    names = ["linear.az", "other.az", "two.az"]
    outcome = azc("compile", *names, "--features", "11", "--json")
    assert outcome.code == 0
    assert outcome.err == ""
    document = outcome.json
    assert list(document) == ["features", "cpu", "compiler", "seconds", "programs"]
    assert (document["features"], document["cpu"]) == (11, "native")
    assert document["compiler"] == toolchain.find_toolchain().version
    assert document["seconds"] > 0
    assert [entry["program"] for entry in document["programs"]] == names
    assert document["programs"][0]["hash"] == library_of_azc.parse(LINEAR).hash
    functions = [entry["functions"] for entry in document["programs"]]
    assert list(functions[0][0]) == ["layout", "module", "index", "built"]
    # Those that differ in constants only share one; all are in one module, in the cache.
    assert functions[0] == functions[1] != functions[2]
    assert {function["module"] for (function,) in functions} == {functions[0][0]["module"]}
    assert {function["index"] for (function,) in functions} == {0, 1}
    module = Path(functions[0][0]["module"])
    assert module.parent == Path(os.environ["AZC_CACHE_DIR"], "modules")
    assert module.exists()


@needs_compiler
def test_what_was_built_is_found_by_the_next_process(azc, azc_process, files):
    arguments = ["compile", "linear.az", "--features", "12"]
    title, row, empty, last = azc(*arguments).out.splitlines()
    assert title.split() == ["program", "layout", "made", "module"]
    assert row.split()[:4] == ["linear.az", "lanes", "just", "now"]
    assert empty == ""
    assert re.fullmatch(r"\d+\.\d{3} s: 1 function built for native by .+", last)
    again = azc_process(*arguments)
    assert again.code == 0
    assert again.out.splitlines()[1] == row.replace("just now", "from the cache").replace(
        "made    ", "made"
    )
    assert again.out.endswith(" s: 1 function from the cache\n")
    # And so is it by a run, which then has nothing to build.
    options = ["--task", "linear", "--features", "12", "--tier", "compiled", "--verbose"]
    assert "tier compiled: asked for\n" in azc_process("run", "linear.az", *options).out


@needs_compiler
def test_classes_and_library_and_standard_input(azc, files):
    options = ["--features", "13", "--classes", "5", "--json"]
    document = azc("compile", "softmax", "-", *options, stdin=LINEAR.encode()).json
    first, second = document["programs"]
    assert (first["program"], second["program"]) == ("softmax.az", "<stdin>")
    assert second["hash"] == canonical_hash(library_of_azc.parse(LINEAR), 5)


@needs_compiler
def test_nothing_kept_is_a_failure_and_is_said_once(azc, files, monkeypatch):
    monkeypatch.setenv("AZC_CACHE_LIMIT", "0")
    outcome = azc("compile", "linear.az", "--features", "14")
    assert outcome.code == 1
    assert outcome.out.splitlines()[1].endswith("not kept")
    assert outcome.err.startswith("warning: compiled programs are not kept: expected ")
    assert outcome.err.count("\n") == 1
    # With a folder of one's own it is.
    outcome = azc("compile", "linear.az", "--features", "14", "-o", "out", "--json")
    assert outcome.code == 0
    assert os.path.exists(outcome.json["programs"][0]["functions"][0]["module"])


# ---- -o -----------------------------------------------------------------------------------------


@needs_compiler
def test_modules_are_written_beside_their_texts(azc, files):
    (files / "two.az").write_text(LINEAR.replace("s0 - s1", "s1 - s0"))
    both = ["compile", "linear.az", "two.az", "--features", "15", "--json"]
    cached = Path(azc(*both).json["programs"][0]["functions"][0]["module"])
    outcome = azc(*both, "-o", "some/where")
    assert outcome.code == 0
    (module,) = (files / "some/where").glob("*.so")
    assert module.read_bytes() == cached.read_bytes()
    functions = [entry["functions"][0] for entry in outcome.json["programs"]]
    assert [function["index"] for function in functions] == [0, 1]
    assert {function["module"] for function in functions} == {f"some/where/{module.name}"}
    text = module.with_suffix(".pyx").read_text()
    vector = toolchain.find_toolchain().vector
    programs = [library_of_azc.load(name) for name in ("linear.az", "two.az")]
    structures = [next(structures_for(program, 15, 8, None, vector)) for program in programs]
    assert _below(text) == emit(structures, vector)
    assert text == annotated(structures, dict(zip(structures, zip(programs), strict=True)), vector)

    # One of the two: a module with that alone is made, in whose text no other is.
    outcome = azc("compile", "two.az", "--features", "15", "-o", "some", "--json")
    (function,) = outcome.json["programs"][0]["functions"]
    assert (function["index"], function["built"]) == (0, True)
    module = files / function["module"]
    assert module.parent == files / "some"
    assert _below(module.with_suffix(".pyx").read_text()) == emit(structures[1:], vector)
    programs = _import(module.stem, module)
    assert _core.Native(programs, 0).features == 15
    with pytest.raises(ValueError):  # noqa: PT011
        _core.Native(programs, 1)
    assert not list((files / "some").glob(".*"))


@pytest.mark.parametrize("where", ["", "linear.az", "linear.az/out", "a\0b", "x" * 5000])
@needs_compiler
def test_folders_that_cannot_be(azc, files, no_builds, where):
    outcome = azc("compile", "linear.az", "--features", "16", "-o", where)
    assert outcome.code == 2
    assert outcome.err.startswith("error: -o: expected a folder, or the name of a new one, got ")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
@needs_compiler
def test_folders_that_are_another_s(azc, files, no_builds):
    (files / "locked").mkdir(0o500)
    for where in ("locked", "locked/new"):
        outcome = azc("compile", "linear.az", "-o", where)
        assert outcome.code == 2
        assert outcome.err.startswith("error: -o: expected a folder")


# ---- --emit -------------------------------------------------------------------------------------


def test_emit_prints_what_would_be_built(azc, files, no_builds):
    (files / "authored.az").write_text(AUTHORED)
    outcome = azc("compile", "authored.az", "--emit", "--features", "9")
    assert outcome.code == 0
    assert outcome.err == ""
    program = library_of_azc.parse(AUTHORED)
    structure, _ = structure_of(program, classes=0, features=9, layout=LANES)
    assert _below(outcome.out) == emit([structure], toolchain.vector_for("native"))
    assert _above(outcome.out)[3:] == [
        "# program_0 is authored.az, for 9 features in lanes:",
        "#   s2 is lr",
        "#   v1 is v2 in authored.az",
        "#   v2 is w (v1 in authored.az)",
        "#   k[0]=0.05",
    ]


def test_emit_needs_no_compiler(azc, files, monkeypatch):
    expected = azc("compile", "linear.az", "--emit").out
    monkeypatch.setenv("CC", "no-such-compiler")
    for cpu in ("native", "portable"):
        outcome = azc("compile", "linear.az", "--emit", "--cpu", cpu)
        assert outcome.code == 0
        assert outcome.err == ""
        assert _above(outcome.out) == _above(expected)
    assert azc("compile", "linear.az", "--emit").out == expected


def test_emit_of_two_layouts_is_two_modules(azc, files, no_builds):
    outcome = azc("compile", "linear.az", "softmax", "--tasks", "9", "--emit")
    heads = [line for line in outcome.out.splitlines() if line.startswith("# Emitted by azc ")]
    assert ["entries layout" in line for line in heads] == [True, False]
    assert outcome.out.count("cdef void program_1(") == 2
    assert outcome.out.count("is softmax.az, for 16 features in entries:") == 1


def test_entries_that_are_set_are_listed(azc, files):
    (files / "sets.az").write_text(
        "def Setup():\n    v1[0.5] = 2.0\n    m0[1, 2] = nan\ndef Predict():\n"
        "    v2 = dot(m0, v0)\n    v3 = v2 + v1\n    s1 = dot(v3, v0)\n"
    )
    above = _above(azc("compile", "sets.az", "--emit").out)
    assert above[-2:] == ["#   k[0]=2.0, k[1]=nan", "#   c.places[0]=8, c.places[1]=18"]


def test_the_example_in_the_manual_is_true():
    program, listing = re.search(
        r"^```python\n(param .*?)```\n.*?^```\n(# program_0 .*?)```", PAGE, re.S | re.M
    ).groups()
    parsed = library_of_azc.parse(program, "linear.az")
    structure, _ = structure_of(parsed, classes=0, features=16, layout=LANES)
    text = annotated([structure], {structure: [parsed]}, 4)
    parts = listing.split("…\n")
    assert len(parts) > 1
    assert all(part in text for part in parts)


# ---- hostile input ------------------------------------------------------------------------------

NAMES = [
    "a\"b'c.az",
    "two\nlines.az",
    "two\rcdef int oh.az",
    "in */ #include <stdio.h>\n.az",
    "größe ∘.az",
    "coding: latin-1.az",
    "# cython: boundscheck=True.az",
    '""" + str(1) + """.az',
    "{0} %s \\n.az",
    "a\u2028b\u202ec\x1b[31m\x85.az",
    "\udcff.az",
    "x" * 250 + ".az",
]
HOSTILE = r'''"""\""" */ #include <stdlib.h>
cdef extern from *: system("oh")
\n {head} %s \\
"""
param vec = 0.05
var cdef: vector
def Predict(x):
    return dot(cdef, x)
def Learn(x, y):
    errors = y - prediction
    PyCapsule_New = vec * errors
    k = PyCapsule_New * x
    cdef += k
'''
#: The same but for names.
TAME = """
param a = 0.05
var b: vector
def Predict(x):
    return dot(b, x)
def Learn(x, y):
    d = y - prediction
    e = a * d
    f = e * x
    b += f
"""


def _write(name: str, text: str) -> None:
    Path(name).parent.mkdir(exist_ok=True)
    Path(name).write_text(text)


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_names_reach_comments_only(azc, files, name):
    _write("tame.az", TAME)
    _write(name, HOSTILE)
    tame, outcome = azc("compile", "tame.az", "--emit"), azc("compile", name, "--emit")
    assert outcome.code == 0
    assert _below(outcome.out) == _below(tame.out)
    above = _above(outcome.out)
    assert len(above) == len(_above(tame.out))
    assert above[:3] == _above(tame.out)[:3]
    assert all(line[0] == "#" and line.isprintable() for line in above)
    assert not any(re.match(r"#\s*(cython|distutils)", line) for line in above)


def test_names_that_no_text_can_have_are_escaped():
    program = library_of_azc.parse(LINEAR, "x.az")
    program.names.update(dict.fromkeys(program.addresses(), "w\n    oh()\\ é"))
    structure, _ = structure_of(program, classes=0, features=4, layout=LANES)
    text = annotated([structure], {structure: [program]}, 4)
    assert "#   v2 is w\\n    oh()\\\\ é (v1 in x.az)\n" in text
    assert _below(text) == emit([structure], 4)


@needs_compiler
def test_hostile_text_is_compiled_and_run_like_any_other(azc, files):
    """Through Cython with its comments, since the cached module has another function too."""
    name = "coding: latin-1 in */ größe\n.az"
    _write(name, HOSTILE)
    _write("two.az", LINEAR.replace("s0 - s1", "s1 - s0"))
    assert azc("compile", name, "two.az", "--features", "8").code == 0
    outcome = azc("compile", name, "--features", "8", "-o", "out", "--json")
    assert outcome.code == 0
    (module,) = (files / "out").glob("*.so")
    assert "größe\\n.az" in module.with_suffix(".pyx").read_text("utf-8")
    assert _core.Native(_import(module.stem, module), 0).features == 8
    assert _same_predictions(azc, name)


EXTREME = ["inf", "-inf", "nan", "5e-324", "-2.5e-310", "0.30000000000000004", "1e+308", "-0.0"]


def _with_constants(values: list[str]) -> str:
    """A program to which each of the constants matters."""
    predict = ["s1 = dot(v0, v1)"]
    for number in range(10, 10 + len(values)):
        predict += [f"s2 = s{number} * s1", f"s3 = s1 + s{number}", "s4 = s3 / s2"]
        predict += ["s1 = minimum(s1, s4)"]
    learn = ["s3 = s0 - s1", "v2 = s3 * v0", "v1 = v1 + v2"]
    setup = [f"s{number} = {value}" for number, value in enumerate(values, 10)]
    bodies = {"Setup": setup, "Predict": predict, "Learn": learn}
    return "".join(
        f"def {name}():\n" + "".join(f"    {line}\n" for line in body)
        for name, body in bodies.items()
    )


@needs_compiler
def test_extreme_constants_change_no_text_and_no_bit(azc, files):
    _write("extreme.az", _with_constants(EXTREME))
    _write("plain.az", _with_constants(["0.5"] * len(EXTREME)))
    texts = [azc("compile", name, "--emit").out for name in ("extreme.az", "plain.az")]
    assert _below(texts[0]) == _below(texts[1])
    assert all(f"]={value}" in texts[0] for value in EXTREME)
    assert _same_predictions(azc, "extreme.az")
    for place, value in enumerate(EXTREME):
        values = ["0.5"] * len(EXTREME)
        values[place] = value
        _write("one.az", _with_constants(values))
        assert _same_predictions(azc, "one.az")


def _same_predictions(azc, name: str) -> bool:
    """Whether compiled code and the interpreter predict the same bits."""
    saved = []
    for tier in ("interpreter", "compiled"):
        options = ["--task", "linear", "--train", "40", "--tier", tier, "--max-abs-error", "inf"]
        assert azc("run", name, *options, "--predictions", f"{tier}.npy").code == 0
        saved.append(Path(f"{tier}.npy").read_bytes())
    return saved[0] == saved[1]


# ---- what is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "error: expected P.az..., got none\n"),
        (["none.az"], "error: expected a program's file or a name from 'azc library', got "),
        (["bad.az"], "bad.az:2:10: error: expected a function, got 'dto'"),
        (["linear.az", "bad.az"], "bad.az:2:10: error: "),
        (["linear.az", "--features", "0"], "error: --features: expected a whole number from 1"),
        (["linear.az", "--features", "4097"], "error: features: expected a whole number from 1"),
        (["linear.az", "--tasks", "9999999999"], "error: --tasks: expected a whole number from 1"),
        (["linear.az", "--classes", "-1"], "error: --classes: expected a whole number from 0"),
        (["linear.az", "--cpu", "natiev"], "got 'natiev'; did you mean 'native'?"),
        (["linear.az", "--workers", "0"], "error: --workers: expected a whole number from 1"),
        (["linear.az", "--emit", "--json"], "error: expected --emit without -o and --json, got "),
        (["linear.az", "--emit", "-o", "x"], "error: expected --emit without -o and --json, got "),
        (["linear.az", "-o"], "error: "),
        (["far.az"], "far.az: Setup, instruction 1 (v1[20] = 1.0): expected a coordinate from 0"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_input(azc, files, no_builds, arguments, message):
    _write("far.az", "def Setup():\n    v1[20] = 1.0\n")
    outcome = azc("compile", *arguments)
    assert outcome.code == 2
    assert outcome.out == ""
    assert message in outcome.err
    assert not (files / "x").exists()


@pytest.mark.parametrize("more", [[], ["--json"], ["-o", "out"]], ids=" ".join)
def test_missing_compiler(azc, files, monkeypatch, more):
    monkeypatch.setenv("CC", "no-such-compiler")
    outcome = azc("compile", "linear.az", *more)
    assert outcome.code == 1
    assert outcome.out == ""
    assert outcome.err.startswith("error: expected CC to name a C compiler, 'no-such-compiler', ")
    assert "apt install gcc" in outcome.err
    assert not (files / "out").exists()


@needs_compiler
def test_flags_that_would_change_results(azc, files, monkeypatch):
    monkeypatch.setenv("AZC_CFLAGS", "-ffast-math")
    outcome = azc("compile", "linear.az")
    assert outcome.code == 2
    assert outcome.err.startswith("error: expected flags in AZC_CFLAGS that keep results, got ")


@needs_compiler
def test_what_the_compiler_refuses(azc, files, monkeypatch):
    monkeypatch.setenv("AZC_CFLAGS", "-include no-such-header.h")
    outcome = azc("compile", "linear.az", "--features", "17", "--json")
    assert outcome.code == 1
    assert outcome.out == ""
    assert outcome.err.startswith("error: expected the C compiler (")
    assert "no-such-header.h" in outcome.err


# ---- what a run says of its tier ----------------------------------------------------------------


def test_verbose_explains_the_tier(azc, files):
    options = ["run", "linear.az", "--task", "linear", "--tasks", "1"]
    asked = azc(*options, "--tier", "interpreter", "--verbose").out
    assert " s with tier interpreter\ntier interpreter: asked for\n" in asked
    assert re.search(r" s with tier (\w+)\ntier \1: \w.+\n", azc(*options, "--verbose").out)
    assert "\ntier " not in azc(*options).out


@needs_compiler
def test_verbose_explains_why_code_was_compiled(azc, files, monkeypatch):
    monkeypatch.setattr(tiers, "_TRIAL", 0.0)
    monkeypatch.setattr(natives, "build_seconds", lambda *_: 0.0)
    monkeypatch.setattr(natives, "recorded", lambda *_: 1e9)
    out = azc("run", "linear.az", "--task", "linear", "--epochs", "50", "--verbose").out
    assert re.search(r"^tier compiled: the interpreter would take \S+ s more, ", out, re.MULTILINE)


def test_a_run_without_a_compiler_says_so(azc, files, monkeypatch):
    monkeypatch.setattr(tiers, "_TRIAL", 0.0)
    monkeypatch.setattr(tiers, "_warned", set())
    monkeypatch.setenv("CC", "no-such-compiler")
    outcome = azc("run", "linear.az", "--task", "linear", "--epochs", "50", "--verbose")
    assert outcome.code == 0
    assert outcome.err.startswith("warning: programs run on the interpreter alone, ")
    assert "\ntier interpreter: there is no C compiler\n" in outcome.out
