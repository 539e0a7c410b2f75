"""Tuning: what it finds, that it depends on nothing it should not, and that it can go on."""

from __future__ import annotations

import importlib.util
import json

import numpy as np
import pytest

import azc
from azc import library
from azc.use.tune.constants import constants_of
from azc.use.tune.text import retold

SLOW_RATE = "param lr = 0.0017 in log(1e-4, 1)"


@pytest.fixture(scope="module")
def affine():
    return azc.parse(library.text("affine").replace("param lr = 0.05 in log(1e-4, 1)", SLOW_RATE))


@pytest.fixture(scope="module")
def tasks():
    return azc.tasks.make_set("affine", count=2, features=4, train=100, valid=20)


def values(tuned):
    return [(t.values, t.fitness, t.train) for t in tuned.trials]


def test_a_slow_rate_is_mended(affine, tasks):
    tuned = azc.tune(affine, tasks, trials=60)
    assert tuned.before < 0.6
    assert tuned.fitness > 0.99
    assert tuned.fitness == azc.evaluate(tuned.program, tasks).mean
    assert tuned.program.params[0].default == tuned.values[0] > 0.01
    assert tuned.test is None
    assert "lr" in str(tuned)


def test_the_first_trial_is_the_program(affine, tasks):
    tuned = azc.tune(affine, tasks, trials=1)
    assert len(tuned.trials) == 1
    assert tuned.fitness == tuned.before == azc.evaluate(affine, tasks).mean
    assert tuned.program == affine


@pytest.mark.parametrize("method", ["random", "tpe", "cmaes", "gp"])
def test_neither_workers_nor_record_change_anything(affine, tasks, method, tmp_path):
    if method != "random":
        pytest.importorskip("optuna")
    if method == "gp":
        pytest.importorskip("torch")
    first = azc.tune(affine, tasks, trials=40, method=method, seed=7)
    path = tmp_path / "trials.jsonl"
    second = azc.tune(affine, tasks, trials=40, method=method, seed=7, workers=3, record=str(path))
    assert values(first) == values(second)
    # Cut in the middle of a line, as a kill would.
    path.write_bytes(path.read_bytes()[:-200])
    third = azc.tune(affine, tasks, trials=40, method=method, seed=7, record=str(path), resume=True)
    assert values(first) == values(third)
    assert all(json.loads(line) for line in path.read_text().splitlines())
    assert values(azc.tune(affine, tasks, trials=40, method=method, seed=8)) != values(first)


def test_hurdles_give_up_most_and_keep_the_best(affine):
    tasks = azc.tasks.make_set("affine", count=1, features=4, train=400, valid=20)
    tuned = azc.tune(affine, tasks, trials=65)
    given_up = [trial for trial in tuned.trials if trial.train < 1]
    assert len(given_up) == 48
    assert max(t.fitness for t in tuned.trials if t.train == 1) == tuned.fitness
    assert tuned.fitness > azc.tune(affine, tasks, trials=65, hurdles=False).fitness - 0.01


def test_the_record_of_another_task_is_refused(affine, tasks, tmp_path):
    path = str(tmp_path / "trials.jsonl")
    azc.tune(affine, tasks, trials=3, record=path)
    with pytest.raises(azc.ConfigError, match="trials of others"):
        azc.tune(affine, tasks[:1], trials=3, record=path, resume=True)


def test_a_damaged_record_is_named(affine, tasks, tmp_path):
    path = tmp_path / "trials.jsonl"
    azc.tune(affine, tasks, trials=3, record=str(path))
    path.write_text(path.read_text().splitlines()[0] + "\nnonsense\n")
    with pytest.raises(azc.StateError, match=r"jsonl:2: expected an evaluation"):
        azc.tune(affine, tasks, trials=3, record=str(path), resume=True)


def test_seconds_end_it(affine, tasks):
    tuned = azc.tune(affine, tasks, seconds=1e-9)
    assert len(tuned.trials) == 1


def test_the_test_part_is_scored_before_and_after(affine):
    tasks = []
    for index in range(2):
        task = azc.tasks.make("affine", features=4, train=100, valid=20, index=index)
        tasks.append(
            azc.Task(task.X_train[:80], task.y_train[:80], task.X_valid, task.y_valid,
                     X_test=task.X_train[80:], y_test=task.y_train[80:], seed=1)
        )  # fmt: skip
    tuned = azc.tune(affine, tasks, trials=40)
    assert tuned.test_before < 0.6
    assert tuned.test > 0.9


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"method": "tpa"},
            "expected one of random, tpe, cmaes, gp, got 'tpa'; did you mean 'tpe'",
        ),
        ({"trials": 0}, "trials: expected a whole number from 1, got 0"),
        ({"seconds": -1.0}, "seconds: expected a number above 0"),
        ({"workers": 0}, "workers: expected a whole number from 1"),
        ({"tier": "reference"}, "tier: expected one of auto, interpreter, compiled"),
    ],
)
def test_wrong_settings_are_named(affine, tasks, settings, message):
    with pytest.raises(azc.ConfigError, match=message):
        azc.tune(affine, tasks, **settings)


def test_what_is_not_installed_is_named(affine, tasks, monkeypatch):
    found = importlib.util.find_spec
    for method, module, message in (
        ("tpe", "optuna", "expected Optuna for method 'tpe', got none installed; pip install"),
        ("gp", "torch", "expected PyTorch for method 'gp', got none installed; pip install torch"),
    ):

        def find(name, *more, missing=module):
            return None if name == missing else found("json", *more)

        with monkeypatch.context() as patch:
            patch.setattr(importlib.util, "find_spec", find)
            with pytest.raises(azc.ConfigError, match=message):
                azc.tune(affine, tasks, method=method)


def test_a_program_without_constants_is_refused(tasks):
    program = azc.parse("def Predict():\n    s1 = dot(v0, v1)\ndef Learn():\n    v1 = v1 + v0\n")
    with pytest.raises(azc.ConfigError, match="expected a program with constants that matter"):
        azc.tune(program, tasks)


def test_ranges():
    program = azc.parse(
        "def Setup():\n s2 = -0.5\n s3 = 0\n s4 = inf\n s2 = s2 + s3\n s2 = s2 / s4\n"
        "def Predict():\n s1 = s2 * s2\n"
    )
    negative, zero = constants_of(program)
    shares = np.array([0.0, 0.5, 0.999999])
    assert np.allclose(negative.at(shares), [-0.005, -0.5, -50.0], rtol=1e-4)
    assert np.allclose(zero.at(shares), [-1.0, 0.0, 1.0], atol=1e-5)


def tuned_text(text, *new):
    from azc.use.tune.constants import with_constants

    program = azc.parse(text)
    constants = constants_of(program)
    changed = with_constants(program, constants, new)
    result = retold(text, changed, constants, new)
    assert azc.parse(result) == changed
    return result


def test_text_keeps_comments_and_names():
    text = library.text("network")
    new = tuned_text(text, 0.25, 2.0)
    assert new == text.replace("lr = 0.1 in", "lr = 0.25 in").replace("= 1.0 in", "= 2.0 in")


def test_core_text_is_changed_in_place():
    text = "def Setup():\n  s2 = -0.001  # rate\ndef Predict():\n  s1 = s2 * s2\n"
    assert tuned_text(text, 0.5) == text.replace("-0.001", "0.5")
    text = "def Setup():\n  v1 = gaussian(0.5, 1)\ndef Predict():\n  s1 = dot(v0, v1)\n"
    assert tuned_text(text, 0.25, 0.125) == text.replace("0.5, 1", "0.25, 0.125")


def test_what_cannot_be_changed_in_place_is_told_in_core():
    text = "def Predict(x):\n    return 0.5 * mean(x)  # half\n"
    assert tuned_text(text, 0.75) == str(azc.parse(text.replace("0.5", "0.75")))
