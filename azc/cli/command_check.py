"""`azc check`: errors and warnings in programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from azc.cli.base import Command, json_option
from azc.cli.failures import FAILED, WRONG_INPUT, report, styled
from azc.cli.output import print_json
from azc.cli.programs import read_text
from azc.errors import AzcError, ParseError

if TYPE_CHECKING:
    from azc.errors import Diagnostic

_EXAMPLES = """
azc check model.az
azc check models/*.az --strict
azc check model.az --json
"""


@click.command("check", cls=Command, examples=_EXAMPLES)
@click.argument("program_names", metavar="P.az...", nargs=-1, required=True)
@click.option("--strict", is_flag=True, help="Count warnings as errors.")
@json_option
@click.pass_context
def command(
    context: click.Context, program_names: tuple[str, ...], strict: bool, as_json: bool
) -> None:
    """Look for errors and warnings in programs.

    Findings go to standard error, with line and column. The exit code is 0 if there is no error,
    1 if there is one, 2 if a file cannot be read.
    """
    findings: list[Diagnostic] = []
    unreadable = 0
    for name in program_names:
        try:
            findings += _check(name)
        except AzcError as error:
            unreadable += 1
            report(error, bool(context.obj))
    errors = sum(finding.severity == "error" for finding in findings)
    if as_json:
        print_json([_document(finding) for finding in findings])
    else:
        for finding in findings:
            click.echo(styled(str(finding), finding.severity), err=True)
        click.echo(
            _summary(len(program_names) - unreadable, errors, len(findings) - errors), err=True
        )
    failed = bool(findings) if strict else errors > 0
    context.exit(WRONG_INPUT if unreadable else FAILED if failed else 0)


def _check(name: str) -> list[Diagnostic]:
    from azc.lang import check

    try:
        text, filename = read_text(name)
    except ParseError as error:
        return [error.diagnostic]
    return check(text, filename)


def _document(finding: Diagnostic) -> dict[str, Any]:
    return {
        "file": finding.filename,
        "line": finding.line,
        "column": finding.column,
        "severity": finding.severity,
        "message": finding.message,
        "source": finding.source,
    }


def _summary(programs: int, errors: int, warnings: int) -> str:
    findings = f"{_count(errors, 'error')}, {_count(warnings, 'warning')}"
    return f"{_count(programs, 'program')}: {findings}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
