"""Islands dealt out by the time that they take: for that alone, for it is the same course."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from search_files import small

from azc.search import workers
from azc.search.balancing import balanced

FOUR = ("search.islands=4", "search.stop={programs=8000}", "search.interval=300")


@st.composite
def dealt(draw: Any) -> tuple[list[tuple[int, ...]], dict[int, float]]:
    sizes = draw(st.lists(st.integers(1, 5), min_size=1, max_size=5))
    numbers = iter(draw(st.permutations(range(sum(sizes)))))
    shares = [tuple(sorted(next(numbers) for _ in range(size))) for size in sizes]
    seconds = st.floats(0, 100, allow_subnormal=False)
    return shares, {number: draw(seconds) for share in shares for number in share}


def most(shares: Any, seconds: Any) -> float:
    return max(sum(seconds[number] for number in share) for share in shares)


@given(dealt())
def test_the_slowest_host_gets_no_slower(given):
    shares, seconds = given
    now = balanced(shares, seconds)
    assert Counter(n for share in now for n in share) == Counter(seconds.keys())
    assert len(now) == len(shares)
    assert all(now)
    assert most(now, seconds) <= most(shares, seconds) * (1 + 1e-12)
    # What is dealt out well stays as it is.
    assert [set(share) for share in balanced(now, seconds)] == [set(share) for share in now] or (
        most(balanced(now, seconds), seconds) < most(now, seconds)
    )


@pytest.mark.parametrize(
    ("shares", "seconds", "expected"),
    [
        ([(0, 1), (2, 3)], [1, 1, 1, 1], [(0, 1), (2, 3)]),
        ([(0, 1), (2, 3)], [5, 5, 1, 1], [(0, 2), (1, 3)]),  # swapped
        ([(0, 1, 2), (3,)], [1, 1, 1, 1], [(1, 2), (0, 3)]),  # moved
        ([(0, 1), (2, 3)], [1.01, 1, 1, 1], [(0, 1), (2, 3)]),  # not worth it
        ([(0,), (1,)], [9, 1], [(0,), (1,)]),  # nothing to be done
        ([(0, 1), (2, 3)], [0, 0, 0, 0], [(0, 1), (2, 3)]),  # nothing is known
    ],
)
def test_islands_are_moved_or_swapped(shares, seconds, expected):
    now = balanced(shares, dict(enumerate(map(float, seconds))))
    assert most(now, seconds) == most(expected, seconds)
    if expected == shares:
        assert now == expected


@pytest.mark.parametrize("method", [(), ("search.method='mgg'", "search.children=4")])
def test_islands_that_move_change_nothing(tmp_path, monkeypatch, method):
    """Here they go from host to host after every save."""
    alone = small(*FOUR, *method).run(seed=5, workers=1)
    moves = []

    def turned(shares: Any, seconds: Any) -> Any:
        assert set(seconds) == {0, 1, 2, 3}
        assert all(spent > 0 for spent in seconds.values())
        moves.append(shares)
        return [*shares[1:], shares[0]]

    monkeypatch.setattr(workers, "balanced", turned)
    moved = small(*FOUR, *method).run(seed=5, workers=3, out=tmp_path / "run")
    assert len({tuple(shares) for shares in moves}) > 1
    assert moved.history == alone.history
    assert moved.best == alone.best
    assert moved.hall == alone.hall
