"""What the machines do that hosts are on, or were."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from azc.search.report import NodeCounts

__all__ = ["Tally"]


@dataclass
class Tally:
    """By the names of nodes: programs that were drawn there, and hosts that were lost."""

    drawn: Counter[str] = field(default_factory=Counter)
    restarts: Counter[str] = field(default_factory=Counter)

    def counts(
        self, hosts: Sequence[tuple[str, Sequence[int]]], programs: Mapping[int, int]
    ) -> list[NodeCounts]:
        """`hosts`: of each its node and islands; `programs` that each island has drawn."""
        on: dict[str, list[Sequence[int]]] = {node: [] for node in (*self.drawn, *self.restarts)}
        for node, numbers in hosts:
            on.setdefault(node, []).append(numbers)
        most = max(programs.values())
        nodes = []
        for node, shares in sorted(on.items()):
            islands = [number for share in shares for number in share]
            nodes.append(
                NodeCounts(
                    node,
                    hosts=len(shares),
                    islands=len(islands),
                    programs=self.drawn[node],
                    restarts=self.restarts[node],
                    lag=most - min((programs[number] for number in islands), default=most),
                )
            )
        return nodes
