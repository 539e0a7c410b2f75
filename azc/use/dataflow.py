"""Where values come from: which instruction makes what another reads, through the training loop.

What explains, simplifies, exports and looks for motifs asks this of a program (`flow_of`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from azc.analysis import interface_addresses, live_mask
from azc.program import FUNCTIONS, Address, Instruction, Program

__all__ = ["Flow", "Position", "flow_of", "without"]

#: Where an instruction is: the name of its function, and its index there.
Position = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Flow:
    """The data flow of the live instructions of a program.

    `live`: their positions, in order. `makers`: for each, per address that it reads, the
    instructions that may have made the value: of the same step, of the step before, or of Setup.
    `carried`: addresses whose value at the beginning of a step matters to it.
    """

    program: Program
    live: list[Position]
    makers: dict[Position, dict[Address, list[Position]]]
    carried: set[Address]

    def at(self, position: Position) -> Instruction:
        """The instruction at `position`."""
        body: tuple[Instruction, ...] = getattr(self.program, position[0])
        return body[position[1]]

    def ancestors(self, position: Position, within: str) -> Iterator[Position]:
        """`position` and the live instructions of the same function that its value is made of."""
        seen, left = {position}, [position]
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
    setup = [position for position in live if position[0] == "setup"]
    step = [position for position in live if position[0] != "setup"]
    features, label, _ = interface_addresses(classes)
    makers: dict[Position, dict[Address, list[Position]]] = {}
    carried: set[Address] = set()
    last: dict[Address, Position] = {}

    def instruction(position: Position) -> Instruction:
        body: tuple[Instruction, ...] = getattr(program, position[0])
        return body[position[1]]

    for position in setup:
        here = instruction(position)
        makers[position] = {a: [last[a]] if a in last else [] for a in here.reads}
        assert here.output is not None
        last[here.output] = position
    after_setup = dict(last)
    ends: dict[Address, Position] = {}
    for position in step:
        output = instruction(position).output
        assert output is not None
        ends[output] = position
    written: dict[Address, Position] = {}
    for position in step:
        here = instruction(position)
        # Features and label are set anew before each call.
        for given in (features, label):
            if given in written and written[given][0] != position[0]:
                del written[given]
        makers[position] = {}
        for address in here.reads:
            if address in written:
                makers[position][address] = [written[address]]
                continue
            if address in (features, label):
                makers[position][address] = []
                continue
            makers_before = [ends[address]] if address in ends else []
            makers_before += [after_setup[address]] if address in after_setup else []
            makers[position][address] = makers_before
            if address in ends:
                carried.add(address)
        assert here.output is not None
        written[here.output] = position
    return Flow(program, live, makers, carried)


def without(program: Program, positions: set[Position]) -> Program:
    """The program with these instructions left out."""
    bodies: dict[str, Any] = {
        name: tuple(i for index, i in enumerate(body) if (name, index) not in positions)
        for name, body in program.functions()
    }
    return Program(**bodies, doc=program.doc, filename=program.filename, names=program.names)
