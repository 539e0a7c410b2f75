"""`azc.train` and its models: the same bits as validation, and files that are safe to read."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import programs
import pytest

import azc
from azc.tasks import Preparation, Scaling


def task_of(number: int) -> azc.Task:
    rng = np.random.default_rng(number)
    classes = (0, 2, 3)[number % 3]
    x, v = rng.normal(size=(12, 4)), rng.normal(size=(9, 4))
    if not classes:
        return azc.Task(x, rng.normal(size=12), v, rng.normal(size=9), seed=number)
    y, w = (np.arange(n) % classes for n in (12, 9))
    return azc.Task(x, y, v, w, metric="accuracy", classes=classes, seed=number)


def trained(number: int, epochs: int = 1) -> tuple[azc.Model, azc.Task] | None:
    program = programs.random_program(np.random.default_rng(number))
    task = task_of(number)
    try:
        return azc.train(program, task, epochs=epochs, seed=number, max_abs_error=1e9), task
    except azc.AzcError:
        result = azc.evaluate(
            program, task, epochs=epochs, seed=number, max_abs_error=1e9, tier="reference"
        )
        assert epochs > 1 or result.fitness[0] == 0.0
        return None


@pytest.mark.parametrize("epochs", [1, 3])
def test_predicts_what_evaluate_validates(epochs: int) -> None:
    """Random programs, stateful and random ones among them, against the interpreter (to the bit)
    and the reference."""
    met = 0
    for number in range(150):
        found = trained(number, epochs)
        if not found:
            continue
        model, task = found
        ours = model.predict(task.X_valid)
        settings = {"epochs": epochs, "seed": number, "max_abs_error": 1e9}
        theirs = azc.evaluate(model.program, task, **settings).predictions[0]
        kept = ~np.isnan(theirs)  # a validation that stopped says no more
        assert programs.bits(ours[kept]) == programs.bits(theirs[kept]), number
        assert programs.bits(model.predict(task.X_valid)) == programs.bits(ours)
        met += 1
    assert met > 60


def test_partial_fit_goes_on_where_training_stood() -> None:
    met = 0
    for number in range(0, 90):
        found = trained(number)
        if not found:
            continue
        whole, task = found
        first = azc.Task(
            task.X_train[:5],
            task.y_train[:5],
            task.X_valid,
            task.y_valid,
            metric=task.metric,
            classes=task.classes or None,
            seed=number,
        )
        part = azc.train(whole.program, first, seed=number, max_abs_error=1e9)
        part.predict(task.X_valid)
        part.partial_fit(task.X_train[5:9], task.y_train[5:9])
        part.partial_fit(task.X_train[9:], task.y_train[9:])
        assert part.step == whole.step
        for name, value in whole.memory.items():
            assert programs.bits(part.memory[name]) == programs.bits(value), (number, name)
        met += 1
    assert met > 30


def linear() -> tuple[azc.Model, azc.Task]:
    task = azc.tasks.make("linear", features=4, train=200, valid=20, seed=1)
    return azc.train(azc.library.load("linear"), task), task


def test_memory_by_address() -> None:
    model, _ = linear()
    vectors = [value for value in model.memory.values() if value.shape == (4,)]
    assert len(vectors) == 1
    for value in model.memory.values():
        value[...] = 7.0  # a copy
    assert not any((value == 7.0).any() for value in model.memory.values())


def test_training_that_stops_is_an_error() -> None:
    program = azc.parse("def Predict():\n    s1 = 200\n")
    task = azc.Task(np.ones((3, 2)), np.zeros(3), np.ones((3, 2)), np.zeros(3))
    with pytest.raises(azc.AzcError, match="at most 100 in training, got more, or NaN, at exam"):
        azc.train(program, task)
    model = azc.train(program, task, max_abs_error=300)
    before = model.step
    with pytest.raises(azc.AzcError, match="at most 300"):
        model.partial_fit(np.ones((1, 2)), [-200.0])
    assert model.step == before
    assert model.predict(np.ones((2, 2))).tolist() == [200.0, 200.0]


def test_arguments_are_checked() -> None:
    model, task = linear()
    with pytest.raises(azc.TaskError, match=r"expected X of shape \(n, 4\), got shape \(2, 3\)"):
        model.predict(np.ones((2, 3)))
    with pytest.raises(azc.TaskError, match="expected y of shape"):
        model.partial_fit(np.ones((2, 4)), [1.0])
    with pytest.raises(azc.AzcError, match="expected a Program, got 'linear'"):
        azc.train("linear", task)  # type: ignore[arg-type]
    assert model.predict(np.empty((0, 4))).shape == (0,)


def test_saved_and_loaded(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(30, 4))
    scaling = Scaling.of(x)
    preparation = Preparation(("a", "b", "c", "d"), "y", scaling, ("no", "yes"), None, np.ones(4))
    task = azc.Task(x, x[:, 0] > 0, x, x[:, 1] > 0, metric="accuracy", preparation=preparation)
    model = azc.train(azc.library.load("linear"), task, seed=3)
    model.save(tmp_path / "m.npz")
    again = azc.Model.load(tmp_path / "m.npz")
    assert programs.bits(again.predict(x)) == programs.bits(model.predict(x))
    assert (again.step, again.key, again.seed, again.program) == (
        model.step,
        model.key,
        model.seed,
        model.program,
    )
    kept = again.preparation
    assert kept is not None
    assert (kept.columns, kept.target, kept.classes) == (("a", "b", "c", "d"), "y", ("no", "yes"))
    assert (kept.features(x) == preparation.features(x)).all()


def test_other_files_are_refused(tmp_path: Path) -> None:
    model, _ = linear()
    path = tmp_path / "m.npz"
    model.save(path)
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for number in range(60):
        damaged = bytearray(whole)
        if number % 2:
            damaged = damaged[: int(rng.integers(len(whole)))]
        else:
            damaged[int(rng.integers(len(whole)))] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        try:
            azc.Model.load(path)
        except azc.AzcError:
            continue
    for text in (b"", b"no archive"):
        path.write_bytes(text)
        with pytest.raises(azc.AzcError):
            azc.Model.load(path)
    np.savez(path, model=np.array([{"a": 1}], dtype=object))
    with pytest.raises(azc.AzcError, match="expected"):
        azc.Model.load(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("other.npy", b"")
    with pytest.raises(azc.AzcError, match="expected a model that azc saved"):
        azc.Model.load(path)
    with pytest.raises(azc.AzcError, match="cannot read"):
        azc.Model.load(tmp_path / "none.npz")


@pytest.mark.parametrize("number", range(0, 60, 2))
def test_score_is_that_of_validation(number: int) -> None:
    found = trained(number)
    if not found:
        return
    model, task = found
    result = azc.evaluate(model.program, task, seed=number, max_abs_error=1e9)
    fitness, value = model.score(task.X_valid, task.y_valid)
    assert (fitness, value) == (result.fitness[0], result.value[0])
