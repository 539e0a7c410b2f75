"""`azc presets`: the search files that come with azc."""

from __future__ import annotations

import click

from azc.cli.base import Command, json_option
from azc.cli.output import Column, first_line, print_json, print_table, print_verbatim

_EXAMPLES = """
azc presets
azc presets demo
azc presets demo > search.toml
"""


@click.command("presets", cls=Command, examples=_EXAMPLES)
@click.argument("name", required=False)
@json_option
def command(name: str | None, as_json: bool) -> None:
    """List the search files that come with azc, or print one.

    'azc evolve' takes the name of one of these instead of a file.
    """
    from azc import presets

    if name is not None:
        text = presets.text(name)
        if as_json:
            print_json({"name": name, "doc": presets.doc(name), "text": text})
        else:
            print_verbatim(text)
        return
    docs = {name: presets.doc(name) for name in presets.names()}
    if as_json:
        print_json([{"name": name, "doc": doc} for name, doc in docs.items()])
    else:
        columns = (Column("preset"), Column("what", wraps=True))
        print_table(columns, [(name, first_line(doc)) for name, doc in docs.items()])
