"""Whatever the text: a program, or a `ParseError`; never another exception, never slow."""

from __future__ import annotations

import contextlib
import random
import re
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from azc.errors import ParseError
from azc.lang import check, format_text, load, parse
from azc.lang.functions import known_functions
from azc.lang.reader import tokens
from azc.lang.source import Source
from azc.program import verify

GOLDEN = Path(__file__).parent / "golden"
TEXTS = [
    block.partition("\n")[2]
    for path in sorted(GOLDEN.glob("*.az"))
    for block in path.read_text("utf-8").split("#### ")[1:]
]
WORDS = [
    *known_functions(),
    *re.split(r"\s+", "s0 s1 s2 v0 v1 m0 w x y prediction n_features inf nan T axis pass log"),
    *re.split(r"\s+", "def param var in return scalar vector matrix Setup Predict Learn"),
    *re.split(r"\s+", "( ) [ ] , : . ... = += -= *= /= + - * / ** @ 0 1 3 0.5 1e-3"),
    *["\n", "\n    ", "\n  ", "\n\t", "\ndef Learn(x, y):\n    ", "# comment", "'", '"""', "\\"],
]


def comments(text: str) -> str:
    found = (token.rstrip() for token in tokens(Source(text)) if token.type == "COMMENT")
    return "  ".join(found)


def attempt(function: Any, text: str) -> Any:
    """What `function` makes of `text`, be it the error."""
    try:
        return function(text)
    except ParseError as error:
        return error


def survives(text: str) -> None:
    """Every entry point takes `text` or refuses it, and what is said of it is consistent."""
    formatted, program, found = attempt(format_text, text), attempt(parse, text), check(text)
    if isinstance(formatted, str):
        assert format_text(formatted) == formatted
        assert comments(formatted) == comments(text)
    if isinstance(program, ParseError):
        assert found == [program.diagnostic]
        assert 1 <= program.line <= text.count("\n") + text.count("\r") + 2
        assert program.column >= 1
        return
    assert all(item.severity == "warning" for item in found)
    assert parse(str(verify(program))) == program
    again = parse(formatted)
    assert again == program
    assert (again.doc, again.params, again.names) == (program.doc, program.params, program.names)


@given(st.text())
def test_any_text(text: str) -> None:
    survives(text)


@given(st.lists(st.sampled_from(WORDS), max_size=30), st.booleans())
def test_token_soup(words: list[str], in_function: bool) -> None:
    survives(("def Learn(x, y):\n    s1 = " if in_function else "") + " ".join(words))


@given(st.sampled_from(TEXTS), st.randoms(use_true_random=False))
def test_mutated_programs(text: str, rng: random.Random) -> None:
    for _ in range(rng.randint(1, 3)):
        text = mutate(text, rng)
    survives(text)


@given(st.sampled_from(TEXTS), st.randoms(use_true_random=False))
def test_relaid_programs(text: str, rng: random.Random) -> None:
    """Spaces, empty lines and comments, put where they change nothing or everything."""
    lines = text.split("\n")
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(lines))
        match rng.randrange(4):
            case 0:
                lines.insert(at, "")
            case 1:
                lines.insert(at, " " * rng.randrange(9) + "# a comment")
            case 2:
                lines[at] = lines[at].replace(" ", "  ").replace("(", "( ").replace("=", " =")
            case _:
                lines[at] = lines[at].replace(",", ",\n  #c\n ").replace("def ", "def   ")
    survives("\n".join(lines))


def mutate(text: str, rng: random.Random) -> str:
    """`text` with one thing changed."""
    if not text:
        return rng.choice(WORDS)
    at, to = sorted((rng.randrange(len(text)), rng.randrange(len(text))))
    lines = text.split("\n")
    line = rng.randrange(len(lines))
    match rng.randrange(8):
        case 0:
            return text[:at] + text[at + 1 :]
        case 1:
            return text[:at] + text[at] + text[at:]
        case 2:
            return text[:at] + text[to] + text[at + 1 : to] + text[at] + text[to + 1 :]
        case 3:
            return text[:at] + rng.choice(WORDS) + text[at:]
        case 4:
            return text[:at]
        case 5:
            return "\n".join(lines[:line] + lines[line + 1 :])
        case 6:
            return "\n".join([*lines[:line], lines[line], *lines[line:]])
        case _:
            rng.shuffle(lines)
            return "\n".join(lines)


@given(st.binary(max_size=60), st.sampled_from(TEXTS), st.integers(0, 500))
def test_any_bytes(data: bytes, text: str, at: int) -> None:
    whole = text.encode()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "program.az"
        for content in (data, whole[:at] + data + whole[at:]):
            path.write_bytes(content)
            with contextlib.suppress(ParseError):
                verify(load(path))
