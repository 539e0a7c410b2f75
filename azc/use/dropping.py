"""Programs with lines left out, as far as fitness allows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from azc.program import Program
from azc.use.dataflow import Place, without
from azc.use.scoring import Scorer

__all__ = ["drop_lines"]


def drop_lines(
    program: Program,
    places: Iterable[Place],
    scorer: Scorer,
    seeds: Sequence[int],
    least: float,
    progress: Callable[[], None] | None = None,
) -> set[Place]:
    """Which of `places` can go, all together, with the mean fitness no lower than `least`.

    They are tried in the order of what each costs alone, each without those that are gone already:
    of lines that stand in for each other, some stay. What stays is tried again after the others
    have gone, until no more can.
    """

    def fitness(left_out: set[Place]) -> float:
        if progress:
            progress()
        return float(scorer.over(without(program, left_out), seeds).mean())

    alone = {place: fitness({place}) for place in places}
    order = sorted(alone, key=lambda place: (-alone[place], place))
    gone: set[Place] = set()
    while True:
        before = len(gone)
        for place in order:
            if place not in gone and fitness(gone | {place}) >= least:
                gone.add(place)
        if len(gone) == before:
            return gone
