"""What a word or sign of the .az language is coloured as, for Pygments and for editors alike.

Words and signs are the grammar's, names of functions those of the op table and of the language, so
nothing is listed twice. The patterns are read by Python and by Oniguruma, which editors use.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from azc.lang.fold import CONSTANTS
from azc.lang.functions import known_functions
from azc.lang.names import PREDICTION, SHAPE
from azc.lang.reader import terminals
from azc.ops import Type
from azc.program import FUNCTIONS

__all__ = ["CLASSES", "QUOTES", "RULES", "SCOPES", "Class"]


@dataclass(frozen=True, slots=True)
class Class:
    """A class of tokens: what Pygments and TextMate call it."""

    token: str
    scope: str


CLASSES: Final = {
    "comment": Class("Comment.Single", "comment.line.number-sign"),
    "text": Class("Literal.String.Doc", "string.quoted.docstring"),
    "keyword": Class("Keyword", "keyword.control"),
    "type": Class("Keyword.Type", "storage.type"),
    "constant": Class("Keyword.Constant", "constant.language"),
    "number": Class("Literal.Number", "constant.numeric"),
    "header": Class("Name.Function", "entity.name.function"),
    "function": Class("Name.Builtin", "support.function"),
    "address": Class("Name.Variable", "variable.other.address"),
    "role": Class("Name.Builtin.Pseudo", "variable.language"),
    "name": Class("Name", "variable.other"),
    "operator": Class("Operator", "keyword.operator"),
    "punctuation": Class("Punctuation", "punctuation"),
}
SCOPES: Final = {name: f"{kind.scope}.az" for name, kind in CLASSES.items()}

_TERMINALS: Final = terminals()
_FIXED: Final = {name: text for name, (text, fixed) in _TERMINALS.items() if fixed}
_WORDS: Final = [text for text in _FIXED.values() if text.isidentifier()]
#: Signs that take no part in a computation.
_SEPARATORS: Final = ("LPAR", "RPAR", "LSQB", "RSQB", "COMMA", "DOT", "_COLON")


def _signs(texts: Iterable[str]) -> str:
    """One of these; long ones first, so that none is taken for the beginning of another."""
    return "|".join(re.escape(text) for text in sorted(texts, key=len, reverse=True))


def _words(texts: Iterable[str], called: bool = False) -> str:
    return rf"\b(?:{_signs(sorted(texts))})\b" + (r"(?=[ \t]*\()" if called else "")


_OPERATORS: Final = [
    text
    for name, text in _FIXED.items()
    if name not in (*_SEPARATORS, "ELLIPSIS") and not text.isidentifier()
]

#: What opens a text, which the same closes. The long ones go on over ends of lines.
QUOTES: Final = ('"""', "'''", '"', "'")

#: Pattern and class, the first that fits being right; texts apart.
RULES: Final[tuple[tuple[str, str], ...]] = (
    (_TERMINALS["COMMENT"][0], "comment"),
    (re.escape(_FIXED["ELLIPSIS"]), "keyword"),
    (_words(_WORDS), "keyword"),
    (_words(type.label for type in Type), "type"),
    (_words(CONSTANTS), "constant"),
    (_words((PREDICTION, SHAPE)), "role"),
    (_words((name.capitalize() for name in FUNCTIONS), called=True), "header"),
    (_words(known_functions(), called=True), "function"),
    (rf"\b[{''.join(type.value for type in Type)}](?:0|[1-9][0-9]*)\b", "address"),
    (_TERMINALS["NAME"][0], "name"),
    (_TERMINALS["NUMBER"][0], "number"),
    (f"{_TERMINALS['AUGMENTED'][0]}|{_signs(_OPERATORS)}", "operator"),
    (_signs(_FIXED[name] for name in _SEPARATORS), "punctuation"),
)
