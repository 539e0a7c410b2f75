"""Golden files: each `.az` file in `golden/` holds cases, separated by lines ``#### NAME``.

A case is a program with what is expected of it, in comments:

- ``# expect: COLUMN: MESSAGE`` at the end of a line: the error there, and no other;
- ``# warn: COLUMN: MESSAGE`` at the end of a line: a warning there;
- ``#> …`` lines: the core text it lowers to;
- ``#= …`` lines: the text that formatting gives.

An error where no comment can stand is written ``#### NAME: LINE:COLUMN: MESSAGE``. A case without
any expectation parses, and `check` finds nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from azc.errors import ParseError
from azc.lang import check, format_text, parse
from azc.program import verify

GOLDEN = Path(__file__).parent / "golden"
_INLINE = re.compile(r"# (expect|warn): (\d+): (.*?)(?=  # |$)")
_TITLE = re.compile(r"(.*?): (\d+):(\d+): (.*)")


class Finding(NamedTuple):
    severity: str
    line: int
    column: int
    message: str


class Case(NamedTuple):
    name: str
    text: str
    findings: list[Finding]
    core: str
    formatted: str


def _case(file: str, block: str) -> Case:
    title, _, rest = block.partition("\n")
    findings = []
    if match := _TITLE.fullmatch(title):
        title = match[1]
        findings.append(Finding("error", int(match[2]), int(match[3]), match[4]))
    kept: list[str] = []
    expected: dict[str, list[str]] = {"#>": [], "#=": []}
    for line in rest.rstrip("\n").split("\n"):
        if line[:2] in expected:
            expected[line[:2]].append(line[3:])
            continue
        kept.append(line)
        for match in _INLINE.finditer(line):
            severity = {"expect": "error", "warn": "warning"}[match[1]]
            findings.append(Finding(severity, len(kept), int(match[2]), match[3]))
    core, formatted = ("".join(f"{line}\n" for line in lines) for lines in expected.values())
    text = "\n".join(kept) + "\n" if any(kept) else ""
    return Case(f"{file}: {title}", text, findings, core, formatted)


def cases() -> Iterator[Case]:
    for path in sorted(GOLDEN.glob("*.az")):
        for block in path.read_text("utf-8").split("#### ")[1:]:
            yield _case(path.stem, block)


def test_there_are_cases() -> None:
    names = [case.name for case in cases()]
    assert len(names) > 100
    assert len(names) == len(set(names))


@pytest.mark.parametrize("case", list(cases()), ids=lambda case: case.name)
def test_case(case: Case) -> None:
    found = check(case.text)
    shown = [Finding(item.severity, item.line, item.column, item.message) for item in found]
    if any(finding.severity == "error" for finding in case.findings):
        assert shown == case.findings
        with pytest.raises(ParseError) as raised:
            parse(case.text, "name.az")
        error = raised.value
        (finding,) = case.findings
        assert (error.filename, error.line, error.column) == ("name.az", *finding[1:3])
        return
    if case.core:
        assert str(verify(parse(case.text))) == case.core
    if case.formatted:
        assert format_text(case.text) == case.formatted
        assert format_text(case.formatted) == case.formatted
    if case.findings or not (case.core or case.formatted):
        assert shown == case.findings
