"""Findings as people and programs read them: tables, Markdown, CSV."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from azc.paper.statistics import Estimate

__all__ = ["Findings", "Table", "as_csv", "interval", "number", "plain", "probability"]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells under titles. Columns from `right` on are numbers, and set flush right."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    right: int = 1

    def markdown(self) -> str:
        rule = ["---" if index < self.right else "---:" for index in range(len(self.columns))]
        lines = [list(self.columns), rule, *map(list, self.rows)]
        body = "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)
        return f"**{self.title}**\n\n{body}\n"


@dataclass(frozen=True, slots=True)
class Findings:
    """What an experiment shows. `data`: all that its picture needs (JSON); `rows`: one for each
    trial, for the CSV; `texts`: (title, text) to be shown as it is, such as programs."""

    title: str
    data: dict[str, Any]
    tables: list[Table]
    rows: list[dict[str, Any]]
    notes: list[str] = field(default_factory=list)
    texts: list[tuple[str, str]] = field(default_factory=list)

    def markdown(self) -> str:
        parts = [f"# {self.title}\n", *(table.markdown() for table in self.tables)]
        parts += [f"- {note}" for note in self.notes] + ([""] if self.notes else [])
        parts += [f"**{title}**\n\n```python\n{text.rstrip()}\n```\n" for title, text in self.texts]
        return "\n".join(parts)


def as_csv(rows: Sequence[dict[str, Any]]) -> str:
    """All keys of any row are columns; an absent value is an empty cell."""
    titles = list(dict.fromkeys(key for row in rows for key in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, titles, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def number(value: float | None, digits: int = 3) -> str:
    """A number with so many significant digits; empty for none."""
    if value is None or math.isnan(value):
        return ""
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    if value == 0.0 or 1e-3 <= abs(value) < 1e5:
        decimals = digits - 1 - (math.floor(math.log10(abs(value))) if value else 0)
        return f"{value:,.{max(0, decimals)}f}"
    mantissa, _, exponent = f"{value:.{digits - 1}e}".partition("e")
    return f"{mantissa}e{int(exponent)}"


def interval(estimate: Estimate, digits: int = 3) -> str:
    """``value (low–high)``."""
    value = number(estimate.value, digits) or "-"
    return f"{value} ({number(estimate.low, digits)}–{number(estimate.high, digits)})"


def plain(estimate: Estimate) -> dict[str, float | None]:
    """As JSON can hold it: what is not finite is null."""
    values = {"value": estimate.value, "low": estimate.low, "high": estimate.high}
    return {key: value if math.isfinite(value) else None for key, value in values.items()}


def probability(p: float) -> str:
    """A p value."""
    return number(p, 2) if p >= 1e-3 else f"{p:.0e}".replace("e-0", "e-")


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
