"""Migration: what is exchanged, and that islands share nothing else."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

import pytest
from search_files import SMALL, changed, small
from search_migrants import by_position, given, members_of, migrants, positions

from azc.program import Program
from azc.search import course
from azc.search.islands import Islands
from azc.search.migrants import Migrants
from azc.search.migration import migrate

METHODS = {
    "regularized-evolution": (),
    "mgg": ("search.method='mgg'", "search.children=4"),
}
every_method = pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)


class Populations:
    """Islands that are lists of programs, which have their births as names."""

    def __init__(self, sizes: list[int]) -> None:
        self.members = [
            [1000 * island + place for place in range(size)] for island, size in enumerate(sizes)
        ]
        self.received: list[dict[int, Any]] = [{} for _ in sizes]

    def emigrants(self, places: Any) -> Any:
        return {
            island: migrants(
                [((b"", b"", b""), 0.5, there[place % len(there)]) for place in asked if there]
            )
            for island, asked in places.items()
            for there in [self.members[island]]
        }

    def receive(self, given: Any) -> None:
        self.received = [
            {place: birth for place, (_, _, birth) in by_position(given[island]).items()}
            for island in range(len(self.members))
        ]


@pytest.mark.parametrize("share", [0.5, 0.25, 1.0, 0.01])
def test_a_share_makes_place(share):
    """Different members, for programs from all islands."""
    there = Populations([40, 40, 40])
    migrate(there, [40] * 3, share, seed=1, number=1)
    for received in there.received:
        assert len(received) == max(1, round(40 * share))
        assert set(received) <= set(range(40))
        assert set(received.values()) <= {name for names in there.members for name in names}


def test_all_islands_and_members_are_drawn_alike():
    """Over many migrations; five standard deviations are as good as never."""
    sent, replaced = Counter(), Counter()
    rounds = 400
    for number in range(1, rounds + 1):
        there = Populations([10, 10, 10])
        migrate(there, [10] * 3, 0.5, seed=7, number=number)
        for island, received in enumerate(there.received):
            sent.update(received.values())
            replaced.update((island, place) for place in received)
    draws = rounds * 3 * 5
    assert len(sent) == len(replaced) == 30
    for count in sent.values():
        # More spread than if they were independent: what is offered is drawn, then drawn from.
        assert abs(count - draws / 30) < 5 * (2 * draws / 30) ** 0.5
    for count in replaced.values():
        assert abs(count - draws / 30) < 5 * (draws / 30) ** 0.5


def test_it_depends_on_seed_and_number():
    def received(seed: int, number: int) -> Any:
        there = Populations([40, 40])
        migrate(there, [40] * 2, 0.5, seed, number)
        return there.received

    most = 2**64 - 1
    outcomes = [received(*draw) for draw in ((1, 1), (1, 2), (2, 1), (most, 1), (most, 2**40))]
    assert received(1, 1) == outcomes[0]
    assert len({repr(outcome) for outcome in outcomes}) == len(outcomes)


def test_populations_that_are_not_there_send_nothing():
    there = Populations([0, 40, 1])
    migrate(there, [40] * 3, 0.5, seed=1, number=1)
    assert all(len(received) == 20 for received in there.received)
    assert set(there.received[0].values()) <= {*there.members[1], *there.members[2]}
    nobody = Populations([0, 0])
    migrate(nobody, [40] * 2, 0.5, seed=1, number=1)
    assert nobody.received == [{}, {}]


def test_programs_are_chosen_whole():
    """Any of them, as often as one likes, each with its own code."""
    code = [bytes([number] * 40) for number in range(6)]
    programs = [(b"", b"".join(code[:1]), b""), (code[1], code[2] * 2, code[3]), (b"", b"", b""),
                (b"", b"", code[4] + code[5])]  # fmt: skip
    every = [(packed, 0.1 * number, number) for number, packed in enumerate(programs)]
    pool = Migrants.joined([migrants(every[:2]), migrants([]), migrants(every[2:])])
    assert members_of(pool) == every
    for which in ([], [2], [3, 0, 3, 1], [1] * 5):
        assert members_of(pool.chosen(positions(*which))) == [every[k] for k in which]
    # Nothing that is done to a copy is done to what it is of.
    pool.chosen(positions(0)).heads["fitness"] = 9.0
    assert members_of(pool) == every


# ---- with real islands --------------------------------------------------------------------------


def host(*changes: str) -> Islands:
    settings = changed("search.islands=3", *changes, text=SMALL)
    return Islands(settings, settings.make_tasks("search"), 1, (0, 1, 2), None)


def members(there: Islands, number: int) -> list[Any]:
    island = there.islands[number]
    return [island.member(place) for place in range(island.members)]


@every_method
def test_half_of_each_population_is_replaced(method):
    there = host(*method)
    there.run([0, 1, 2], 200, 100.0)
    before = {number: members(there, number) for number in range(3)}
    pool = [member for found in before.values() for member in found]
    migrate(there, [30] * 3, 0.5, seed=1, number=1)
    for number in range(3):
        after = members(there, number)
        assert len(after) == 30
        # Each is one of the pool, with its fitness; what was not replaced is where it was.
        assert all(member in pool for member in after)
        kept = sum(was == member for was, member in zip(before[number], after, strict=True))
        assert 15 <= kept < 30
        counts = there.counts(number)
        assert (counts.received, counts.programs) == (
            15,
            there.islands[number].counts()["programs"],
        )
        assert counts.best >= max(fitness for _, fitness, _ in after)


def test_what_is_received_has_children():
    """An island that was filled with another's programs has nothing but descendants of them."""
    there = host("restart=")
    there.run([0, 1, 2], 200, 100.0)
    best = there.best(1)
    assert best is not None
    gift = (best.packed, best.fitness, best.birth)
    there.receive({0: given(dict.fromkeys(range(30), gift))})
    assert members(there, 0) == [gift] * 30
    found = there.best(0)
    assert found is not None
    assert found.fitness == max(best.fitness, found.fitness)
    there.run([0], 1200, 100.0)
    descendant = there.best(0)
    assert descendant is not None
    if descendant.fitness > found.fitness:
        assert descendant.lineage[0][3] == best.packed


def test_places_beyond_the_population_are_passed_over():
    there = host()
    there.run([0], 10, 100.0)
    there.run([1], 200, 100.0)
    (gift,) = members_of(there.emigrants({1: positions(2**31 - 1)})[1])
    assert gift == members(there, 1)[(2**31 - 1) % 30]
    there.receive({0: given(dict.fromkeys((3, 10, 29), gift))})
    assert [member == gift for member in members(there, 0)] == [k == 3 for k in range(10)]
    assert there.counts(0).received == 1
    assert len(there.emigrants({2: positions(5)})[2]) == 0


def test_programs_from_elsewhere_keep_their_bits():
    there = host()
    there.run([0, 1], 300, 100.0)
    for packed, fitness, birth in members_of(there.emigrants({0: positions(*range(30))})[0]):
        there.receive({1: given({0: (packed, fitness, birth)})})
        assert members(there, 1)[0] == (packed, fitness, birth)
        assert Program.unpacked(packed).packed() == packed


# ---- in a search --------------------------------------------------------------------------------


@every_method
def test_births_and_exchanges_are_counted(method):
    """Every so many programs of each island, at the beginning of the round that comes then."""
    search = small(*method, "search.islands=3", "search.stop={programs=6000}", "restart=")
    outcome = search.run(seed=1)
    assert [min(row.programs for row in rows) // 200 * 200 for rows in outcome.history] == [
        *(400, 600, 800, 1200, 1600, 1800, 2000),
    ]
    for rows in outcome.history:
        for row in rows:
            migrations = (row.programs // 200 * 200 - 1) // 600
            assert row.received == 15 * migrations


@every_method
def test_islands_share_nothing_else(method):
    """Without migration, each does what it does beside fewer or more."""

    def course_of(islands: int) -> Any:
        programs = f"search.stop={{programs={1500 * islands}}}"
        outcome = small(*method, "migration=", f"search.islands={islands}", programs).run(seed=3)
        return [list(rows) for rows in zip(*outcome.history, strict=True)]

    alone, three, five = course_of(1), course_of(3), course_of(5)
    assert three == five[:3]
    assert alone == five[:1]
    # And not all the same.
    assert len({row[-1].steps for row in five}) == 5


@every_method
def test_the_course_is_its_own(method):
    with_it, without, less = (
        small(*method, migration).run(seed=3).history
        for migration in ("migration.every=600", "migration=", "migration.share=0.1")
    )
    assert with_it[:2] == less[:2]
    assert with_it[0] == without[0]
    assert with_it[-1] != less[-1]
    assert all(row.received == 0 for rows in without for row in rows)


def test_interval_and_migration_may_meet(monkeypatch):
    calls = []

    def count(workers: Any, islands: int, population: int, share: float, seed: int, number: int):
        calls.append((islands, population, share, seed, number))

    monkeypatch.setattr(course, "migrate", count)
    every = ("migration={every=400,share=0.3}", "search.stop={programs=3200}")
    outcome = small(*every).run(seed=9)
    assert [rows[0].programs for rows in outcome.history] == [400, 800, 1200, 1600]
    # Not where the search ends: that would change what is selected from.
    assert calls == [([30, 30], 0.3, 9, number, [0, 0]) for number in (1, 2, 3)]


def test_random_search_exchanges_its_one_program():
    outcome = small("search.method='random'").run(seed=1)
    assert [row.received for row in outcome.history[-1]] == [3, 3]
    assert all(
        later.best >= row.best or later.run > row.run
        for before, after in pairwise(outcome.history)
        for row, later in zip(before, after, strict=True)
    )
