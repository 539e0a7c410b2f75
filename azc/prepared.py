"""What evaluating needs to know of a program, computed once and kept with it."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING

from azc.analysis import live, needed
from azc.errors import AzcError, expected
from azc.ops import ConstantKind, Type
from azc.program import Address, Program, verify
from azc.runtime import _core

if TYPE_CHECKING:
    from azc.compiler.structure import Arguments, Structure

__all__ = [
    *("bytes_for", "check_coordinates", "code_of", "has_matrices", "least_features"),
    *("state_of", "structure_for"),
]

_KEPT = "_prepared"
_MOST_SHAPES = 64


class _Prepared:
    """A program that is checked: `coordinate`, the largest by which it sets an
    entry, -1 where there is none; what else was asked, by what it depends on."""

    def __init__(self, program: Program) -> None:
        verify(program)
        self.coordinate = max((value for _, _, value in _coordinates(program)), default=-1)
        self.matrices: dict[int, bool] = {}
        self.structures: dict[tuple[int, int, str], tuple[Structure, Arguments]] = {}
        self.states: dict[int, tuple[Address, ...]] = {}
        self.bytes: dict[Hashable, int] = {}


def _prepared(program: Program) -> _Prepared:
    """Kept in the program itself, as its hash is."""
    kept: _Prepared | None = program.__dict__.get(_KEPT)
    if kept is None:
        kept = program.__dict__[_KEPT] = _Prepared(program)
    return kept


def code_of(program: Program) -> _core.Code:
    """The program, checked, as the runtime reads it. Raises `ProgramError`."""
    _prepared(program)
    return program.code


def least_features(program: Program) -> int:
    """The features that tasks for `program` have at least, by the entries that it sets."""
    return max(1, _prepared(program).coordinate + 1)


def has_matrices(program: Program, classes: int) -> bool:
    """Whether a matrix matters to what the program predicts for so many classes."""
    known = _prepared(program).matrices
    if classes not in known:
        running = live(program, classes)
        known[classes] = any(address.type is Type.MATRIX for address in running.addresses())
    return known[classes]


def state_of(program: Program, classes: int) -> tuple[Address, ...]:
    """The addresses that carry a value from one example to the next."""
    known = _prepared(program).states
    if classes not in known:
        between = needed(program, classes).between
        known[classes] = tuple(sorted(between, key=lambda a: (a.type.rank, a.number)))
    return known[classes]


def bytes_for(program: Program, shape: Hashable, count: Callable[[], int]) -> int:
    """What `count` returned when it was first called for the program on tasks of this shape."""
    known = _prepared(program).bytes
    if shape not in known:
        if len(known) >= _MOST_SHAPES:
            known.clear()
        known[shape] = count()
    return known[shape]


def structure_for(
    program: Program, *, classes: int, features: int, layout: str
) -> tuple[Structure, Arguments]:
    """As `azc.compiler.structure.structure_of` has it."""
    from azc.compiler.structure import structure_of

    known, key = _prepared(program).structures, (classes, features, layout)
    if key not in known:
        known[key] = structure_of(program, classes=classes, features=features, layout=layout)
    return known[key]


def _coordinates(program: Program) -> list[tuple[str, int, int]]:
    """(function, number of the instruction in it, coordinate) of each entry set by coordinate."""
    return [
        (name, number, value)
        for name, body in program.functions()
        for number, instruction in enumerate(body)
        for kind, value in zip(instruction.op.constants, instruction.constants, strict=True)
        if kind is ConstantKind.INDEX and isinstance(value, int)
    ]


def check_coordinates(program: Program, features: int) -> None:
    """Entries set by coordinate must exist; which they do depends on the task."""
    if _prepared(program).coordinate < features:
        return
    for name, number, value in _coordinates(program):
        if value >= features:
            instruction = getattr(program, name)[number]
            raise AzcError(
                f"{program.filename}: {name.capitalize()}, instruction {number + 1} "
                f"({instruction}): "
                + expected(
                    f"a coordinate from 0 to {features - 1} (the task has F = {features})",
                    value,
                    "use a smaller one, or a fraction such as [0.5]",
                )
            )
