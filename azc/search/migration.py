"""Migration: islands exchange programs (Real et al. 2020, supplement: each worker now and then
uploads programs drawn from its population, and replaces half of it by programs sampled over all
workers)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from azc.search.hosts import Member

__all__ = ["Populations", "migrate"]

#: Keeps these draws apart from others that a seed may serve.
_STREAM = 0x6D696772


class Populations(Protocol):
    """All islands of a search; the methods are those of `Host`."""

    def emigrants(self, positions: Mapping[int, Sequence[int]]) -> dict[int, list[Member]]: ...

    def receive(self, members: Mapping[int, Mapping[int, Member]]) -> None: ...


def migrate(
    there: Populations,
    populations: Sequence[int],
    share: float,
    seed: int,
    number: int,
    measures: Sequence[int] = (),
) -> None:
    """The `number`-th migration of a search: every island offers a part `share` of its population,
    drawn at random, and as many members, drawn likewise, make room for programs drawn from all
    that is offered. Depends on the arguments and the populations alone.

    `populations`: of each island; `measures`: numbers that tell apart by what islands find fitness,
    none where all do so alike. Elsewhere a program's fitness means nothing, so there it is nan.
    """
    counts = [max(1, round(share * population)) for population in populations]
    random = np.random.default_rng([seed, number, _STREAM])
    positions = {n: random.integers(0, 2**31, count).tolist() for n, count in enumerate(counts)}
    offered = there.emigrants(positions)
    pool = [(island, member) for island in positions for member in offered[island]]
    members: dict[int, dict[int, Member]] = {}
    for island, (population, count) in enumerate(zip(populations, counts, strict=True)):
        replaced = random.permutation(population)[:count]
        chosen = random.integers(0, max(1, len(pool)), count)
        members[island] = {}
        for position, one in zip(replaced.tolist(), chosen.tolist(), strict=True) if pool else ():
            origin, member = pool[one]
            if measures and measures[origin] != measures[island]:
                packed, _, birth = member
                member = (packed, math.nan, birth)
            members[island][position] = member
    if pool:
        there.receive(members)
