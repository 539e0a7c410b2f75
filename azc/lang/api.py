"""Text to program, and what is to be said about a text."""

from __future__ import annotations

import os

from azc.errors import AzcError, Diagnostic, ParseError, expected
from azc.lang.lint import lint
from azc.lang.lower import Lowered, lower
from azc.lang.reader import read
from azc.lang.source import PlacedError, Source, decode, read_source
from azc.ops import Type
from azc.program import Program
from azc.runtime import _core

__all__ = ["check", "load", "parse"]


def parse(
    text: str | bytes | os.PathLike[str],
    filename: str = "<string>",
    limits: dict[Type, int] | None = None,
) -> Program:
    """The program that `text` says; raises `ParseError`.

    Bytes are UTF-8, and a `Path` is that of a file with the text, as `load` takes it. `filename` is
    what messages call it. `limits` is the number of addresses of each type in force;
    without it a program may use as many as it needs.
    """
    if isinstance(text, os.PathLike):
        return load(text, limits)
    if isinstance(text, (bytes, bytearray)):
        return _lower(decode(bytes(text), filename), limits).program
    if not isinstance(text, str):
        do = "give a str; azc.load(path) reads a file"
        raise AzcError(expected("the text of a program", type(text).__name__, do))
    return _lower(Source(text, filename), limits).program


def load(path: str | os.PathLike[str], limits: dict[Type, int] | None = None) -> Program:
    """The program in the file at `path`; raises `ParseError`, or `AzcError` if unreadable."""
    return _lower(read_source(path), limits).program


def check(
    text: str, filename: str = "<string>", limits: dict[Type, int] | None = None
) -> list[Diagnostic]:
    """What is wrong with `text`: the error that `parse` would raise, or warnings, or nothing."""
    try:
        source = Source(text, filename)
        lowered = _lower(source, limits)
    except ParseError as error:
        return [error.diagnostic]
    return [source.diagnostic(message, place, "warning") for place, message in lint(lowered)]


def _lower(source: Source, limits: dict[Type, int] | None) -> Lowered:
    try:
        # Numbers are read and folded by floating-point arithmetic too.
        with _core.Environment():
            return lower(read(source), limits, source.filename)
    except PlacedError as error:
        raise source.error(error) from None
