"""What lowering makes: instructions with their places, and the numbers set once in Setup."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from azc.lang.memory import Memory
from azc.lang.source import Place
from azc.lang.spellings import CONSTANT, SPELLINGS, Head
from azc.lang.syntax import Name
from azc.ops import Op, Type
from azc.program import Address, Instruction

__all__ = ["FILL", "ROWS", "SET", "Code", "Constants", "Use", "Value"]

#: The ops that set a scalar, fill a vector with one, and fill the rows of a matrix with a vector.
SET: Final = SPELLINGS[Head(CONSTANT, target=Type.SCALAR)]
FILL: Final = SPELLINGS[Head("bcast", (Type.SCALAR,))]
ROWS: Final = SPELLINGS[Head("bcast", (Type.VECTOR,), 1)]


@dataclass(frozen=True, slots=True)
class Value:
    """Where a value is: at an address, or a number that no address holds yet."""

    type: Type
    address: Address | None = None
    number: float = 0.0
    temporary: bool = False


class Use(NamedTuple):
    """An address that the text mentions, by number or name."""

    function: str
    address: Address
    name: Name
    written: bool


@dataclass(slots=True)
class Code:
    """The instructions of a function so far, and where in the text each comes from."""

    instructions: list[Instruction] = field(default_factory=list)
    places: list[Place | None] = field(default_factory=list)

    def add(self, instruction: Instruction, place: Place | None) -> None:
        """One more instruction; no place where no statement is it alone."""
        self.instructions.append(instruction)
        self.places.append(place)


class Constants:
    """The numbers that expressions need, each set once, by `code`, at the start of Setup."""

    def __init__(self, memory: Memory) -> None:
        self.code = Code()
        self._memory = memory
        self._addresses: dict[tuple[bytes, Type], Address] = {}

    def address(self, number: float, type: Type, place: Place) -> Address:
        """Where `number`, or a vector or matrix full of it, is; `place` is where it is needed."""
        bits = struct.pack("=d", number)
        if (bits, type) not in self._addresses:
            self._addresses[bits, type] = self._make(number, type, place)
        return self._addresses[bits, type]

    def _make(self, number: float, type: Type, place: Place) -> Address:
        if struct.pack("=d", number) == bytes(8):
            # Zero needs no instruction: what is never written is zero.
            return self._memory.keep(type, place)
        op: Op = SET
        inputs: tuple[int, ...] = ()
        if type is not Type.SCALAR:
            op, narrower = (FILL, Type.SCALAR) if type is Type.VECTOR else (ROWS, Type.VECTOR)
            inputs = (self.address(number, narrower, place).number,)
        address = self._memory.keep(type, place)
        constants = () if inputs else (number,)
        self.code.add(Instruction(op, address.number, inputs, constants), None)
        return address
