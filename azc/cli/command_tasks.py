"""`azc tasks`: the kinds of tasks."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from azc.cli.base import Command, json_option
from azc.cli.evaluating import data_option
from azc.cli.output import Column, print_json, print_table

if TYPE_CHECKING:
    from azc.tasks import Kind

_EXAMPLES = """
azc tasks
azc tasks --data ~/datasets
azc tasks --json
"""
_COLUMNS = (
    Column("task"),
    Column("features", right=True),
    Column("train", right=True),
    Column("valid", right=True),
    Column("classes", right=True),
    Column("data"),
    Column("what", wraps=True),
)


@click.command("tasks", cls=Command, examples=_EXAMPLES)
@data_option
@json_option
def command(data: str | None, as_json: bool) -> None:
    """List the kinds of tasks that --task takes.

    With their default numbers of features and examples, and whether their data are there. The
    numbers of an image set are those of a pair of classes.
    """
    from azc.tasks import kinds

    all_kinds = kinds(data)
    if as_json:
        print_json([asdict(kind) for kind in all_kinds])
        return
    print_table(_COLUMNS, [_row(kind) for kind in all_kinds])
    absent = [kind for kind in all_kinds if not kind.found and kind.files]
    if absent:
        click.echo("\nData to get, and to give the folder of with --data or AZC_DATA:")
        for kind in absent:
            click.echo(f"  {kind.name}: {kind.page} ({', '.join(kind.files)})")


def _row(kind: Kind) -> list[str]:
    numbers = (kind.features, kind.train, kind.valid, kind.classes or None)
    data = "ready" if kind.found else "absent"
    return [kind.name, *("" if n is None else str(n) for n in numbers), data, kind.sentence]
