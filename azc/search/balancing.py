"""Which host has which islands, so that hosts that wait for each other end together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

__all__ = ["balanced"]

#: What a change has to save at least, as a share of the time that the slowest host takes: what an
#: island will take is known from what it took, which is not the same.
_WORTH = 0.02


def balanced(
    shares: Sequence[Sequence[int]], seconds: Mapping[int, float]
) -> list[tuple[int, ...]]:
    """Shares of the same islands for as many hosts, with fewer seconds for the slowest.

    `seconds`: what each island takes. Again and again the slowest host gives the fastest an island,
    or swaps one for a shorter one, whatever brings the two nearest to each other; as long as it is
    worth the move. No host that has islands is left without.
    """
    dealt = [list(share) for share in shares]
    loads = [sum(seconds[island] for island in share) for share in dealt]
    for _ in seconds:
        slow = max(range(len(loads)), key=loads.__getitem__)
        fast = min(range(len(loads)), key=loads.__getitem__)
        gap = loads[slow] - loads[fast]
        backs: list[int | None] = [*dealt[fast]]
        if len(dealt[slow]) > 1:
            backs.append(None)
        moves = [
            (seconds[island] - (0.0 if back is None else seconds[back]), island, back)
            for island in dealt[slow]
            for back in backs
        ]
        moved, island, back = min(
            moves, key=lambda move: abs(move[0] - gap / 2), default=(0.0, 0, None)
        )
        if min(moved, gap - moved) <= _WORTH * loads[slow]:
            break
        dealt[slow].remove(island)
        dealt[fast].append(island)
        if back is not None:
            dealt[fast].remove(back)
            dealt[slow].append(back)
        loads[slow] -= moved
        loads[fast] += moved
    return [tuple(sorted(share)) for share in dealt]
