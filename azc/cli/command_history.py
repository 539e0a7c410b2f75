"""`azc history`: the course of a search."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import fields
from pathlib import Path
from typing import Any

import click

from azc.cli.base import Command, json_option
from azc.cli.output import Column, finite, print_json, print_table, print_verbatim
from azc.errors import expected
from azc.runtime.tables import Counts

_EXAMPLES = """
azc history runs/linear
azc history runs/linear --csv > course.csv
azc history runs/linear --json
"""
#: What is shown of the counts of an island.
_SHOWN = tuple(each.name for each in fields(Counts))


@click.command("history", cls=Command, examples=_EXAMPLES)
@click.argument("folder", metavar="DIR")
@click.option("--csv", "as_csv", is_flag=True, help="Print comma-separated values under titles.")
@json_option
def command(folder: str, as_csv: bool, as_json: bool) -> None:
    """Show the course of a search.

    DIR is what --out of the search was; the search may still be running. There is a row for each
    report and island: what the island had done until then, and how fit its population was.
    """
    if as_csv and as_json:
        raise click.UsageError(expected("at most one of --csv and --json", "both"))

    from azc.search.store import read_history

    history = read_history(Path(folder))
    rows = [
        {"report": number, **_row(counts)}
        for number, report in enumerate(history, 1)
        for counts in report
    ]
    if as_json:
        print_json([{name: _document(value) for name, value in row.items()} for row in rows])
    elif as_csv:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["report", *_SHOWN])
        writer.writerows(row.values() for row in rows)
        print_verbatim(text.getvalue())
    else:
        columns = [Column(name, right=True) for name in ("report", *_SHOWN)]
        print_table(columns, [[_cell(value) for value in row.values()] for row in rows])


def _row(counts: Counts) -> dict[str, int | float]:
    return {name: getattr(counts, name) for name in _SHOWN}


def _document(value: float) -> Any:
    return finite(value) if isinstance(value, float) else value


def _cell(value: float) -> str:
    if not isinstance(value, float):
        return str(value)
    return "" if math.isnan(value) else f"{value:.6f}"
