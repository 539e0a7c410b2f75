"""The intermediate representation: an algorithm as three lists of instructions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

from azc.errors import AzcError, expected
from azc.ops import ConstantKind, Type
from azc.program.instruction import PACKED, Address, Instruction
from azc.runtime import _core

__all__ = [
    "FUNCTIONS",
    "MAX_ADDRESS",
    "Param",
    "Program",
    "ProgramError",
    "require_program",
    "verify",
]

#: The component functions, in the order in which they are run and printed.
FUNCTIONS = ("setup", "predict", "learn")

#: Addresses are 0 … MAX_ADDRESS of each type.
MAX_ADDRESS = 65535

#: Lines that a notebook shows of a program.
_MOST_LINES = 60


class ProgramError(AzcError):
    """A program breaks a rule of the representation; `azc.lang` adds line and column."""


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


@dataclass(frozen=True, slots=False, repr=False)
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
        addresses: set[Address] = set()
        for instruction in self.instructions():
            addresses.update(instruction.reads)
            if instruction.output:
                addresses.add(instruction.output)
        return addresses

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
    def code(self) -> _core.Code:
        """The program as the runtime holds it."""
        return _core.Code(self.packed())

    def __getstate__(self) -> dict[str, object]:
        # What is derived stays behind: it would be as large again, and code cannot be pickled.
        return {name: self.__dict__[name] for name in self.__dataclass_fields__}

    @cached_property
    def hash(self) -> str:
        """Hexadecimal hash of the canonical form: equal for programs that are equal but for dead
        instructions, names of addresses and the order of commutative operands."""
        return f"{_core.Canonical(self.code, _core.suggested_classes(self.code)).hash:032x}"

    def __str__(self) -> str:
        """The program in the core dialect: parsing it gives the same program, to the bit, and the
        same docstring."""
        parts = []
        for name, body in self.functions():
            lines = [str(instruction) for instruction in body] or ["pass"]
            head = f"def {name.capitalize()}():\n"
            parts.append(head + "".join(f"    {line}\n" for line in lines))
        doc = f"{_quote(self.doc)}\n" if self.doc else ""
        return doc + "\n".join(parts)

    def __repr__(self) -> str:
        sizes = ", ".join(f"{len(body)} in {name.capitalize()}" for name, body in self.functions())
        return f"<Program {self.filename}: {sizes} instructions, {self.hash[:12]}>"

    def _repr_markdown_(self) -> str:
        """For notebooks: the program's text, as far as a reader would read it."""
        lines = str(self).splitlines()
        if len(lines) > _MOST_LINES:
            left_out = len(lines) - _MOST_LINES
            lines = [*lines[:_MOST_LINES], f"# … {left_out} lines more: print(program) shows all"]
        fence = "`" * max(3, *(len(run) + 1 for run in re.findall("`+", self.doc)), 3)
        return "\n".join([f"{fence}python", *lines, fence])


def require_program(value: object) -> None:
    """Raise `ProgramError` unless `value` is a `Program`."""
    if not isinstance(value, Program):
        got = repr(value) if isinstance(value, str) else type(value).__name__
        do = "make one with azc.load(path), azc.parse(text) or azc.library.load(name)"
        raise ProgramError(expected("a Program", got if len(got) <= 80 else f"{got[:80]}…", do))


def verify(program: Program, limits: dict[Type, int] | None = None) -> Program:
    """Check every rule of the representation; returns the program, raises `ProgramError`.

    `limits` is the number of addresses of each type in force; without it only `MAX_ADDRESS` holds.
    """
    require_program(program)
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


def _quote(text: str) -> str:
    """`text` as a string literal that means exactly it."""
    stem = text.rstrip('"')
    quotes = '\\"' * (len(text) - len(stem))
    stem = stem.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    return f'"""{"".join(map(_visible, stem))}{quotes}"""'


def _visible(char: str) -> str:
    """`char`, or a code where a reader could not see it or a terminal might act on it."""
    if char.isprintable() or char in "\n\t":
        return char
    code = ord(char)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
