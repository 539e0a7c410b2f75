"""Explanations: what is measured, what is said of it, and that nothing useful is called useless."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

import azc
from azc import library
from azc.ops import OPS
from azc.use.dataflow import flow_of, without
from azc.use.explain import families

CLASSIFIERS = (
    *("arctan_decay", "averaged_perceptron", "bilinear", "mean_rate", "network_classifier"),
    *("noisy_relu", "paper_figure5", "perceptron"),
)
#: Which learned names follow which gradient, and how closely at least.
GRADIENT_STEPS = {
    "adam": [("w", "w", 0.3)],
    "affine": [("w", "w", 0.99), ("b", "b", 0.99)],
    "arctan_decay": [("W", "W", 0.99), ("u", "u", 0.99), ("b", "b", 0.99)],
    "averaged_perceptron": [("w", "mean_w", 0.95)],
    "bilinear": [("W", "S", 0.95)],
    "least_squares": [("w", "w", 0.8)],
    "linear": [("w", "w", 0.99)],
    "logistic": [("w", "w", 0.99), ("b", "b", 0.99)],
    "mean_rate": [("W", "W", 0.99), ("u", "u", 0.99)],
    "momentum": [("w", "w", 0.3)],
    "network": [("W", "W", 0.99), ("u", "u", 0.99), ("c", "c", 0.99), ("b", "b", 0.99)],
    "network_classifier": [("c", "c", 0.99), ("W", "W", 0.6)],
    "network_nlms": [("W", "W", 0.99), ("u", "u", 0.99), ("c", "c", 0.99), ("b", "b", 0.99)],
    "nlms": [("w", "w", 0.99), ("b", "b", 0.99)],
    "noisy_relu": [("W", "W", 0.99), ("u", "u", 0.99)],
    "normalized_gradient": [("w", "w", 0.99), ("b", "b", 0.99)],
    "paper_figure5": [("m1", "m1", 0.95), ("v4", "v4", 0.8)],
    "perceptron": [("w", "w", 0.9)],
    "ridge": [("w", "w", 0.9)],
    "rmsprop": [("w", "w", 0.9)],
    "softmax": [("W", "W", 0.99), ("b", "b", 0.99)],
    "softmax_network": [("W", "W", 0.99), ("U", "U", 0.99), ("c", "c", 0.99), ("b", "b", 0.99)],
}


@cache
def told(name: str) -> azc.Explanation:
    kind, features = "affine", 4
    if name.startswith("softmax"):
        kind, features = "digits:all", 12
    elif name in CLASSIFIERS:
        kind, features = "digits", 8
    elif name.startswith("network"):
        kind = "teacher-nn"
    tasks = azc.tasks.make_set(kind, count=2, features=features, train=200, valid=60)
    return azc.explain(azc.parse(library.text(name)), tasks)


def test_every_program_has_its_gradients():
    assert list(GRADIENT_STEPS) == library.names()


@pytest.mark.parametrize("name", library.names())
def test_gradient_steps_are_named(name):
    explanation = told(name)
    found = {(d.name, d.of): d.cosine for d in explanation.gradients}
    for address, of, least in GRADIENT_STEPS[name]:
        assert found[address, of] >= least
        updates = [line for line in explanation.lines if line.named.startswith(f"{address} = ")
                   and line.function == "learn"]  # fmt: skip
        if least >= 0.95:
            words = f"gradient step of {address} (" if of == address else f"gradient by {of} ("
            assert any(words in line.role for line in updates)


@pytest.mark.parametrize("name", library.names())
def test_what_matters_is_not_called_useless(name):
    explanation = told(name)
    for line in explanation.lines:
        assert line.live
        if line.loss > 0.002:
            assert line.matters
    useless = {(x.function, x.index) for x in explanation.lines if not x.matters}
    text = str(explanation)
    assert text.count("no effect measured here") == len(useless)


def test_losses_are_those_of_evaluations():
    tasks = azc.tasks.make_set("affine", count=3, features=4, train=100, valid=20)
    program = azc.parse(library.text("affine"))
    explanation = azc.explain(program, tasks)
    whole = azc.evaluate(program, tasks)
    assert explanation.fitness == whole.mean
    for line in explanation.lines:
        left = azc.evaluate(without(program, {(line.function, line.index)}), tasks)
        assert line.without == left.mean
        assert np.isclose(line.loss, whole.mean - left.mean)
        assert line.low <= line.loss <= line.high


def test_the_core_is_smaller_and_lines_are_put_into_it():
    explanation = told("normalized_gradient")
    core = sum(line.core for line in explanation.lines)
    assert core == sum(1 for _ in explanation.core.instructions()) < len(explanation.lines)
    assert explanation.core_fitness >= 0.9 * explanation.fitness
    for line in explanation.lines:
        if line.core:
            assert line.knock_in >= 0.0


def test_kinds_of_memory_and_ranges():
    cells = {cell.name: cell for cell in told("logistic").addresses}
    assert cells["w"].kind == cells["b"].kind == cells["lr"].kind == "learned"
    assert cells["decay"].kind == "constant"
    assert cells["decay"].low == cells["decay"].high == 0.998
    assert cells["s1"].kind == "scratch"
    assert cells["lr"].low < cells["lr"].high == 0.1


def roles(name):
    return {line.named: line.role for line in told(name).lines}


def test_words():
    network = roles("network")
    assert network["error = s0 - s1"] == "error: label minus prediction"
    assert network["active = maximum(hidden, v7)"] == "ReLU of hidden"
    assert network["v8 = heaviside(hidden, 1.0)"].startswith("gate: 1 where hidden is above 0")
    assert network["W = gaussian(0.0, 1.0)"] == "random start of W"
    assert network["lr = 0.1"] == "constant: part of a learning rate"
    assert "gradient by W times the error" in network["m1 = outer(back, v0)"]
    assert roles("logistic")["lr = lr * decay"].startswith("lr decays by decay (")
    assert roles("noisy_relu")["v6 = gaussian(0.0, 1.0)"] == "noise"
    assert roles("bilinear")["S = S + W"].startswith("S sums up W over the steps")
    assert roles("momentum")["velocity = v3 + v4"].startswith("velocity is a running sum of v4")
    assert roles("averaged_perceptron")["count = count + s7"] == "counts the steps"
    assert roles("nlms")["change = change / power"] == "normalisation by power"


LATE = """
def Predict():
    s1 = dot(v0, v1)
def Learn():
    v1 = v1 + v2
    s2 = 0.05
    s3 = s0 - s1
    s3 = s2 * s3
    v2 = s3 * v0
"""


def test_a_step_that_comes_late():
    tasks = azc.tasks.make_set("linear", count=2, features=4, train=200, valid=20)
    explanation = azc.explain(azc.parse(LATE), tasks)
    (direction,) = (d for d in explanation.gradients if d.name == "v1")
    assert abs(direction.cosine) < 0.5
    assert direction.late > 0.99
    update = next(line for line in explanation.lines if line.text == "v1 = v1 + v2")
    assert update.role == "gradient step of v1, one step late (cosine 1.00)"


def test_dead_lines_are_told_apart():
    tasks = azc.tasks.make_set("linear", count=2, features=4, train=50, valid=10)
    program = azc.parse(LATE + "    v7 = v0 + v0\n")
    dead = azc.explain(program, tasks).lines[-1]
    assert not dead.live
    assert dead.role == "dead: it cannot reach a prediction"
    assert (dead.loss, dead.without) == (0.0, azc.evaluate(program, tasks).mean)


def test_notebooks_and_pictures():
    explanation = told("affine")
    html = explanation._repr_html_()
    assert html.count("<table>") == html.count("</table>") == 3
    assert "<code>w = w + v2</code>" in html
    assert explanation.picture.startswith("flowchart TD\n")
    assert 'l3 -. "w" .-> p0' in explanation.picture


def test_flow():
    program = azc.parse(LATE)
    flow = flow_of(program, 0)
    carried = {str(address) for address in flow.carried}
    assert carried == {"v1", "v2"}
    reads = flow.makers["learn", 0]
    assert {str(a): makers for a, makers in reads.items()} == {
        "v1": [("learn", 0)],
        "v2": [("learn", 4)],
    }


def test_a_prediction_that_is_carried_is_not_learned_by_gradient():
    text = "def Predict():\n    s1 = s1 + s2\ndef Learn():\n    s2 = s0 - s1\n    s1 = s1 - s2\n"
    tasks = azc.tasks.make_set("linear", count=2, features=4, train=50, valid=10)
    explanation = azc.explain(azc.parse(text), tasks)
    assert [d.name for d in explanation.gradients] == ["s2"]


#: A search's answer to linear regression: v1 sums up steps, and v2 is made of it for each Predict.
EVOLVED = """
def Predict():
    s1 = dot(v0, v2)
def Learn():
    v2 = s3 * v2
    s1 = s0 - s1
    v2 = v0 + v2
    v2 = s1 * v2
    s1 = 0.153
    v1 = v1 + v2
    v2 = s1 * v1
"""


def test_an_evolved_program_can_be_read():
    tasks = azc.tasks.make_set("linear", count=4, features=4, train=200, valid=40)
    explanation = azc.explain(azc.parse(EVOLVED), tasks)
    role = {line.text: line.role for line in explanation.lines}
    assert role["v2 = s3 * v2"] == "always 0, since s3 is 0 here"
    assert role["v2 = v0 + v2"].endswith("(cosine 1.00); v0, since v2 is 0 here")
    assert role["s1 = 0.153"] == "constant: a learning rate"
    assert role["v2 = s1 * v1"].endswith("; the next Predict reads it")
    kinds = {cell.name: cell.kind for cell in explanation.addresses}
    assert kinds == {"s1": "scratch", "s3": "constant", "v1": "learned", "v2": "learned"}
    lines = str(explanation).splitlines()
    assert lines[1] == "v0 are the features, s0 is the label, s1 the prediction"
    assert lines[2].startswith("learned: v1 (gradient by v2), v2 (gradient step)")


def test_tasks_that_fail_without_a_line_are_counted():
    tasks = azc.tasks.make_set("linear", count=4, features=4, train=200, valid=40)
    explanation = azc.explain(azc.parse(EVOLVED), tasks)
    rate = next(line for line in explanation.lines if line.text == "s1 = 0.153")
    assert rate.fails == 4
    assert "constant: a learning rate; without it 4 tasks fail" in str(explanation)


def test_what_is_zero_at_the_first_step_alone_is_not_called_so():
    text = (
        "def Predict():\n    s1 = dot(v0, v1)\n"
        "def Learn():\n    s2 = s0 - s1\n    v2 = s2 * v0\n    v1 = v1 + v2\n"
    )
    tasks = azc.tasks.make_set("linear", count=2, features=4, train=50, valid=20)
    explanation = azc.explain(azc.parse(text), tasks)
    assert all("0 here" not in line.role for line in explanation.lines)


def test_families_are_of_ops_that_there_are():
    names = {op.name for op in OPS}
    for family in families.__all__:
        assert getattr(families, family) <= names
