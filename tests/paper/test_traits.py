"""The stated rules, on programs of the library and on small ones made for each clause."""

from __future__ import annotations

import pytest

from azc import lang, library
from azc.paper.traits import (
    has_mean_rate,
    has_noisy_activation,
    has_rate_decay,
    learns_two_layers,
)
from azc.tasks import make

LAYERS = {"paper_figure5", "network", "network_nlms", "network_classifier", "noisy_relu",
          "arctan_decay", "mean_rate"}  # fmt: skip
BINARY = ("logistic", "perceptron", "network", "network_classifier", "noisy_relu", "arctan_decay",
          "mean_rate", "bilinear", "paper_figure5", "adam", "momentum", "rmsprop")  # fmt: skip


@pytest.mark.parametrize("name", library.names())
def test_learns_two_layers(name):
    program = library.load(name)
    if name != "softmax_network":
        assert learns_two_layers(program) == (name in LAYERS)
    else:
        assert learns_two_layers(program, 3)


@pytest.mark.parametrize("name", library.names())
def test_noisy_activation(name):
    assert has_noisy_activation(library.load(name)) == (name == "noisy_relu")


@pytest.mark.parametrize("name", library.names())
def test_mean_rate(name):
    assert has_mean_rate(library.load(name)) == (name == "mean_rate")


@pytest.mark.parametrize("name", BINARY)
def test_rate_decay(name):
    task = make("digits:3,8", features=8, train=60, valid=10)
    # Adam's corrections of its averages fall to one.
    assert has_rate_decay(library.load(name), task) == (name in ("arctan_decay", "adam"))


NETWORK = """
def Setup():
    s3 = 0.9
    s8 = 0.1
    m0 = gaussian(0, 1)
    v2 = gaussian(0, 1)
def Predict():
    v3 = dot(m0, v0)
    {predict}
    v4 = maximum(v3, v9)
    s1 = dot(v2, v4)
def Learn():
    s4 = s0 - s1
    {learn}
    s4 = s3 * s4
    v5 = s4 * v4
    v6 = s4 * v2
    v7 = heaviside(v3, 1.0)
    v6 = v6 * v7
    m1 = outer(v6, v0)
    m0 = m0 + m1
    v2 = v2 + v5
"""


def program(predict: str = "NoOp()", learn: str = "NoOp()"):
    return lang.parse(NETWORK.format(predict=predict, learn=learn))


def test_noise_of_learn_reaches_the_activation_of_the_next_prediction():
    # As in the raw program of the paper's figure 7a.
    assert has_noisy_activation(program("v3 = v3 + v8", "v8 = gaussian(-0.5, 0.4)"))


def test_noise_that_is_drawn_once_is_none():
    text = str(program("v3 = v3 + v8")).replace(
        "def Setup():", "def Setup():\n    v8 = gaussian(0, 1)"
    )
    assert not has_noisy_activation(lang.parse(text))


def test_noise_in_what_is_learned_is_none():
    assert not has_noisy_activation(program(learn="s4 = s4 + s8\n    s8 = gaussian(0, 1)"))


def test_noise_behind_the_activation_is_none():
    text = str(program()).replace(
        "    s1 = dot(v2, v4)", "    s1 = dot(v2, v4)\n    s8 = gaussian(0, 1)\n    s1 = s1 + s8"
    )
    assert not has_noisy_activation(lang.parse(text))


@pytest.mark.parametrize(
    ("learn", "decays"),
    [
        ("s3 = arctan(s3)", True),
        ("s3 = s3 * s9", False),  # to nothing at once, since s9 is zero: no steady fall
        ("s4 = s4 / s8\n    s7 = exp(s9)\n    s8 = s8 + s7", True),
        ("s3 = s3 / s4", False),  # an error, not a clock
        ("s7 = arctan(s7)", False),  # multiplies nothing
    ],
)
def test_clauses_of_rate_decay(learn, decays):
    task = make("digits:3,8", features=8, train=60, valid=10)
    assert has_rate_decay(program(learn=learn), task) == decays


def test_the_first_layer_alone_is_not_two():
    text = str(program()).replace("    v2 = v2 + v5\n", "").replace("v2 = v2 + v5", "NoOp()")
    assert not learns_two_layers(lang.parse(text))
