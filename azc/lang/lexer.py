"""The .az language for Pygments, where it is registered as ``az``."""

from __future__ import annotations

import re
from typing import ClassVar

from pygments.lexer import RegexLexer
from pygments.token import Text, string_to_tokentype

from azc.lang.colours import CLASSES, QUOTES, RULES

__all__ = ["AzLexer"]


def _text(quote: str) -> str:
    """A text in these quotes, which one without closing quotes is not."""
    inside = r"[^\\]" if len(quote) == 3 else r"[^\\\n]"
    return rf"{quote}(?:{inside}|\\[\s\S])*?{quote}"


class AzLexer(RegexLexer):  # type: ignore[misc]  # Pygments has no types
    """Learning algorithms of azc: three functions of mathematical ops."""

    name = "az"
    aliases: ClassVar = ["az"]
    filenames: ClassVar = ["*.az"]
    mimetypes: ClassVar = ["text/x-az"]
    flags = re.MULTILINE
    tokens: ClassVar = {
        "root": [
            (r"\s+", Text.Whitespace),
            *((_text(quote), string_to_tokentype(CLASSES["text"].token)) for quote in QUOTES),
            *((pattern, string_to_tokentype(CLASSES[name].token)) for pattern, name in RULES),
        ]
    }
