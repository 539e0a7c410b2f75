"""A program's text with other constants, its names, comments and layout kept where that can be."""

from __future__ import annotations

from collections.abc import Sequence

from lark import Token

from azc.errors import AzcError
from azc.lang.api import parse
from azc.lang.lower import Lowered, lower
from azc.lang.reader import read, tokens
from azc.lang.source import PlacedError, Source
from azc.program import Program
from azc.use.tune.constants import Constant

__all__ = ["core_line", "lines_of", "retold"]

#: Tokens that end the default of a param.
_AFTER_DEFAULT = ("IN", "COMMENT", "BREAK")


def core_line(program: Program, function: str, index: int) -> int:
    """The line, from 1, of an instruction in the program's core text."""
    head = str(program)[: str(program).index(f"def {function.capitalize()}():\n")]
    return head.count("\n") + 2 + index


def lines_of(text: str, program: Program, constants: Sequence[Constant]) -> list[int]:
    """The line of `text`, which says `program`, on which each constant stands."""
    lowered = _lowered(text)
    if lowered is None or lowered.program != program:
        return [core_line(program, c.function, c.index) for c in constants]
    lines = []
    for constant in constants:
        place = lowered.places[constant.function][constant.index]
        lines.append(place.line if place else 1)
    return lines


def retold(
    text: str, program: Program, constants: Sequence[Constant], values: Sequence[float]
) -> str:
    """`text` with the values of these constants changed, which then says `program`; where that
    cannot be done in place, the core text of `program`."""
    lowered = _lowered(text)
    if lowered is None or not _alike(lowered.program, program):
        return str(program)
    source = Source(text)
    edits: list[tuple[int, int, str]] = []
    for constant, value in zip(constants, values, strict=True):
        edit = _edit(source, lowered, constant, value)
        if edit is None:
            return str(program)
        edits.append(edit)
    changed = source.text
    for start, end, number in sorted(edits, reverse=True):
        changed = changed[:start] + number + changed[end:]
    try:
        # What was read off tokens is believed only if it gives the program.
        return changed if parse(changed) == program else str(program)
    except AzcError:
        return str(program)


def _alike(one: Program, other: Program) -> bool:
    """Whether they differ in constants at most."""
    shapes = [[(i.op, i.out, i.inputs) for i in program.instructions()] for program in (one, other)]
    sizes = [[len(body) for _, body in program.functions()] for program in (one, other)]
    return shapes[0] == shapes[1] and sizes[0] == sizes[1] and one.doc == other.doc


def _lowered(text: str) -> Lowered | None:
    try:
        return lower(read(Source(text)))
    except (AzcError, PlacedError):
        return None


def _edit(
    source: Source, lowered: Lowered, constant: Constant, value: float
) -> tuple[int, int, str] | None:
    """Where the number stands, and what to write there."""
    bodies = lowered.places[constant.function]
    place = bodies[constant.index] if constant.index < len(bodies) else None
    if place is None:
        return None
    line = [t for t in tokens(source) if t.line == place.line]
    param = next(
        (p for p in lowered.program.params
         if (p.function, p.index) == (constant.function, constant.index)), None
    )  # fmt: skip
    if param is not None:
        begin = next((k for k, t in enumerate(line) if t.type == "EQUAL"), None)
        if begin is None:
            return None
        span = []
        for token in line[begin + 1 :]:
            if token.type in _AFTER_DEFAULT:
                break
            span.append(token)
        return _between(span, value)
    instruction = getattr(lowered.program, constant.function)[constant.index]
    numbers = [k for k, token in enumerate(line) if token.type == "NUMBER"]
    # Literals that are no constants, as in heaviside(v2, 1.0), make it more: then it is not clear.
    if len(numbers) != len(instruction.constants):
        return None
    at = numbers[constant.which]
    signed = at > 1 and line[at - 1].type in ("PLUS", "MINUS")
    return _between(line[at - 1 : at + 1] if signed else line[at : at + 1], value)


def _between(span: list[Token], value: float) -> tuple[int, int, str] | None:
    if not span:
        return None
    start, end = span[0].start_pos, span[-1].end_pos
    return None if start is None or end is None else (start, end, repr(float(value)))
