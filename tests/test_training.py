"""`azc.train` and its models: the same bits as validation, and files that are safe to read."""

from __future__ import annotations

import errno
import signal
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import programs
import pytest

import azc
from azc.compiler.toolchain import missing
from azc.prepared import state_of
from azc.program import Address, Program
from azc.reference import evaluate_task
from azc.result import Training
from azc.running import Work, build
from azc.tasks import Preparation, Scaling
from azc.tiers import run
from azc.training import model_of


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
    """Random programs, stateful and random ones among them, against a run of the same tier."""
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


def referred(
    program: Program, task: azc.Task, **settings: Any
) -> tuple[dict[str, bytes] | None, int, np.ndarray]:
    """Memory, the example that ended training, and predictions, as the reference has them."""
    told: list[tuple[dict[str, bytes] | None, int]] = []

    def look(memory: Mapping[Address, np.ndarray] | None, ended: int) -> bool:
        state = state_of(program, task.classes)
        bits = None if memory is None else {str(a): programs.bits(memory[a]) for a in state}
        told.append((bits, ended))
        return True

    library = programs.RuntimeMath()
    found = evaluate_task(program, task, library=library, trained=look, **settings)
    (memory, ended), *more = told
    assert not more
    return memory, ended, found[2]


def bits_of(training: Training) -> tuple[dict[str, bytes] | None, int]:
    memory = training.memory
    return memory and {name: programs.bits(value) for name, value in memory.items()}, training.ended


@pytest.mark.parametrize("epochs", [1, 3])
def test_training_leaves_what_the_reference_says(epochs: int) -> None:
    """Memory by address, the example at which an error ended it, and the predictions that follow,
    of random programs that draw and keep things, for 0, 2 and 3 classes."""
    met = stops = 0
    for number in range(90):
        program = programs.random_program(np.random.default_rng(1000 + number))
        task, settings = task_of(number), {"epochs": epochs, "seed": number, "max_abs_error": 50.0}
        memory, ended, predicted = referred(program, task, **settings)
        work = Work(program, azc.TaskSet([task]), settings, remember=True)
        training = run(work, "interpreter").trainings[0]
        assert bits_of(training) == (memory, ended), number
        if training.memory is None:
            stops += 1
            continue
        ours = model_of(program, task, training, settings).predict(task.X_valid)
        kept = ~np.isnan(predicted)
        assert programs.bits(ours[kept]) == programs.bits(predicted[kept]), number
        met += 1
    assert met > 30
    assert stops > 5


def lane_tasks(classes: int, features: int, count: int) -> azc.TaskSet:
    rng = np.random.default_rng(classes + 7 * features)
    made = []
    for _ in range(count):
        x, v, n = (rng.normal(size=(rows, features)) for rows in (12, 9, 7))
        made.append(task_like(rng, classes, x, v, n))
    return azc.TaskSet(made)


def task_like(rng: np.random.Generator, classes: int, *parts: np.ndarray) -> azc.Task:
    labels = [
        rng.integers(classes, size=len(x)) if classes else rng.normal(size=len(x)) for x in parts
    ]
    metric = "accuracy" if classes else "rmse"
    (x, v, n), (y, w, m) = parts, labels
    settings: dict[str, Any] = {
        "metric": metric,
        "classes": classes or None,
        "X_test": n,
        "y_test": m,
    }
    return azc.Task(x, y, v, w, seed=int(rng.integers(99)), **settings)


@pytest.mark.parametrize(("classes", "features"), [(0, 4), (2, 9), (3, 5), (0, 1)])
def test_lanes_keep_their_memory_apart(classes: int, features: int) -> None:
    """Many tasks side by side, some of which stop, leave each what it leaves alone."""
    tasks = lane_tasks(classes, features, 11)
    for number in range(20):
        program = programs.random_program(np.random.default_rng(2000 + number))
        settings = {"epochs": 2, "seed": number, "max_abs_error": 3.0}
        together = run(Work(program, tasks, settings, remember=True), "interpreter")
        for task, training in zip(tasks, together.trainings, strict=True):
            alone = Work(program, azc.TaskSet([task]), settings, remember=True, validate=False)
            assert bits_of(training) == bits_of(run(alone, "interpreter").trainings[0]), number


@pytest.mark.skipif(bool(missing()), reason="needs a C compiler")
def test_compiled_code_leaves_the_same() -> None:
    """Memory and predictions in both layouts, in chunks side by side and in rows of entries."""
    works = []
    for number in range(24):
        program = programs.random_program(np.random.default_rng(3000 + number))
        classes, features = (0, 2, 3)[number % 3], (4, 3, 16, 9)[number % 4]
        tasks = lane_tasks(classes, features, (6, 1)[number // 6 % 2])
        settings = {"epochs": 1 + number % 2, "seed": number, "max_abs_error": 4.0}
        works.append(Work(program, tasks, settings, remember=True))
    build(works)
    met = 0
    for work in works:
        compiled, interpreted = run(work, "compiled"), run(work, "interpreter")
        assert list(map(bits_of, compiled.trainings)) == list(map(bits_of, interpreted.trainings))
        assert programs.bits(compiled.fitness) == programs.bits(interpreted.fitness)
        met += sum(bool(training.memory) for training in compiled.trainings)
    assert met > 15


@pytest.mark.skipif(bool(missing()), reason="needs a C compiler")
def test_models_predict_and_go_on_compiled() -> None:
    task = azc.tasks.make("teacher-nn", features=5, train=60, valid=20, seed=1)
    program = azc.library.load("network")
    model = azc.train(program, task, tier="compiled")
    other = azc.train(program, task, tier="interpreter")
    X, y = task.X_valid, task.y_valid
    raw = other.predict(X, tier="interpreter")
    assert programs.bits(model.predict(X, tier="compiled")) == programs.bits(raw)
    model.partial_fit(X, y, tier="compiled")
    other.partial_fit(X, y, tier="interpreter")
    assert model.step == other.step
    for name, value in other.memory.items():
        assert programs.bits(model.memory[name]) == programs.bits(value), name
    with pytest.raises(azc.ConfigError, match="tier: expected one of auto, interpreter, compiled"):
        model.predict(X, tier="reference")


@pytest.mark.parametrize("tier", ["interpreter", "reference"])
@pytest.mark.parametrize("classes", [0, 2, 3])
def test_the_test_part_is_scored_by_the_model(tier: str, classes: int) -> None:
    tasks = lane_tasks(classes, 4, 5)
    program = azc.library.load("linear")
    settings = {"epochs": 2, "seed": 3}
    result = azc.evaluate(program, tasks, tier=tier, test=True, **settings)
    plain = azc.evaluate(program, tasks, tier=tier, **settings)
    assert programs.bits(result.fitness) == programs.bits(plain.fitness)
    assert plain.test_fitness is None
    assert result.test_fitness is not None
    assert result.test_value is not None
    for position, task in enumerate(tasks):
        model = azc.train(program, task, tier=tier, **settings)
        expected = model.score(task.X_test, task.y_test)
        assert (result.test_fitness[position], result.test_value[position]) == expected
    both = azc.evaluate([program, program], tasks, tier=tier, test=True, workers=2, **settings)
    assert [one.test_fitness.tolist() for one in both] == [result.test_fitness.tolist()] * 2
    with pytest.raises(azc.TaskError, match="expected a test part of"):
        azc.evaluate(program, task_of(0), test=True)


def test_where_every_epoch_is_alike_memory_is_that_before_validation() -> None:
    """Without learning, epochs after the first are spared; what Predict counts up in validation is
    no part of what training left."""
    program = azc.parse("def Predict():\n    s1 = s2\n    s3 = 1\n    s2 = s2 + s3\n"
                        "def Learn():\n    s2 = 0\n")  # fmt: skip
    task = task_of(0)
    model = azc.train(program, task, epochs=3)
    assert model.memory["s2"] == 0.0
    predicted = azc.evaluate(program, task, epochs=3).predictions[0]
    assert programs.bits(model.predict(task.X_valid)) == programs.bits(predicted)


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


def test_a_gradient_that_waits_for_the_next_example_is_kept(tmp_path: Path) -> None:
    """Where nobody asks for memory, the interpreter keeps what it is made of instead."""
    program = azc.parse(
        "def Setup():\n    s2 = 0.1\ndef Predict():\n    v3 = dot(m1, v0)\n    s1 = dot(v3, v0)\n"
        "def Learn():\n    m1 = m1 + m0\n    s3 = s0 - s1\n    s3 = s2 * s3\n    v3 = s3 * v0\n"
        "    m0 = outer(v3, v0)\n"
    )
    assert "outer_matrix_add_b" in programs.fused_in(program)
    task = task_of(0)
    settings = {"epochs": 1, "seed": 3, "max_abs_error": 100.0}
    memory, _, predicted = referred(program, task, **settings)
    whole = azc.train(program, task, **settings)
    assert np.any(whole.memory["m0"])
    assert {name: programs.bits(value) for name, value in whole.memory.items()} == memory
    assert programs.bits(whole.predict(task.X_valid)) == programs.bits(predicted)
    parts = task.X_train, task.y_train
    first = azc.Task(*(part[:5] for part in parts), task.X_valid, task.y_valid, seed=0)
    azc.train(program, first, **settings).save(tmp_path / "first.npz")
    part = azc.Model.load(tmp_path / "first.npz")
    part.partial_fit(*(part[5:] for part in parts))
    assert {name: programs.bits(value) for name, value in part.memory.items()} == memory


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


def test_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, _ = linear()
    path = tmp_path / "m.npz"
    model.save(path)
    before = path.read_bytes()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("azc.files.os.fsync", full)
    with pytest.raises(azc.ResourceError, match=r"cannot write .*m\.npz: No space left on device"):
        model.save(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("what", ["predict", "partial_fit"])
def test_can_be_interrupted(what: str) -> None:
    task = azc.tasks.make("teacher-nn", features=64, train=10, valid=10, seed=1)
    model = azc.train(azc.library.load("network"), task)
    before = {name: programs.bits(value) for name, value in model.memory.items()}
    rows, labels = np.zeros((1_000_000, 64)), np.zeros(1_000_000)
    work = {
        "predict": lambda: model.predict(rows),
        "partial_fit": lambda: model.partial_fit(rows, labels),
    }
    old = signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    with pytest.raises(KeyboardInterrupt):
        work[what]()
    signal.signal(signal.SIGALRM, old)
    assert {name: programs.bits(value) for name, value in model.memory.items()} == before
