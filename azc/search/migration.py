"""Migration: islands exchange programs (Real et al. 2020, supplement: each worker now and then
uploads programs drawn from its population, and replaces half of it by programs sampled over all
workers)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from azc.search.hosts import Member

__all__ = ["Populations", "migrate"]

#: Keeps these draws apart from others that a seed may serve.
_STREAM = 0x6D696772


class Populations(Protocol):
    """All islands of a search; the methods are those of `Host`."""

    def emigrants(self, places: Mapping[int, Sequence[int]]) -> dict[int, list[Member]]: ...

    def receive(self, members: Mapping[int, Mapping[int, Member]]) -> None: ...


def migrate(
    there: Populations, islands: int, population: int, share: float, seed: int, number: int
) -> None:
    """The `number`-th migration of a search: every island offers a part `share` of its population,
    drawn at random, and as many members, drawn likewise, make place for programs drawn from all
    that is offered. Depends on the arguments and the populations alone."""
    count = max(1, round(share * population))
    random = np.random.default_rng([seed, number, _STREAM])
    places = {island: random.integers(0, 2**31, count).tolist() for island in range(islands)}
    offered = there.emigrants(places)
    pool = [member for island in range(islands) for member in offered[island]]
    members: dict[int, dict[int, Member]] = {}
    for island in range(islands):
        replaced = random.permutation(population)[:count]
        chosen = random.integers(0, max(1, len(pool)), count)
        taken = zip(replaced.tolist(), chosen.tolist(), strict=True)
        members[island] = {place: pool[one] for place, one in taken} if pool else {}
    if pool:
        there.receive(members)
