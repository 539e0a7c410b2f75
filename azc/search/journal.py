"""What a search knows of its islands: how each came to be what it is, so that one that is lost can
be made anew, and how fast it is."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from azc.search.hosts import Exchange, Past, Slice
from azc.search.migrants import Given
from azc.search.snapshots import State

__all__ = ["Journal"]


class Journal:
    """Of so many islands. `keeps`: whether one may be lost, without which what it was given needs
    not be remembered."""

    def __init__(self, islands: int, *, keeps: bool) -> None:
        self.pasts = {island: Past() for island in range(islands)}
        self.pace = dict.fromkeys(self.pasts, 0.0)  # seconds a program
        self._keeps = keeps
        self._vacant: set[int] = set()

    @property
    def vacant(self) -> tuple[int, ...]:
        """Islands that had no members when they were heard of last."""
        return tuple(sorted(self._vacant))

    def note(self, made: Slice) -> int:
        """What an island did; how many programs it has drawn, if that was not in an earlier run."""
        past = self.pasts[made.island]
        self.pace[made.island] = made.pace
        (self._vacant.add if made.vacant else self._vacant.discard)(made.island)
        known = past.programs or past.snapshot is None
        drawn = made.counts.programs - past.programs if known else 0
        past.programs = made.counts.programs
        past.offers += len(made.offers)
        return drawn

    def received(self, given: Mapping[int, Given | Exchange]) -> None:
        """What islands were given, or what they took part in."""
        if self._keeps:
            for island, one in given.items():
                past = self.pasts[island]
                past.exchanges.append((past.programs, one))

    def begin_anew_from(self, states: Mapping[int, State]) -> None:
        """What islands did before these is not done again."""
        if self._keeps:
            for island, state in states.items():
                self.pasts[island] = Past(state, programs=self.pasts[island].programs)

    def files(self) -> set[str]:
        """What lies in storage of exchanges that somebody may have to take part in again."""
        received = (one for past in self.pasts.values() for _, one in past.exchanges)
        exchanges = {one.number: one for one in received if isinstance(one, Exchange)}
        return {name for one in exchanges.values() for name in one.files}

    def of(self, islands: Iterable[int]) -> dict[int, Past]:
        """What islands are made anew from."""
        return {island: self.pasts[island] for island in islands}

    def drawn(self) -> dict[int, int]:
        """The programs that each island has drawn."""
        return {island: past.programs for island, past in self.pasts.items()}

    def left(
        self, shares: Mapping[int, Iterable[int]], islands: Collection[int], until: int
    ) -> dict[int, dict[int, float]]:
        """Seconds until those of `islands` have drawn so many programs, by host; `shares`: the
        islands of hosts."""
        return {
            host: {
                n: max(0, until - self.pasts[n].programs) * self.pace[n]
                for n in numbers
                if n in islands
            }
            for host, numbers in shares.items()
        }
