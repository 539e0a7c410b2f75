"""`azc.compile`: what it takes and refuses, and that its programs give what `azc.evaluate` does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from programs import LINEAR, Outcome

import azc
from azc.compiler.cache import Cache
from azc.compiler.structure import ENTRIES, LANES
from azc.compiler.toolchain import find_toolchain, missing
from azc.errors import AzcError, CompileError, ConfigError, TaskError

if reason := missing():
    pytest.skip(f"needs a C compiler: {reason}", allow_module_level=True)

SOFTMAX = """
def Predict():
    v2 = dot(m0, v0)
def Learn():
    v3 = v1 - v2
    m1 = outer(v3, v0)
    m0 = m0 + m1
"""
ENTRY = "def Setup():\n    v1[{place}] = 0.5\ndef Predict():\n    s1 = dot(v0, v1)\n"


def linear(rate: float = 0.01) -> azc.Program:
    return azc.parse(LINEAR.format(rate=rate), f"linear{rate}.az")


def make_tasks(count: int, features: int = 6, classes: int = 0) -> list[azc.Task]:
    rng = np.random.default_rng(features)
    functions = []
    for _ in range(count):
        x = rng.normal(size=(50, features))
        y = rng.integers(classes, size=50) if classes else x @ rng.normal(size=features)
        metric = "accuracy" if classes else "rmse"
        made = azc.Task(x[:30], y[:30], x[30:], y[30:], metric=metric, classes=classes or None)
        functions.append(made)
    return functions


def same(first: azc.Result, second: azc.Result) -> bool:
    outcomes = [Outcome(r.fitness, r.value, r.predictions) for r in (first, second)]
    return outcomes[0].same_bits(outcomes[1])


# ---- what it gives ------------------------------------------------------------------------------


def test_programs_in_their_order() -> None:
    functions = [linear(0.01), azc.parse(SOFTMAX, "softmax.az"), linear(0.1)]
    module = azc.compile(functions, features=6)
    assert isinstance(module, Sequence)
    assert len(module) == 3
    assert [each.program for each in module] == functions
    assert [module[place].program for place in (0, 1, 2, -1)] == [*functions, functions[2]]
    assert [each.program for each in module[1:]] == functions[1:]
    assert module[0] in module
    assert (module.features, module.cpu) == (6, "native")
    assert repr(module[1]) == "<compiled softmax.az, 6 features>"
    with pytest.raises(IndexError):
        module[3]


def test_nothing_to_compile() -> None:
    module = azc.compile([], features=6)
    assert (len(module), list(module), module.functions) == (0, [], {})


@pytest.mark.filterwarnings("ignore:labels of .* beyond the limit")
@pytest.mark.parametrize("count", [1, 2, 3, 8, 10, 19])
def test_as_evaluate(count: int) -> None:
    """Whatever the number of tasks that was planned for."""
    settings: dict[str, Any] = {"epochs": 2, "seed": 7, "max_abs_error": 5.0}
    [program] = azc.compile([linear()], features=6, tasks=8)
    tasks = make_tasks(count)
    result = program(tasks, **settings)
    expected = azc.evaluate(linear(), tasks, tier="interpreter", **settings)
    assert result.tier == "compiled"
    assert same(result, expected)
    assert same(program(iter(tasks), **settings), expected)  # type: ignore[arg-type]


def test_settings_are_passed_on() -> None:
    [program] = azc.compile([linear()], features=6, tasks=1)
    tasks = make_tasks(1)
    plain = program(tasks)
    assert same(plain, azc.evaluate(linear(), tasks, tier="interpreter"))
    assert not same(program(tasks, epochs=3), plain)
    assert program(tasks, max_abs_error=1e-3).fitness.tolist() == [0.0]
    [drawing] = azc.compile(
        [azc.parse("def Predict():\n    s1 = gaussian(0, 1)\n")], features=6, tasks=1
    )
    assert not same(drawing(tasks, seed=1), drawing(tasks, seed=2))


@pytest.mark.parametrize("classes", [None, 3, 5])
def test_more_than_two_classes(classes: int | None) -> None:
    """By default as the program's prediction suggests."""
    program = azc.parse(SOFTMAX)
    module = azc.compile([program], features=6, classes=classes)
    assert {made.many_classes for made in module.functions} == {True}
    tasks = make_tasks(10, 6, 5)
    assert same(module[0](tasks), azc.evaluate(program, tasks, tier="interpreter"))


def test_another_kind_of_prediction_is_built_on_first_use() -> None:
    text = "def Predict():\n    v2 = v0 + v3\n    s1 = mean(v2)\ndef Learn():\n    v3 = v0 + v1\n"
    [program] = azc.compile([azc.parse(text)], features=6, classes=0)
    for classes in (0, 2, 4):
        tasks = make_tasks(9, 6, classes)
        expected = azc.evaluate(azc.parse(text), tasks, tier="interpreter")
        assert same(program(tasks), expected)


def test_progress_of_a_program() -> None:
    told: list[tuple[int, int]] = []
    [program] = azc.compile([linear()], features=6)
    program(make_tasks(9), progress=lambda *done: told.append(done))
    assert told[-1][0] == told[-1][1]
    assert sorted(told) == told


# ---- what is built ------------------------------------------------------------------------------


def test_constants_share_a_function() -> None:
    functions = [linear(rate) for rate in (0.01, 0.02, float("nan"), -0.0)]
    module = azc.compile(functions, features=6)
    assert len(module.functions) == 1
    tasks = make_tasks(8)
    for each, program in zip(module, functions, strict=True):
        assert same(each(tasks), azc.evaluate(program, tasks, tier="interpreter"))
    assert not same(module[0](tasks), module[1](tasks))


def test_coordinates_share_a_function() -> None:
    functions = [azc.parse(ENTRY.format(place=place)) for place in (0, 3, 5, 0.5, 0.99)]
    module = azc.compile(functions, features=6)
    assert len(module.functions) == 1
    tasks = make_tasks(8)
    results = [each(tasks) for each in module]
    for program, result in zip(functions, results, strict=True):
        assert same(result, azc.evaluate(program, tasks, tier="interpreter"))
    assert same(results[1], results[3])
    assert same(results[2], results[4])
    assert not same(results[0], results[1])


def test_layouts() -> None:
    """Lanes for tasks side by side, entries for one of them; both where the tasks need both."""

    def layouts(tasks: int, features: int) -> set[str]:
        return {
            made.layout
            for made in azc.compile([linear()], features=features, tasks=tasks).functions
        }

    vector = find_toolchain().vector
    assert layouts(1, 128) == {ENTRIES}
    assert layouts(vector, 4) == {LANES}
    assert layouts(2**31, 4) == {LANES}
    assert layouts(8 * vector + 1, 128) == {LANES, ENTRIES}


def test_built_or_found() -> None:
    text = "def Predict():\n    s1 = mean(v0)\n    s1 = s1 + s1\n    s1 = s1 - s0\n"
    told: list[tuple[int, int]] = []
    first = azc.compile([azc.parse(text)], features=6, progress=lambda *done: told.append(done))
    again = azc.compile([azc.parse(text)], features=6)
    assert [function.built for function in first.functions.values()] == [True]
    assert [function.built for function in again.functions.values()] == [False]
    assert told[-1] == (1, 1)
    [function] = again.functions.values()
    assert function.module is not None
    assert function.module.parent == Cache().directory / "modules"


def test_portable() -> None:
    module = azc.compile([linear()], features=6, cpu="portable", tasks=16)
    assert module.cpu == "portable"
    [function] = module.functions.values()
    assert function.native.lanes == find_toolchain("portable").vector
    tasks = make_tasks(16)
    assert same(module[0](tasks), azc.evaluate(linear(), tasks, tier="interpreter"))


def test_memory_of_programs_is_apart() -> None:
    """What one call leaves is not there in the next."""
    [program] = azc.compile(
        [azc.parse("def Predict():\n    s2 = s2 + s0\n    v1 = v1 + v0\n    s1 = mean(v1)\n")],
        features=6,
        tasks=1,
    )
    tasks = make_tasks(1)
    assert same(program(tasks), program(tasks))


# ---- what it refuses ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"features": 0}, "features: expected a whole number from 1 to 4096, got 0"),
        ({"features": 4097}, "features: expected a whole number from 1 to 4096, got 4097"),
        ({"features": 2.0}, "features: expected a whole number"),
        ({"features": "8"}, "features: expected a whole number"),
        ({"features": 6, "tasks": 0}, "tasks: expected a whole number from 1"),
        ({"features": 6, "tasks": 1.5}, "tasks: expected a whole number from 1"),
        ({"features": 6, "classes": -1}, "classes: expected a whole number from 0, got -1"),
        ({"features": 6, "classes": "3"}, "classes: expected a whole number from 0"),
        ({"features": 6, "classes": 7}, "classes: expected at most 6"),
        ({"features": 6, "cpu": "fast"}, "expected cpu to be 'native' or 'portable', got 'fast'"),
        ({"features": 6, "workers": 0}, "workers: expected a whole number from 1, got 0"),
    ],
)
def test_options(options: dict[str, Any], message: str) -> None:
    # No other test has compiled this one.
    program = azc.parse("def Predict():\n    s1 = norm(v0)\n    s1 = s1 * s1\n    s1 = abs(s1)\n")
    with pytest.raises(ConfigError) as caught:
        azc.compile([program], **options)
    assert str(caught.value).startswith(message)


def test_features_must_be_named() -> None:
    with pytest.raises(TypeError, match="features"):
        azc.compile([linear()])  # type: ignore[call-arg]


@pytest.mark.parametrize("wrong", ["def Predict():\n    s1 = s0 + s0\n", None, 3, make_tasks(1)[0]])
def test_only_programs(wrong: Any) -> None:
    with pytest.raises(AzcError, match="expected a Program, got"):
        azc.compile([linear(), wrong], features=6)


def test_programs_are_verified() -> None:
    bad = azc.Program(predict=(azc.Instruction(linear().predict[0].op, 1, (0, 70_000)),))
    with pytest.raises(AzcError, match="expected an address"):
        azc.compile([bad], features=6)


def test_coordinates_must_exist() -> None:
    program = azc.parse(ENTRY.format(place=6), "far.az")
    with pytest.raises(AzcError, match=r"far\.az: Setup, instruction 1 .* from 0 to 5"):
        azc.compile([program], features=6)
    assert len(azc.compile([program], features=7)) == 1


def test_tasks_must_fit() -> None:
    [program] = azc.compile([linear()], features=6)
    with pytest.raises(TaskError, match="compile with features=7"):
        program([*make_tasks(1), *make_tasks(1, 7)])
    with pytest.raises(TaskError, match="at least one task"):
        program([])
    with pytest.raises(TaskError, match="expected a Task, got int"):
        program([3])  # type: ignore[list-item]
    with pytest.raises(TaskError, match="tasks of one metric"):
        program([*make_tasks(1), *make_tasks(1, 6, 2)])
    for options in ({"epochs": 0}, {"seed": -1}, {"max_abs_error": 0.0}):
        with pytest.raises(ConfigError, match=next(iter(options))):
            program(make_tasks(1), **options)  # type: ignore[arg-type]


def test_without_a_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "/nonexistent")
    with pytest.raises(CompileError, match="'/nonexistent'"):
        azc.compile([linear()], features=6)
