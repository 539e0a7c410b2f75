"""Rounds: every island draws as many programs, and no host waits for others while it has some to
run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from azc.search.hosts import Slice
from azc.search.workers import Workers

__all__ = ["run_round"]


def run_round(
    workers: Workers,
    pending: set[int],
    until: int,
    seconds: Callable[[], float],
    pauses: Callable[[], bool],
) -> Iterator[list[Slice]]:
    """Slices of the islands `pending`, of at most `seconds`, as hosts make them; those that are
    done leave `pending`. Ends when there are none left, or once it `pauses` after the first slices;
    no host is running then. Hosts that have nothing left to run take over islands, or score."""
    ready, running = set(range(len(workers.shares))), set[int]()
    idle: set[int] = set()
    begins = True
    while ready or running:
        if begins or not pauses():
            relieving = workers.relieve(ready, idle, pending, until)
            shares = workers.shares
            for host in sorted(ready.union(relieving)):
                if islands := sorted(pending.intersection(shares[host])):
                    workers.start(host, islands, until, seconds())
                    running.add(host)
                    idle.discard(host)
                else:
                    idle.add(host)
        begins = False
        ready.clear()
        if running:
            slices_of_all = []
            for host, slices in workers.finished(sorted(running), sorted(idle)).items():
                running.discard(host)
                ready.add(host)
                pending.difference_update(made.island for made in slices if made.done)
                slices_of_all += slices
            yield slices_of_all
