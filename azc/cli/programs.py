"""Programs as the user names them: a file, a name from the library, or `-`."""

from __future__ import annotations

import os
import sys
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from azc.cli.base import quoted
from azc.errors import AzcError, Diagnostic, ParseError, expected

if TYPE_CHECKING:
    from azc.program import Program

__all__ = ["STANDARD_INPUT", "load_program", "read_standard_input", "read_text"]

#: The argument that stands for standard input, and what messages call it.
STANDARD_INPUT, _STDIN_NAME = "-", "<stdin>"
_SUFFIX = ".az"


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
        return library.text(argument), f"{argument}{_SUFFIX}"
    raise AzcError(_unknown(argument, library.names()))


def read_standard_input() -> tuple[str, str]:
    """What stands on standard input, as `read_text` returns it."""
    from azc.lang.source import MAX_BYTES

    # One byte too many is enough for the parser to refuse the text as too large.
    data = sys.stdin.buffer.read(MAX_BYTES + 1)
    try:
        return data.decode("utf-8"), _STDIN_NAME
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        message = expected("UTF-8 text", f"byte 0x{data[error.start]:02x}", "save it as UTF-8")
        raise ParseError(Diagnostic(message, _STDIN_NAME, line)) from None


def _unknown(argument: str, names: list[str]) -> str:
    if os.path.isdir(argument):
        return expected("a program's file", f"the folder {quoted(argument)}")
    folder, name = os.path.split(argument)
    # Compared without the suffix, which would make all names alike.
    known = {} if folder else {name: name for name in names}
    try:
        for path in Path(folder or ".").glob(f"*{_SUFFIX}"):
            known[path.stem] = os.path.join(folder, path.name)
    except (OSError, ValueError):
        pass  # the folder cannot be looked into: there is no name to suggest
    near = get_close_matches(name.removesuffix(_SUFFIX), known, n=1)
    do = f"did you mean {known[near[0]]!r}?" if near else "there is no such file"
    what = "a program's file" if folder else "a program's file or a name from 'azc library'"
    return expected(what, quoted(argument), do)
