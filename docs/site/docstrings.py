"""Parameters in docstrings as lists, for the reference of the Python interface."""

from __future__ import annotations

import re
from typing import Any

import griffe

# One line or more, up to an empty one: the names, and beside and below them what they are.
_SECTION = re.compile(r"^Parameters\n-+\n((?:.+\n?)+)", re.MULTILINE)
_ENTRY = re.compile(r"^(\w[\w, *]*?) : ?(.*(?:\n .*)*)", re.MULTILINE)


class Parameters(griffe.Extension):
    """Turns each section of parameters into a list."""

    def on_instance(self, *, obj: griffe.Object, **settings: Any) -> None:
        if obj.docstring is not None:
            obj.docstring.value = _SECTION.sub(_listed, obj.docstring.value)


def _listed(section: re.Match[str]) -> str:
    return "".join(
        f"- **{entry[1]}**: {_told(entry[2])}\n" for entry in _ENTRY.finditer(section[1])
    )


def _told(text: str) -> str:
    first, *rest = (line.strip() for line in text.splitlines())
    # A type in the first line is no part of the sentences below it.
    ends = first.endswith("optional") or (
        rest and rest[0][:1].isupper() and first[-1:] not in ".,;:"
    )
    return " ".join([f"{first}." if ends else first, *rest])
