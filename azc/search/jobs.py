"""Jobs of scoring, cut into parts for several hosts, and what comes of them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise

from azc.search.hosts import Job

__all__ = ["Scores", "parts_of"]

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


def parts_of(job: Job, hosts: int) -> list[Job]:
    """Parts that keep all hosts busy, if there are tasks enough for that."""
    wanted = _PARTS_OF_HOST * hosts if hosts > 1 else 1
    count = max(1, min(wanted, job.count // _LEAST_PART))
    lanes = -(-job.count // _LEAST_PART)
    bounds = [min(job.count, lanes * k // count * _LEAST_PART) for k in range(count + 1)]
    return [
        replace(job, first=job.first + first, count=end - first) for first, end in pairwise(bounds)
    ]
