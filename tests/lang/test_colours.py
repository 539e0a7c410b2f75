"""Colours of .az: Pygments' and the editors', which agree, and cover the language."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pygments.lexers import get_lexer_by_name, get_lexer_for_filename
from pygments.token import Text, Token, string_to_tokentype

from azc import library
from azc.lang.colours import CLASSES, SCOPES
from azc.lang.functions import known_functions
from azc.lang.lexer import AzLexer
from azc.lang.textmate import grammar
from azc.ops import OPS, Op

ROOT = Path(__file__).parents[2]
FILE = ROOT / "grammar" / "az.tmLanguage.json"
BY_TOKEN = {string_to_tokentype(kind.token): name for name, kind in CLASSES.items()}
BY_SCOPE = {scope: name for name, scope in SCOPES.items()}
PROGRAMS = {name: library.text(name) for name in library.names()}
TRICKY = '''"""Two lines,
'quoted' and \\""" escaped. # no comment
"""
def Setup (v0): s2 = -.5e-3; ...
'one line' # "no text"
def Learn(v0, s0):
\ts10 = sum (v3 ** 2) + s010 + sum\n    m1[0, 0.5] = inf * prediction @ m2.T
    s3 -= 1_0.; minimums = maximum(scalar, n_features)
'''


def lexed(text: str) -> list[tuple[str, str]]:
    """(class, text) of each token by Pygments, without spaces."""
    tokens = AzLexer(stripnl=False, ensurenl=False).get_tokens(text)
    return [(BY_TOKEN[kind], part) for kind, part in tokens if kind is not Text.Whitespace]


def by_editor(text: str) -> Iterator[tuple[str, str]]:
    """The same by the grammar for editors, read as they do: line by line, what begins first wins,
    and of those the first rule."""
    rules = json.loads(FILE.read_text())["patterns"]
    inside, part = None, ""
    for line in text.splitlines(keepends=True):
        at = 0
        while at < len(line):
            if inside is not None:
                end = re.compile(rf"\\.|(?P<end>{inside['end']})").search(line, at)
                place = end.end() if end else len(line)
                part, at = part + line[at:place], place
                if end and end["end"]:
                    yield BY_SCOPE[inside["name"]], part
                    inside, part = None, ""
                continue
            found = [
                (match.start(), number, match)
                for number, rule in enumerate(rules)
                if (match := re.compile(rule.get("match") or rule["begin"]).search(line, at))
            ]
            if not found:
                break
            _, number, match = min(found, key=lambda one: one[:2])
            assert line[at : match.start()].strip() == ""
            at = match.end()
            if "begin" in rules[number]:
                inside, part = rules[number], match[0]
            else:
                yield BY_SCOPE[rules[number]["name"]], match[0]


def test_pygments_knows_it() -> None:
    assert isinstance(get_lexer_by_name("az"), AzLexer)
    assert isinstance(get_lexer_for_filename("model.az"), AzLexer)


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_every_op(op: Op) -> None:
    out = f"{op.output.value}2" if op.output else ""
    operands = [f"{kind.value}3" for kind in op.inputs]
    fields = {**dict(zip("ab", operands, strict=False)), "c0": "0.5", "c1": "0.5", "c2": "0.5"}
    text = op.text.format(out=out, **fields)
    classes = lexed(text)
    if call := re.search(r"(\w+)\(", text):
        assert ("function", call[1]) in classes
    if sign := re.search(r" ([-+*/]) ", text):
        assert ("operator", sign[1]) in classes
    assert [part for name, part in classes if name == "address"] == [
        *filter(None, [out]),
        *operands,
    ]
    assert not [part for name, part in classes if name == "name" and part != "axis"]


def test_every_word() -> None:
    for word in ("def", "in", "param", "var", "return", "pass", "..."):
        assert lexed(word) == [("keyword", word)]
    for name in known_functions():
        assert lexed(f"{name}(")[0] == ("function", name)
        assert lexed(f"{name} = x")[0] == ("name", name)
        assert lexed(f"my_{name}(")[0] == ("name", f"my_{name}")
    assert lexed("var w: vector") == [
        ("keyword", "var"), ("name", "w"), ("punctuation", ":"), ("type", "vector"),
    ]  # fmt: skip
    assert lexed("def Predict(x):")[:2] == [("keyword", "def"), ("header", "Predict")]


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs(name: str) -> None:
    text = PROGRAMS[name]
    assert (
        "".join(part for _, part in AzLexer(stripnl=False, ensurenl=False).get_tokens(text)) == text
    )
    assert lexed(text) == list(by_editor(text))


def test_tricky_places() -> None:
    text = TRICKY.replace("; ", "\n    ")
    assert lexed(text) == list(by_editor(text))
    found = dict(reversed([(part, name) for name, part in lexed(text)]))
    assert found["Setup"] == "header"
    assert found["sum"] == "function"
    assert found["s10"] == "address"
    assert found["s010"] == found["minimums"] == "name"
    assert found["-"] == found["-="] == found["@"] == found["**"] == "operator"
    assert found[".5e-3"] == found["1_0."] == "number"
    assert found["inf"] == "constant"
    assert found["prediction"] == "role"


def test_what_is_no_text_is_an_error() -> None:
    kinds = [kind for kind, _ in AzLexer().get_tokens('"open\ns1 = 2 $ 3')]
    assert kinds.count(Token.Error) == 2


def test_the_file_is_up_to_date() -> None:
    assert FILE.read_text() == grammar(), "`make docs` writes it"
