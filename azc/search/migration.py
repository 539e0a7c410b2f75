"""Migration: islands exchange programs (Real et al. 2020, supplement: each worker now and then
uploads programs drawn from its population, and replaces half of it by programs sampled over all
workers)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from azc.search.migrants import Given, Migrants

__all__ = ["Draws", "Populations", "migrate"]

#: Keeps these draws apart from others that a seed may serve.
_STREAM = 0x6D696772


class Populations(Protocol):
    """All islands of a search; the methods are those of `Host`."""

    def emigrants(self, positions: Mapping[int, NDArray[np.int64]]) -> dict[int, Migrants]: ...

    def receive(self, given: Mapping[int, Given]) -> None: ...


class Draws:
    """What is drawn for the `number`-th exchange of a search: every island offers a part `share` of
    its population, and as many members make room for programs drawn from all that is offered.
    Depends on the arguments alone; to be asked once, in this order.

    `counts`: how many programs each of the islands, with `populations`, offers and receives.
    """

    def __init__(self, populations: Sequence[int], share: float, seed: int, number: int) -> None:
        self.counts = [max(1, round(share * population)) for population in populations]
        self._populations = populations
        self._random = np.random.default_rng([seed, number, _STREAM])

    def offered(self) -> Iterator[tuple[int, NDArray[np.int64]]]:
        """The positions that each island offers, modulo its members."""
        for island, count in enumerate(self.counts):
            yield island, self._random.integers(0, 2**31, count)

    def received(self, offered: int) -> Iterator[tuple[int, NDArray[np.int64], NDArray[np.int64]]]:
        """The positions at which each island receives programs, and which: by their numbers among
        all that were `offered`."""
        populations = zip(self._populations, self.counts, strict=True)
        for island, (population, count) in enumerate(populations):
            replaced = self._random.permutation(population)[:count]
            yield island, replaced, self._random.integers(0, max(1, offered), count)


def migrate(
    there: Populations,
    populations: Sequence[int],
    share: float,
    seed: int,
    number: int,
    measures: Sequence[int] = (),
) -> None:
    """An exchange by way of this process. Depends on the arguments and the populations alone.

    `populations`: of each island; `measures`: numbers that tell apart by what islands find fitness,
    none where all do so alike. Elsewhere a program's fitness means nothing, so there it is nan.
    """
    draws = Draws(populations, share, seed, number)
    positions = dict(draws.offered())
    offered = there.emigrants(positions)
    parts = [offered[island] for island in positions]
    pool = Migrants.joined(parts)
    if not len(pool):
        return
    kinds = np.array(measures or [0] * len(populations))
    kind_of, ends = np.repeat(kinds, [len(part) for part in parts]), pool.ends()
    given = {}
    for island, replaced, chosen in draws.received(len(pool)):
        members = pool.chosen(chosen, ends)
        members.heads["fitness"][kind_of[chosen] != kinds[island]] = np.nan
        given[island] = Given(replaced, members)
    there.receive(given)
