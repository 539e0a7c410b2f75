"""What can be known about a program without running it: live slice, canonical form, hash."""

from __future__ import annotations

import struct
from dataclasses import replace

import xxhash

from azc.ops import TABLE_VERSION, Type
from azc.program import Address, Instruction, Program
from azc.runtime import _core

__all__ = [
    "canonical",
    "canonical_hash",
    "canonical_names",
    "interface_addresses",
    "live",
    "live_mask",
    "predicts_vector",
    "program_hash",
]


#: Bytes; see `canonical_hash`.
_HASH_LEAST = 241


def predicts_vector(program: Program) -> bool:
    """Whether the program is written for more than two classes: it never writes the scalar
    prediction s1, but does write the vector prediction v2."""
    written = {instruction.output for instruction in program.instructions()}
    return Address(Type.VECTOR, 2) in written and Address(Type.SCALAR, 1) not in written


def _classes(program: Program, classes: int | None) -> int:
    if classes is not None:
        return classes
    return 3 if predicts_vector(program) else 0


def interface_addresses(classes: int) -> tuple[Address, Address, Address]:
    """Features, label and prediction: v0, s0, s1, or with more than two classes v0, v1, v2."""
    if classes > 2:
        return Address(Type.VECTOR, 0), Address(Type.VECTOR, 1), Address(Type.VECTOR, 2)
    return Address(Type.VECTOR, 0), Address(Type.SCALAR, 0), Address(Type.SCALAR, 1)


def live_mask(
    program: Program, classes: int | None = None
) -> tuple[list[bool], list[bool], list[bool]]:
    """For each instruction of Setup, Predict and Learn: can it reach a prediction?

    Reaching goes through Predict, Learn and the loop over examples. Running live instructions only
    gives the same predictions, to the bit. `classes` is the task's (0: regression); by default it
    follows from `predicts_vector`.
    """
    masks, _, _, _ = _core.analyse(_core.Code(program.packed()), _classes(program, classes))
    return masks


def live(program: Program, classes: int | None = None) -> Program:
    """The program without its dead instructions."""
    masks = live_mask(program, classes)
    setup, predict, learn = (
        tuple(i for i, keep in zip(body, mask, strict=True) if keep)
        for (_, body), mask in zip(program.functions(), masks, strict=True)
    )
    return replace(program, setup=setup, predict=predict, learn=learn, params=())


def canonical(program: Program, classes: int | None = None) -> Program:
    """The live slice under standard names: programs that differ only in dead instructions, names
    of addresses or order of commutative operands have equal canonical forms.

    Addresses are numbered by their first write, which no order of operands can change; all
    addresses that are never written hold zeros and share one name per type.
    """
    classes = _classes(program, classes)
    sliced = live(program, classes)
    names = _names(sliced, classes)

    def rename(instruction: Instruction) -> Instruction:
        operands = map(Address, instruction.op.inputs, instruction.inputs)
        inputs = tuple(names[address].number for address in operands)
        if instruction.op.commutative:
            inputs = tuple(sorted(inputs))
        out = names[instruction.output].number if instruction.output else 0
        return Instruction(instruction.op, out, inputs, instruction.constants)

    setup, predict, learn = (tuple(map(rename, body)) for _, body in sliced.functions())
    return Program(setup, predict, learn, filename=program.filename)


def canonical_names(program: Program, classes: int | None = None) -> dict[Address, Address]:
    """What `canonical` calls each address of the live slice, and those of the interface; several
    that are never written may have one name."""
    classes = _classes(program, classes)
    return _names(live(program, classes), classes)


def _names(sliced: Program, classes: int) -> dict[Address, Address]:
    names = {address: address for address in interface_addresses(classes)}
    taken = {kind: {a.number for a in names if a.type is kind} for kind in Type}

    def name(address: Address) -> None:
        if address not in names:
            number = next(n for n in range(65536) if n not in taken[address.type])
            taken[address.type].add(number)
            names[address] = Address(address.type, number)

    for instruction in sliced.instructions():
        if instruction.output:
            name(instruction.output)
    zeros: dict[Type, Address] = {}
    for instruction in sliced.instructions():
        for address in instruction.reads:
            if address in names:
                continue
            if address.type not in zeros:
                name(address)
                zeros[address.type] = names[address]
            names[address] = zeros[address.type]
    return names


def canonical_hash(program: Program, classes: int | None = None) -> str:
    """32 hexadecimal digits: XXH3-128 of the canonical form under this op table's version.

    Filled up with zeros to 241 bytes, from which on one and the same variant of XXH3 serves; the
    search computes the same hash below Python (`runtime/canonical.c`).
    """
    bodies = canonical(program, classes).packed()
    head = struct.pack("=4q", TABLE_VERSION, *map(len, bodies))
    return xxhash.xxh3_128_hexdigest((head + b"".join(bodies)).ljust(_HASH_LEAST, b"\0"))


def program_hash(program: Program) -> str:
    """`canonical_hash`, with the prediction's type taken from the program itself."""
    return canonical_hash(program)
