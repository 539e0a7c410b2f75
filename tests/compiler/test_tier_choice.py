"""Which tier runs a program when, that it says why, and that results do not hang on it."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Collection
from pathlib import Path

import numpy as np
import pytest
from programs import LINEAR, Outcome

import azc
from azc import tiers
from azc.compiler import natives
from azc.compiler.cache import Cache
from azc.compiler.toolchain import missing
from azc.errors import AzcWarning, CompileError

COMPILER = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")

if reason := missing():
    pytest.skip(f"needs a C compiler: {reason}", allow_module_level=True)

PROGRAM = azc.parse(LINEAR.format(rate=0.01))


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own, and nothing that earlier tests left in this process."""
    monkeypatch.setenv("AZC_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.delenv("AZC_CFLAGS", raising=False)
    monkeypatch.setattr(natives, "_loaded", {})
    monkeypatch.setattr(tiers, "_warned", set())
    return tmp_path / "cache"


@pytest.fixture
def long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any work is long enough to think of compiling."""
    monkeypatch.setattr(tiers, "_TRIAL", 0.0)


@pytest.fixture
def cheap(long: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """And compiling is for nothing."""
    monkeypatch.setattr(natives, "build_seconds", lambda programs=1: -1e9)


def make_tasks(count: int = 3, features: int = 6, classes: int = 0) -> list[azc.Task]:
    rng = np.random.default_rng(count)
    found = []
    for _ in range(count):
        x = rng.normal(size=(60, features))
        y = rng.integers(classes, size=60) if classes else x @ rng.normal(size=features)
        metric = "accuracy" if classes else "rmse"
        found.append(
            azc.Task(x[:40], y[:40], x[40:], y[40:], metric=metric, classes=classes or None)
        )
    return found


TASKS = make_tasks()


def outcome(result: azc.Result) -> Outcome:
    return Outcome(result.fitness, result.value, result.predictions)


def same(first: azc.Result, second: azc.Result) -> bool:
    return outcome(first).same_bits(outcome(second))


EXPECTED = azc.evaluate(PROGRAM, TASKS, tier="interpreter", epochs=2)


# ---- the choice ---------------------------------------------------------------------------------


def test_short_work_is_interpreted(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a look at the compiler, or at the cache."""
    monkeypatch.setattr(tiers, "_TRIAL", 1e6)
    monkeypatch.setenv("CC", "/nonexistent")
    result = azc.evaluate(PROGRAM, TASKS, epochs=2)
    assert result.tier == "interpreter"
    assert result.reason == "done within 1e+06 s, which no build could better"
    assert same(result, EXPECTED)
    assert not home.exists()


def test_long_work_is_compiled(cheap: None) -> None:
    result = azc.evaluate(PROGRAM, TASKS, epochs=2)
    assert result.tier == "compiled"
    assert "the interpreter would take" in result.reason
    assert "a build of" in result.reason
    assert same(result, EXPECTED)


def test_not_where_building_takes_longer(
    long: None, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(natives, "build_seconds", lambda programs=1: 1e9)
    result = azc.evaluate(PROGRAM, TASKS, epochs=2)
    assert result.tier == "interpreter"
    assert "a build of 1e+09 s" in result.reason
    assert same(result, EXPECTED)
    assert not home.exists()


@pytest.mark.parametrize(("gain", "tier"), [(1e9, "compiled"), (1e-9, "interpreter")])
def test_what_was_compiled_before_costs_no_build(
    gain: float, tier: str, long: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then it hangs on how much faster compiled code is."""
    azc.evaluate(PROGRAM, TASKS, tier="compiled", epochs=2)
    monkeypatch.setattr(natives, "build_seconds", lambda programs=1: 1e9)
    monkeypatch.setattr(natives, "recorded", lambda name, guess: gain)
    # Another rate: the same function.
    other = azc.parse(LINEAR.format(rate=0.02))
    result = azc.evaluate(other, TASKS, epochs=2)
    assert result.tier == tier
    assert "compiled code from the cache" in result.reason
    assert same(result, azc.evaluate(other, TASKS, tier="interpreter", epochs=2))


def test_asked_once(long: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The interpreter that has been let go on is not stopped again."""
    asked = []

    def build_seconds(structures: Collection[object]) -> float:
        asked.append(len(structures))
        return 1e9 if len(asked) == 1 else -1e9

    monkeypatch.setattr(natives, "build_seconds", build_seconds)
    assert azc.evaluate(PROGRAM, TASKS, epochs=2).tier == "interpreter"
    assert asked == [1]


def test_several_shapes(cheap: None) -> None:
    """Each has its function; results come in the order of the tasks."""
    tasks = [*make_tasks(2, 6), *make_tasks(9, 3), *make_tasks(1, 17), *make_tasks(2, 6)[1:]]
    result = azc.evaluate(PROGRAM, tasks, seed=4)
    assert result.tier == "compiled"
    assert same(result, azc.evaluate(PROGRAM, tasks, tier="interpreter", seed=4))


@pytest.mark.parametrize("classes", [2, 4])
def test_classes(classes: int, cheap: None) -> None:
    text = "def Predict():\n    v2 = v0 + v3\n    s1 = mean(v2)\ndef Learn():\n    v3 = v0 + v1\n"
    program = azc.parse(text)
    tasks = make_tasks(11, 6, classes)
    result = azc.evaluate(program, tasks)
    assert result.tier == "compiled"
    assert result.metric == "accuracy"
    assert same(result, azc.evaluate(program, tasks, tier="interpreter"))


@pytest.mark.parametrize("tier", ["auto", "compiled"])
def test_progress(tier: str, cheap: None) -> None:
    """Beginning anew with compiled code; never beyond the whole, and all of it in the end."""
    told: list[tuple[int, int]] = []
    azc.evaluate(
        PROGRAM, TASKS, tier=tier, epochs=2, progress=lambda done, most: told.append((done, most))
    )
    assert {most for _, most in told} == {told[0][1]}
    assert all(0 <= done <= most for done, most in told)
    assert told[-1][0] == told[-1][1]


def test_errors_of_progress_are_the_caller_s(cheap: None) -> None:
    def stop(done: int, most: int) -> None:
        raise ZeroDivisionError

    for tier in ("auto", "compiled", "interpreter"):
        with pytest.raises(ZeroDivisionError):
            azc.evaluate(PROGRAM, TASKS, tier=tier, progress=stop)


def test_gain_is_measured(cheap: None) -> None:
    for count, features in enumerate((6, 7), start=1):
        assert azc.evaluate(PROGRAM, make_tasks(3, features)).tier == "compiled"
        measured = Cache().recorded("gain with few features")
        assert len(measured) == count
        assert all(0.5 <= value <= 50.0 for value in measured)


def test_asked_for() -> None:
    result = azc.evaluate(PROGRAM, TASKS, tier="compiled", epochs=2)
    assert (result.tier, result.reason) == ("compiled", "asked for")
    assert same(result, EXPECTED)
    assert EXPECTED.reason == "asked for"


def test_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the bytes that compiled code needs."""
    monkeypatch.setenv("AZC_MEMORY_LIMIT", "4000000")
    text = "def Predict():\n    v1 = dot(m0, v0)\n    s1 = mean(v1)\ndef Learn():\n"
    program = azc.parse(f"{text}    m1 = outer(v1, v0)\n    m0 = m0 + m1\n")
    x = np.ones((2, 1024))
    task = azc.Task(x, [0.0, 1.0], x, [0.0, 1.0])
    with pytest.raises(azc.ResourceError, match="F = 1024") as compiled:
        azc.evaluate(program, [task], tier="compiled")
    # The rank-1 update needs no matrix of its own, but on the interpreter.
    assert 8 * 1024**2 < compiled.value.required < 1.1 * 8 * 1024**2


# ---- where nothing can be compiled --------------------------------------------------------------


def silently(tasks: list[azc.Task], tier: str = "auto") -> azc.Result:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return azc.evaluate(PROGRAM, tasks, tier=tier, epochs=2)


def test_without_a_compiler(long: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Auto says so once, and interprets; who asks for compiled code is told what is missing."""
    monkeypatch.setenv("CC", "/nonexistent")
    with pytest.warns(AzcWarning, match="/nonexistent") as caught:
        first = azc.evaluate(PROGRAM, TASKS, epochs=2)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    second = silently(TASKS)
    for result in (first, second):
        assert (result.tier, result.reason) == ("interpreter", "there is no C compiler")
        assert same(result, EXPECTED)
    with pytest.raises(CompileError, match="expected CC to name a C compiler, '/nonexistent'"):
        azc.evaluate(PROGRAM, TASKS, tier="compiled")
    assert same(silently(TASKS, "interpreter"), EXPECTED)


@pytest.fixture
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A compiler that answers who it is, and compiles nothing."""
    path = tmp_path / "cc"
    path.write_text(
        f'#!/bin/sh\nfor word in "$@"; do case "$word" in -\\#\\#\\#) exec {COMPILER} "$@"; esac; '
        "done\necho 'error: too hot today' >&2\nexit 1\n"
    )
    path.chmod(0o755)
    monkeypatch.setenv("CC", str(path))


def test_a_compiler_that_fails(cheap: None, broken: None) -> None:
    with pytest.warns(AzcWarning, match="too hot today") as caught:
        result = azc.evaluate(PROGRAM, TASKS, epochs=2)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert (result.tier, result.reason) == ("interpreter", "compiling failed")
    assert same(result, EXPECTED)
    with pytest.raises(CompileError, match="too hot today"):
        azc.evaluate(PROGRAM, TASKS, tier="compiled")


def test_nothing_is_left_of_a_build_that_failed(
    home: Path, broken: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    with pytest.raises(CompileError):
        azc.evaluate(PROGRAM, TASKS, tier="compiled")
    assert list(temporary.iterdir()) == []
    assert Cache().entries() == []
    assert Cache().recorded("build seconds of one program") == []


def test_progress_does_not_go_back_with_the_change(cheap):
    seen = []
    tasks = azc.tasks.make_set("linear", count=2, train=20_000)
    result = azc.evaluate(PROGRAM, tasks, progress=lambda done, most: seen.append(done))
    assert result.tier == "compiled"
    assert seen == sorted(seen)
    assert seen[-1] > 20_000
