"""Islands go to hosts that have nothing left to run; for the time alone: it is the same course."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from search_files import small

from azc.search import course, workers
from azc.search.balancing import relief

NINE = ("search.islands=9", "search.interval=20", "search.stop={programs=3600}")


@st.composite
def hosts(draw: Any) -> dict[int, dict[int, float]]:
    sizes = draw(st.lists(st.integers(0, 5), min_size=1, max_size=5))
    numbers = iter(draw(st.permutations(range(sum(sizes)))))
    seconds = st.floats(0, 100, allow_subnormal=False)
    return {
        host: {next(numbers): draw(seconds) for _ in range(size)} for host, size in enumerate(sizes)
    }


@given(hosts())
def test_no_host_has_more_to_do_than_the_slowest_had(left):
    now = {host: dict(islands) for host, islands in left.items()}
    idle = [host for host, islands in left.items() if not islands]
    for source, target, islands in relief(left, idle):
        assert target in idle
        assert islands
        for island in islands:
            now[target][island] = now[source].pop(island)
        assert now[source]
        assert sum(now[target].values()) <= sum(now[source].values()) * (1 + 1e-9)

    def slowest(of: dict[int, dict[int, float]]) -> float:
        return max(sum(islands.values()) for islands in of.values())

    assert slowest(now) <= slowest(left) * (1 + 1e-12)
    assert set().union(*now.values()) == set().union(*left.values())


@pytest.mark.parametrize(
    ("left", "idle", "moves"),
    [
        ([[2, 2, 2, 2], []], [1], [(0, 1, [0, 1])]),
        ([[5, 1, 1], []], [1], [(0, 1, [1, 2])]),
        ([[5], []], [1], []),  # one island is not cut
        ([[0.2, 0.2], []], [1], []),  # not worth it
        ([[0, 0], []], [1], []),  # nothing is known
        ([[3, 3, 3, 3], [], []], [1, 2], [(0, 1, [0, 1]), (0, 2, [2])]),
        ([[1, 1], [4, 4], []], [2], [(1, 2, [2])]),
    ],
)
def test_half_of_what_is_left(left, idle, moves):
    numbers = iter(range(9))
    by_host = {
        host: {next(numbers): float(seconds) for seconds in islands}
        for host, islands in enumerate(left)
    }
    assert relief(by_host, idle) == moves


@pytest.mark.parametrize("method", [(), ("search.method='mgg'", "search.children=4")])
def test_islands_that_move_change_nothing(tmp_path, monkeypatch, method):
    """Here one goes whenever a host has nothing left to run, which is looked at after every
    step."""
    alone = small(*NINE, *method).run(seed=5, workers=1)
    chance, moves = random.Random(1), []

    def moved(left: Any, idle: Any) -> Any:
        several = [host for host, own in left.items() if len(own) > 1]
        if not several or not idle:
            return []
        source, target = chance.choice(several), chance.choice(idle)
        moves.append((source, target, [min(left[source])]))
        return moves[-1:]

    monkeypatch.setattr(workers, "relief", moved)
    monkeypatch.setattr(course, "slice_seconds", lambda *given: 0.0)
    several = small(*NINE, *method).run(seed=5, workers=3, out=tmp_path / "run")
    assert len(moves) > 10
    assert several.history == alone.history
    assert several.best == alone.best
    assert several.hall == alone.hall
