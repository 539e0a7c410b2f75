"""Which islands go to hosts that have nothing left to run before a round ends."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

__all__ = ["relief"]

#: Seconds that a host must be spared at least: an island that moves takes a snapshot and is made
#: anew from it.
_WORTH = 0.3


def relief(
    left: Mapping[int, Mapping[int, float]], idle: Iterable[int]
) -> list[tuple[int, int, list[int]]]:
    """Moves: from host, to host, islands.

    `left`: by host the seconds that each of its islands has left to run. Each of the hosts `idle`
    takes about half of what the slowest host has left, and never all of it, if it is worth that.
    """
    seconds = {host: dict(islands) for host, islands in left.items()}
    moves = []
    for target in idle:
        source = max(seconds, key=lambda host: sum(seconds[host].values()))
        half = sum(seconds[source].values()) / 2
        taken: dict[int, float] = {}
        given = 0.0
        for island, long in sorted(seconds[source].items(), key=lambda item: -item[1]):
            if given + long <= half:
                taken[island] = long
                given += long
        if given < _WORTH:
            break
        for island in taken:
            del seconds[source][island]
        seconds[target] = taken
        moves.append((source, target, sorted(taken)))
    return moves
