"""Simplified programs predict the same to the bit, or, with tasks, nearly as well."""

from __future__ import annotations

import numpy as np
import pytest
from programs import interpret, random_program, random_task

import azc
from azc import library
from azc.analysis import live
from azc.use.simplify import simplify_exactly


def size(program):
    return sum(1 for _ in program.instructions())


def simplified(setup="", predict="", learn="", classes=0):
    def body(lines):
        return "".join(f"    {line}\n" for line in lines.split("; ")) if lines else "    pass\n"

    text = f"def Setup():\n{body(setup)}def Predict():\n{body(predict)}def Learn():\n{body(learn)}"
    return simplify_exactly(azc.parse(text), classes)


def lines(program, function="predict"):
    return [str(instruction) for instruction in getattr(program, function)]


def test_random_programs_keep_their_bits(full):
    rng = np.random.default_rng(11)
    fewer = 0
    for number in range(4000 if full else 300):
        program = random_program(rng, most=14)
        classes = int(rng.choice([0, 0, 2, 3]))
        simple = simplify_exactly(program, classes)
        fewer += size(simple) < size(live(program, classes))
        tasks = [random_task(rng, 4, classes=classes, special=0.1) for _ in range(2)]
        before, after = (
            interpret(p, tasks, lanes=2, epochs=2, seed=number) for p in (program, simple)
        )
        assert before.same_bits(after), f"{program}\n{simple}"
    assert fewer > 20


@pytest.mark.parametrize("name", library.names())
def test_the_library_keeps_its_bits(name):
    program = azc.parse(library.text(name))
    kind = "digits:all" if name.startswith("softmax") else "digits"
    tasks = azc.tasks.make_set(kind, count=2, features=10, train=60, valid=30)
    simple = azc.simplify(program)
    assert size(simple) <= size(program)
    before, after = (azc.evaluate(p, tasks) for p in (program, simple))
    for one, other in zip(before.predictions, after.predictions, strict=True):
        assert one.tobytes() == other.tobytes()


def test_the_dead_go():
    assert size(simplified("s5 = 1", "s1 = dot(v0, v1); s6 = s1 + s1", "v2 = v0 + v0")) == 1


def test_arithmetic_on_constants_is_done():
    simple = simplified("s2 = 2; s3 = 3; s4 = s2 * s3; s4 = exp(s4)", "s1 = mean(v0); s1 = s4 * s1")
    (line,) = lines(simple, "setup")
    text = "def Setup():\n s2 = 6\n s2 = exp(s2)\ndef Predict():\n s1 = mean(v0)\n s1 = s2 * s1\n"
    result = azc.evaluate(azc.parse(text), [azc.tasks.make("linear", features=3)])
    same = azc.evaluate(simple, [azc.tasks.make("linear", features=3)])
    assert line.startswith("s4 = 403.42")
    assert result.predictions[0].tobytes() == same.predictions[0].tobytes()


def test_what_is_computed_twice_is_computed_once():
    simple = simplified("", "s2 = dot(v0, v1); s3 = dot(v1, v0); s1 = s2 + s3", "v1 = v1 + v0")
    assert lines(simple) == ["s2 = dot(v0, v1)", "s1 = s2 + s2"]


def test_equal_constants_are_one():
    simple = simplified("s2 = 0.5; s3 = 0.5", "s1 = mean(v0); s1 = s2 * s1; s1 = s1 + s3")
    assert lines(simple, "setup") == ["s2 = 0.5"]
    assert lines(simple)[-1] == "s1 = s1 + s2"


@pytest.mark.parametrize(
    ("kept", "line"),
    [
        (False, "s2 = s2 - s9"),  # s9 is +0 everywhere
        (True, "s2 = s2 + s9"),  # -0 + 0 is +0
        (True, "s2 = s2 - s2"),  # not 0 where s2 is infinite
        (True, "s2 = s2 * s9"),
        (False, "s2 = minimum(s2, s2)"),
        (False, "s2 = s2 * s8"),  # s8 is 1
        (False, "s2 = s2 / s8"),
    ],
)
def test_only_algebra_that_keeps_bits(kept, line):
    simple = simplified("s8 = 1", f"s2 = mean(v0); {line}; s1 = s2 + s2")
    assert len(lines(simple)) == (3 if kept else 2)


def test_the_second_of_two_alike_goes():
    simple = simplified("", "s2 = mean(v0); s2 = abs(s2); s2 = abs(s2); s1 = s2 + s2")
    assert len(lines(simple)) == 3


def test_copies_are_read_through():
    simple = simplified("", "v3 = minimum(v0, v0); s1 = dot(v3, v1)", "v1 = v1 + v3")
    assert lines(simple) == ["s1 = dot(v0, v1)"]
    assert lines(simple, "learn") == ["v1 = v1 + v0"]


def test_draws_stay_what_they_are():
    program = azc.parse(
        "def Setup():\n v3 = gaussian(0, 1)\n v4 = gaussian(0, 1)\n v5 = minimum(v4, v4)\n"
        "def Predict():\n s1 = dot(v0, v5)\n s2 = dot(v0, v3)\n s1 = s1 + s2\n"
    )
    simple = azc.simplify(program)
    assert size(simple) == size(program) - 1
    tasks = azc.tasks.make_set("linear", count=2, features=3)
    assert (
        azc.evaluate(program, tasks).fitness.tobytes()
        == azc.evaluate(simple, tasks).fitness.tobytes()
    )


def test_params_that_stay_stay_params():
    simple = azc.simplify(azc.parse(library.text("bilinear")))
    assert [param.name for param in simple.params] == ["rate", "low", "high", "guard"]
    for param in simple.params:
        assert simple.setup[param.index].constants == (param.default,)


def test_by_tolerance():
    program = azc.parse(library.text("normalized_gradient"))
    tasks = azc.tasks.make_set("affine", count=4, features=4)
    simple = azc.simplify(program, tasks, 0.01)
    assert size(simple) < 16
    assert azc.evaluate(simple, tasks).mean >= azc.evaluate(program, tasks).mean - 0.01
    with pytest.raises(azc.ConfigError, match="tolerance: expected a number from 0"):
        azc.simplify(program, tasks, -1.0)


#: Linear regression whose error is clipped, without which large examples make it diverge.
STEADY = """
def Setup():
    s2 = 0.1
    s4 = 0.5
    s5 = -0.5
def Predict():
    s1 = dot(v0, v1)
def Learn():
    s3 = s0 - s1
    s3 = minimum(s3, s4)
    s3 = maximum(s3, s5)
    s3 = s2 * s3
    v2 = s3 * v0
    v1 = v1 + v2
"""


def made(scale, seed, metric="rmse"):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(260, 4)) * scale
    y = X @ rng.normal(size=4) / scale
    if metric == "accuracy":
        y = (y > 0).astype(float)
    return azc.Task(X[:200], y[:200], X[200:], y[200:], metric=metric, seed=seed)


def test_a_line_that_one_task_needs_stays():
    program = azc.parse(STEADY)
    tasks = [made(1.0 if k else 4.0, k) for k in range(30)]
    simple = azc.simplify(program, tasks, 0.1)
    without = azc.simplify(program, tasks[1:], 0.1)
    assert size(without) < size(simple)
    # What the mean alone would let go: one task in thirty fails.
    fitness = azc.evaluate(without, tasks).fitness
    assert fitness[0] == 0.0
    assert fitness.mean() > azc.evaluate(program, tasks).mean - 0.1
    assert azc.evaluate(simple, tasks).fitness[0] > 0.1


def test_what_further_tasks_show_brings_lines_back():
    program = azc.parse(STEADY)
    tasks, others = (
        [made(1.0, k) for k in range(8)],
        [made(4.0 if k == 20 else 1.0, k) for k in range(8, 32)],
    )
    simple = azc.simplify(program, tasks, 0.1)
    confirmed = azc.simplify(program, tasks, 0.1, confirm=others)
    assert azc.evaluate(simple, others).fitness.min() == 0.0
    assert azc.evaluate(confirmed, others).fitness.min() > 0.1
    assert size(simple) < size(confirmed) <= size(program)


def test_chance_on_one_task_does_not_keep_a_line():
    program = azc.parse(
        STEADY.replace("s1 = dot(v0, v1)", "s1 = dot(v0, v1)\n    s7 = 0.001\n    s1 = s1 + s7")
    )
    tasks = [made(1.0, k, "accuracy") for k in range(20)]
    simple = azc.simplify(program, tasks, 0.01)
    assert "s7" not in str(simple)
