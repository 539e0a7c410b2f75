"""The .az language: text to programs and back.

`parse` and `load` make a `Program` of a text, `check` tells what is wrong or suspicious in it,
`format_text` lays out a text without changing its meaning. A program prints itself: `str(program)`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from azc.lang.api import check, load, parse
    from azc.lang.formatter import format_text
    from azc.lang.source import MAX_BYTES, MAX_LINES

# Imported on first use: the parser takes longer to import than most commands to run.
_HOME = {
    "MAX_BYTES": "source",
    "MAX_LINES": "source",
    "check": "api",
    "format_text": "formatter",
    "load": "api",
    "parse": "api",
}

__all__ = [
    "MAX_BYTES",
    "MAX_LINES",
    "check",
    "format_text",
    "load",
    "parse",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"azc.lang.{_HOME[name]}"), name)
    globals()[name] = value
    return value
