"""The methods of search: what each step does to a population, and how often."""

from __future__ import annotations

import itertools
from collections import Counter
from functools import cache
from typing import Any

import numpy as np
import pytest
from counts import FULL
from scipy import stats
from search.chance import LEAST_P, fits
from search.reference_drawing import SMALL, Spec
from search.reference_search import (
    AMPLE,
    AT_COUNT,
    AT_END,
    AT_TARGET,
    AT_TIME,
    METHODS,
    Model,
    Packed,
    any_search,
    island,
    members,
    state,
    tasks_of,
)
from search.reference_trial import watch

from azc.analysis import canonical_hash
from azc.ops import by_name
from azc.program import Instruction, Program

# ---- the whole course, against plain Python ------------------------------------------------------


def run_both(made: Any, model: Model, until: int) -> None:
    while True:
        why = made.run(until, AMPLE)
        assert model.run(until) == why
        assert state(made) == state(model)
        if why != AT_END:
            return
        made.restart()
        model.restart()


@pytest.mark.parametrize("first", range(0, 600 if FULL else 20, 20))
def test_the_course_is_that_of_the_model(first: int) -> None:
    """Members, best, lineage and all counts, program by program, with every restart."""
    met: Counter[str] = Counter()
    for number in range(first, first + 20):
        spec, tasks, changes = any_search(number)
        made, model = island(spec, tasks, **changes), Model(spec, tasks, **changes)
        for until in (1, 15, 60, 120):
            run_both(made, model, until)
        met.update({name: value for name, value in made.counts().items() if value == value})
        met[changes["method"]] += len(made.ancestors()) > 1
    if first:  # all is met in the sample
        return
    assert all(met[name] for name in ("level1", "level2", "filtered", "over_budget", "hurdled"))
    # In which a program has ancestors; for niches there is a test of its own.
    assert all(met[method] for method in METHODS if method not in ("random", "niches"))
    assert met["run"] > 40


def test_the_course_from_given_programs_is_that_of_the_model() -> None:
    seeds = [Spec().core().random(9, k) for k in range(3)]
    for method in METHODS:
        options = {"seeds": seeds, "method": method, "children": 2, "most_programs": 25}
        run_both(island(Spec(), tasks_of(1), **options), Model(Spec(), tasks_of(1), **options), 60)


# ---- random search -------------------------------------------------------------------------------


def instructions(op: str, addresses: tuple[int, int, int]) -> list[Instruction]:
    """All that an op may be drawn as, all equally likely."""
    made = by_name(op)
    ranges = [range(addresses[of.rank]) for of in made.inputs]
    outs = range(int(made.output.rank < 2), addresses[made.output.rank])
    return [Instruction(made, out, inputs) for out in outs for inputs in itertools.product(*ranges)]


@pytest.mark.parametrize(
    ("size", "features", "ops", "label"),
    [
        (1, 2, ("vector_mean", "vector_norm", "dot"), lambda x: x.mean(axis=1)),
        (2, 1, ("dot", "vector_norm", "scalar_add"), lambda x: 2 * x[:, 0] ** 2),
    ],
    ids=["half the sum of two features", "twice the square of one"],
)
def test_random_search_hits_as_often_as_programs_are_right(
    size: int, features: int, ops: tuple[str, ...], label: Any, full: bool
) -> None:
    addresses = (3, 2, 0)
    (task,) = tasks_of(1, 1, features=features)
    task.y_train, task.y_valid = label(task.X_train), label(task.X_valid)
    likely = 0.0
    choices = [(one, 1 / len(ops) / len(instructions(op, addresses)))
               for op in ops for one in instructions(op, addresses)]  # fmt: skip
    for chosen in itertools.product(choices, repeat=size):
        program = Program(predict=tuple(one for one, _ in chosen))
        right = watch(program, [task], 8, 6, epochs=1).fitness[0] > 0.999
        likely += right * float(np.prod([share for _, share in chosen]))
    sizes = (0, size, 0)
    spec = Spec(addresses, ((), ops, ()), least=sizes, most=sizes, first=sizes)
    made = island(spec, [task], method="random", target=0.999, level1=True)
    count, hits = 2_000_000 if full else 100_000, 0
    while made.run(count, AMPLE) == AT_TARGET:
        hits += 1
        made.restart()  # or only a still better one would be told
    assert made.counts()["programs"] == count
    assert hits > 100
    assert stats.binomtest(hits, count, likely).pvalue > LEAST_P


def test_random_search_draws_as_the_space_does() -> None:
    made, space, best = island(Spec(), tasks_of(2), method="random", seed=6), Spec().core(), -1.0
    for number in range(300):
        made.run(number + 1, AMPLE)
        program, fitness, birth = made.member(0)
        assert (made.members, program, birth) == (1, space.random(6, number), number)
        best = max(best, fitness)
        assert made.best()[1] == best


# ---- regularized evolution -----------------------------------------------------------------------


@cache
def constant(value: float) -> Packed:
    return Program(predict=(Instruction(by_name("scalar_const"), 1, (), (value,)),)).packed()


def ladder(count: int) -> tuple[list[Packed], list[Any]]:
    """Programs, each fitter than the one before, and the tasks that they are fitter on."""
    tasks = tasks_of(1, 1)
    tasks[0].y_train[:] = tasks[0].y_valid[:] = float(count)
    return [constant(float(k)) for k in range(count)], tasks


COPIES = Spec(least=(0, 0, 0), most=(0, 1, 0), first=(0, 0, 0))


@pytest.mark.parametrize("tournament", [1, 2, 10])
def test_tournaments_select_by_rank(tournament: int, full: bool) -> None:
    """Of T draws with replacement from all but the oldest, the fittest has rank r (0 the best of
    n) with probability ((n - r)^T - (n - r - 1)^T) / n^T."""
    programs, tasks = ladder(9)
    # Not in the order of fitness; the fittest is the oldest, and must not be a parent.
    order = [programs[k] for k in (8, 3, 5, 0, 7, 1, 6, 2, 4)]
    rank = {program: 7 - k for k, program in enumerate(programs)}
    made = island(
        COPIES, tasks, seeds=order, population=9, tournament=tournament, mutate_prob=0.0,
        level1=True, most_programs=10,
    )  # fmt: skip
    found: Counter[int] = Counter()
    for number in range(100_000 if full else 8000):
        assert made.run(10 * number + 10, AMPLE) == AT_COUNT
        ring = members(made)
        assert [program for program, _, _ in ring[:-1]] == order[1:]
        found[rank[ring[-1][0]]] += 1
        made.restart()
    shares = {r: ((8 - r) ** tournament - (7 - r) ** tournament) / 8**tournament for r in range(8)}
    rare = {r for r, share in shares.items() if share * found.total() <= 10}
    pooled = {"rare": sum(shares[r] for r in rare)} | {r: shares[r] for r in set(shares) - rare}
    if pooled["rare"] * found.total() <= 5:  # hardly ever
        assert sum(found.pop(r, 0) for r in rare) <= 20
        rest = 1 - pooled.pop("rare")
        pooled = {r: share / rest for r, share in pooled.items()}
    fits(Counter("rare" if r in rare else r for r in found.elements()), pooled)


def test_children_are_mutated_with_the_given_probability(full: bool) -> None:
    programs, tasks = ladder(5)
    spec = Spec(ops=((), ("scalar_const",), ()), least=COPIES.least, most=COPIES.most,
                first=COPIES.first, mutations=("randomize-program",))  # fmt: skip
    made = island(
        spec, tasks, seeds=programs, population=5, mutate_prob=0.3, level1=True
    )  # fmt: skip
    count, mutants = 30_000 if full else 3000, 0
    for number in range(count):
        made.run(6 * number + 6, AMPLE)
        mutants += members(made)[-1][0] not in programs
        made.restart()
    assert stats.binomtest(mutants, count, 0.3).pvalue > LEAST_P


@pytest.mark.parametrize(("population", "tournament"), [(1, 3), (2, 1), (10, 4)])
def test_each_step_the_oldest_makes_place(population: int, tournament: int) -> None:
    spec = Spec(mutations=("alter-parameter", "insert", "remove"))
    made = island(spec, tasks_of(4), population=population, tournament=tournament, mutate_prob=0.8)
    best = -1.0
    for number in range(1, 600):
        before = members(made)
        assert made.run(number, AMPLE) == AT_COUNT
        ring = members(made)
        assert [birth for _, _, birth in ring] == list(range(max(0, number - population), number))
        if number > population:
            assert ring[:-1] == before[1:]
            others = before[1:] or before
            assert any(is_near(ring[-1][0], parent) for parent, _, _ in others)
        best = max(best, ring[-1][1])
        assert made.best()[1] == made.counts()["best"] == best
        mean = sum(fitness for _, fitness, _ in ring) / len(ring)
        assert made.counts()["mean"] == pytest.approx(mean, abs=1e-12)


def is_near(child: Packed, parent: Packed) -> bool:
    """Whether one instruction was altered, put in or taken out, at most."""
    changed = [(new, old) for new, old in zip(child, parent, strict=True) if new != old]
    if len(changed) != 1:
        return not changed
    new, old = ([body[at : at + 40] for at in range(0, len(body), 40)] for body in changed[0])
    if len(new) == len(old):
        differing = [(a, b) for a, b in zip(new, old, strict=True) if a != b]
        return len(differing) == 1 and differing[0][0][:4] == differing[0][1][:4]
    short, long = sorted((new, old), key=len)
    return any(long[:i] + long[i + 1 :] == short for i in range(len(long)))


# ---- minimal generation gap ----------------------------------------------------------------------


@pytest.mark.parametrize(("population", "children"), [(2, 1), (5, 3), (12, 8)])
def test_two_places_change_in_a_family(population: int, children: int) -> None:
    """Its best stays; K children are born at once; no survivor equals another member of the
    family."""
    spec = Spec(
        ops=SMALL.ops, mutations=("alter-parameter", "randomize-instruction", "insert", "remove")
    )
    made = island(
        spec, tasks_of(4), method="mgg", population=population, children=children, mutate_prob=1.0
    )  # fmt: skip
    made.run(population, AMPLE)
    best = 0.0
    for _ in range(300):
        before = [made.member(place) for place in range(population)]
        born = made.counts()["programs"]
        made.run(born + 1, AMPLE)
        assert made.counts()["programs"] == born + children
        after = [made.member(place) for place in range(population)]
        changed = [place for place in range(population) if before[place] != after[place]]
        assert len(changed) <= 2
        new = [after[place] for place in changed]
        assert all(born <= birth < born + children for _, _, birth in new)
        hashes = [canonical_hash(Program.unpacked(program)) for program, _, _ in new]
        assert len(set(hashes)) == len(hashes)
        kept = max(fitness for _, fitness, _ in after)
        assert kept >= max(fitness for _, fitness, _ in before)
        best = max(best, kept)
        assert made.best()[1] == best  # the best of a family is never lost


def test_survivors_are_drawn_by_fitness_and_rarity(full: bool) -> None:
    """Two parents, A the better one, and a copy of the first of them. A copy of A is the best and
    survives, beside A or B, in proportion to their fitness. If the copy is B's, A survives, beside
    B or its copy, as likely one as the other. One is drawn as first parent as often as the other.
    """
    programs, tasks = ladder(9)
    made = island(
        COPIES, tasks, seeds=[programs[8], programs[2]], method="mgg", population=2, children=1,
        mutate_prob=0.0, level1=True,
    )  # fmt: skip
    found: Counter[Any] = Counter()
    for number in range(100_000 if full else 8000):
        made.run(3 * number + 2, AMPLE)
        a, b = (made.member(place)[1] for place in range(2))
        made.run(3 * number + 3, AMPLE)
        after = members(made)
        found[sum(program == programs[8] for program, _, _ in after), after[-1][0]] += 1
        made.restart()
    # Keys: how many are As, and which is the youngest. Without a copy of A, B's is always so.
    both = a / (a + b) / 2
    fits(found, {(2, programs[8]): both, (1, programs[8]): 1 / 2 - both, (1, programs[2]): 1 / 2})


def test_parents_are_uniform(full: bool) -> None:
    """Where all are equally fit, the one child, a copy of the first parent, takes the place of
    either parent."""
    spec = Spec(least=(0, 0, 0), most=(0, 6, 0), first=(0, 0, 0))
    programs = [
        Program.unpacked(constant(1.0)).predict + (Instruction(by_name("scalar_abs"), 1, (1,)),) * k
        for k in range(6)
    ]
    seeds = [Program(predict=body).packed() for body in programs]
    made = island(
        spec, tasks_of(1), seeds=seeds, method="mgg", population=6, children=1, mutate_prob=0.0,
        level1=True,
    )  # fmt: skip
    found: Counter[Any] = Counter()
    for number in range(100_000 if full else 8000):
        made.run(7 * number + 7, AMPLE)
        after = [made.member(place) for place in range(6)]
        (place,) = [k for k in range(6) if after[k][2] == 7 * number + 6]
        found[seeds.index(after[place][0]), place] += 1
        made.restart()
    places = range(6)
    fits(found, {(a, b): 1 / 12 if a == b else 1 / 60 for a in places for b in places})


# ---- the course ----------------------------------------------------------------------------------


def test_limits_of_time_count_and_target() -> None:
    programs, tasks = ladder(5)
    made = island(COPIES, tasks, seeds=programs, population=5, target=0.1, mutate_prob=0.0)
    assert made.run(0, AMPLE) == AT_COUNT
    assert made.counts()["programs"] == 0
    assert made.best() is None
    told = []
    while (why := made.run(1000, 0.0)) != AT_COUNT:
        assert why in (AT_TIME, AT_TARGET)
        if why == AT_TARGET:
            told.append(made.counts()["programs"])
    fitness = [watch(Program.unpacked(p), tasks, 8, 6, epochs=1).fitness[0] for p in programs]
    # Each that is better than all before, once it is good enough; one program per call.
    assert told == [k + 1 for k, value in enumerate(fitness) if value >= 0.1]
    assert made.counts()["programs"] == 1000


def test_a_large_family_is_that_of_the_model() -> None:
    spec, tasks = SMALL, tasks_of(3)
    given: dict[str, Any] = {"method": "mgg", "population": 9, "children": 70, "level1": 1}
    run_both(island(spec, tasks, **given), Model(spec, tasks, **given), 300)


def test_time_is_over_within_a_family_too() -> None:
    tasks = tasks_of(1)
    made = island(SMALL, tasks, method="mgg", population=4, children=900_000)
    assert made.run(10, 0.01) == AT_TIME
    assert made.run(10, 0.01) == AT_TIME  # what has begun is gone on with
    assert 10 < made.counts()["programs"] < 900_000


@pytest.mark.parametrize(
    ("limits", "births"),
    [
        ({"most_programs": 7}, [7, 14, 21]),
        ({"most_steps": 8 * 4}, [4, 8, 12]),
        ({"most_steps": 8 * 4 - 7}, [4, 8, 12]),
        ({"patience": 6}, [11, 22, 33]),  # five programs, each better, then copies
        ({"by": 3, "by_fitness": 0.9}, [3, 6, 9]),
        ({"by": 5, "by_fitness": 0.5}, []),  # reached
        ({"by": 4, "by_fitness": 0.5}, [4, 8, 12]),  # too late
        ({"most_programs": 9, "patience": 3}, [8, 16, 24]),
    ],
)  # fmt: skip
def test_restarts(limits: dict[str, Any], births: list[int]) -> None:
    programs, tasks = ladder(5)
    made = island(COPIES, tasks, seeds=programs, population=5, mutate_prob=0.0, **limits)
    found = []
    while made.run(35, AMPLE) == AT_END:
        assert made.run(35, AMPLE) == AT_END  # until it is restarted
        counts = made.counts()
        assert counts["run"] == len(found) + 1
        found.append(counts["programs"])
        made.restart()
        assert (made.members, made.best(), made.ancestors()) == (0, None, [])
        assert made.counts()["run"] == len(found) + 1
    assert found[:3] == births
    assert made.counts()["programs"] == 35
    if births:
        assert made.counts()["best"] <= 0.5
