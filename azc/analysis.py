"""What can be known about a program without running it: live slice, canonical form, hash.

All of it is computed in C, where a search needs it millions of times a second
(`runtime/analysis.c`, `runtime/canonical.c`); this is how Python asks for it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from azc.ops import Type
from azc.program import Address, Program
from azc.runtime import _core

__all__ = [
    "Needed",
    "canonical",
    "canonical_hash",
    "canonical_names",
    "interface_addresses",
    "live",
    "live_mask",
    "needed",
    "predicts_vector",
]

#: Types as the runtime numbers them.
_TYPES: Final = {1: Type.SCALAR, 2: Type.VECTOR, 3: Type.MATRIX}


def predicts_vector(program: Program) -> bool:
    """Whether the program is written for more than two classes: it never writes the scalar
    prediction s1, but does write the vector prediction v2."""
    return _core.suggested_classes(program.code) > 2


def _classes(program: Program, classes: int | None) -> int:
    return _core.suggested_classes(program.code) if classes is None else classes


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
    masks, _, _, _ = _core.analyse(program.code, _classes(program, classes))
    return masks


def live(program: Program, classes: int | None = None) -> Program:
    """The program without its dead instructions."""
    masks = live_mask(program, classes)
    setup, predict, learn = (
        tuple(i for i, keep in zip(body, mask, strict=True) if keep)
        for (_, body), mask in zip(program.functions(), masks, strict=True)
    )
    return replace(program, setup=setup, predict=predict, learn=learn, params=())


@dataclass(frozen=True, slots=True)
class Needed:
    """Addresses whose values matter: `between` examples, `after_predict`, and `before_setup`, when
    they are all zeros."""

    between: frozenset[Address]
    after_predict: frozenset[Address]
    before_setup: frozenset[Address]


def needed(program: Program, classes: int | None = None) -> Needed:
    """The addresses that live instructions carry a value in, at each of these moments."""
    sets = _core.needed(program.code, _classes(program, classes))
    return Needed(*map(_addresses, sets))


def _addresses(numbers: Iterable[tuple[int, int]]) -> frozenset[Address]:
    return frozenset(Address(_TYPES[kind], number) for kind, number in numbers)


def canonical(program: Program, classes: int | None = None) -> Program:
    """The live slice under standard names: programs that differ only in dead instructions, names
    of addresses or order of commutative operands have equal canonical forms.

    Addresses are numbered by their first write, which no order of operands can change; all
    addresses that are never written hold zeros and share one name per type.
    """
    form = Program.unpacked(_core.Canonical(program.code, _classes(program, classes)).packed)
    return replace(form, filename=program.filename)


def canonical_names(program: Program, classes: int | None = None) -> dict[Address, Address]:
    """What `canonical` calls each address of the live slice, and those of the interface; several
    that are never written may have one name."""
    classes = _classes(program, classes)
    names = {address: address for address in interface_addresses(classes)}
    for (kind, number), (_, to) in _core.Canonical(program.code, classes).names.items():
        names[Address(_TYPES[kind], number)] = Address(_TYPES[kind], to)
    return names


def canonical_hash(program: Program, classes: int | None = None) -> str:
    """32 hexadecimal digits: XXH3-128 of the canonical form under this op table's version
    (`runtime/canonical.h`); by default the program's own `hash`."""
    if classes is None:
        return program.hash
    return f"{_core.Canonical(program.code, classes).hash:032x}"
