"""Kinds of memory, as `explain` tells them: what is learned, what is constant, what is made anew in
each step.
"""

from __future__ import annotations

from azc.analysis import interface_addresses
from azc.program import Address, Program
from azc.use.dataflow import Flow
from azc.use.explain.observing import Observed

__all__ = ["Kinds", "kinds_of"]

Kinds = dict[Address, str]


def kinds_of(program: Program, flow: Flow, seen: Observed, classes: int) -> Kinds:
    """``"learned"``: carried from step to step and changing. ``"constant"``: the same from the
    first step on. ``"scratch"``: made anew in each step, even where it ends with one and the same
    value. Features and label are left out."""
    features, label, _ = interface_addresses(classes)
    used: set[Address] = set()
    writers: dict[Address | None, list[bool]] = {}
    for position in flow.live:
        if position[0] != "setup":
            writers.setdefault(flow.at(position).output, []).append(position in seen.steady)
    reused = {address for address, steady in writers.items() if not all(steady)}
    for position in flow.live:
        instruction = flow.at(position)
        used.update(instruction.reads)
        if instruction.output:
            used.add(instruction.output)
    return {
        address: "learned" if address in flow.carried and address in seen.changes
        else "scratch" if address in seen.changes | reused
        else "constant"
        for address in sorted(used - {features, label}, key=lambda a: (a.type.rank, a.number))
    }  # fmt: skip
