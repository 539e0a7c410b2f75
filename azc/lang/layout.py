"""Layout: which lines belong together, told by line breaks, brackets and indentation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lark import Token

from azc.errors import expected
from azc.lang.source import Place, PlacedError, Source

__all__ = ["CLOSING", "MAX_DEPTH", "OPENING", "Layout", "place_of"]

#: Brackets, and operations in one expression, may be nested this deep: what reads expressions is
#: recursive, and must not exhaust Python's stack.
MAX_DEPTH = 100

#: Names may have this many characters, so that messages stay readable.
MAX_NAME = 100

#: The terminals that open and close brackets.
OPENING = frozenset({"LPAR", "LSQB"})
CLOSING = frozenset({"RPAR", "RSQB"})


def place_of(token: Token) -> Place:
    """Where `token` starts."""
    return Place(token.line or 1, token.column or 1)


class Layout:
    """Turns the tokens of a text into those that the grammar knows.

    COMMENT and BREAK go; _NEWLINE ends each line that says something; _INDENT and _DEDENT enclose
    what is indented. `brackets` are those open at the token given out last.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._levels = [""]
        self._unit = ""
        self.brackets: list[Token] = []

    def arrange(self, tokens: Iterable[Token]) -> Iterator[Token]:
        """The tokens with their layout; raises `PlacedError`."""
        at_start = True
        for token in tokens:
            if token.type == "COMMENT":
                continue
            if token.type == "BREAK":
                if not at_start and not self.brackets:
                    at_start = True
                    yield Token.new_borrow_pos("_NEWLINE", "\n", token)
                continue
            if at_start:
                at_start = False
                yield from self._indent(token)
            self._count_brackets(token)
            if token.type == "NAME" and len(token) > MAX_NAME:
                message = expected(f"a name of at most {MAX_NAME} characters", len(token))
                raise PlacedError(message, place_of(token))
            yield token
        self.check_closed()
        yield from (Token("_DEDENT", "") for _ in self._levels[1:])

    def check_closed(self) -> None:
        """Complain about the innermost open bracket."""
        if self.brackets:
            bracket = self.brackets[-1]
            closing = ")" if bracket == "(" else "]"
            message = expected(f"{closing!r} for this {str(bracket)!r}", "none")
            raise PlacedError(message, place_of(bracket))

    def _count_brackets(self, token: Token) -> None:
        if token.type in OPENING:
            self.brackets.append(token)
            if len(self.brackets) > MAX_DEPTH:
                message = expected(f"at most {MAX_DEPTH} nested brackets", "more")
                raise PlacedError(message, place_of(token))
        elif token.type in CLOSING and self.brackets:
            self.brackets.pop()
        elif token.type == "DEF":
            self.check_closed()

    def _indent(self, token: Token) -> Iterator[Token]:
        place = place_of(token)
        margin = self._source.lines[place.line - 1][: place.column - 1]
        self._check_unit(margin, place)
        if margin == self._levels[-1]:
            return
        if margin.startswith(self._levels[-1]):
            self._levels.append(margin)
            yield Token.new_borrow_pos("_INDENT", "", token)
            return
        columns = " or ".join(str(len(level) + 1) for level in self._levels)
        while len(margin) < len(self._levels[-1]):
            self._levels.pop()
            yield Token.new_borrow_pos("_DEDENT", "", token)
        if margin != self._levels[-1]:
            message = expected(
                f"a line that starts in column {columns}",
                f"column {place.column}",
                "indent the lines of a body alike",
            )
            raise PlacedError(message, place)

    def _check_unit(self, margin: str, place: Place) -> None:
        """Tabs and spaces must not be mixed: how wide a tab is depends on who looks."""
        self._unit = self._unit or margin[:1]
        for column, char in enumerate(margin, 1):
            if char != self._unit:
                names = {" ": "spaces", "\t": "tabs"}
                message = expected(
                    f"indentation by {names[self._unit]} as in the lines before",
                    f"{names[char]}",
                    "do not mix tabs and spaces",
                )
                raise PlacedError(message, Place(place.line, column))
