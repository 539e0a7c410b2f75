"""Characters that came from a word processor or a web page are named, with what to type."""

from __future__ import annotations

import pytest

import azc

CASES = [
    ("s1 = s2 \u2212 s3", 13, "'\u2212' (U+2212, MINUS SIGN); type '-'"),
    ("s1 = s2 \u2013 s3", 13, "'\u2013' (U+2013, EN DASH); type '-'"),
    ("s1 = s2 \u00d7 s3", 13, "'\u00d7' (U+00D7, MULTIPLICATION SIGN); type '*'"),
    ("s1 = s2 \u2215 s3", 13, "'\u2215' (U+2215, DIVISION SLASH); type '/'"),
    ("s1 = s2 \uff0b s3", 13, "'\uff0b' (U+FF0B, FULLWIDTH PLUS SIGN); type '+'"),
    ("s1\u00a0= s2", 7, "character U+00A0 (NO-BREAK SPACE); type a space"),
    ("s1 = \u200bs2", 10, "character U+200B (ZERO WIDTH SPACE); it cannot be seen; delete it"),
    ("s1 = dot\uff08v0, v1)", 13, "'\uff08' (U+FF08, FULLWIDTH LEFT PARENTHESIS); type '('"),
    ("s1 = \u201cs2", 10, "'\u201c' (U+201C, LEFT DOUBLE QUOTATION MARK); type '\"'"),
    ("s1 = s2 \u2192 s3", 13, "'\u2192' (U+2192, RIGHTWARDS ARROW)"),
    ("s1 = s2 ? s3", 13, "'?'"),
    ("s1 = \uff36\uff10", 10, "(U+FF36, FULLWIDTH LATIN CAPITAL LETTER V) in it, type 'V'"),
    ("s1 = \u0430 + s2", 10, "it has '\u0430' (U+0430, CYRILLIC SMALL LETTER A) in it, type 'a'"),
    ("s1 = s2\u00b2", 10, "it has '\u00b2' (U+00B2, SUPERSCRIPT TWO) in it, type ** 2"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "column", "message"), CASES, ids=[ascii(c[0]) for c in CASES])
def test_named(line: str, column: int, message: str) -> None:
    with pytest.raises(azc.ParseError) as caught:
        azc.parse(f"def Predict():\n    {line}\n")
    assert (caught.value.line, caught.value.column) == (2, column)
    assert caught.value.diagnostic.message.endswith(message)


def test_names_may_be_of_any_alphabet() -> None:
    program = azc.parse("def Predict():\n    \u0430 = dot(v0, v1)\n    s1 = \u0430 + \u0430\n")
    assert "\u0430" in program.names.values()
