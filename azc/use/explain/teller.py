"""What is known of one program, as rules ask it that tell what its instructions do."""

from __future__ import annotations

import re
from dataclasses import dataclass

from azc.analysis import interface_addresses
from azc.program import Address, Instruction, Program
from azc.use.dataflow import Flow, Position
from azc.use.explain.kinds import Kinds
from azc.use.explain.observing import Cosine, Observed

__all__ = ["Teller"]

#: From this cosine on a scalar is called a multiple of the error.
_ERROR = 0.9


@dataclass(frozen=True, slots=True)
class Teller:
    """One program, and what was seen of it."""

    program: Program
    flow: Flow
    seen: Observed
    kinds: Kinds
    classes: int

    def name(self, address: Address) -> str:
        """What people call it."""
        return self.program.names.get(address, str(address))

    def named(self, position: Position) -> str:
        """The instruction with the names that people gave to addresses."""
        names = {str(address): name for address, name in self.program.names.items()}
        body: tuple[Instruction, ...] = getattr(self.program, position[0])
        return re.sub(
            r"\b[svm]\d+\b", lambda name: names.get(name[0], name[0]), str(body[position[1]])
        )

    def best(
        self, position: Position, table: dict[tuple[Position, Address], Cosine]
    ) -> tuple[Address, float] | None:
        """The learned address whose gradient an instruction's result is nearest to."""
        near = [(abs(c.value), b, c.value) for (p, b), c in table.items() if p == position]
        if not near:
            return None
        _, address, cosine = max(near, key=lambda entry: (entry[0], str(entry[1])))
        return address, cosine

    def depends(self, position: Position) -> set[str]:
        """What an instruction's value depends on in its step: the ``"label"``, the
        ``"prediction"``, anything that Predict ``"made"``."""
        _, label, prediction = interface_addresses(self.classes)
        found = set()
        for here in self._within_step(position):
            makers = self.flow.makers[here]
            if here[0] == "predict":
                found.add("made")
            elif any(maker[0] == "predict" for maker in makers.get(prediction, [])):
                found.add("prediction")
            if here[0] == "learn" and not makers.get(label, [here]):
                found.add("label")
        return found

    def leaves(self, position: Position, address: Address) -> bool:
        """Whether what an instruction makes is part of what its step leaves at an address."""
        writers = [p for p in self.flow.live if p[0] != "setup"
                   and self.flow.at(p).output == address]  # fmt: skip
        return position in self._within_step(writers[-1])

    def _within_step(self, position: Position) -> set[Position]:
        """An instruction and all of its step that its value is made of."""
        order = {p: k for k, p in enumerate(self.flow.live)}
        seen, left = {position}, [position]
        while left:
            here = left.pop()
            for makers in self.flow.makers[here].values():
                for maker in makers:
                    if maker[0] != "setup" and order[maker] < order[here] and maker not in seen:
                        seen.add(maker)
                        left.append(maker)
        return seen

    def is_error(self, position: Position) -> bool:
        """Whether an instruction's result is the error, or it times something about constant."""
        cosine = self.seen.error.get(position)
        return cosine is not None and abs(cosine.value) >= _ERROR

    def is_steady(self, address: Address) -> bool:
        """Whether an address holds one value all the time."""
        return self.kinds.get(address) == "constant"

    def is_zero(self, address: Address) -> bool:
        """Whether no instruction that matters ever writes an address."""
        return self.is_steady(address) and not any(
            self.flow.at(position).output == address for position in self.flow.live
        )

    def comes_from(self, position: Position, address: Address, ops: set[str]) -> bool:
        """Whether one of these ops is among what makes an operand, in the same function."""
        return any(
            self.flow.at(ancestor).op.name in ops
            for maker in self.flow.makers[position].get(address, [])
            if maker[0] == position[0] and maker < position
            for ancestor in self.flow.ancestors(maker, position[0])
        )
