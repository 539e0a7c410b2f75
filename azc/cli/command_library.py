"""`azc library`: the programs that come with azc."""

from __future__ import annotations

import click

from azc.cli.base import Command, json_option
from azc.cli.output import Column, first_line, print_json, print_program, print_table

_EXAMPLES = """
azc library
azc library linear
azc library linear > mine.az
"""


@click.command("library", cls=Command, examples=_EXAMPLES)
@click.argument("name", required=False)
@json_option
def command(name: str | None, as_json: bool) -> None:
    """List the programs that come with azc, or print one.

    Wherever a command takes a program to read, the name of one of these will do.
    """
    from azc import library

    if name is not None:
        text = library.text(name)
        if as_json:
            program = library.load(name)
            print_json({"name": name, "doc": program.doc, "hash": program.hash, "text": text})
        else:
            print_program(text)
        return
    docs = {name: library.load(name).doc for name in library.names()}
    if as_json:
        print_json([{"name": name, "doc": doc} for name, doc in docs.items()])
    else:
        columns = (Column("program"), Column("what", wraps=True))
        print_table(columns, [(name, first_line(doc)) for name, doc in docs.items()])
