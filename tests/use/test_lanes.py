"""Many constant vectors at once give what each gives alone, to the bit."""

from __future__ import annotations

import numpy as np
import pytest
from programs import interpret, random_program, random_task

import azc
from azc import library
from azc.use.tune.constants import constants_of, live_constants, positions_of, with_constants
from azc.use.tune.lanes import Lanes

SETTINGS = {"epochs": 2, "seed": 3, "max_abs_error": 100.0}


def alone(program, tasks, constants, vectors):
    return np.array([
        azc.evaluate(with_constants(program, constants, v), tasks, tier="interpreter", **SETTINGS)
        .fitness for v in vectors
    ])  # fmt: skip


def vectors_for(constants, count, seed=0):
    shares = np.random.default_rng(seed).random((count, len(constants)))
    return np.stack([c.at(shares[:, k]) for k, c in enumerate(constants)], axis=1)


def tasks_for(name, count):
    kind = "digits:all" if name.startswith("softmax") else "teacher-nn"
    features = 10 if name.startswith("softmax") else 4
    return azc.tasks.make_set(kind, count=count, features=features, train=30, valid=10)


@pytest.mark.parametrize("name", library.names())
@pytest.mark.parametrize(("count", "workers"), [(1, 1), (3, 2)])
def test_as_one_by_one(name, count, workers):
    program = azc.parse(library.text(name))
    tasks = tasks_for(name, count)
    constants = constants_of(program, tasks[0].classes)
    if not constants:
        pytest.skip("it has no params")
    vectors = vectors_for(constants, 19)
    positions = positions_of(program, constants, tasks[0].classes)
    with Lanes(program, tasks, SETTINGS, workers=workers) as lanes:
        got = lanes.score(positions, vectors)
    assert got.tobytes() == alone(program, tasks, constants, vectors).tobytes()


def test_random_programs(full):
    rng = np.random.default_rng(5)
    for _ in range(400 if full else 60):
        program = random_program(rng)
        constants = constants_of(program, 0)
        task = random_task(rng, 4)
        task.metric = "rmse"
        if not constants:
            continue
        vectors = vectors_for(constants, 5)
        with Lanes(program, [task], SETTINGS) as lanes:
            got = lanes.score(positions_of(program, constants, 0), vectors)
        expected = [
            interpret(with_constants(program, constants, v), [task], lanes=1, **SETTINGS).fitness
            for v in vectors
        ]
        assert got.tobytes() == np.array(expected).tobytes()


@pytest.mark.slow
def test_compiled_gives_the_same():
    program = azc.parse(library.text("network"))
    tasks = tasks_for("network", 3)
    constants = constants_of(program)
    vectors = vectors_for(constants, 9)
    positions = positions_of(program, constants)
    with Lanes(program, tasks, SETTINGS) as lanes:
        interpreted = lanes.score(positions, vectors)
        lanes.compile()
        assert lanes.score(positions, vectors).tobytes() == interpreted.tobytes()


def test_large_tasks_take_fewer_lanes(monkeypatch):
    program = azc.parse(library.text("network"))
    tasks = tasks_for("network", 3)
    constants = constants_of(program)
    vectors, positions = vectors_for(constants, 9), positions_of(program, constants)
    with Lanes(program, tasks, SETTINGS) as lanes:
        usual = lanes.score(positions, vectors)
    for limit in (30_000, 5_000, 0):
        monkeypatch.setattr("azc.use.tune.lanes._MOST_BYTES", limit)
        with Lanes(program, tasks, SETTINGS) as lanes:
            assert lanes.score(positions, vectors).tobytes() == usual.tobytes()
            widest = max(block.lanes for block in lanes._made.values())
        assert widest == {30_000: 16, 5_000: 2, 0: 1}[limit]


def test_a_share_of_the_examples():
    program = azc.parse(library.text("affine"))
    task = azc.tasks.make("affine", features=4, train=40, valid=10)
    short = azc.Task(
        task.X_train[:10], task.y_train[:10], task.X_valid, task.y_valid, seed=task.key
    )
    constants = constants_of(program)
    with Lanes(program, [task], SETTINGS) as lanes:
        got = lanes.score(positions_of(program, constants), np.array([[0.05]]), 0.25)
    assert got[0, 0] == azc.evaluate(program, [short], **SETTINGS).fitness[0]


def test_constants_of_another_number_are_refused():
    from azc.packing import pack
    from azc.runtime import _core

    program = azc.parse(library.text("affine"))
    batch = pack([azc.tasks.make("affine", features=4)] * 4, 4)
    with pytest.raises(ValueError, match="expected 1 constants for each of 4 lanes"):
        _core.Machine().run(
            _core.Code(program.packed()),
            batch,
            np.zeros(4),
            np.zeros(4),
            constants=np.zeros((2, 4)),
        )


def test_live_constants_leave_out_indices_and_the_dead():
    program = azc.parse(
        "def Setup():\n s2 = 0.5\n s9 = 7\n v1[0.5] = 0.25\n"
        "def Predict():\n s1 = dot(v0, v1)\n s1 = s1 * s2\n"
    )
    assert live_constants(program).tolist() == [0.5, 0.25]
    assert [c.name for c in constants_of(program)] == ["s2", "v1.value"]
