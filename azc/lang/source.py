"""The text of one program: read, bounded, and quoted in messages."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from azc.errors import AzcError, Diagnostic, ParseError, expected

__all__ = ["MAX_BYTES", "MAX_LINES", "Place", "PlacedError", "Source", "read_source"]

#: A program's text may have this many bytes and lines. A person's has tens of lines, a search's
#: hundreds; without a bound, a wrong file would keep the parser busy for minutes.
MAX_BYTES = 4 * 1024 * 1024
MAX_LINES = 20_000


class Place(NamedTuple):
    """Where in the text, both from 1."""

    line: int
    column: int


class PlacedError(Exception):
    """Something is wrong at `place`; `Source.error` makes the user's error of it."""

    def __init__(self, message: str, place: Place) -> None:
        super().__init__(message)
        self.message = message
        self.place = place


class Source:
    """A program's text with its name, and the one way to complain about a place in it."""

    def __init__(self, text: str, filename: str = "<string>") -> None:
        self.filename = filename
        # Lines end as they do on any system; what follows sees "\n" alone.
        self.text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
        if not self.text.endswith("\n"):
            self.text += "\n"
        self.lines: list[str] = []
        try:
            self._check_size(text)
            self.lines = self.text.split("\n")
            self._check_characters()
        except PlacedError as error:
            raise self.error(error) from None

    def diagnostic(self, message: str, place: Place, severity: str = "error") -> Diagnostic:
        """A finding at `place`, with the line it is about."""
        line = self.lines[place.line - 1] if 0 < place.line <= len(self.lines) else ""
        return Diagnostic(
            message, self.filename, place.line, place.column, _printable(line), severity
        )

    def error(self, error: PlacedError) -> ParseError:
        """The error to raise for `error`."""
        return ParseError(self.diagnostic(error.message, error.place))

    def _check_size(self, text: str) -> None:
        # Four bytes a character at most, so most texts need not be encoded to be measured.
        if len(text) * 4 > MAX_BYTES and len(text.encode("utf-8", "replace")) > MAX_BYTES:
            raise PlacedError(_too_large(f"{len(text)} characters"), Place(1, 1))
        count = self.text.count("\n")
        if count > MAX_LINES:
            raise PlacedError(
                expected(f"at most {MAX_LINES} lines", count), Place(MAX_LINES + 1, 1)
            )

    def _check_characters(self) -> None:
        where = self.text.find("\0")
        if where >= 0:
            line = self.text.count("\n", 0, where)
            column = where - (self.text.rfind("\n", 0, where) + 1)
            raise PlacedError(
                expected("text", "a NUL byte", "the file is not a program's text"),
                Place(line + 1, column + 1),
            )


def read_source(path: str | os.PathLike[str]) -> Source:
    """The text of the file at `path`; `AzcError` if it cannot be read, `ParseError` if not text."""
    if not isinstance(path, (str, os.PathLike)):
        do = "give a str or a Path; azc.parse(text) takes a text"
        raise AzcError(expected("the path of a program", type(path).__name__, do))
    filename = os.fspath(path)
    try:
        with Path(path).open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise AzcError(f"cannot read {filename}: {error.strerror or error}") from None
    except ValueError as error:  # a NUL in the path
        raise AzcError(f"cannot read {filename!r}: {error}") from None
    return decode(data, filename)


def decode(data: bytes, filename: str) -> Source:
    """The text that `data` holds; `ParseError` if it is none."""
    if len(data) > MAX_BYTES:
        raise ParseError(Diagnostic(_too_large(f"more than {MAX_BYTES} bytes"), filename))
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8", "replace")
        line = before.count("\n") + 1
        column = len(before) - (before.rfind("\n") + 1) + 1
        shown = data.split(b"\n")[line - 1].decode("utf-8", "replace").rstrip("\r")
        message = expected("UTF-8 text", f"byte 0x{data[error.start]:02x}", "save it as UTF-8")
        raise ParseError(Diagnostic(message, filename, line, column, _printable(shown))) from None
    return Source(text, filename)


def _too_large(got: str) -> str:
    return expected(f"a program of at most {MAX_BYTES // 2**20} MiB", got)


def _printable(line: str) -> str:
    """`line` without characters that a terminal would act on or cannot encode."""
    return "".join(char if char.isprintable() or char == "\t" else "\ufffd" for char in line[:1000])
