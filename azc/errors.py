"""What `azc` raises: an error that a user can cause is an `AzcError` that says what to do."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

__all__ = [
    "AzcError",
    "AzcWarning",
    "CompileError",
    "ConfigError",
    "Diagnostic",
    "ParseError",
    "ResourceError",
    "StateError",
    "TaskError",
    "expected",
    "nearest",
    "warn",
]


def expected(what: str, got: object, do: str = "") -> str:
    """The one form of message: ``expected WHAT, got GOT; DO``."""
    message = f"expected {what}, got {got}"
    return f"{message}; {do}" if do else message


def nearest(name: str, known: Iterable[str]) -> str:
    """``did you mean X?`` for the known name closest to `name`, or an empty string."""
    alike = get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"did you mean {alike[0]!r}?" if alike else ""


class AzcError(Exception):
    """Base of all errors that come from the user's input, options or machine.

    They may be pickled whatever a subclass is made from: a pool of processes waits for ever for
    the result of a call whose error it cannot read.
    """

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return _remade, (type(self), self.args, self.__dict__)


def _remade(cls: type[AzcError], args: tuple[Any, ...], fields: dict[str, Any]) -> AzcError:
    """The error that was pickled: its parts as they were, without making it anew."""
    error = cls.__new__(cls, *args)
    error.__dict__.update(fields)
    return error


class AzcWarning(UserWarning):
    """Something is not as the user might expect, but the work goes on."""


def warn(message: str) -> None:
    """Issue an `AzcWarning` that points at the user's line, which called into azc."""
    package = os.path.dirname(__file__)
    frame, level = sys._getframe(1), 2
    while frame.f_back and frame.f_code.co_filename.startswith(package):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, AzcWarning, stacklevel=level)


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding in a program's text: an error or a warning, with line and column.

    `line` and `column` count from 1; `source` is the line itself (empty where there is none).
    """

    message: str
    filename: str = "<string>"
    line: int = 1
    column: int = 1
    source: str = ""
    severity: str = "error"

    def __str__(self) -> str:
        text = f"{self.filename}:{self.line}:{self.column}: {self.severity}: {self.message}"
        if not self.source:
            return text
        # A caret under the column; tabs are kept so that it lines up in any terminal.
        shown = self.source[:200]
        pad = "".join("\t" if char == "\t" else " " for char in shown[: self.column - 1])
        return f"{text}\n    {shown}\n    {pad}^"


class ParseError(AzcError):
    """A program's text is not a program.

    Attributes: `diagnostic`, and for convenience `line`, `column` (from 1), `filename`.
    """

    def __init__(self, diagnostic: Diagnostic) -> None:
        super().__init__(str(diagnostic))
        self.diagnostic = diagnostic
        self.filename = diagnostic.filename
        self.line = diagnostic.line
        self.column = diagnostic.column


class TaskError(AzcError):
    """A task cannot be made: unknown kind, bad file, wrong shapes or values."""


class ConfigError(AzcError):
    """A setting is unknown, of the wrong type, or impossible with the others."""


class CompileError(AzcError):
    """The C compiler is missing or refused the emitted code; holds the compiler's own message."""


class StateError(AzcError):
    """What a search left on disk cannot be read or written.

    Attribute: `full` (bool), whether for want of room on the disk.
    """

    def __init__(self, message: str, full: bool = False) -> None:
        super().__init__(message)
        self.full = full


class ResourceError(AzcError):
    """The work would not fit; the message has the number of bytes it needs.

    Attribute: `required` (bytes).
    """

    def __init__(self, message: str, required: int) -> None:
        super().__init__(message)
        self.required = required
