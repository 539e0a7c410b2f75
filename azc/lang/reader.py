"""From text to syntax tree, by the grammar in ``az.lark``."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterator
from functools import cache
from importlib import resources
from typing import Any

from lark import Lark, Token, Transformer, v_args
from lark.exceptions import UnexpectedCharacters, UnexpectedToken

from azc.errors import expected
from azc.lang.layout import MAX_DEPTH, Layout, place_of
from azc.lang.lookalikes import describe, hint
from azc.lang.source import Place, PlacedError, Source
from azc.lang.syntax import (
    Assign,
    Attribute,
    Bare,
    Binary,
    Call,
    Expression,
    File,
    Function,
    Index,
    Keyword,
    Name,
    Number,
    ParamDeclaration,
    Return,
    Skip,
    Statement,
    Text,
    Tuple,
    Unary,
    VarDeclaration,
)

__all__ = ["read", "terminals", "tokens"]


def read(source: Source) -> File:
    """The syntax tree of a text; raises `PlacedError`."""
    layout = Layout(source)
    state: Any = _lark().parse_interactive()
    token = None
    try:
        for token in layout.arrange(tokens(source)):
            state.feed_token(token)
        result = state.feed_eof(token)
    except UnexpectedToken as error:
        if layout.brackets and error.token.line != layout.brackets[-1].line:
            layout.check_closed()
        raise _explain(error, source, bool(layout.brackets)) from None
    assert isinstance(result, File)
    return result


def tokens(source: Source) -> Iterator[Token]:
    """The tokens as written, line breaks and comments included; raises `PlacedError`."""
    try:
        yield from _lark().lex(source.text)
    except UnexpectedCharacters as error:
        place = Place(error.line, error.column)
        raise PlacedError(_explain_character(error.char), place) from None


def terminals() -> dict[str, tuple[str, bool]]:
    """The grammar's terminals: the text of each and True, or its regular expression and False."""
    return {
        terminal.name: (terminal.pattern.value, terminal.pattern.type == "str")
        for terminal in _lark().terminals
    }


class _KeepLayout:
    """Tells Lark that the terminals of layout matter although no rule names them."""

    always_accept = ("BREAK", "COMMENT")

    def process(self, stream: Iterator[Token]) -> Iterator[Token]:
        return stream


@cache
def _lark() -> Lark:
    return Lark(
        resources.files("azc.grammar").joinpath("az.lark").read_text("utf-8"),
        parser="lalr",
        lexer="basic",
        postlex=_KeepLayout(),
        transformer=_Builder(),
        maybe_placeholders=True,
    )


@v_args(inline=True)
class _Builder(Transformer[Token, Any]):
    """Makes the nodes of the tree while the text is parsed."""

    def start(self, *items: Statement | Function) -> File:
        return File(items)

    def function(
        self, name: Token, parameters: tuple[Name, ...] | None, *body: Statement | None
    ) -> Function:
        kept = tuple(statement for statement in body if statement is not None)
        return Function(place_of(name), str(name), parameters or (), kept)

    def names(self, *names: Token) -> tuple[Name, ...]:
        return tuple(map(self.name, names))

    def text(self, token: Token) -> Text:
        return Text(place_of(token), _unquote(token))

    def param(
        self, _word: Token, name: Token, default: Expression, range: Expression | None
    ) -> ParamDeclaration:
        return ParamDeclaration(place_of(name), str(name), default, range)

    def var(self, word: Token, names: tuple[Name, ...], type: Token) -> VarDeclaration:
        return VarDeclaration(place_of(word), names, self.name(type))

    def result(self, word: Token, value: Expression) -> Return:
        return Return(place_of(word), value)

    def skip(self, word: Token) -> Skip:
        return Skip(place_of(word))

    def assign(self, target: Expression, symbol: Token, value: Expression) -> Assign:
        return Assign(target.place, target, str(symbol), place_of(symbol), value)

    def bare(self, value: Expression) -> Bare:
        return Bare(value.place, value)

    def number(self, token: Token) -> Number:
        digits = token.replace("_", "")
        value = float(digits)
        if value == float("inf"):
            message = expected("a number that fits a float64", "one above 1.8e308", "write inf")
            raise PlacedError(message, place_of(token))
        # Longer integers are no coordinates, and Python refuses to read very long ones.
        coordinate = int(digits[:20]) if digits.isdigit() else None
        return Number(place_of(token), value, coordinate)

    def name(self, token: Token) -> Name:
        return Name(place_of(token), str(token))

    def unary(self, symbol: Token, operand: Expression) -> Unary:
        place = place_of(symbol)
        return Unary(place, str(symbol), operand, _depth(place, operand))

    def binary(self, left: Expression, symbol: Token, right: Expression) -> Binary:
        place = place_of(symbol)
        return Binary(place, str(symbol), left, right, _depth(place, left, right))

    def group(self, *items: Expression | None) -> Tuple:
        kept = [item for item in items if item is not None]
        return Tuple(kept[0].place, (*kept,), _depth(kept[0].place, *kept))

    def keyword(self, name: Token, _symbol: Token, value: Expression) -> Keyword:
        return Keyword(place_of(name), str(name), value)

    def call(self, function: Expression, *given: Expression | Keyword | None) -> Call:
        positional: list[Expression] = []
        keywords: list[Keyword] = []
        for argument in given:
            if isinstance(argument, Keyword):
                keywords.append(argument)
            elif argument is not None:
                if keywords:
                    message = expected("positional arguments first", "one after a keyword")
                    raise PlacedError(message, argument.place)
                positional.append(argument)
        depth = _depth(function.place, function, *positional, *(word.value for word in keywords))
        return Call(function.place, function, (*positional,), (*keywords,), depth)

    def index(self, value: Expression, *indices: Expression) -> Index:
        return Index(value.place, value, indices, _depth(value.place, value, *indices))

    def attribute(self, value: Expression, _dot: Token, name: Token) -> Attribute:
        return Attribute(place_of(name), value, str(name), _depth(value.place, value))


def _depth(place: Place, *parts: Expression) -> int:
    depth = 1 + max(part.depth for part in parts)
    if depth > MAX_DEPTH:
        message = expected(
            f"at most {MAX_DEPTH} operations, one within the other", "more", "split the expression"
        )
        raise PlacedError(message, place)
    return depth


_ESCAPES = {"\n": "", "n": "\n", "t": "\t", "r": "\r", "\\": "\\", "'": "'", '"': '"'}
_ESCAPE = re.compile(
    r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U(000[0-9a-fA-F]{5}|0010[0-9a-fA-F]{4})|(.))", re.S
)


def _unquote(literal: str) -> str:
    """The value of a string literal, by Python's rules (an unknown escape stands for itself)."""
    width = 3 if literal[:3] in ('"""', "'''") else 1
    return _ESCAPE.sub(_unescape, literal[width:-width])


def _unescape(match: re.Match[str]) -> str:
    code = match[1] or match[2] or match[3]
    return chr(int(code, 16)) if code else _ESCAPES.get(match[4], match[0])


_WORDS = {
    "_NEWLINE": "the end of the line",
    "_INDENT": "an indented line",
    "_DEDENT": "the end of the function",
    "$END": "the end of the file",
    "_COLON": "':'",
    "NAME": "a name",
    "NUMBER": "a number",
    "STRING": "a string",
    "AUGMENTED": "'+='",
}
_BINARY = frozenset({"PLUS", "MINUS", "STAR", "SLASH", "AT", "POWER"})
_CONTROL = frozenset(keyword.kwlist) - {"def", "in", "pass", "return", "None", "True", "False"}


def _explain(error: UnexpectedToken, source: Source, in_brackets: bool) -> PlacedError:
    """What was expected where `error` happened, in the user's terms."""
    token, place = error.token, place_of(error.token)
    line = source.lines[place.line - 1]
    words = line[: place.column - 1].split()
    if len(words) == 1 and words[0] in _CONTROL:
        place = Place(place.line, line.index(words[0]) + 1)
        got, do = repr(words[0]), "a program has no control flow"
        return PlacedError(expected("an assignment", got, do), place)
    if token.type == "_INDENT":
        message = expected("a line that starts where the line before does", "more indentation")
    elif token.type == "DEF" and place.column > 1 and not words:
        got = "one further right"
        message = expected("'def' at the left margin", got, "functions do not nest")
    else:
        message = expected(_list(set(error.expected), in_brackets), *_token_and_advice(token, line))
    return PlacedError(message, place)


def _token_and_advice(token: Token, line: str) -> tuple[str, str]:
    """What `token` is, and what to do about it."""
    if token.type in ("_NEWLINE", "_DEDENT", "$END", "STRING"):
        return _WORDS[token.type], ""
    is_word = token.type != "NAME" and token.isidentifier()
    if line[: token.column].endswith("=="):
        return "'=='", "comparisons are not in the language"
    return repr(str(token)), f"{token} cannot be a name" if is_word else ""


def _list(names: set[str], in_brackets: bool) -> str:
    """The terminals `names` as a phrase."""
    # The parser's tables do not tell these apart.
    names = names - ({"_NEWLINE"} if in_brackets else {"RPAR", "RSQB"})
    if names >= {"NUMBER", "LPAR"}:
        kept = ["an expression"]
        if "DEF" in names:
            kept = ["a function (def)", "param", "var"]
        elif "RETURN" in names:
            kept = ["an assignment"]
    elif names >= _BINARY - {"POWER"}:
        rest = names - _BINARY - {"LPAR", "LSQB", "DOT", "EQUAL", "AUGMENTED", "IN"}
        rest -= set() if in_brackets else {"COMMA"}
        kept = ["an operator", *sorted(map(_phrase, rest))]
    else:
        kept = sorted(map(_phrase, names)) or ["something else"]
    return ", ".join(kept[:-1]) + (" or " if kept[1:] else "") + kept[-1]


def _phrase(name: str) -> str:
    if name in _WORDS:
        return _WORDS[name]
    return repr(str(next(term.pattern.value for term in _lark().terminals if term.name == name)))


_HINTS = {
    "<": "comparisons are not in the language; heaviside(a - b) is one of them",
    ">": "comparisons are not in the language; heaviside(a - b) is one of them",
    "!": "comparisons are not in the language",
    "&": "a program has no logic operators",
    "|": "a program has no logic operators",
    ";": "write one statement per line",
    "\\": "break lines inside brackets",
    "%": "there is no modulo",
    "^": "a power is x ** n",
}


def _explain_character(char: str) -> str:
    if char in "\"'":
        return expected("a closing quote for this string", "none")
    what = "a name, a number or an operator"
    if char.isascii() and char.isprintable():
        return expected(what, repr(char), _HINTS.get(char) or hint(char))
    return expected(what, describe(char), hint(char))
