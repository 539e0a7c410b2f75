"""Programs with lines left out, as far as fitness allows: for `simplify`, and for the core that
`explain` tells of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from azc.program import Program
from azc.use.dataflow import Position, without
from azc.use.scoring import Scorer

__all__ = ["drop_lines"]


def drop_lines(
    program: Program,
    positions: Iterable[Position],
    scorer: Scorer,
    seeds: Sequence[int],
    least: float,
    progress: Callable[[], None] | None = None,
) -> set[Position]:
    """Which of `positions` can go, all together, with the mean fitness no lower than `least`.

    They are tried in the order of what each costs alone, each without those that are gone already:
    of lines that stand in for each other, some stay. What stays is tried again after the others
    have gone, until no more can.
    """

    def fitness(left_out: set[Position]) -> float:
        if progress:
            progress()
        return float(scorer.over(without(program, left_out), seeds).mean())

    alone = {position: fitness({position}) for position in positions}
    order = sorted(alone, key=lambda position: (-alone[position], position))
    gone: set[Position] = set()
    while True:
        before = len(gone)
        for position in order:
            if position not in gone and fitness(gone | {position}) >= least:
                gone.add(position)
        if len(gone) == before:
            return gone
