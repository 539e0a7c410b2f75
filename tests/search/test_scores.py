"""How candidates are decided: caches, hurdle, budget, and the counts of all that."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import numpy as np
import pytest
from search.reference_drawing import SMALL, Spec
from search.reference_search import AMPLE, AT_END, Packed, any_search, island, state, tasks_of
from search.reference_trial import watch

import azc
from azc.ops import by_name
from azc.packing import blocks
from azc.program import Instruction, Program
from azc.search.runtime_settings import _ignored_bits, static_cost
from azc.tasks import make_set

WAYS = ("evaluated", "level1", "level2", "over_budget", "hurdled")

#: A space that any small program fits.
WIDE = Spec(addresses=(6, 6, 2), least=(0, 0, 0), most=(20, 20, 20), first=(0, 0, 0))


def packed(text: str) -> Packed:
    return azc.parse(text).packed()


@cache
def constant(value: float, detours: int = 0) -> Packed:
    """Predicts a positive constant; programs with other numbers of detours differ from it, but
    predict the same."""
    first = Instruction(by_name("scalar_const"), 1, (), (float(value),))
    rest = (Instruction(by_name("scalar_abs"), 1, (1,)),) * detours
    return Program(predict=(first, *rest)).packed()


def decided(
    programs: Sequence[Packed], *, tasks: Sequence[Any] | None = None, **changes: Any
) -> Iterator[tuple[str, float]]:
    """How programs are decided, one after the other, and their fitness."""
    made = island(
        WIDE, tasks or tasks_of(1), seeds=programs, population=len(programs), **changes
    )  # fmt: skip
    before = made.counts()
    for number in range(len(programs)):
        made.run(number + 1, AMPLE)
        counts = made.counts()
        (way,) = [way for way in WAYS if counts[way] != before[way]]
        assert counts[way] == before[way] + 1
        assert counts["programs"] == sum(counts[way] for way in WAYS) == number + 1
        before = counts
        yield way, made.member(number)[1]


def ways(programs: Sequence[Packed], **changes: Any) -> str:
    """An initial for each program: e, 1, 2, o or h."""
    initials = dict(zip(WAYS, "e12oh", strict=True))
    return "".join(initials[way] for way, _ in decided(programs, **changes))


# ---- level 1 -------------------------------------------------------------------------------------


def test_equal_programs_are_run_once() -> None:
    a, b = constant(1.5), constant(2.5)
    dead = packed("def Setup():\n    s3 = 1\ndef Predict():\n    s4 = 2\n    s1 = 1.5\n")
    assert ways([a, b, a, dead, b], level1=True) == "ee111"
    assert ways([a, b, a, dead, b]) == "eeeee"


def test_the_least_recently_used_program_is_forgotten() -> None:
    a, b, c = constant(1.5), constant(2.5), constant(3.5)
    assert ways([a, b, a, c, a, b, c], level1=True, cache_size=2) == "ee1e1ee"
    assert ways([a, a, b, a, a], level1=True, cache_size=1) == "e1ee1"


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 30])
def test_level_1_is_a_table_of_recent_programs(size: int, full: bool) -> None:
    rng = np.random.default_rng(size)
    drawn = rng.zipf(1.3, size=20_000 if full else 600) % 40
    known: OrderedDict[int, None] = OrderedDict()
    expected = ""
    for number in drawn:
        expected += "1" if number in known else "e"
        known[number] = None
        known.move_to_end(number)
        if len(known) > size:
            known.popitem(last=False)
    assert "1" in expected
    programs = [constant(1.0 + number) for number in drawn]
    assert ways(programs, level1=True, cache_size=size) == expected


# ---- level 2 -------------------------------------------------------------------------------------


def test_programs_that_predict_alike_are_run_until_forgotten() -> None:
    forms = [constant(1.5, detours) for detours in range(8)]
    assert ways(forms, level2=True) == "e2222222"
    assert ways(forms, level2=True, forget=3) == "e222e222"
    assert ways(forms, level2=True, forget=1) == "e2e2e2e2"
    assert ways([forms[0]] * 4, level2=True, level1=True, forget=2) == "e111"


@pytest.mark.parametrize("forget", [1, 2, 5, 1000])
@pytest.mark.parametrize("size", [1, 3, 8, 100])
def test_level_2_is_a_table_of_recent_predictions(size: int, forget: int, full: bool) -> None:
    rng = np.random.default_rng(size * forget)
    drawn = rng.zipf(1.3, size=8000 if full else 400) % 30
    known: OrderedDict[int, int] = OrderedDict()
    expected = ""
    for number in drawn:
        expected += "2" if number in known else "e"
        if number in known:
            known.move_to_end(number)
            known[number] += 1
            if known[number] == forget:
                del known[number]
        else:
            if len(known) == size:
                known.popitem(last=False)
            known[number] = 0
    programs = [constant(1.0 + number, k % 15) for k, number in enumerate(drawn)]
    assert ways(programs, level2=True, cache_size=size, forget=forget) == expected


def test_a_fingerprint_is_of_all_tasks_and_both_parts() -> None:
    """Each of these differs from the first somewhere else: in the second task, in training, in
    validation, in the last example."""
    tasks = tasks_of(3, count=2, train=3, valid=3)
    for task in tasks:
        task.X_train[:], task.X_valid[:] = 1.0, 1.0
    same = [constant(1.0), packed("def Predict():\n    s2 = mean(v0)\n    s1 = s2 * s2\n")]
    assert ways(same, level2=True, tasks=tasks) == "e2"
    for task, part, example in ((1, "X_train", 0), (0, "X_train", 2), (1, "X_valid", 2)):
        here = [*tasks]
        here[task] = type(tasks[task])(**{**vars(tasks[task])})
        changed = getattr(tasks[task], part).copy()
        changed[example] = 2.0
        setattr(here[task], part, changed)
        assert ways(same, level2=True, tasks=here) == "ee", part


def test_level_2_looks_no_further_than_asked_and_answers_what_it_knows() -> None:
    """From the fourth training example on the second program predicts something else."""
    count = "    s4 = 1\n    s2 = s2 + s4\n"
    late = packed(
        "def Setup():\n    s3 = 2.5\n"
        f"def Predict():\n{count}    s5 = s2 - s3\n    s1 = heaviside(s5, 1.0)\n"
    )
    pair = [constant(0.0), late]
    tasks = tasks_of(5, train=8, valid=4)
    one, two = decided(pair, level2=True, fec_train=2, fec_valid=0, tasks=tasks)
    assert one == ("evaluated", one[1])
    assert two == ("level2", one[1])
    apart = list(decided(pair, level2=True, fec_train=3, fec_valid=0, tasks=tasks))
    assert apart == list(decided(pair, tasks=tasks))
    assert apart[1][1] != one[1]


@pytest.mark.parametrize("value", [0.5, 1e-300, 1e300, 3e-310])
def test_rounding(value: float) -> None:
    near, zero = np.nextafter(value, 1e301), packed("def Predict():\n    s1 = -0.0\n")
    pair = [constant(value), constant(float(near))]
    wide = {"max_abs_error": 1e308, "level2": True}
    assert ways(pair, **wide) == "ee"
    assert ways(pair, **wide, rounding=_ignored_bits(12)) == "e2"
    if value > 1e-308:  # smaller ones have fewer digits
        far = [constant(value), constant(value * 1.0001)]
        assert ways(far, **wide, rounding=_ignored_bits(5)) == "ee"
        assert ways(far, **wide, rounding=_ignored_bits(3)) == "e2"
    assert ways([constant(0.0), zero], **wide) == "e2"
    # To the nearest, so that what is hardly below a power of two goes with it.
    edge = [constant(1.0), constant(1.0 - 2.0**-53), constant(1.0 - 2.0**-20)]
    assert ways(edge, **wide, rounding=2**30 - 1) == "e2e"


def test_programs_that_stop_on_every_task_are_hopeless() -> None:
    """They are not kept either: each is found out anew, at the cost of its fingerprint alone."""
    stops = [constant(1e6, detours) for detours in range(3)]
    made = island(WIDE, tasks_of(1), seeds=stops, population=3, level2=True)
    made.run(3, AMPLE)
    counts = made.counts()
    assert (counts["evaluated"], counts["level2"]) == (3, 0)
    assert [made.member(k)[1] for k in range(3)] == [0.0] * 3
    assert counts["steps"] == made.steps_run()[0] == 3 * 2  # one example of each task


def test_a_program_that_stops_on_one_task_only_is_evaluated() -> None:
    tasks = tasks_of(1, train=3)
    tasks[0].y_train[1] = 1e6
    (found,) = decided([constant(1.5)], level2=True, tasks=tasks)
    expected = watch(Program.unpacked(constant(1.5)), tasks, 3, 6, epochs=1)
    assert expected.stopped == (True, False)
    assert found == ("evaluated", sum(expected.fitness) / 2)
    assert found[1] > 0


# ---- level 1 changes nothing ---------------------------------------------------------------------


def test_level_1_changes_nothing_but_the_work(full: bool) -> None:
    saved = 0
    for number in range(300 if full else 60):
        spec, tasks, changes = any_search(number)
        plain, cached = (island(spec, tasks, **changes | {"level1": on}) for on in (0, 1))
        for until in (30, 100, 300):
            while (why := plain.run(until, AMPLE)) == AT_END:
                assert cached.run(until, AMPLE) == AT_END
                plain.restart()
                cached.restart()
            assert why == cached.run(until, AMPLE)
            one, two = state(plain), state(cached)
            for found in (one, two):
                counts = found["counts"]
                assert counts["programs"] == sum(counts.pop(way) for way in WAYS)
            assert one == two, number
        saved += plain.steps_run()[0] - cached.steps_run()[0]
        assert plain.counts()["steps"] == plain.steps_run()[0]
        assert cached.steps_run()[0] <= cached.counts()["steps"]
    assert saved > 0


# ---- evaluation ----------------------------------------------------------------------------------


@pytest.mark.parametrize("median", [False, True])
@pytest.mark.parametrize("task", ["linear", "affine"])
def test_fitness_is_that_of_an_evaluation(task: str, median: bool, full: bool) -> None:
    """Over blocks of several widths, one of them with idle lanes."""
    tasks = make_set(task, count=9, features=3, train=20, valid=10, seed=1)
    tasks += make_set(task, count=2, features=5, train=20, valid=10, seed=2)
    assert sorted(len(block.positions) for block in blocks(tasks, True)) == [2, 9]
    for number in range(40 if full else 4):
        options = {"epochs": 1 + number % 2, "max_abs_error": 5.0}
        made = island(
            Spec() if number % 2 else SMALL, tasks, seed=number, median=median, level1=True,
            population=40, evaluation_seed=number, **options,
        )  # fmt: skip
        made.run(120, AMPLE)
        for place in range(made.members):
            program, fitness, _ = made.member(place)
            result = azc.evaluate(
                Program.unpacked(program), tasks, tier="interpreter", seed=number, **options
            )  # fmt: skip
            if median:
                assert fitness == result.median
            else:
                assert fitness == pytest.approx(result.mean, rel=0, abs=1e-12)


@pytest.mark.parametrize("classes", [0, 2, 3])
def test_steps_are_training_examples_served(classes: int, full: bool) -> None:
    """Those of each task up to the one that stops it."""
    tasks = tasks_of(classes, 3, classes=classes, train=21)
    limit = {0: 4.0, 2: 0.6, 3: 0.7}[classes]
    tasks[0].y_train = tasks[0].y_train * 0.0  # easier than the others
    spec, steps, stopped = Spec(), 0, 0
    made = island(spec, tasks, method="random", seed=5, max_abs_error=limit)
    for number in range(2000 if full else 150):
        made.run(number + 1, AMPLE)
        program = Program.unpacked(spec.core().random(5, number))
        found = watch(program, tasks, 21, 6, epochs=1, max_abs_error=limit)
        steps += found.steps
        stopped += 0 < sum(found.stopped) < 3
        assert made.counts()["steps"] == steps, number
        assert made.member(0)[0] == program.packed()
    assert stopped > 5  # some tasks went on without the others


def test_steps_of_a_learner_are_of_all_epochs() -> None:
    text = "def Predict():\n    s1 = s2 * s2\ndef Learn():\n    s2 = s2 + s3\n    s3 = 0.05\n"
    made = island(WIDE, tasks_of(1, train=8), seeds=[packed(text)], population=1, epochs=3)
    made.run(1, AMPLE)
    assert made.counts()["steps"] == 2 * 8 * 3


# ---- budget and hurdle ---------------------------------------------------------------------------


def test_programs_over_the_budget_are_not_run() -> None:
    tasks, programs = tasks_of(1), [constant(1.5, detours) for detours in range(4)]
    costs = [static_cost(Program.unpacked(program), 3, 8) for program in programs]
    assert costs == sorted(set(costs))
    found = list(decided(programs, most_cost=costs[2], tasks=tasks))
    assert [way for way, _ in found] == ["evaluated"] * 3 + ["over_budget"]
    assert found[2][1] > 0.0 == found[3][1]
    made = island(WIDE, tasks, seeds=programs[3:], population=1, most_cost=costs[2])
    made.run(1, AMPLE)
    assert made.steps_run() == (0, 0)
    assert made.counts()["steps"] == 0


@pytest.mark.parametrize(("window", "quantile"), [(1, 0.5), (7, 0.3), (40, 0.5), (40, 0.9)])
def test_hurdle(window: int, quantile: float, full: bool) -> None:
    """Who falls behind its time's better part on a few examples is not given all of them. The
    threshold has no more than a share `quantile` of the recent scores below it, and more than that
    up to it."""
    tasks = tasks_of(9, 2)
    spec = SMALL
    made = island(
        spec, tasks, method="random", seed=3, hurdle_train=4, hurdle_valid=3, window=window,
        quantile=quantile,
    )  # fmt: skip
    recent: deque[float] = deque(maxlen=window)
    threshold, before, steps = -np.inf, made.counts(), 0
    for number in range(3000 if full else 300):
        program = Program.unpacked(spec.core().random(3, number))
        prefix = watch(program, tasks, 4, 3, epochs=1)
        score = (prefix.fitness[0] + prefix.fitness[1]) / 2
        made.run(number + 1, AMPLE)
        counts = made.counts()
        hurdled = score < threshold
        assert counts["hurdled"] - before["hurdled"] == hurdled, number
        whole = watch(program, tasks, 8, 6, epochs=1)
        steps += prefix.steps + (0 if hurdled else whole.steps)
        mean = (whole.fitness[0] + whole.fitness[1]) / 2
        assert made.member(0)[1] == (score if hurdled else mean)
        assert counts["steps"] == steps
        before = counts
        recent.append(score)
        if (number + 1) % max(1, window // 10) == 0:
            scores = np.array(recent)
            (threshold,) = {
                value
                for value in recent
                if np.mean(scores < value) <= quantile < np.mean(scores <= value)
            }
    assert 0.05 < before["hurdled"] / before["programs"] < 0.95


def test_the_best_was_given_all_examples() -> None:
    """A score on a few examples may be better by luck, and is of a program that was given up."""
    tasks = make_set("linear", count=4, features=3, train=40, valid=40, seed=1)
    for seed in range(10):
        made = island(
            SMALL, tasks, seed=seed, population=20, hurdle_train=10, hurdle_valid=3, window=50,
            quantile=0.75,
        )  # fmt: skip
        made.run(1500, AMPLE)
        program, fitness, _ = made.best()
        whole = azc.evaluate(Program.unpacked(program), tasks, tier="interpreter")
        assert fitness == pytest.approx(whole.mean, rel=0, abs=1e-12), seed
