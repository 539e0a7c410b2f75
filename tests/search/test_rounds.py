"""Rounds: when they end, and that islands which go on beyond them change nothing."""

from __future__ import annotations

from typing import Any

import pytest
from search_files import SMALL, changed, small, told

from azc.search import Search, course, engines
from azc.search.rounds import Round, Schedule

SIX = ("search.islands=6", "search.interval=50", "search.stop={programs=3000}", "migration=")
MGG = ("search.method='mgg'", "search.children=4")


def schedule(*changes: str) -> Schedule:
    return Schedule(changed(*changes, text=SMALL), 100)


def test_a_round_ends_where_something_is_due():
    plain = schedule("migration=", "search.stop={programs=900}", "search.islands=2")
    assert [plain.end_after(n) for n in (0, 99, 100, 350, 449, 450)] == [
        100,
        100,
        200,
        400,
        450,
        451,
    ]
    assert not plain.migrates_at(100)
    migrating = schedule("migration.every=250", "search.stop={programs=9000}", "search.islands=2")
    assert [migrating.end_after(n) for n in (0, 200, 250, 300)] == [100, 250, 300, 400]
    assert [migrating.migrates_at(n) for n in (0, 200, 250, 500)] == [False, False, True, True]


def test_islands_go_on_where_they_wait_for_nothing():
    """Not where a program of another may end the search, nor up to an exchange or the end."""
    budget = "search.stop={programs=900}"
    assert schedule("migration=", budget, "search.islands=2").beyond(100) == 200
    assert schedule("migration=", budget, "search.islands=2").beyond(400) == 450
    assert schedule("migration=", budget, "search.islands=2").beyond(450) is None
    goal = "search.stop={programs=900,fitness=0.9}"
    assert schedule("migration=", goal, "search.islands=2").beyond(100) is None
    migrating = schedule("migration.every=250", budget, "search.islands=2")
    assert [migrating.beyond(n) for n in (100, 200, 250)] == [200, 250, None]
    free = schedule("migration={every=250,synchronous=false}", budget, "search.islands=2")
    assert free.beyond(100) is None


@pytest.fixture
def gone_on(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Islands that went on beyond a round; slices are as short as can be."""
    found: list[int] = []
    take = Round.take

    def noted(self: Round, made: Any) -> None:
        if made.island not in self.pending:
            found.append(made.island)
        take(self, made)

    monkeypatch.setattr(Round, "take", noted)
    monkeypatch.setattr(course, "slice_seconds", lambda *given: 0.0)
    monkeypatch.setattr(engines, "_SLICE", 0.0)
    return found


@pytest.mark.parametrize("method", [(), MGG], ids=["regularized-evolution", "mgg"])
def test_the_course_is_the_same(gone_on, method):
    alone = small(*SIX, *method).run(seed=3, workers=1)
    assert not gone_on
    several = small(*SIX, *method).run(seed=3, workers=3)
    assert len(gone_on) > 20
    assert several.history == alone.history
    assert told(several) == told(alone)


@pytest.mark.parametrize("cut", [50, 90, 130])
def test_gone_on_with_where_islands_were_ahead(gone_on, monkeypatch, tmp_path, cut):
    """What they had done beyond the round is not lost, nor counted twice."""
    whole = small(*SIX, *MGG).run(seed=4, workers=1)
    left = cut
    is_over = course.Course._is_over

    def ends(self: course.Course) -> bool:
        nonlocal left
        left -= 1
        return left < 0 or is_over(self)

    monkeypatch.setattr(course.Course, "_is_over", ends)
    monkeypatch.setattr(course.Course, "_is_late", lambda self: left < 0)
    first = small(*SIX, *MGG).run(seed=4, workers=3, out=tmp_path / "run")
    assert first.reason == "seconds"
    left = 10**9
    resumed = Search.resume(tmp_path / "run", ["search.workers=2"]).run()
    assert resumed.history == whole.history
    assert told(resumed) == told(whole)
