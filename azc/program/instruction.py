"""Addresses and instructions: what programs are made of, their bytes and their text."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import NamedTuple

from azc.ops import ConstantKind, Op, Type, by_number
from azc.runtime import _core

__all__ = ["PACKED", "Address", "Instruction"]

#: Bytes of an instruction as the runtime reads it.
PACKED = 40

_NAN = float("nan")


class Address(NamedTuple):
    """One cell of memory, such as ``v3``."""

    type: Type
    number: int

    def __str__(self) -> str:
        return f"{self.type.value}{self.number}"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Instruction:
    """One op on addresses and constants.

    `inputs` and `out` are address numbers; their types are the op's. `constants` are floats, but an
    entry index may be an int: a float is a fraction of F in [0, 1), an int the coordinate itself.
    Equal means equal to the bit (-0.0 differs from 0.0, and NaN equals NaN).
    """

    op: Op
    out: int = 0
    inputs: tuple[int, ...] = ()
    constants: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        # One NaN: payloads cannot be written in a program's text.
        if any(value != value for value in self.constants):
            fixed = tuple(_NAN if value != value else value for value in self.constants)
            object.__setattr__(self, "constants", fixed)

    def pack(self) -> bytes:
        """The 40 bytes that the runtime reads: int32 op, out, a, b; float64 c0, c1, c2.

        An entry index given as coordinate k is packed as -(k + 1), which no fraction can be.
        """
        inputs = (*self.inputs, 0, 0)[:2]
        constants = [
            -(value + 1.0) if isinstance(value, int) and kind is ConstantKind.INDEX else value
            for kind, value in zip(self.op.constants, self.constants, strict=True)
        ]
        padded = (*constants, 0.0, 0.0, 0.0)[:3]
        return struct.pack("=4i3d", self.op.number, self.out, *inputs, *padded)

    @classmethod
    def unpack(cls, packed: bytes) -> Instruction:
        """The instruction of which `pack` made these 40 bytes."""
        number, out, a, b, *values = struct.unpack("=4i3d", packed)
        op = by_number(number)
        constants = tuple(
            int(-value - 1.0) if kind is ConstantKind.INDEX and value < 0.0 else value
            for kind, value in zip(op.constants, values, strict=False)
        )
        return cls(op, out if op.output else 0, (a, b)[: len(op.inputs)], constants)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Instruction) and self.pack() == other.pack()

    def __hash__(self) -> int:
        return hash(self.pack())

    def __str__(self) -> str:
        """The instruction as the op table spells it."""
        op = self.op
        operands = map(Address, op.inputs, self.inputs)
        fields = {letter: str(operand) for letter, operand in zip("ab", operands, strict=False)}
        with _core.Environment():  # arithmetic tells the shortest digits
            for index, (kind, value) in enumerate(zip(op.constants, self.constants, strict=True)):
                # An index written as an integer is a coordinate; anything else is a float.
                whole = kind is ConstantKind.INDEX and isinstance(value, int)
                fields[f"c{index}"] = str(int(value)) if whole else repr(float(value))
        return op.text.format(out=self.output, **fields)

    def __repr__(self) -> str:
        return f"<Instruction {self}>"

    @property
    def output(self) -> Address | None:
        """Where the result goes; None for the op without effect."""
        return Address(self.op.output, self.out) if self.op.output else None

    @property
    def reads(self) -> tuple[Address, ...]:
        """The operands; an op that sets one entry also keeps the others of its output."""
        operands = tuple(map(Address, self.op.inputs, self.inputs))
        if self.op.entry and self.op.output:
            return (*operands, Address(self.op.output, self.out))
        return operands
