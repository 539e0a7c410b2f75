"""Where programs came from: what is kept of it, and what it costs."""

from __future__ import annotations

import itertools
import resource
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from search.reference_drawing import SMALL, Spec
from search.reference_search import AMPLE, AT_END, METHODS, Packed, island, members, tasks_of
from search.reference_trial import watch
from search_migrants import migrants, positions, receive

from azc.ops import by_name
from azc.program import Instruction, Program
from azc.search.runtime_settings import ORIGINS
from azc.search.settings import MUTATIONS

COPIES = Spec(least=(0, 0, 0), most=(0, 1, 0), first=(0, 0, 0))


def constant(value: float) -> Packed:
    return Program(predict=(Instruction(by_name("scalar_const"), 1, (), (value,)),)).packed()


def lively_tasks(number: int) -> list[Any]:
    """On which nearly every constant has a fitness of its own."""
    (task,) = tasks_of(number, 1)
    task.y_valid = task.y_valid + 3.0
    return [task]


def lively(number: int, **changes: Any) -> Any:
    return island(SMALL, lively_tasks(number), **{"seed": number, "level1": True} | changes)


@pytest.mark.parametrize("method", [method for method in METHODS if method != "niches"])
def test_ancestors_rise_to_the_best(method: str, full: bool) -> None:
    """At every moment: strictly fitter, later born, and ending with the best itself."""
    longest, origins = 0, set()
    for number in range(60 if full else 6):
        made = lively(number, method=method, children=3, patience=400)
        for until in range(20, 1500, 20):
            while made.run(until, AMPLE) == AT_END:
                made.restart()
            ancestors = made.ancestors()
            births, mutations, fitness, programs = zip(*ancestors, strict=True)
            assert list(births) == sorted(set(births))
            assert list(fitness) == sorted(set(fitness))
            assert (programs[-1], fitness[-1], births[-1]) == made.best()
            assert mutations[0] == ORIGINS.index("random")
            assert all(0 <= mutation < len(MUTATIONS) for mutation in mutations[1:])
            longest = max(longest, len(ancestors))
            origins |= {ORIGINS[mutation] for mutation in mutations[1:]}
    if method == "random":
        assert longest == 1
    else:
        assert longest > 4
        assert {"alter-parameter", "insert", "remove"} <= origins


def test_every_ancestor_was_a_candidate_and_parents_are_near() -> None:
    """With one kind of mutation an ancestor is one change away from the one before, or from a child
    of that which was no fitter."""
    mutations = ("alter-parameter",)
    spec = Spec(SMALL.addresses, SMALL.ops, SMALL.least, SMALL.most, SMALL.first, mutations)
    tasks = lively_tasks(2)
    made = island(spec, tasks, seed=4, population=30, mutate_prob=1.0)
    seen: dict[int, tuple[Packed, float]] = {}
    for until in range(1, 800):
        made.run(until, AMPLE)
        program, fitness, birth = members(made)[-1]
        seen[birth] = program, fitness
    ancestors = made.ancestors()
    assert len(ancestors) > 3
    for birth, _, fitness, program in ancestors:
        assert seen[birth] == (program, fitness)
        run = watch(Program.unpacked(program), tasks, 8, 6, epochs=1)
        assert run.fitness[0] == fitness
    for before, after in itertools.pairwise(ancestors):
        sizes = [[len(body) for body in program] for program in (before[3], after[3])]
        assert sizes[0] == sizes[1]  # altering a parameter changes no size


def test_descent_by_hand() -> None:
    """Copies of a program descend from it without being more; a fitter program follows."""
    tasks = tasks_of(1, 1)
    tasks[0].y_train[:] = tasks[0].y_valid[:] = 5.0
    made = island(
        COPIES, tasks, seeds=[constant(1.0), constant(2.0)], population=2, mutate_prob=0.0
    )  # fmt: skip
    start = ORIGINS.index("seed")
    made.run(1, AMPLE)
    assert made.ancestors() == [(0, start, made.best()[1], constant(1.0))]
    made.run(100, AMPLE)
    assert made.ancestors() == [(1, start, made.best()[1], constant(2.0))]
    assert made.best() == (constant(2.0), made.member(0)[1], 1)


def test_empty_programs_are_a_start_too() -> None:
    made = island(SMALL, tasks_of(1), empty=True)
    made.run(1, AMPLE)
    assert [birth for birth, _, _, _ in made.ancestors()] == [0]
    assert made.ancestors()[0][1] == ORIGINS.index("start")
    assert made.member(0)[0] == tuple(bytes(40 * count) for count in SMALL.first)


def test_receiving() -> None:
    tasks = tasks_of(1, 1)
    tasks[0].y_train[:] = tasks[0].y_valid[:] = 6.0
    programs = [constant(float(k)) for k in range(6)]
    made = island(COPIES, tasks, seeds=programs[:3], population=3, mutate_prob=0.0, patience=4)
    made.run(3, AMPLE)
    best = made.best()
    receive(made, 1, programs[4], 0.01, 77)
    assert made.member(1) == (programs[4], 0.01, 77)
    assert made.best() == best
    receive(made, 2, programs[5], 0.75, 99)
    assert made.best() == made.member(2) == (programs[5], 0.75, 99)
    assert made.ancestors() == [(99, ORIGINS.index("migrant"), 0.75, programs[5])]
    assert (made.counts()["received"], made.counts()["programs"]) == (2, 3)
    assert made.run(20, AMPLE) == AT_END
    assert made.counts()["programs"] == 3 + 4  # patience counts from the newcomer
    for place in (-1, 3):
        with pytest.raises(IndexError):
            made.member(place)


def test_what_is_passed_over() -> None:
    """What no program here could be, wherever in the code it lies; and what comes after it is taken
    as if it was not there."""
    made = island(COPIES, tasks_of(1, 1), seeds=[constant(1.0)], population=3, mutate_prob=0.0)
    made.run(3, AMPLE)
    before, two = [made.member(place) for place in range(3)], constant(2.0)
    code = two[1]
    bad = [(code, b"", b""), (b"", code * 60, b""), (b"", b"", code)]
    for number, value in ((0, 65), (0, -1), (1, 65536), (1, -1), (1, 99), (3, -5)):
        fields = list(struct.unpack("=4i3d", code))
        fields[number] = value
        bad.append((b"", struct.pack("=4i3d", *fields), b""))
    for packed in bad:
        receive(made, 0, packed, 0.9, 5)
        assert [made.member(place) for place in range(3)] == before
    both = migrants([(bad[1], 0.9, 5), (two, 0.25, 6), (two, 0.5, 7)])
    made.receive(positions(0, 2, 3), *both.bytes())
    assert [made.member(place) for place in range(3)] == [*before[:2], (two, 0.25, 6)]
    assert made.counts()["received"] == 1


def test_arrays_that_do_not_belong_together() -> None:
    made = lively(3, population=10)
    made.run(10, AMPLE)
    heads, code = made.emigrants(positions(1, 2))
    less = heads[:16] + b"\xff" * 4 + heads[20:]
    for asked, some, instructions in (
        (positions(1), heads, code),
        (positions(1, 2), heads[:-1], code),
        (positions(1, 2), heads, code[:-40]),
        (positions(1, 2), heads, code + code[:40]),
        (positions(1, 2), less, code),
    ):
        with pytest.raises(ValueError, match="expected"):
            made.receive(asked, some, instructions)
    made.receive(positions(1, 2), heads, code)
    assert made.counts()["received"] == 2


def test_newcomers_have_descendants() -> None:
    made = lively(3, population=10, mutate_prob=1.0)
    made.run(10, AMPLE)
    receive(made, 4, (b"", SMALL.core().random(1, 1)[1], b""), 0.3, 5000)
    made.run(3000, AMPLE)
    ancestors = made.ancestors()
    fitness = [one[2] for one in ancestors]
    assert fitness == sorted(set(fitness))
    assert (ancestors[-1][3], ancestors[-1][2], ancestors[-1][0]) == made.best()


def test_a_newcomer_that_was_stopped_at_a_hurdle_is_not_the_best() -> None:
    tasks = tasks_of(5, 2, train=20, valid=20)
    hurdle = {"hurdle_train": 4, "hurdle_valid": 1, "window": 20, "quantile": 0.9}
    for number in range(20):
        one, other = (
            island(SMALL, tasks, seed=number, island=k, population=20, **hurdle) for k in range(2)
        )
        for made in (one, other):
            made.run(400, AMPLE)
        for place in range(20):
            receive(one, place, *other.member(place))
        program, fitness, _ = one.best()
        whole = watch(Program.unpacked(program), tasks, 20, 20, epochs=1).fitness
        assert fitness == (whole[0] + whole[1]) / 2, number


# ---- memory --------------------------------------------------------------------------------------


def resident() -> int:
    """Bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="where Linux says it")
@pytest.mark.parametrize("method", METHODS)
def test_memory_does_not_grow(method: str, full: bool) -> None:
    """Nor does a snapshot, which holds all that is kept of ancestors."""
    made = lively(
        1, method=method, children=5, population=50, level2=True, cache_size=500, patience=3000
    )  # fmt: skip
    most = 3_000_000 if full else 300_000
    sizes, lengths = [], []
    for until in np.linspace(most // 10, most, 10, dtype=int):
        while made.run(int(until), AMPLE) == AT_END:
            made.restart()
        sizes.append(resident())
        lengths.append(len(made.save()))
    assert sizes[-1] - sizes[0] < 4 << 20
    assert max(lengths[5:]) < 1.5 * max(lengths[:5])


def test_chains_are_let_go_with_their_population() -> None:
    made, lengths = lively(2, population=20, level1=False), []
    for until in range(1000, 101_000, 1000):
        made.run(until, AMPLE)
        lengths.append(len(made.save()))
        made.restart()
    assert max(lengths[10:]) < 1.5 * max(lengths[:10])
