"""Programs as the user names them: a file, a name from the library, or `-`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from azc.errors import AzcError, Diagnostic, ParseError, expected, nearest

if TYPE_CHECKING:
    from azc.program import Program

__all__ = ["STANDARD_INPUT", "load_program", "read_standard_input", "read_text"]

#: The argument that stands for standard input, and what messages call it.
STANDARD_INPUT, _STDIN_NAME = "-", "<stdin>"


def load_program(argument: str) -> Program:
    """The program that `argument` names (see `read_text`)."""
    from azc.lang import parse

    return parse(*read_text(argument))


def read_text(argument: str) -> tuple[str, str]:
    """A program's text, and what messages should call it.

    `argument` is ``-`` for standard input, else the path of a file if there is one, else the name
    of a program in the library. Raises `AzcError`, with the nearest name, if it is none of them.
    """
    if argument == STANDARD_INPUT:
        return read_standard_input()
    if os.path.exists(argument) and not os.path.isdir(argument):
        from azc.lang.source import read_source

        return read_source(argument).text, argument
    from azc import library

    if argument in library.names():
        return library.text(argument), f"{argument}.az"
    raise AzcError(_not_found(argument, library.names()))


def read_standard_input() -> tuple[str, str]:
    """What stands on standard input, as `read_text` returns it."""
    from azc.lang.source import MAX_BYTES

    # One byte too many is enough for the parser to refuse the text as too large.
    data = click.get_binary_stream("stdin").read(MAX_BYTES + 1)
    try:
        return data.decode("utf-8"), _STDIN_NAME
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        message = expected("UTF-8 text", f"byte 0x{data[error.start]:02x}", "save it as UTF-8")
        raise ParseError(Diagnostic(message, _STDIN_NAME, line)) from None


def _not_found(argument: str, names: list[str]) -> str:
    if os.path.isdir(argument):
        return expected("a program's file", f"the folder {argument!r}")
    folder, name = os.path.split(argument)
    try:
        around = [path.name for path in Path(folder or ".").iterdir() if path.suffix == ".az"]
    except (OSError, ValueError):
        do = f"there is no folder {folder!r}" if folder else ""
        return expected("a program's file", repr(argument), do)
    known = around if folder else [*around, *names]
    # Without the suffix, a short name is nearer to others than to itself with it.
    stem = name.removesuffix(".az")
    do = nearest(name, known) or (stem in known and f"did you mean {stem!r}?") or ""
    what = "a program's file" if folder else "a program's file or a name from 'azc library'"
    return expected(what, repr(argument), do or "there is no such file")
