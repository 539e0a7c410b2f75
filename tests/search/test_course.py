"""Islands that run ahead: the course is the same as if all had waited for the slowest."""

from __future__ import annotations

import os
import random
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from search_files import left, near, small, told

from azc.search import Search, course
from azc.search.islands import Slice
from azc.search.workers import Here, workers_for

FULL = os.environ.get("AZC_VERIFY") == "1"

MGG = ("search.method='mgg'", "search.children=4", "search.filter=true")
#: The seed of searches in which islands reach what they search for.
LUCKY = 4
#: Fewer programs from one report to the next than an MGG step draws.
TINY = (*MGG, "search.children=7", "search.interval=3", "search.stop={programs=300}", "migration=")


class Uneven(Here):
    """Workers of which some are slow at times, as chance has it."""

    def __init__(self, host, seed: int) -> None:
        super().__init__(host)
        self.chance = random.Random(seed)
        #: What was asked for at each call.
        self.asked: list[dict[int, tuple[int, ...]]] = []

    def run(
        self, ends: Mapping[int, Sequence[int]], seconds: float, snapshots: bool = False
    ) -> list[Slice]:
        if not seconds:  # where are they?
            return super().run(ends, seconds, snapshots)
        self.asked.append({island: tuple(its_ends) for island, its_ends in ends.items()})
        slices = []
        for island in self.chance.sample(sorted(ends), self.chance.randint(1, len(ends))):
            its_ends = ends[island][: self.chance.randint(1, len(ends[island]))]
            slices += super().run({island: its_ends}, self.chance.choice([0.0, 100.0]), snapshots)
        return slices


@pytest.fixture
def uneven(monkeypatch):
    """Makes the next searches' workers uneven; returns them as they are made."""

    def use(seed: int) -> list[Uneven]:
        made: list[Uneven] = []

        def workers(*arguments):
            here = workers_for(*arguments)
            assert isinstance(here, Here)
            made.append(Uneven(here._host, seed))
            return made[-1]

        monkeypatch.setattr(course, "workers_for", workers)
        return made

    return use


def kinds(folder: Path) -> dict[str, Search]:
    """Searches of three islands: that exchange programs; that do not; with targets that are
    reached within rounds, before one is good enough; with rounds shorter than a step."""
    goal = ("search.stop={fitness=0.9,programs=6000}", "tasks.search.train=100")
    never = "tasks.select.task='affine'"
    return {
        "exchange": small("search.islands=3"),
        "alone": small("search.islands=3", "migration=", *MGG),
        "targets": near(folder, "search.islands=3", "migration=", *goal, never),
        "tiny": small("search.islands=3", *TINY),
    }


KINDS = ("exchange", "alone", "targets", "tiny")


@pytest.mark.parametrize("kind", KINDS)
def test_the_course_does_not_depend_on_who_is_faster(tmp_path, monkeypatch, uneven, kind):
    search = kinds(tmp_path)[kind]
    outcome = search.run(seed=LUCKY, out=tmp_path / "even")
    for seed in range(20 if FULL else 3):
        made = uneven(seed)
        little = seed % 2 == 1  # memory for snapshots
        monkeypatch.setattr(course, "_BYTES_AHEAD", 1 if little else 1 << 29)
        out = tmp_path / str(seed)
        again = kinds(tmp_path)[kind].run(seed=LUCKY, out=out)
        assert told(again) == told(outcome)
        assert left(out) == left(tmp_path / "even")
        asked = made[0].asked
        assert any(len({ends.get(island) for island in range(3)}) > 1 for ends in asked)
        most = max(len(ends) for island_ends in asked for ends in island_ends.values())
        if kind == "tiny" and not little:
            assert most > 1 + course._LEAST_AHEAD
        else:
            assert most == {"exchange": 2, "alone": 4}.get(kind, 1 + course._LEAST_AHEAD)
        if kind == "exchange":
            # None goes on before all have exchanged.
            for island_ends in asked:
                ends = {(end - 1) // 600 for ends in island_ends.values() for end in ends}
                assert len(ends) == 1


def test_targets_are_reached_within_rounds(tmp_path, monkeypatch):
    """Else the third kind of search above would show nothing."""
    reached = []
    real = course.Course._settle

    def settle(self):
        reached.append([row.programs < self._round_end for row in self._counts()])
        real(self)

    monkeypatch.setattr(course.Course, "_settle", settle)
    assert not kinds(tmp_path)["targets"].run(seed=LUCKY).solved
    assert any(map(any, reached))
    assert not any(map(all, reached))


@pytest.mark.parametrize("kind", KINDS)
def test_ended_while_some_are_ahead(tmp_path, monkeypatch, uneven, kind):
    """What was saved is where the round was, whatever had been done beyond it."""
    whole = kinds(tmp_path)[kind].run(seed=LUCKY, out=tmp_path / "whole")
    ends = 0
    for seed in range(40 if FULL else 6):
        uneven(seed)
        chance = random.Random(seed)
        out = tmp_path / str(seed)
        search = kinds(tmp_path)[kind]
        outcome = None
        while outcome is None or outcome.reason == "seconds":
            left_of_it = chance.randint(1, 12)

            def is_late(self):
                nonlocal left_of_it
                left_of_it -= 1
                return left_of_it <= 0

            monkeypatch.setattr(course.Course, "_is_late", is_late)
            outcome = search.run(out=None if outcome else out, seed=None if outcome else LUCKY)
            search = Search.resume(out)
            ends += 1
        assert told(outcome) == told(whole)
        assert left(out) == left(tmp_path / "whole")
    assert ends > 20
