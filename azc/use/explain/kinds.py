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
    """``"learned"``: carried from step to step and changing, made of itself or read by Predict;
    what only waits for the next Learn is not. ``"constant"``: the same from the
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
        address: "learned" if address in flow.carried & seen.changes and _lasts(flow, address)
        else "scratch" if address in seen.changes | reused
        else "constant"
        for address in sorted(used - {features, label}, key=lambda a: (a.type.rank, a.number))
    }  # fmt: skip


def _lasts(flow: Flow, address: Address) -> bool:
    """Whether what stands at a carried address in the end of a step is made of what stood there at
    its beginning, or Predict reads it."""
    order = {position: k for k, position in enumerate(flow.live)}
    last = max((p for p in flow.live if flow.at(p).output == address), key=order.__getitem__)
    for reader, read in flow.makers.items():
        before = last in read.get(address, []) and order[last] >= order[reader]
        if before and reader[0] == "predict":
            return True
    reached, left = {last}, [last]
    while left:
        here = left.pop()
        for operand, makers in flow.makers[here].items():
            for maker in makers:
                if operand == address and maker == last and order[last] >= order[here]:
                    return True
                if order[maker] < order[here] and maker[0] == "learn" and maker not in reached:
                    reached.add(maker)
                    left.append(maker)
    return False
