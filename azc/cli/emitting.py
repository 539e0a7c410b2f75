"""Emitted Cython for people to read: before it stands what its names stand for."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from azc.compiler.structure import Structure
    from azc.program import Program

__all__ = ["Owners", "annotated"]

#: The programs that a structure was made of.
Owners = dict["Structure", list["Program"]]

_MOST_CHARACTERS = 100
_WIDTH = 100

# Two lines of ours begin the text, because Cython looks in the first two for its encoding.
_HEAD = """\
# What the names in each function stand for, and the numbers that it is given. Addresses that are
# not listed are called the same in the program.
"""


def annotated(structures: Sequence[Structure], owners: Owners, vector: int) -> str:
    """The module of `structures`, all of one layout, for registers of `vector` doubles. Comments
    name the addresses as each program does; below them the text is the same for all programs of
    these structures."""
    from azc.compiler.emit import emit

    notes = [
        f"{line}\n"
        for number, structure in enumerate(structures)
        for program in owners[structure]
        for line in _notes(number, structure, program)
    ]
    return "".join([_HEAD, *notes, "\n", emit(structures, vector)])


def _notes(number: int, structure: Structure, program: Program) -> Iterator[str]:
    from azc.analysis import canonical_names
    from azc.compiler.structure import structure_of

    classes = 3 if structure.many_classes else 0
    path, file = _shown(program.filename), _shown(os.path.basename(program.filename))
    features, layout = structure.features, structure.layout
    yield "#"
    yield f"# program_{number} is {path}, for {features} features in {layout}:"
    names = sorted(
        canonical_names(program, classes).items(),
        key=lambda pair: (pair[1].type.rank, pair[1].number),
    )
    for own, emitted in names:
        name = program.names.get(own)
        if name:
            own_name = "" if own == emitted else f" ({own} in {file})"
            yield f"#   {emitted} is {_shown(name)}{own_name}"
        elif own != emitted:
            yield f"#   {emitted} is {own} in {file}"
    _, arguments = structure_of(program, classes=classes, features=features, layout=layout)
    yield from _numbers("k", map(float, arguments.constants))
    yield from _numbers("c.places", map(int, arguments.places))


def _numbers(name: str, values: Iterable[float]) -> list[str]:
    text = ", ".join(f"{name}[{index}]={value!r}" for index, value in enumerate(values))
    margin = "#   "
    return textwrap.wrap(
        text, _WIDTH, initial_indent=margin, subsequent_indent=margin, break_on_hyphens=False
    )


def _shown(name: str) -> str:
    """A name of the user's as it may stand in a comment: in one line that nothing acts on."""
    plain = "".join(
        char if char.isprintable() and char != "\\" else char.encode("unicode_escape").decode()
        for char in name[:_MOST_CHARACTERS]
    )
    return plain if len(name) <= _MOST_CHARACTERS else f"{plain}…"
