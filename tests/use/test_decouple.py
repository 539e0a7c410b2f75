"""Accidental constants are found, become real ones, and nothing else changes."""

from __future__ import annotations

import azc
from azc import library
from azc.use.tune import decouple

# v2 never changes after Setup, so that its square is a learning rate by accident.
ACCIDENT = """
def Setup():
    s4 = 0.2
    v2 = bcast(s4)
def Predict():
    s1 = dot(v0, v1)
def Learn():
    s5 = dot(v2, v2)
    s3 = s0 - s1
    s3 = s5 * s3
    v3 = s3 * v0
    v1 = v1 + v3
"""


def linear(count=3):
    return azc.tasks.make_set("linear", count=count, features=4, train=80, valid=20)


def test_a_rate_by_accident():
    program = azc.parse(ACCIDENT)
    found = decouple(program, linear())
    (constant,) = found.constants
    assert constant.name == "s5 = dot(v2, v2)"
    assert abs(constant.value - 0.16) < 1e-12
    assert "-    s5 = dot(v2, v2)" in found.diff
    assert "+    s5 = 0.16" in found.diff
    assert not found.program.setup  # only the rate needed it
    before, after = (azc.evaluate(p, linear()) for p in (program, found.program))
    assert before.fitness.tobytes() == after.fitness.tobytes()


def test_tuning_moves_it():
    program = azc.parse(ACCIDENT.replace("0.2", "0.02"))
    tuned = azc.tune(program, linear(), trials=100, decouple=True)
    assert tuned.fitness > tuned.before + 0.1
    assert [c.name for c in tuned.constants] == ["s5"]
    assert tuned.decoupled.diff


def test_what_depends_on_the_draw_stays():
    program = azc.parse(ACCIDENT.replace("bcast(s4)", "gaussian(0, 0.2)"))
    assert decouple(program, linear(1)).constants == []


def test_what_is_zero_stays():
    program = azc.parse(ACCIDENT.replace("    v2 = bcast(s4)\n", ""))
    assert decouple(program, linear()).program == program


def test_params_keep_their_places():
    program = azc.parse(library.text("network"))
    tasks = azc.tasks.make_set("teacher-nn", count=2, features=4)
    found = decouple(program, tasks)
    assert found.program == program
    text = (
        "param a = 0.3\nparam lr = 0.05 in log(1e-3, 1)\nvar w: vector\n"
        "def Predict(x):\n    return dot(w, x)\n"
        "def Learn(x, y):\n    a2 = a * a\n    error = lr * (y - prediction)\n"
        "    w += a2 * error * x\n"
    )
    found = decouple(azc.parse(text), linear())
    assert [p.name for p in found.program.params] == ["lr"]
    (lr,) = found.program.params
    assert found.program.setup[lr.index].constants == (0.05,)
    tuned = azc.tune(azc.parse(text), linear(), trials=3, decouple=True)
    assert [c.name for c in tuned.constants] == ["lr", str(azc.parse(text).learn[0])]
