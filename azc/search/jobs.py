"""Jobs of scoring, cut into parts for several hosts, and what comes of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import pairwise

from azc.search.hosts import Job

__all__ = ["Jobs", "Part"]

#: A job, and the part of it that is to be scored.
Part = tuple[Job, Job]

#: Tasks of a part at least: fewer may leave lanes idle.
_LEAST_PART = 16
#: Parts for each of several hosts, so that those that begin last are small.
_PARTS_OF_HOST = 4


@dataclass
class Scores:
    """What is known of a job: the fitness on the tasks of its parts, by the first of them."""

    known: dict[int, list[float]] = field(default_factory=dict)

    def fitness(self) -> list[float]:
        """On all tasks, in their order."""
        return [value for first in sorted(self.known) for value in self.known[first]]


class Jobs:
    """What is to be scored, in parts, and what came of it."""

    def __init__(self) -> None:
        self._parts: deque[Part] = deque()
        self._scores: dict[Job, Scores] = {}

    def __bool__(self) -> bool:
        """Whether there are parts that nobody has taken."""
        return bool(self._parts)

    def add(self, jobs: Iterable[Job], hosts: int) -> None:
        """Jobs for so many hosts."""
        for job in jobs:
            self._scores[job] = Scores()
            self._parts.extend((job, part) for part in parts_of(job, hosts))

    def take(self, hosts: int) -> tuple[Part, ...]:
        """Parts for one of so many hosts."""
        # One by one they would be a message each; with more, who takes the last ones would be
        # waited for.
        count = -(-len(self._parts) // (2 * hosts))
        return tuple(self._parts.popleft() for _ in range(count))

    def note(self, parts: Iterable[Part], answers: Iterable[list[float]]) -> None:
        """The fitness on the tasks of each part."""
        for (job, part), fitness in zip(parts, answers, strict=True):
            self._scores[job].known[part.first] = fitness

    def finished(self) -> list[tuple[Job, list[float]]]:
        """Each job with the fitness on each of its tasks; they are forgotten."""
        fitness = [(job, scores.fitness()) for job, scores in self._scores.items()]
        self._scores.clear()
        return fitness


def parts_of(job: Job, hosts: int) -> list[Job]:
    """Parts that keep all hosts busy, if there are tasks enough for that."""
    wanted = _PARTS_OF_HOST * hosts if hosts > 1 else 1
    count = max(1, min(wanted, job.count // _LEAST_PART))
    lanes = -(-job.count // _LEAST_PART)
    bounds = [min(job.count, lanes * k // count * _LEAST_PART) for k in range(count + 1)]
    return [
        replace(job, first=job.first + first, count=end - first) for first, end in pairwise(bounds)
    ]
