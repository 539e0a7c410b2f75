"""`azc export`: a program as a file that needs no azc."""

from __future__ import annotations

import click

from azc.cli.base import Command, OneOf, Whole
from azc.cli.output import print_verbatim
from azc.cli.programs import load_program
from azc.cli.saving import check_writable, write_file

_EXAMPLES = """
azc export best.az --to numpy -o model.py
azc export best.az --to c -o model.c
azc export logistic --to sklearn --classes 2 -o logistic.py
"""


def _targets() -> list[str]:
    from azc.use.export import TARGETS

    return list(TARGETS)


@click.command("export", cls=Command, examples=_EXAMPLES)
@click.argument("program_name", metavar="P.az")
@click.option("--to", required=True, type=OneOf(_targets), help="What to write.")
@click.option(
    "--classes",
    type=Whole(0, 4096),
    metavar="C",
    help="Number of classes of the labels; 0: labels are numbers.  "
    "[default: as the program is written]",
)
@click.option("-o", "output", metavar="FILE", help="Write it there, not on standard output.")
def command(program_name: str, to: str, classes: int | None, output: str | None) -> None:
    """Write a program as a file that trains and predicts without azc.

    P.az is a file, the name of a program from 'azc library', or - for standard input.
    """
    from azc.use.export import export

    if output is not None:
        check_writable(output, "-o")
    text = export(load_program(program_name), to, classes=classes)
    if output is None:
        print_verbatim(text)
    else:
        write_file(output, text.encode("utf-8"))
