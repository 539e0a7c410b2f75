"""Migration: islands exchange programs (Real et al. 2020, supplement: each worker now and then
uploads programs drawn from its population, and replaces half of it by programs sampled over all
workers)."""

from __future__ import annotations

import numpy as np

from azc.search.islands import Packed
from azc.search.workers import Workers

__all__ = ["migrate"]

#: Keeps these draws apart from others that a seed may serve.
_STREAM = 0x6D696772


def migrate(
    workers: Workers, islands: int, population: int, share: float, seed: int, number: int
) -> None:
    """The `number`-th migration of a search: every island offers a part `share` of its population,
    drawn at random, and as many members, drawn likewise, make place for programs drawn from all
    that is offered. Depends on the arguments and the populations alone."""
    count = max(1, round(share * population))
    random = np.random.default_rng([seed, number, _STREAM])
    pool: list[tuple[Packed, float, int]] = []
    for island in range(islands):
        places = random.integers(0, 2**31, count).tolist()
        pool.extend(workers.call(island, "emigrants", places))
    for island in range(islands):
        replaced = random.permutation(population)[:count]
        chosen = random.integers(0, max(1, len(pool)), count)
        if pool:
            taken = zip(replaced.tolist(), chosen.tolist(), strict=True)
            members = {place: pool[one] for place, one in taken}
            workers.call(island, "receive", members)
