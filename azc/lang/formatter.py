"""Layout of a text, of either dialect: indentation, spacing, blank lines, comments in line.

Works on tokens, so nothing is lost; only what lies between them changes, and so the meaning stays.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import takewhile

from lark import Token

from azc.lang.layout import CLOSING, OPENING
from azc.lang.reader import read, tokens
from azc.lang.source import PlacedError, Source

__all__ = ["format_text"]

_INDENT = "    "
#: Comments of longer lines do not move those of their neighbours.
_ALIGN_LIMIT = 60

_OPERATORS = frozenset({"PLUS", "MINUS", "STAR", "SLASH", "AT", "POWER", "EQUAL", "AUGMENTED"})
#: After these, a sign belongs to the number that follows.
_BEFORE_OPERAND = _OPERATORS | OPENING | {"COMMA", "RETURN", "IN"}


@dataclass(slots=True)
class _Row:
    """One line of the text: its tokens, its comment, and where it stands."""

    tokens: list[Token] = field(default_factory=list)
    comment: str = ""
    column: int = 1
    #: How many brackets are open where it starts.
    nesting: int = 0
    #: Whether an empty line comes before it.
    apart: bool = False
    level: int = 0

    @property
    def is_header(self) -> bool:
        return bool(self.tokens) and self.tokens[0].type == "DEF"

    @property
    def is_docstring(self) -> bool:
        return bool(self.tokens) and self.tokens[0].type == "STRING"


def format_text(text: str, filename: str = "<string>") -> str:
    """`text` in the standard layout, comments kept; raises `ParseError` if it does not parse.

    Formatting twice is the same as once.
    """
    source = Source(text, filename)
    try:
        read(source)
        rows = list(_rows(source))
    except PlacedError as error:
        raise source.error(error) from None
    _set_levels(rows)
    _set_blank_lines(rows)
    return _print(rows)


def _rows(source: Source) -> Iterator[_Row]:
    """The lines that say something; a header is one line, and its body starts on the next."""
    row, nesting, apart = _Row(), 0, False
    for token in tokens(source):
        if token.type == "COMMENT":
            row.column = row.column if row.tokens else token.column or 1
            row.comment = f"{row.comment}  {token.rstrip()}".lstrip()
        elif token.type != "BREAK":
            row.column = row.column if row.tokens else token.column or 1
            row.tokens.append(token)
            nesting += (token.type in OPENING) - (token.type in CLOSING)
        elif not (row.is_header and nesting):
            says = bool(row.tokens or row.comment)
            if says:
                yield from _split(row)
            apart = not says
            row = _Row(nesting=nesting, apart=apart)


def _split(row: _Row) -> Iterator[_Row]:
    colons = [index for index, token in enumerate(row.tokens) if token.type == "_COLON"]
    body = row.tokens[colons[0] + 1 :] if row.is_header else []
    if not body:
        yield row
        return
    yield replace(row, tokens=row.tokens[: colons[0] + 1], comment="")
    yield _Row(body, row.comment, column=len(_INDENT) + 1)


def _set_levels(rows: list[_Row]) -> None:
    """How far right each line belongs: a comment stands like the code that follows it."""
    following = 0
    for row in reversed(rows):
        if row.tokens and not row.nesting:
            following = int(row.column > 1)
        row.level = following
    inside, level = False, 0
    for row in rows:
        if row.nesting:
            row.level = level
        elif row.tokens:
            level = row.level
            inside = row.is_header or bool(level)
        else:
            # A comment after the last line of a body stays in it if it was written there.
            row.level = max(row.level, int(inside and row.column > 1))


def _set_blank_lines(rows: list[_Row]) -> None:
    """One empty line at most; one before a function with its comments, and after its body."""
    opens = False  # whether the lines from here to a header belong together
    heads = []
    for row in reversed(rows):
        is_comment = not row.tokens and not row.level
        opens = row.is_header or (opens and is_comment)
        heads.append(opens)
        opens = opens and not row.apart
    heads.reverse()
    for before, row, was_head, head in zip(rows, rows[1:], heads, heads[1:], strict=False):
        if row.nesting or (before.is_header and row.level):
            row.apart = False
        elif not row.level and (before.level or before.is_header):
            row.apart = True
        elif head and not before.is_docstring:
            row.apart = row.apart or not was_head
    if rows:
        rows[0].apart = False


def _print(rows: list[_Row]) -> str:
    margins, codes = [], []
    before: Token | None = None
    for row in rows:
        before = before if row.nesting else None
        codes.append(_code(row, before))
        before = row.tokens[-1] if row.tokens else before
        closing = len(list(takewhile(lambda token: token.type in CLOSING, row.tokens)))
        margins.append(_INDENT * (row.level + max(row.nesting - closing, 0)))
    widths = [len(margin) + len(code) for margin, code in zip(margins, codes, strict=True)]
    columns = _comment_columns(rows, margins, widths)
    lines = []
    for row, margin, code, width, column in zip(rows, margins, codes, widths, columns, strict=True):
        if row.apart:
            lines.append("")
        gap = " " * (max(column - width, 2) if code and row.comment else 0)
        lines.append(f"{margin}{code}{gap}{row.comment}")
    return "".join(f"{line}\n" for line in lines)


def _comment_columns(rows: list[_Row], margins: list[str], widths: list[int]) -> list[int]:
    """Where the comment of each line starts: aligned among neighbours."""
    columns = [0] * len(rows)
    run: list[int] = []
    for index, row in enumerate(rows):
        joins = run and not row.apart and margins[index] == margins[run[-1]]
        if not joins or not row.tokens:
            run = []
        if row.tokens:
            run.append(index)
        shared = [i for i in run if rows[i].comment and widths[i] <= _ALIGN_LIMIT]
        for i in shared:
            columns[i] = max(widths[j] for j in shared) + 2
    return columns


def _code(row: _Row, before: Token | None) -> str:
    """The tokens of a line with the right spaces between them."""
    text = ""
    nesting = row.nesting
    is_sign = False
    for token in row.tokens:
        first = not text
        text += "" if first or is_sign or _joins(before, token, nesting) else " "
        text += token
        is_sign = token.type in ("PLUS", "MINUS") and (
            before is None or before.type in _BEFORE_OPERAND
        )
        nesting += (token.type in OPENING) - (token.type in CLOSING)
        before = token
    return text


def _joins(before: Token | None, token: Token, nesting: int) -> bool:
    """Whether `token` follows `before` without a space."""
    if before is None:
        return True
    if token.type == "DOT":
        return before.type != "NUMBER"  # 2 .T would read as 2. T
    if before.type in OPENING | {"DOT"} or token.type in CLOSING | {"COMMA", "_COLON"}:
        return True
    if token.type in OPENING:
        return before.type in CLOSING | {"NAME"}
    return nesting > 0 and "EQUAL" in (before.type, token.type)
