"""What commands print on standard output: tables, JSON documents, and text as it is."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import click

__all__ = [
    "Column",
    "finite",
    "first_line",
    "print_json",
    "print_program",
    "print_table",
    "print_verbatim",
]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table; numbers are set flush right, and `wraps` allows long texts to."""

    title: str
    right: bool = False
    wraps: bool = False


def print_table(columns: Sequence[Column], rows: Sequence[Sequence[str]], foot: int = 0) -> None:
    """Rows under titles, drawn on a terminal, else plain aligned lines.

    The last `foot` rows sum up the others.
    """
    rows = [[_visible(cell) for cell in row] for row in rows]
    if sys.stdout.isatty():
        _draw_table(columns, rows, foot)
        return
    lines = [[column.title for column in columns], *rows]
    widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
    for line in lines:
        cells = [
            cell.rjust(width) if column.right else cell.ljust(width)
            for cell, width, column in zip(line, widths, columns, strict=True)
        ]
        click.echo("  ".join(cells).rstrip())


def _draw_table(columns: Sequence[Column], rows: Sequence[Sequence[str]], foot: int) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for column in columns:
        justify: Any = "right" if column.right else "left"
        overflow: Any = "fold" if column.wraps else "ellipsis"
        table.add_column(column.title, justify=justify, no_wrap=not column.wraps, overflow=overflow)
    for index, row in enumerate(rows):
        last = index == len(rows) - foot - 1
        # Text, so that brackets in names are not taken for markup.
        table.add_row(*map(Text, row), end_section=foot > 0 and last)
    Console(file=sys.stdout, highlight=False).print(table)


def print_json(document: Any) -> None:
    """One JSON document, in ASCII, so that any terminal and any pipe can take it."""
    click.echo(json.dumps(document, indent=2, allow_nan=False))


def print_verbatim(text: str) -> None:
    """`text` in UTF-8 and nothing else, whatever the terminal's encoding."""
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode("utf-8"))
    sys.stdout.buffer.flush()


def print_program(text: str) -> None:
    """The text of a program: as `print_verbatim` does, in colours on a terminal that wants them."""
    print_verbatim(_coloured(text) if _wants_colours() else text)


def _wants_colours() -> bool:
    if not sys.stdout.isatty():
        return False
    from rich.console import Console

    console = Console(file=sys.stdout)
    return not (console.no_color or console.is_dumb_terminal)


def _coloured(text: str) -> str:
    from pygments import highlight
    from pygments.formatters import TerminalFormatter

    from azc.lang.lexer import AzLexer

    coloured: str = highlight(text, AzLexer(stripnl=False, ensurenl=False), TerminalFormatter())
    return coloured


def finite(value: float) -> float | None:
    """`value` for JSON, which has no infinity and no NaN: they become null."""
    return float(value) if math.isfinite(value) else None


def first_line(document: str) -> str:
    """The first line of a docstring."""
    return document.strip().partition("\n")[0].strip()


def _visible(text: str) -> str:
    return "".join(char if char.isprintable() else "\ufffd" for char in text)
