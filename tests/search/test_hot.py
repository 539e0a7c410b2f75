"""Hot compiling: what is built, that it is used, and that nothing but the time depends on it."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import Any

import pytest
from counts import only_full
from search_files import SMALL, changed, left, near, small, told

from azc.compiler import natives
from azc.compiler.structure import structure_of
from azc.compiler.toolchain import find_toolchain, missing
from azc.errors import AzcWarning, CompileError, ConfigError
from azc.program import Program
from azc.search import Search, course, engines, hot
from azc.search.engines import Here
from azc.search.hot import Hot, native_vector
from azc.search.islands import Islands
from azc.search.report import HotCounts, Report
from azc.search.settings import Settings
from azc.search.workers import Workers

COMPILER = not missing()
needs_compiler = pytest.mark.skipif(not COMPILER, reason="needs a C compiler")

METHODS = {
    "regularized-evolution": (),
    "mgg": ("search.method='mgg'", "search.children=4"),
}
#: Enough to do that most of it is left when the first structures are built.
BUSY = (
    "tasks.search.train=200", "tasks.search.count=9", "search.stop={programs=30_000}",
    "search.interval=1000", "migration.every=2500", "restart.programs=8000", "hurdles.train=20",
)  # fmt: skip


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """Nothing has been measured or built before."""
    monkeypatch.setenv("AZC_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(natives, "_loaded", {})


@pytest.fixture
def patient(monkeypatch):
    """Searches build once, as soon as something is hot, and wait for that."""

    class Patient(Hot):
        built = False

        def look(self, seconds_per_step: float) -> None:
            if not self.built:
                super().look(seconds_per_step)
            if self._thread:
                self._thread.join()
                super().look(seconds_per_step)
                self.built = True

    monkeypatch.setattr(hot, "_EVERY", 0.0)
    monkeypatch.setattr(hot, "_SHARE", 0.0)
    monkeypatch.setattr(hot, "_MOST_IN_BATCH", 4)
    monkeypatch.setattr(course, "Hot", Patient)
    monkeypatch.setattr(engines, "_SLICE", 0.02)


# ---- nothing depends on it ----------------------------------------------------------------------


@needs_compiler
@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_the_course_is_the_same(tmp_path, patient, method):
    found = []
    for number, (on, workers) in enumerate([("false", 1), ("true", 1 if method else 2)]):
        folder = tmp_path / str(number)
        search = small(*BUSY, *method, f"compile.hot={on}")
        outcome = search.run(seed=5, workers=workers, out=folder)
        counts = outcome.report.hot
        if on == "true":
            assert (counts.built, counts.building) == (4, 0)
            assert counts.seconds > 0.0
            assert 0.0 < counts.share <= 1.0
        else:
            assert counts == HotCounts()
        found.append((told(outcome), left(folder)))
    assert found[0] == found[1]


@needs_compiler
@pytest.mark.parametrize(("features", "count"), [("[4,8]", 16), ("4", 11)])
def test_several_numbers_of_features_and_lanes_that_idle(patient, features, count):
    """Each structure is built for each number of features."""
    more = (f"tasks.search.features={features}", f"tasks.search.count={count}", "migration=")
    one = (*BUSY, *more, "search.islands=1", "search.stop={programs=15_000}")
    outcomes = [small(*one, f"compile.hot={on}").run(seed=2) for on in ("false", "true")]
    assert told(outcomes[0]) == told(outcomes[1])
    assert outcomes[1].report.hot.share > 0.0


@needs_compiler
def test_many_classes_and_epochs(patient):
    ops = "['scalar_const','dot','scalar_vector_mul','vector_add','outer','matrix_vector_dot',"
    tables = [f"tasks.{which}={{task='digits:all',count=2,features=16,train=100,valid=50}}"
              for which in ("search", "select")]  # fmt: skip
    more = (
        "space.vectors=5", "space.matrices=2", f"space.ops={ops}'matrix_add','vector_sub']",
        "tasks.final=", "search.stop={programs=6000}", "evaluation.epochs=3",
        "space.start='softmax'", "space.scalars=5",
        *(f"space.{name}={{min=0,max=9}}" for name in ("setup", "predict", "learn")),
    )  # fmt: skip
    outcomes = [small(*more, *tables, f"compile.hot={on}").run(seed=2) for on in ("false", "true")]
    assert told(outcomes[0]) == told(outcomes[1])
    assert outcomes[1].report.hot.share > 0.0


@needs_compiler
def test_resumed(tmp_path, patient):
    """What has been built is no part of the state."""
    expected = small(*BUSY, "compile.hot=false").run(seed=5, out=tmp_path / "whole")
    half = (*BUSY, "search.stop={programs=20_000}")
    small(*half, "compile.hot=true").run(seed=5, out=tmp_path / "run")
    more = "search.stop.programs=30_000"
    resumed = Search.resume(tmp_path / "run", [more]).run()
    assert told(resumed) == told(expected)
    assert resumed.report.hot.built > 0


@needs_compiler
@pytest.mark.slow
@only_full
def test_as_it_is(tmp_path):
    """Without help: a search compiles what it is told to, and goes on with that."""
    more = ("tasks.search.train=1000", "tasks.search.count=8", "search.interval=5000")
    native = []

    def end(report: Report) -> None:
        native.append(report.hot.share > 0.0)
        if native.count(True) == 5:
            os.kill(os.getpid(), signal.SIGINT)

    endless = near(tmp_path, *more, "search.stop={seconds=1000}", "compile.hot=true")
    outcome = endless.run(seed=2, report=end)
    assert outcome.report.hot.share > 0.0
    drawn = sum(row.programs for row in outcome.history[-1])
    plain = near(tmp_path, *more, f"search.stop={{programs={drawn}}}").run(seed=2)
    assert plain.history == outcome.history


# ---- what is built ------------------------------------------------------------------------------


def host(*changes: str) -> Islands:
    settings = changed("search.islands=2", *changes, text=SMALL)
    vector = find_toolchain().vector
    return Islands(settings, settings.make_tasks("search"), 1, (0, 1), vector)


class Recorder(Workers):
    """Remembers what the host was asked to use."""

    def __init__(self, there: Islands) -> None:
        class Made(Here):
            def start(self, arguments: Any) -> Any:
                link = super().start(arguments)
                link._host = there
                return link

        common = {"settings": there.settings, "tasks": there.tasks, "seed": 1, "vector": None}
        super().__init__(Made(), lambda numbers: {**common, "numbers": numbers}, 2, 1)
        self.used: list[tuple[int, float]] = []

    def use_native(self, key: int, packed: Any, least: float) -> Any:
        self.used.append((key, least))
        return super().use_native(key, packed, least)


def looked(there: Islands, *, always: bool, seconds_per_step: float) -> tuple[Hot, Recorder]:
    """After one look, the build that it began, and the look that takes it."""
    workers = Recorder(there)
    one = Hot(workers, there.layouts(), 330, always)
    for _ in range(2):
        one._looked = 0.0
        one.look(seconds_per_step)
        one.finish()
    return one, workers


@needs_compiler
def test_the_hottest_are_built_at_once(monkeypatch):
    monkeypatch.setattr(hot, "_MOST_IN_BATCH", 5)
    there = host("tasks.search.train=100", "restart=")
    there.run([0, 1], 2000, 100.0)
    found = {key: steps for key, steps, runs, _ in there.hottest(64) if runs > 1}
    one, workers = looked(there, always=True, seconds_per_step=0.0)
    wanted = sorted(found, key=lambda key: (-found[key], key))[:5]
    # Told to use them, it does, faster or not.
    assert workers.used == [(key, 0.0) for key in wanted]
    assert one.counts((0, 0)).built == 5
    assert one.counts((100, 25)).share == 0.25
    # They are no longer asked for.
    assert not {key for key, *_ in there.hottest(64)} & set(wanted)
    before = {number: island.steps_run() for number, island in there.islands.items()}
    there.run([0, 1], 3000, 100.0)
    for number, island in there.islands.items():
        assert before[number][1] == 0 < island.steps_run()[1]


@needs_compiler
def test_only_what_is_worth_it_is_built():
    there = host("tasks.search.train=100", "restart=")
    there.run([0, 1], 2000, 100.0)
    one, workers = looked(there, always=False, seconds_per_step=1e-12)
    assert (workers.used, one.counts((1, 0)).built) == ([], 0)
    for number in range(9):
        natives.record(one._gain_name, 1.0 if number < 6 else 10.0)
    one, workers = looked(there, always=False, seconds_per_step=1.0)
    assert (workers.used, one.counts((1, 0)).built) == ([], 0)


@needs_compiler
@pytest.mark.parametrize("gain", [0.4, 4.0])
def test_what_is_slower_is_not_used(monkeypatch, gain):
    """And what was found is remembered, so that it is not built again and again."""
    monkeypatch.setattr(Islands, "_gain", lambda *_: gain)
    monkeypatch.setattr(hot, "_MOST_IN_BATCH", 2)
    there = host("tasks.search.train=100", "restart=")
    there.run([0, 1], 2000, 100.0)
    one, workers = looked(there, always=False, seconds_per_step=1.0)
    assert [least for _, least in workers.used] == [hot._LEAST_GAIN] * 2
    assert natives.recorded(one._gain_name, -1.0) == gain
    assert one.counts((1, 0)).built == (2 if gain > 1.0 else 0)
    one._looked = 0.0
    one.look(1.0)
    assert (one._thread is not None) == (gain > 1.0)
    one.finish()
    others, _ = looked(there, always=False, seconds_per_step=1.0)
    assert others._gain_name == one._gain_name
    longer = Hot(workers, there.layouts(), 33_000, False)
    assert natives.recorded(longer._gain_name, -1.0) == -1.0


@needs_compiler
def test_a_structure_that_is_tried(monkeypatch):
    there = host("tasks.search.train=100", "restart=")
    there.run([0], 2000, 100.0)
    key, _, _, packed = there.hottest(1)[0]
    assert there.use_native(key, packed, 0.0) is None  # nobody has built it
    program = Program.unpacked(packed)
    natives.obtain([
        structure_of(program, classes=classes, features=features, layout=layout)[0]
        for features, classes, layout in there.layouts()
    ])  # fmt: skip
    for wanted, least, used in ((key, 1e9, False), (12345, 0.0, False), (key, 0.0, True)):
        tried = there.use_native(wanted, packed, least)
        assert tried is not None
        assert tried[0] > 0.0
        assert tried[1] is used


# ---- where nothing can be built -----------------------------------------------------------------


@pytest.fixture
def no_compiler(monkeypatch):
    monkeypatch.setenv("CC", "no-such-compiler")


def test_without_a_compiler(no_compiler, tmp_path):
    """Auto does without; whoever asks for it is told."""
    for value, vector in (("'auto'", None), ("false", None)):
        assert native_vector(changed(f"compile.hot={value}", text=SMALL)) is vector
    outcome = small("compile.hot='auto'").run(seed=1)
    assert told(outcome) == told(small("compile.hot=false").run(seed=1))
    assert outcome.report.hot == HotCounts()
    with pytest.raises(CompileError, match="no-such-compiler"):
        small("compile.hot=true").run(seed=1, out=tmp_path / "run")


def test_programs_that_are_evaluated_in_stages():
    """They are interpreted: nothing is built, and nobody waits for a look at what is hot."""
    assert native_vector(Settings.from_toml("teacher-nn", ["compile.hot='auto'"])) is None
    with pytest.raises(ConfigError, match=r"compile\.hot: expected false or 'auto'"):
        Settings.from_toml("teacher-nn", ["compile.hot=true"])


@needs_compiler
@pytest.mark.parametrize(
    "problem", [CompileError("expected a compiler that works"), OSError(28, "No space left")]
)
def test_a_build_that_fails(monkeypatch, patient, problem):
    """Is told of once, and the search goes on without."""

    def fail(*arguments: Any, **settings: Any) -> Any:
        raise problem

    monkeypatch.setattr(natives, "obtain", fail)
    with pytest.warns(AzcWarning) as caught:
        outcome = small(*BUSY, "compile.hot=true").run(seed=5)
    (warning,) = caught
    assert str(warning.message) == f"hot structures are no longer built: {problem}"
    assert told(outcome) == told(small(*BUSY, "compile.hot=false").run(seed=5))
    assert outcome.report.hot.built == 0


@needs_compiler
def test_the_end_waits_for_a_build(monkeypatch):
    """So that it does not outlive the search."""
    began, may_end, ended = (threading.Event() for _ in range(3))

    def slow(*arguments: Any, **settings: Any) -> Any:
        began.set()
        assert may_end.wait(100.0)
        time.sleep(0.3)  # in which nobody who waits would be gone
        ended.set()
        return {}

    def release(report: Any) -> None:
        # The last report, unless the search was over at once.
        if report.total("programs") >= 30_000:
            may_end.set()

    monkeypatch.setattr(natives, "obtain", slow)
    monkeypatch.setattr(hot, "_EVERY", 0.0)
    monkeypatch.setattr(hot, "_SHARE", 0.0)
    outcome = small(*BUSY, "compile.hot=true").run(seed=5, report=release)
    assert outcome.reason == "programs"
    assert began.is_set()
    assert ended.is_set()
