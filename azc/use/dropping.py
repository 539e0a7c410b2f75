"""Programs with lines left out, as far as fitness allows: for `simplify`, and for the core that
`explain` tells of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from azc.program import Program
from azc.use.dataflow import Position, without

__all__ = ["drop_lines"]


def drop_lines(
    program: Program,
    positions: Iterable[Position],
    mean: Callable[[Program], float],
    good: Callable[[Program], bool],
) -> set[Position]:
    """Which of `positions` can go, all together, with what is left still `good`.

    They are tried in the order of what each costs alone in `mean` fitness, each without those that
    are gone already: of lines that stand in for each other, some stay. What stays is tried again
    after the others have gone, until no more can.
    """
    alone = {position: mean(without(program, {position})) for position in positions}
    order = sorted(alone, key=lambda position: (-alone[position], position))
    gone: set[Position] = set()
    while True:
        before = len(gone)
        for position in order:
            if position not in gone and good(without(program, gone | {position})):
                gone.add(position)
        if len(gone) == before:
            return gone
