"""Files that cannot be read, hostile sizes and depths, and the addresses in force."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

import pytest

from azc.errors import AzcError, ParseError
from azc.lang import MAX_BYTES, MAX_LINES, check, format_text, load, parse
from azc.ops import Type

GOOD = "def Predict():\n    s1 = dot(v0, v1)\n"


def message(text: str, limits: dict[Type, int] | None = None) -> str:
    (found,) = check(text, limits=limits)
    assert found.severity == "error"
    return found.message


def test_load(tmp_path: Path) -> None:
    path = tmp_path / "good.az"
    path.write_text(GOOD)
    assert load(path) == load(str(path)) == parse(GOOD)
    assert load(path).filename == str(path)


@pytest.mark.parametrize("data", [
    b"\xef\xbb\xbf" + GOOD.encode(),
    GOOD.replace("\n", "\r\n").encode(),
    GOOD.replace("\n", "\r").encode(),
    GOOD.rstrip().encode(),
    GOOD.replace("    ", "\t").encode(),
], ids=["bom", "crlf", "cr", "no final newline", "tab"])  # fmt: skip
def test_accepted_bytes(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "program.az"
    path.write_bytes(data)
    assert load(path) == parse(GOOD)


def test_places_are_the_same_with_any_line_ends() -> None:
    for ends in ("\n", "\r\n", "\r"):
        (found,) = check("# one\n\ndef Predict():\n    s1 = dto(v0)\n".replace("\n", ends))
        assert (found.line, found.column, found.source) == (4, 10, "    s1 = dto(v0)")


@pytest.mark.parametrize(
    ("data", "place", "part"),
    [
        (b"# caf\xe9\n" + GOOD.encode(), (1, 6), "byte 0xe9"),
        (GOOD.encode("utf-16"), (1, 1), "UTF-8"),
        (b"# one\n# \xff two\r\n", (2, 3), "byte 0xff"),
        (b"# one\ndef Set\0up():\n", (2, 8), "NUL"),
        (b"", (1, 1), "an empty file"),
        (b"\n" * 1_000_000, (MAX_LINES + 1, 1), "at most 20000 lines"),
        (b"    s1 = s2\n" * 1_000_000, (1, 1), "at most 4 MiB"),
    ],
    ids=["latin-1", "utf-16", "later line", "nul", "empty", "million lines", "large"],
)
def test_refused_bytes(tmp_path: Path, data: bytes, place: tuple[int, int], part: str) -> None:
    path = tmp_path / "program.az"
    path.write_bytes(data)
    started = time.process_time()
    with pytest.raises(ParseError, match=r"program\.az") as raised:
        load(path)
    assert time.process_time() - started < 2.0
    assert (raised.value.line, raised.value.column) == place
    assert part in str(raised.value)


@pytest.mark.parametrize("name", ["missing.az", "folder", "a\0b"])
def test_unreadable(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(AzcError, match="cannot read"):
        load(tmp_path / name)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read anything")
def test_no_permission(tmp_path: Path) -> None:
    path = tmp_path / "secret.az"
    path.write_text(GOOD)
    path.chmod(0)
    with pytest.raises(AzcError, match="cannot read"):
        load(path)


HOSTILE = {
    "brackets": "s1 = " + "(" * 100_000,
    "closed brackets": "s1 = " + "(" * 100_000 + "s2" + ")" * 100_000,
    "calls": "s1 = " + "sin(" * 5_000 + "s2" + ")" * 5_000,
    "sum": "s1 = " + " + ".join(["s2"] * 5_000),
    "powers": "s1 = " + " ** ".join(["s2"] * 5_000),
    "signs": "s1 = " + "-" * 100_000 + "s2",
    "attributes": "s1 = s2" + ".T" * 5_000,
    "indices": "s1 = s2" + "[0]" * 5_000,
    "digits": "v1[" + "9" * 100_000 + "] = 1",
    "float digits": "s2 = " + "9" * 100_000,
    "address": "s" + "9" * 100_000 + " = s2",
    "name": "s2 = " + "n" * 100_000,
    "function": "s2 = " + "n" * 100_000 + "(s3)",
    "quotes": "'" * 100_001,
    "escapes": '"' + "\\" * 100_001,
    "commas": "s1 = f(" + "," * 100_000 + ")",
    "arguments": "s1 = dot(" + "s2, " * 10_000 + "s3)",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_texts(text: str) -> None:
    started = time.process_time()
    whole = f"def Learn():\n    {text}\n"
    with pytest.raises(ParseError) as raised:
        parse(whole)
    assert raised.value.line == 2
    assert len(str(raised.value)) < 2_000
    for attempt in (check, format_text):
        with contextlib.suppress(ParseError):
            attempt(whole)
    assert time.process_time() - started < 5.0


def test_many_lines_in_reasonable_time() -> None:
    body = "".join(f"    s{i % 9 + 2} = s{i % 7} * s{i % 5}\n" for i in range(MAX_LINES - 10))
    started = time.process_time()
    assert len(parse(f"def Learn():\n{body}").learn) == MAX_LINES - 10
    assert time.process_time() - started < 20.0


def test_names_in_the_wrong_order_end() -> None:
    body = "".join(f"    a{i} = a{i + 1} * s2\n" for i in range(5_000))
    started = time.process_time()
    assert "a type for 'a" in message(f"def Learn():\n{body}    a5000 = s2\n")
    assert time.process_time() - started < 10.0


def test_size_limit_of_a_string() -> None:
    assert "4 MiB" in message("#" * (MAX_BYTES + 1))
    assert "4 MiB" in message("é" * (MAX_BYTES // 2 + 1))


def test_control_characters_are_not_echoed() -> None:
    (found,) = check("def Learn():\n    s1 = \x1b[31m s2 \ud800\n")
    assert "\x1b" not in str(found)
    str(found).encode()


LIMITS = {Type.SCALAR: 4, Type.VECTOR: 3, Type.MATRIX: 1}


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ("s4 = s0", "expected an address from s0 to s3, got s4; 4 scalar addresses are in force"),
        ("s3 = dot(v3, v0)", "expected an address from v0 to v2, got v3"),
        ("m0 = m0 + m1", "expected an address from m0 to m0, got m1"),
        ("m1[0, 0] = 1", "expected an address from m0 to m0, got m1"),
        ("m0 = transpose(m0) + transpose(m0)", "at most 1 matrix addresses"),
        ("s1 = (s0 + s1) * (s2 + s3) + 0.1", "at most 4 scalar addresses"),
    ],
)
def test_addresses_in_force(line: str, part: str) -> None:
    text = f"def Learn():\n    {line}\n"
    assert parse(text)
    assert part in message(text, LIMITS)


def test_names_count_as_addresses() -> None:
    text = "var a, b, c: scalar\ndef Learn(x, y):\n    a = b * c\n"
    assert parse(text)
    assert "at most 4 scalar addresses" in message(text, LIMITS)
    assert parse(text, limits={**LIMITS, Type.SCALAR: 5})


def test_no_limits_above_the_highest_address() -> None:
    assert "s65535" in message("def Learn():\n    s65536 = s0\n")
    assert "s65535" in message("def Learn():\n    s65536 = s0\n", {Type.SCALAR: 10**9})
    assert parse("def Learn():\n    s65535 = s0 + s0\n")
