"""Programs in short: what is written is what they compute."""

from __future__ import annotations

import re

import numpy as np
import pytest

import azc
from azc import library
from azc.tasks import TaskSet
from azc.use.dataflow import flow_of
from azc.use.explain.formulas import Short, formulas
from azc.use.explain.kinds import kinds_of
from azc.use.explain.observing import observe
from azc.use.explain.teller import Teller

from .test_explain import CLASSIFIERS

KINDS = {"s": "scalar", "v": "vector", "m": "matrix"}


def short(program, tasks, *digits) -> Short:
    tasks = TaskSet(tasks)
    classes = tasks[0].classes
    flow = flow_of(program, classes)
    seen = observe(program, tasks, flow, seed=0, max_abs_error=100.0)
    return formulas(Teller(program, flow, seen, kinds_of(program, flow, seen, classes), classes),
                    *digits)  # fmt: skip


def read(program, text):
    """The program that a text in short is, with the author's names declared."""
    words = set(re.findall(r"[A-Za-z_]\w*", text))
    named = [f"var {name}: {KINDS[address.type.value]}\n"
             for address, name in program.names.items() if name in words]  # fmt: skip
    return azc.parse("".join(named) + text)


@pytest.mark.parametrize("name", library.names())
def test_programs_in_short_predict_the_same(name):
    kind, features = "affine", 4
    if name.startswith("softmax"):
        kind, features = "digits:all", 12
    elif name in CLASSIFIERS:
        kind, features = "digits", 8
    elif name.startswith("network"):
        kind = "teacher-nn"
    tasks = azc.tasks.make_set(kind, count=2, features=features, train=60, valid=30)
    program = azc.parse(library.text(name))
    again = read(program, short(program, tasks, repr).text)
    found = azc.evaluate([program, again], tasks)
    assert np.allclose(found[0].fitness, found[1].fitness, rtol=0.0, atol=1e-9)


LINEAR = azc.tasks.make_set("linear", count=2, features=4, train=40, valid=10)
#: What is left out, put together and named, and what must not be moved past an assignment.
CASES = {
    """
def Predict():
    s1 = dot(v0, v2)
def Learn():
    v2 = s3 * v2
    s1 = s0 - s1
    v2 = v0 + v2
    v2 = s1 * v2
    s1 = 0.15
    v1 = v1 + v2
    v2 = s1 * v1
""": """
def Predict(x):
    prediction = dot(x, v2)
def Learn(x, y):
    error = y - prediction
    v1 += error * x
    v2 = 0.15 * v1
""",
    """
def Predict():
    s1 = dot(v0, v3)
def Learn():
    s4 = 0.06
    v2 = s4 * v0
    v1 = s0 * v2
    v3 = v1 + v3
    v2 = s1 * v2
    v3 = v3 - v2
""": """
def Predict(x):
    prediction = dot(x, v3)
def Learn(x, y):
    error = y - prediction
    v3 += 0.06 * error * x
""",
    """
def Setup():
    s3 = 0.008
    v2 = gaussian(0.0, 0.2)
    m0 = gaussian(-0.3, 0.8)
def Predict():
    v5 = dot(m0, v0)
    v7 = maximum(v5, v3)
    s1 = dot(v7, v6)
def Learn():
    s2 = s0 - s1
    s1 = s3 * s2
    v5 = s1 * v0
    m0 = m0 + m1
    m0 = m0 + m1
    v6 = v2 + v6
    v2 = v7 * v6
    m1 = outer(v2, v5)
    v2 = s1 * v7
""": """
def Setup():
    v2 = gaussian(0, 0.2)
    m0 = gaussian(-0.3, 0.8)
def Predict(x):
    v7 = relu(dot(m0, x))
    prediction = dot(v7, v6)
def Learn(x, y):
    error = y - prediction
    m0 += 2 * m1
    v6 += v2
    m1 = 0.008 * error * outer(v7 * v6, x)
    v2 = 0.008 * error * v7
""",
    """
def Predict():
    s1 = dot(v0, v1)
def Learn():
    v2 = v1 * v1
    v1 = abs(v1)
    s3 = s1 - s0
    v3 = s3 * v0
    v1 = v1 - v3
    v1 = v1 + v2
""": """
def Predict(x):
    prediction = dot(x, v1)
def Learn(x, y):
    error = y - prediction
    v1 = abs(v1) + error * x + v1 * v1
""",
}


@pytest.mark.parametrize("text", CASES)
def test_what_is_written(text):
    assert short(azc.parse(text), LINEAR).text == CASES[text].strip()


def test_values_outlive_what_they_are_made_of():
    program = azc.parse("""
def Predict():
    s1 = dot(v0, v1)
def Learn():
    v3 = abs(v1)
    s3 = s0 - s1
    v2 = s3 * v0
    v1 = v1 + v2
    v4 = v4 + v3
    v1 = v1 + v4
""")
    told = short(program, LINEAR, repr)
    found = azc.evaluate([program, azc.parse(told.text)], LINEAR)
    assert np.allclose(found[0].fitness, found[1].fitness, rtol=0.0, atol=1e-9)


def test_explanations_have_it():
    explanation = azc.explain(azc.parse(next(iter(CASES))), LINEAR)
    assert "  v2 = 0.15 * v1" in explanation.short
    assert explanation.short.splitlines()[0] in str(explanation)
    assert "<pre>def Predict(x):" in explanation._repr_html_()
    roles = {line.text: line.role for line in explanation.lines}
    assert roles["v2 = s1 * v1"] == "scales a vector: 0.15 * v1; the next Predict reads it"


def test_parts_of_steps_and_what_is_not_learned():
    parts = azc.explain(azc.parse(list(CASES)[1]), LINEAR)
    roles = {line.text: line.role for line in parts.lines}
    assert roles["v1 = s0 * v2"].startswith("scales a vector: 0.06 * y * x")
    assert roles["v3 = v1 + v3"].startswith("part of the gradient step of v3 (cosine 1.0")
    late = azc.explain(azc.parse(list(CASES)[2]), LINEAR)
    assert {cell.name for cell in late.addresses if cell.kind == "learned"} == {"m0", "v6"}
