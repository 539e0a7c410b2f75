"""Live slice, canonical form and what a compiled function is given, in plain Python.

Written from the words of `docs/semantics.md` and `runtime/canonical.h`, with sets of addresses
instead of bits: the witness that the C code is held against.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import replace

import xxhash

from azc.analysis import interface_addresses
from azc.ops import TABLE_VERSION, ConstantKind, Type
from azc.program import Address, Instruction, Program

__all__ = ["arguments", "bare", "canonical", "canonical_hash", "canonical_names", "live", "needed"]

Body = tuple[Instruction, ...]


def _before(body: Body, after: Iterable[Address]) -> set[Address]:
    """Addresses whose values matter before the body, given those that matter after it."""
    wanted = set(after)
    for instruction in reversed(body):
        output = instruction.output
        if output in wanted:
            if not instruction.op.entry:
                wanted.discard(output)
            wanted.update(instruction.reads)
    return wanted


def needed(program: Program, classes: int) -> tuple[set[Address], set[Address], set[Address]]:
    """What matters between examples, after Predict, and before Setup: the least that agrees with
    itself, since after Predict come Learn and Predict again, or Predict at once."""
    features, label, prediction = interface_addresses(classes)
    between: set[Address] = set()
    while True:
        after = (_before(program.learn, between) - {features, label}) | between | {prediction}
        wider = (_before(program.predict, after) - {features, label}) | between
        if wider == between:
            return between, after, _before(program.setup, between)
        between = wider


def live(program: Program, classes: int) -> Program:
    """The program without instructions whose results nobody needs."""
    between, after, _ = needed(program, classes)

    def kept(body: Body, ends: set[Address]) -> Body:
        alive, wanted = [], ends
        for instruction in reversed(body):
            if instruction.output in wanted:
                alive.append(instruction)
            wanted = _before((instruction,), wanted)
        return tuple(reversed(alive))

    return Program(
        kept(program.setup, between), kept(program.predict, after), kept(program.learn, between)
    )


def canonical_names(program: Program, classes: int) -> dict[Address, Address]:
    """What the canonical form calls each address of the live slice and of the interface."""
    sliced = live(program, classes)
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


def canonical(program: Program, classes: int) -> Program:
    """The live slice under standard names, operands of commutative ops in order."""
    names = canonical_names(program, classes)

    def rename(instruction: Instruction) -> Instruction:
        operands = map(Address, instruction.op.inputs, instruction.inputs)
        inputs = tuple(names[address].number for address in operands)
        if instruction.op.commutative:
            inputs = tuple(sorted(inputs))
        out = names[instruction.output].number if instruction.output else 0
        return Instruction(instruction.op, out, inputs, instruction.constants)

    bodies = (tuple(map(rename, body)) for _, body in live(program, classes).functions())
    return Program(*bodies)


def canonical_hash(program: Program, classes: int) -> str:
    """XXH3-128 of the canonical form under this op table's version, filled up to 241 bytes."""
    bodies = canonical(program, classes).packed()
    head = struct.pack("=4q", TABLE_VERSION, *map(len, bodies))
    return xxhash.xxh3_128_hexdigest((head + b"".join(bodies)).ljust(241, b"\0"))


def bare(program: Program, classes: int) -> Program:
    """The canonical form with all constants zero."""
    return Program(
        *(
            tuple(replace(i, constants=(0.0,) * len(i.constants)) for i in body)
            for _, body in canonical(program, classes).functions()
        )
    )


def arguments(program: Program, classes: int, features: int) -> tuple[list[float], list[int]]:
    """The constants that are numbers, and the entries that instructions set, in order."""
    constants: list[float] = []
    places: list[int] = []
    for instruction in canonical(program, classes).instructions():
        constants.extend(value for value, index in _constants(instruction) if not index)
        if instruction.op.entry:
            place = 0
            for value, index in _constants(instruction):
                if index:
                    whole = isinstance(value, int)
                    entry = value if whole else min(int(features * value), features - 1)
                    place = place * features + int(entry)
            places.append(place)
    return constants, places


def _constants(instruction: Instruction) -> Iterator[tuple[float, bool]]:
    for kind, value in zip(instruction.op.constants, instruction.constants, strict=True):
        yield value, kind is ConstantKind.INDEX
