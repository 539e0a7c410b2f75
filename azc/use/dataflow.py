"""Where values come from: which instruction makes what another reads, through the training loop."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from azc.analysis import interface_addresses, live_mask
from azc.program import FUNCTIONS, Address, Instruction, Program

__all__ = ["Flow", "Place", "flow_of", "without"]

#: An instruction: its function and its index in it.
Place = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Flow:
    """The data flow of the live instructions of a program.

    `live`: their places, in order. `makers`: for each, per address that it reads, the instructions
    that may have made the value: of the same step, of the step before, or of Setup. `carried`:
    addresses whose value at the beginning of a step matters to it.
    """

    program: Program
    live: list[Place]
    makers: dict[Place, dict[Address, list[Place]]]
    carried: set[Address]

    def at(self, place: Place) -> Instruction:
        """The instruction at `place`."""
        body: tuple[Instruction, ...] = getattr(self.program, place[0])
        return body[place[1]]

    def ancestors(self, place: Place, within: str) -> Iterator[Place]:
        """`place` and the live instructions of the same function that its value is made of."""
        seen, left = {place}, [place]
        while left:
            here = left.pop()
            yield here
            for makers in self.makers[here].values():
                for maker in makers:
                    earlier = maker[0] == within and maker[1] < here[1]
                    if earlier and maker not in seen:
                        seen.add(maker)
                        left.append(maker)


def flow_of(program: Program, classes: int) -> Flow:
    """The data flow of `program` on tasks of so many classes."""
    masks = dict(zip(FUNCTIONS, live_mask(program, classes), strict=True))
    live = [
        (name, index)
        for name, body in program.functions()
        for index in range(len(body))
        if masks[name][index] and body[index].output is not None
    ]
    setup = [place for place in live if place[0] == "setup"]
    step = [place for place in live if place[0] != "setup"]
    features, label, _ = interface_addresses(classes)
    makers: dict[Place, dict[Address, list[Place]]] = {}
    carried: set[Address] = set()
    last: dict[Address, Place] = {}

    def instruction(place: Place) -> Instruction:
        body: tuple[Instruction, ...] = getattr(program, place[0])
        return body[place[1]]

    for place in setup:
        here = instruction(place)
        makers[place] = {a: [last[a]] if a in last else [] for a in here.reads}
        assert here.output is not None
        last[here.output] = place
    after_setup = dict(last)
    ends: dict[Address, Place] = {}
    for place in step:
        output = instruction(place).output
        assert output is not None
        ends[output] = place
    written: dict[Address, Place] = {}
    for place in step:
        here = instruction(place)
        # Features and label are set anew before each call.
        for given in (features, label):
            if given in written and written[given][0] != place[0]:
                del written[given]
        makers[place] = {}
        for address in here.reads:
            if address in written:
                makers[place][address] = [written[address]]
                continue
            if address in (features, label):
                makers[place][address] = []
                continue
            found = [ends[address]] if address in ends else []
            found += [after_setup[address]] if address in after_setup else []
            makers[place][address] = found
            if address in ends:
                carried.add(address)
        assert here.output is not None
        written[here.output] = place
    return Flow(program, live, makers, carried)


def without(program: Program, places: set[Place]) -> Program:
    """The program with these instructions left out."""
    bodies: dict[str, Any] = {
        name: tuple(i for index, i in enumerate(body) if (name, index) not in places)
        for name, body in program.functions()
    }
    return Program(**bodies, doc=program.doc, filename=program.filename, names=program.names)
