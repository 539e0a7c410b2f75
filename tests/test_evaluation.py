"""`azc.evaluate` as users call it: results, stops, options, memory, threads."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import programs
import pytest

import azc
from azc.packing import lane_count

CONSTANT = "def Predict():\n    s1 = {value}\n"
LINEAR = programs.LINEAR.format(rate=0.01)


def constant_task(label: float, metric: str = "rmse") -> azc.Task:
    x = np.ones((4, 2))
    y = np.full(4, label)
    return azc.Task(x, y, x, y, metric=metric)


@pytest.mark.parametrize(
    ("rmse", "fitness"), [(0.5, 0.704832765), (1.0, 0.5), (100.0, 0.006365986), (0.0, 1.0)]
)
@pytest.mark.parametrize("tier", ["interpreter", "reference"])
def test_fitness_of_an_error(rmse: float, fitness: float, tier: str) -> None:
    program = azc.parse(CONSTANT.format(value=rmse))
    result = azc.evaluate(program, [constant_task(0.0)], tier=tier)
    assert result.fitness == pytest.approx([fitness], abs=1e-9)
    assert result.value == pytest.approx([rmse])
    assert result.tier == tier
    assert result.predictions[0].tolist() == [rmse] * 4


@pytest.mark.parametrize("tier", ["interpreter", "reference"])
def test_training_stops_beyond_the_largest_error(tier: str) -> None:
    task = constant_task(0.0)
    stopped = azc.evaluate(azc.parse(CONSTANT.format(value=100.5)), [task], tier=tier)
    assert stopped.fitness.tolist() == [0.0]
    assert stopped.value.tolist() == [math.inf]
    assert np.isnan(stopped.predictions[0]).all()
    raised = azc.evaluate(
        azc.parse(CONSTANT.format(value=100.5)), [task], tier=tier, max_abs_error=101.0
    )
    assert raised.fitness[0] > 0.0


@pytest.mark.parametrize("tier", ["interpreter", "reference"])
def test_a_later_epoch_that_stops_keeps_the_best(tier: str) -> None:
    """s1 doubles at each prediction: the second epoch stops, the first one's fitness stands."""
    text = "def Setup():\n    s2 = 1\n    s3 = 2\ndef Predict():\n    s2 = s2 * s3\n    s1 = s2\n"
    program = azc.parse(text)
    one = azc.evaluate(program, [constant_task(0.0)], tier=tier, max_abs_error=300.0)
    assert one.fitness[0] > 0.0
    two = azc.evaluate(program, [constant_task(0.0)], tier=tier, max_abs_error=300.0, epochs=2)
    assert two.fitness.tolist() == one.fitness.tolist()


@pytest.mark.parametrize("tier", ["interpreter", "reference"])
def test_a_nan_logit_counts_as_class_0(tier: str) -> None:
    x = np.ones((3, 2))
    zeros = azc.Task(x, np.zeros(3), x, np.zeros(3), metric="accuracy")
    ones = azc.Task(x, np.ones(3), x, np.ones(3), metric="accuracy")
    # The logarithm's operand is positive for the three training examples, negative later.
    program = azc.parse(
        "def Setup():\n    s2 = 3.5\n    s3 = 1\n"
        "def Predict():\n    s2 = s2 - s3\n    s1 = log(s2)\n"
    )
    results = azc.evaluate(program, [zeros, ones], tier=tier)
    assert results.fitness.tolist() == [1.0, 0.0]


def test_mean_and_upper_median() -> None:
    tasks = [constant_task(v) for v in (0.0, 0.5, 1.0, 3.0)]
    result = azc.evaluate(azc.parse(CONSTANT.format(value=0.0)), tasks)
    assert result.mean == pytest.approx(np.mean(result.fitness))
    assert result.median == sorted(result.fitness)[2]


def test_tasks_of_different_shapes_in_one_call() -> None:
    rng = np.random.default_rng(0)
    tasks = []
    for features, train, valid in [(4, 50, 10), (7, 30, 5), (4, 50, 10), (4, 20, 10), (1, 3, 1)]:
        w = rng.normal(size=features)
        x, v = rng.normal(size=(train, features)), rng.normal(size=(valid, features))
        tasks.append(azc.Task(x, x @ w, v, v @ w))
    together = azc.evaluate(azc.parse(LINEAR), tasks)
    for position, task in enumerate(tasks):
        alone = azc.evaluate(azc.parse(LINEAR), [task])
        assert alone.fitness[0] == together.fitness[position]
        assert (alone.predictions[0] == together.predictions[position]).all()
        assert together.predictions[position].shape == task.y_valid.shape


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tier": "fastest"}, "tier: expected one of"),
        ({"epochs": 0}, "epochs: expected"),
        ({"epochs": 1.5}, "epochs: expected"),
        ({"seed": -1}, "seed: expected"),
        ({"seed": 2**64}, "seed: expected"),
        ({"max_abs_error": 0.0}, "max_abs_error: expected"),
        ({"max_abs_error": math.nan}, "max_abs_error: expected"),
    ],
)
def test_options_are_checked(options: dict, message: str) -> None:
    with pytest.raises(azc.ConfigError, match=message):
        azc.evaluate(azc.parse(LINEAR), [constant_task(0.0)], **options)


def test_tasks_are_checked() -> None:
    program = azc.parse(LINEAR)
    with pytest.raises(azc.TaskError, match="at least one task"):
        azc.evaluate(program, [])
    with pytest.raises(azc.TaskError, match="one metric"):
        azc.evaluate(program, [constant_task(0.0), constant_task(0.0, "accuracy")])
    with pytest.raises(azc.TaskError, match="expected a Task"):
        azc.evaluate(program, [object()])


def test_a_coordinate_beyond_the_features() -> None:
    program = azc.parse("def Predict():\n    v1[3] = 0.5\n    s1 = dot(v0, v1)\n")
    with pytest.raises(azc.AzcError, match=r"expected a coordinate from 0 to 1 .*got 3"):
        azc.evaluate(program, [constant_task(0.0)])


def test_what_does_not_fit_is_refused_with_its_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "def Predict():\n" + "".join(f"    m{k} = outer(v0, v0)\n" for k in range(4))
    text += "    m4 = matmul(m0, m1)\n    m5 = matmul(m2, m3)\n    m4 = matmul(m4, m5)\n"
    program = azc.parse(text + "    s1 = norm(m4)\n")
    x = np.ones((2, 512))
    task = azc.Task(x, np.ones(2), x, np.ones(2))
    monkeypatch.setenv("AZC_MEMORY_LIMIT", "1000000")
    with pytest.raises(azc.ResourceError) as caught:
        azc.evaluate(program, [task])
    # Six matrices and one that a product needs aside.
    matrix = 8 * 512 * 512
    assert 6 * matrix <= caught.value.required <= 8 * matrix
    assert str(caught.value.required) in str(caught.value)
    monkeypatch.setenv("AZC_MEMORY_LIMIT", str(caught.value.required))
    azc.evaluate(program, [task], max_abs_error=math.inf)
    monkeypatch.setenv("AZC_MEMORY_LIMIT", "much")
    with pytest.raises(azc.ConfigError, match="AZC_MEMORY_LIMIT"):
        azc.evaluate(program, [task])


def test_random_numbers_follow_the_task_not_its_place() -> None:
    program = azc.parse("def Predict():\n    v1 = gaussian(0, 1)\n    s1 = dot(v0, v1)\n")
    tasks = azc.tasks.make_set("linear", features=4, train=20, valid=20, count=3)
    forward = azc.evaluate(program, tasks, seed=5)
    backward = azc.evaluate(program, tasks[::-1], seed=5)
    other = azc.evaluate(program, tasks, seed=6)
    for a, b, c in zip(
        forward.predictions, backward.predictions[::-1], other.predictions, strict=True
    ):
        assert (a == b).all()
        assert (a != c).all()
    assert len({p[0] for p in forward.predictions}) == 3


def test_draws_have_their_distribution() -> None:
    from scipy import stats

    x = np.eye(8)
    task = azc.Task(x, np.zeros(8), np.ones((4000, 8)), np.zeros(4000))
    for text, distribution in (
        ("s1 = gaussian(0.5, 2.0)", stats.norm(0.5, 2.0)),
        ("s1 = uniform(-1.0, 3.0)", stats.uniform(-1.0, 4.0)),
        ("v1 = gaussian(0.0, 1.0)\n    s1 = mean(v1)", stats.norm(0.0, 1 / math.sqrt(8))),
        ("m1 = uniform(0.0, 1.0)\n    m1 = m1 * m1\n    s1 = mean(m1)", None),
    ):
        program = azc.parse(f"def Predict():\n    {text}\n")
        drawn = azc.evaluate(program, [task]).predictions[0]
        assert len(set(drawn)) == 4000
        if distribution is None:
            assert drawn.mean() == pytest.approx(1 / 3, abs=0.01)
        else:
            assert stats.kstest(drawn, distribution.cdf).pvalue > 1e-3
        # Neither neighbours nor distant draws go together.
        for lag in (1, 2, 7):
            assert abs(np.corrcoef(drawn[:-lag], drawn[lag:])[0, 1]) < 0.06


def long_work() -> tuple[azc.Program, list[azc.Task]]:
    return azc.parse(LINEAR), azc.tasks.make_set("linear", features=64, train=4000, count=8)


def test_other_threads_run_meanwhile() -> None:
    """A Python thread makes progress while an evaluation of some seconds is under way."""
    program, tasks = long_work()
    ticks, done = [], threading.Event()

    def tick() -> None:
        while not done.wait(0.001):
            ticks.append(time.monotonic())

    thread = threading.Thread(target=tick)
    thread.start()
    started = time.monotonic()
    azc.evaluate(program, tasks, epochs=100)
    ended = time.monotonic()
    done.set()
    thread.join()
    within = [t for t in ticks if started < t < ended]
    assert len(within) > 20


def test_threads_evaluate_side_by_side() -> None:
    program, tasks = long_work()
    expected = azc.evaluate(program, tasks, epochs=2).fitness
    results: list[np.ndarray] = []
    threads = [
        threading.Thread(
            target=lambda: results.append(azc.evaluate(program, tasks, epochs=2).fitness)
        )
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4
    assert all((result == expected).all() for result in results)


def test_progress_grows_to_the_total() -> None:
    program, tasks = long_work()
    seen: list[tuple[int, int]] = []
    azc.evaluate(program, tasks, epochs=3, progress=lambda done, most: seen.append((done, most)))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert seen[-1][0] == seen[-1][1] == 3 * 4100


def test_ctrl_c_ends_an_evaluation() -> None:
    code = (
        "import azc\n"
        "tasks = azc.tasks.make_set('linear', features=64, train=4000, count=8)\n"
        f"program = azc.parse({LINEAR!r})\n"
        "print('ready', flush=True)\n"
        "azc.evaluate(program, tasks, epochs=100000)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ},
    )
    assert process.stdout is not None
    assert process.stdout.readline().strip() == b"ready"
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=20)
    assert process.returncode != 0
    assert b"KeyboardInterrupt" in error


def test_nothing_learned_still_trains_for_the_stop() -> None:
    """Where Learn cannot reach the prediction, training runs in blocks; a stop is found all the
    same, wherever in a block it lies."""
    program = azc.parse("def Predict():\n    s1 = dot(v0, v0)\n")
    for at in range(40):
        x = np.full((40, 2), 0.1)
        x[at] = 50.0
        bad = azc.Task(x, np.zeros(40), x[:1] * 0, np.zeros(1))
        fine = azc.Task(x * 0, np.zeros(40), x[:1] * 0, np.zeros(1))
        result = azc.evaluate(program, [bad, fine])
        assert result.fitness.tolist() == [0.0, 1.0]


@pytest.mark.parametrize(
    ("tasks", "features", "matrices", "lanes"),
    [(1, 8, False, 1), (3, 8, False, 4), (8, 8, False, 8), (10, 8, False, 16), (8, 3072, True, 1)],
)
def test_lane_count(tasks: int, features: int, matrices: bool, lanes: int) -> None:
    assert lane_count(tasks, features, matrices) == lanes


def test_one_task_or_any_iterable_of_them() -> None:
    task = constant_task(0.5)
    program = azc.parse(CONSTANT.format(value=0.0))
    alone = azc.evaluate(program, task)
    assert alone.fitness.tolist() == azc.evaluate(program, iter([task])).fitness.tolist()
    with pytest.raises(azc.TaskError, match="expected a Task, or a sequence of them, got int"):
        azc.evaluate(program, 3)
    with pytest.raises(azc.AzcError, match="expected a Program, got 'linear'"):
        azc.evaluate("linear", task)
    with pytest.raises(azc.ConfigError, match="max_abs_error: expected a number above 0, got None"):
        azc.evaluate(program, task, max_abs_error=None)


def some_programs() -> list[azc.Program]:
    rng = np.random.default_rng(3)
    return [programs.random_program(rng) for _ in range(8)]


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("tier", ["auto", "reference"])
def test_many_programs_at_once_as_one_by_one(workers: int, tier: str) -> None:
    tasks = azc.tasks.make_set("linear", count=3, features=4, train=12, valid=6)
    seen: list[tuple[int, int]] = []
    many = some_programs()
    together = azc.evaluate(
        many, tasks, tier=tier, epochs=2, workers=workers, progress=lambda *a: seen.append(a)
    )
    for program, result in zip(many, together, strict=True):
        alone = azc.evaluate(program, tasks, tier=tier, epochs=2)
        assert programs.bits(result.fitness) == programs.bits(alone.fitness)
        for a, b in zip(result.predictions, alone.predictions, strict=True):
            assert programs.bits(a) == programs.bits(b)
    assert {most for _, most in seen} == {8 * 3 * 2 * 18}
    assert azc.evaluate([], tasks) == []


def test_an_error_of_one_program_ends_all() -> None:
    tasks = azc.tasks.make_set("linear", count=1, features=4, train=12, valid=6)

    def fail(done: int, most: int) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        azc.evaluate(some_programs(), tasks, workers=2, progress=fail)
    with pytest.raises(azc.ConfigError, match="workers: expected a whole number from 1"):
        azc.evaluate(some_programs(), tasks, workers=0)


def test_a_program_is_prepared_once_and_pickles_without_it() -> None:
    import pickle

    from azc.prepared import code_of

    program = azc.parse(LINEAR)
    assert code_of(program) is code_of(program)
    again = pickle.loads(pickle.dumps(program))
    assert again == program
    assert azc.evaluate(again, constant_task(0.0)).fitness.shape == (1,)
