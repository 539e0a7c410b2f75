"""Characters that look like those of a program but are others: what word processors and web pages
put in their place when a program is copied from them."""

from __future__ import annotations

import unicodedata
from typing import Final

__all__ = ["describe", "hint", "stranger"]

_TYPED: Final = {
    **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u02d7\u2796", "-"),
    **dict.fromkeys("\u00d7\u2217\u22c5\u00b7\u2022\u2715\u2716\u204e", "*"),
    **dict.fromkeys("\u00f7\u2044\u2215\u29f8", "/"),
    **dict.fromkeys("\u201c\u201d\u201e\u201f\u00ab\u00bb\u2033", '"'),
    **dict.fromkeys("\u2018\u2019\u201a\u201b\u00b4`\u2032", "'"),
    **dict.fromkeys("\u2795", "+"),
    **dict.fromkeys("\u2190\u2254", "="),
    **dict.fromkeys("\u201a\u060c\u3001", ","),
    "\u03b1": "alpha",
    "\u03b2": "beta",
    "\u03c0": "pi",
    # Letters of other alphabets that are drawn like Latin ones.
    **dict(zip("\u0430\u0435\u043e\u0440\u0441\u0445\u0443\u0456\u0455", "aeopcxyis", strict=True)),
    **dict(zip("\u03bd\u03bf\u03c1\u03f2", "vopc", strict=True)),
}
_POWERS: Final = {char: power for power, char in enumerate("\u00b9\u00b2\u00b3\u2074\u2075", 1)}


def describe(char: str) -> str:
    """`char` with its code point and Unicode's name for it, since it may not be seen."""
    shown = f"{char!r} " if char.isprintable() else ""
    code = f"U+{ord(char):04X}"
    name = unicodedata.name(char, "")
    if not shown:
        return f"character {code}" + (f" ({name})" if name else "")
    return f"{shown}({code}, {name})" if name else f"{shown}({code})"


def hint(char: str) -> str:
    """What to type for `char`; empty where nothing is known to look like it."""
    if char in _POWERS:
        return f"type ** {_POWERS[char]}"
    if char in _TYPED:
        return f"type {_quoted(_TYPED[char])}"
    plain = unicodedata.normalize("NFKC", char)
    if plain != char and plain.isascii() and plain.strip():
        return f"type {_quoted(plain)}"
    category = unicodedata.category(char)
    if category == "Zs":
        return "type a space"
    if category == "Cf":
        return "it cannot be seen; delete it"
    return ""


def stranger(name: str) -> str:
    """What is strange about a name that is not known: the first character of it that looks like
    another, with what to type for it; empty where there is none."""
    for char in name:
        if not char.isascii() and (do := hint(char)):
            return f"it has {describe(char)} in it, {do}"
    return ""


def _quoted(text: str) -> str:
    return f'"{text}"' if text == "'" else f"'{text}'"
