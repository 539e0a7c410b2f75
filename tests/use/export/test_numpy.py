"""To NumPy: azc's numbers, without azc."""

from __future__ import annotations

import numpy as np
import pytest
from exported import agrees, azc_numbers, load_module, random_case
from programs import TRANSCENDENTAL

import azc
from azc.use.export import export
from azc.use.export.numpy import write


def test_random_programs(full):
    """To the bit where exp, log and so on are azc's."""
    for seed in range(3000 if full else 60):
        made = random_case(seed)
        if made is None:
            continue
        case, subject = made
        model = azc_numbers(load_module(write(subject))).Model(case.task.classes)
        model.reset(case.task.features, seed)
        assert agrees(case, model), seed


@pytest.mark.parametrize("name", ["linear", "affine", "nlms", "momentum", "ridge"])
def test_library(name):
    """Programs without exp, log and draws give azc's bits as they are."""
    program = azc.library.load(name)
    assert not any(i.op.random or i.op.number in TRANSCENDENTAL for i in program.instructions())
    task = azc.tasks.make("affine", features=6, train=50, valid=10)
    model = load_module(export(program, "numpy")).Model().fit(task.X_train, task.y_train)
    expected = azc.train(program, task).predict(task.X_valid)
    assert model.predict(task.X_valid).tobytes() == expected.tobytes()


def test_functions_of_numpy():
    """Elsewhere they are as near as the functions are."""
    program = azc.library.load("network")
    task = azc.tasks.make("teacher-nn", features=4, train=100, valid=20, seed=3)
    model = load_module(export(program, "numpy")).Model()
    model.reset(4, seed=7, task=task.key).partial_fit(task.X_train, task.y_train)
    expected = azc.train(program, task, seed=7).predict(task.X_valid)
    np.testing.assert_allclose(model.predict(task.X_valid), expected, rtol=1e-9)


def test_goes_on_and_stays_as_it_was():
    task = azc.tasks.make("linear", features=3, train=20, valid=5)
    Model = load_module(export(azc.library.load("linear"), "numpy")).Model
    whole = Model().fit(task.X_train, task.y_train)
    parts = Model().fit(task.X_train[:7], task.y_train[:7])
    parts.partial_fit(task.X_train[7:], task.y_train[7:])
    assert (whole.v1 == parts.v1).all()
    with pytest.raises(ValueError, match="error at example 1"):
        parts.partial_fit(task.X_train[:2], [0.0, 1e9])
    assert (whole.v1 == parts.v1).all()
    assert whole.step == parts.step == 21


def test_too_few_features():
    text = export(azc.parse("def Predict():\n    v0[4] = 1.0\n    s1 = mean(v0)\n"), "numpy")
    with pytest.raises(ValueError, match="expected at least 5 features, got 4"):
        load_module(text).Model().reset(4)
