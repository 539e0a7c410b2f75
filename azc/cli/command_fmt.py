"""`azc fmt`: the standard layout of programs."""

from __future__ import annotations

import os

import click

from azc.cli.base import Command
from azc.cli.failures import FAILED, report
from azc.cli.output import print_verbatim
from azc.cli.programs import STANDARD_INPUT, read_standard_input
from azc.cli.saving import check_writable, write_file
from azc.errors import AzcError, expected

_EXAMPLES = """
azc fmt model.az
azc fmt --check models/*.az
azc fmt - < model.az
"""


@click.command("fmt", cls=Command, examples=_EXAMPLES)
@click.argument("paths", metavar="P.az...", nargs=-1, required=True)
@click.option(
    "--check",
    "only_check",
    is_flag=True,
    help="Change nothing; list the files that would change, and exit with 1 if there are any.",
)
@click.pass_context
def command(context: click.Context, paths: tuple[str, ...], only_check: bool) -> None:
    """Format programs in place, keeping comments.

    A file is replaced in one step and keeps its permissions. For - the text is read from standard
    input and written to standard output.
    """
    code = 0
    for path in paths:
        try:
            changed = _format(path, only_check)
        except (AzcError, OSError) as error:
            if isinstance(error, BrokenPipeError):
                raise
            # The other files are still formatted.
            code = max(code, report(error, bool(context.obj)))
            continue
        if changed and only_check:
            click.echo(path)
            code = max(code, FAILED)
        elif changed and path != STANDARD_INPUT:
            click.echo(f"formatted {path}", err=True)
    context.exit(code)


def _format(path: str, only_check: bool) -> bool:
    """Format what is at `path`, or only look; returns whether it changes."""
    from azc.lang import format_text
    from azc.lang.source import read_source

    if path == STANDARD_INPUT:
        text, filename = read_standard_input()
        formatted = format_text(text, filename)
        if not only_check:
            print_verbatim(formatted)
        return formatted != text
    if os.path.isdir(path):
        raise AzcError(expected("a program's file", f"the folder {path!r}"))
    formatted = format_text(read_source(path).text, path)
    with open(path, "rb") as file:
        if file.read() == formatted.encode("utf-8"):
            return False
    if not only_check:
        check_writable(path, path)
        write_file(path, formatted.encode("utf-8"))
    return True
