"""The intermediate representation: an algorithm as three lists of instructions.

Immutable values. Text is made into programs by `azc.lang`, and printed by it; what a program means
when run is in `docs/semantics.md`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

from azc.errors import AzcError, expected
from azc.ops import ConstantKind, Op, Type, by_number

__all__ = [
    "FUNCTIONS",
    "MAX_ADDRESS",
    "PACKED",
    "Address",
    "Instruction",
    "Param",
    "Program",
    "ProgramError",
    "verify",
]

#: The component functions, in the order in which they are run and printed.
FUNCTIONS = ("setup", "predict", "learn")

#: Addresses are 0 … MAX_ADDRESS of each type.
MAX_ADDRESS = 65535

#: Bytes of an instruction as the runtime reads it.
PACKED = 40

_NAN = float("nan")


class ProgramError(AzcError):
    """A program breaks a rule of the representation; `azc.lang` gives such errors their place."""


@dataclass(frozen=True, slots=True, order=True)
class Address:
    """One cell of memory, such as ``v3``."""

    type: Type
    number: int

    def __str__(self) -> str:
        return f"{self.type.value}{self.number}"


@dataclass(frozen=True, slots=True, eq=False)
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
        from azc.lang.printer import format_instruction

        return format_instruction(self)

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


@dataclass(frozen=True, slots=True)
class Param:
    """A tunable constant: where it stands, its default and its range.

    `function` and `index` name the instruction, `constant` which of its constants.
    `scale` is ``"linear"`` or ``"log"``; `low` and `high` are None where no range was given.
    """

    name: str
    function: str
    index: int
    constant: int
    default: float
    low: float | None = None
    high: float | None = None
    scale: str = "linear"


@dataclass(frozen=True, slots=False)
class Program:
    """An algorithm: Setup, Predict and Learn.

    Two programs are equal when their instructions are; `doc`, `filename`, `params` and `names`
    (what the author called an address) are for people.
    """

    setup: tuple[Instruction, ...] = ()
    predict: tuple[Instruction, ...] = ()
    learn: tuple[Instruction, ...] = ()
    doc: str = field(default="", compare=False)
    filename: str = field(default="<string>", compare=False)
    params: tuple[Param, ...] = field(default=(), compare=False)
    names: dict[Address, str] = field(default_factory=dict, compare=False, hash=False)

    def functions(self) -> Iterator[tuple[str, tuple[Instruction, ...]]]:
        """("setup", instructions), ("predict", …), ("learn", …)."""
        for name in FUNCTIONS:
            yield name, getattr(self, name)

    def instructions(self) -> Iterator[Instruction]:
        """All instructions in the order Setup, Predict, Learn."""
        for _, body in self.functions():
            yield from body

    def addresses(self) -> set[Address]:
        """Every address that an instruction reads or writes."""
        found: set[Address] = set()
        for instruction in self.instructions():
            found.update(instruction.reads)
            if instruction.output:
                found.add(instruction.output)
        return found

    def packed(self) -> tuple[bytes, bytes, bytes]:
        """The three functions as the runtime reads them (`Instruction.pack`, concatenated)."""
        return (
            b"".join(instruction.pack() for instruction in self.setup),
            b"".join(instruction.pack() for instruction in self.predict),
            b"".join(instruction.pack() for instruction in self.learn),
        )

    @classmethod
    def unpacked(cls, packed: tuple[bytes, bytes, bytes]) -> Program:
        """The program of which `packed` made these."""
        setup, predict, learn = (
            tuple(Instruction.unpack(body[at : at + PACKED]) for at in range(0, len(body), PACKED))
            for body in packed
        )
        return cls(setup, predict, learn)

    @cached_property
    def hash(self) -> str:
        """Hexadecimal hash of the canonical form: equal for programs that are equal but for dead
        instructions, names of addresses and the order of commutative operands."""
        from azc.analysis import program_hash

        return program_hash(self)

    def __str__(self) -> str:
        from azc.lang.printer import format_program

        return format_program(self)


def verify(program: Program, limits: dict[Type, int] | None = None) -> Program:
    """Check every rule of the representation; returns the program, raises `ProgramError`.

    `limits` is the number of addresses of each type in force; without it only `MAX_ADDRESS` holds.
    """
    for name, body in program.functions():
        for position, instruction in enumerate(body):
            try:
                _verify_instruction(instruction, limits or {})
            except ProgramError as error:
                raise ProgramError(f"{name}[{position}]: {error}") from None
    return program


def _verify_instruction(instruction: Instruction, limits: dict[Type, int]) -> None:
    op = instruction.op
    if len(instruction.inputs) != len(op.inputs):
        raise ProgramError(
            expected(f"{len(op.inputs)} operands of {op.name}", len(instruction.inputs))
        )
    if len(instruction.constants) != len(op.constants):
        raise ProgramError(
            expected(f"{len(op.constants)} constants of {op.name}", len(instruction.constants))
        )
    addresses: Iterable[Address] = instruction.reads
    if instruction.output:
        addresses = (*addresses, instruction.output)
    for address in addresses:
        count = limits.get(address.type, MAX_ADDRESS + 1)
        if not 0 <= address.number < count:
            raise ProgramError(
                expected(f"an address from {address.type.value}0 to "
                         f"{address.type.value}{count - 1}", str(address))
            )  # fmt: skip
    for kind, value in zip(op.constants, instruction.constants, strict=True):
        if kind is not ConstantKind.INDEX:
            continue
        if isinstance(value, int) and not 0 <= value < 4096:
            raise ProgramError(expected("a coordinate from 0 to 4095", value))
        if isinstance(value, float) and not 0.0 <= value < 1.0:
            raise ProgramError(expected("a fraction in [0, 1)", value))
