"""To Cython: a module that builds by itself."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import numpy as np
import pytest

import azc
from azc.use.export import export


@pytest.mark.slow
@pytest.mark.parametrize(("name", "classes"), [("network", 0), ("softmax", 3)])
def test_builds_and_gives_the_bits_of_azc(tmp_path, full, name, classes):
    if not classes and not full:
        pytest.skip("another build, of what has no vectors to predict; in the full count")
    program = azc.library.load(name)
    (tmp_path / f"{name}.pyx").write_text(export(program, "cython", classes=classes), "utf-8")
    command = [sys.executable, "-m", "Cython.Build.Cythonize", "-i", f"{name}.pyx"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    [built] = tmp_path.glob(f"{name}.*.so")
    spec = importlib.util.spec_from_file_location(name, built)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(30, 5)), rng.normal(size=30)
    y = rng.integers(3, size=30).astype(float) if classes else y
    options = {"metric": "accuracy", "classes": classes} if classes else {}
    task = azc.Task(X[:20], y[:20], X[20:], y[20:], seed=0, **options)
    model = module.Model(5, seed=4).fit(X[:20], y[:20])
    expected = azc.train(program, task, seed=4).predict(X[20:])
    assert np.asarray(model.predict(X[20:])).tobytes() == expected.tobytes()
    with pytest.raises(ValueError, match="expected X of shape"):
        model.predict(X[:, :4].copy())
