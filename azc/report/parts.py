"""What pages are made of: pieces of HTML, every text in them escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from azc.report.charts import COLOURS, Chart
from azc.report.svg import svg

__all__ = ["code", "facts", "figure", "listing", "paragraph", "section", "table"]

#: Sizes in pixels of figures on wide screens and on phones; small figures stand side by side.
_WIDE, _SMALL, _NARROW = (920, 430), (452, 300), (348, 290)
#: What stands for the marks of lines, for those who cannot see them.
_SPOKEN = {"+": "new: ", "-": "goes: ", "±": "new, and goes: ", " ": ""}
#: A minus as wide as the plus.
_SEEN = {"+": "+", "-": "−", "±": "±", " ": " "}
_CLASSES = {"+": "new", "-": "gone", "±": "new gone", " ": "same"}


def section(name: str, title: str, *parts: str) -> str:
    """A section with an anchor; empty if all its parts are."""
    inside = "\n".join(part for part in parts if part)
    if not inside:
        return ""
    return f'<section id="{name}" aria-labelledby="{name}-title">\n' \
        f'<h2 id="{name}-title">{escape(title)}</h2>\n{inside}\n</section>'  # fmt: skip


def paragraph(text: str, kind: str = "") -> str:
    """A paragraph, of a class if one is given."""
    return f'<p class="{kind}">{escape(text)}</p>' if kind else f"<p>{escape(text)}</p>"


def facts(pairs: Iterable[tuple[str, str]]) -> str:
    """Short facts, each under its name."""
    inside = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in pairs
    )
    return f'<dl class="facts">{inside}</dl>'


def code(text: str, name: str) -> str:
    """Text as it is; `name` says what it is to those who hear it."""
    return (
        f'<pre tabindex="0" aria-label="{escape(name)}"><code>{escape(text.rstrip())}</code></pre>'
    )


def table(
    caption: str, columns: Sequence[str], rows: Iterable[Sequence[str]], left: int = 1
) -> str:
    """A table; the first `left` columns are texts, the others numbers. One of texts alone, which
    may be long, stands row below row on a phone."""
    stacking = left >= len(columns)

    def kind(column: int) -> str:
        title = f' data-title="{escape(columns[column])}"' if stacking else ""
        return title if column < left else ' class="number"'

    head = "".join(
        f'<th scope="col"{"" if stacking else kind(column)}>{escape(title)}</th>'
        for column, title in enumerate(columns)
    )
    body = []
    for row in rows:
        first, *rest = row
        cells = "".join(
            f"<td{kind(column)}>{escape(cell)}</td>" for column, cell in enumerate(rest, 1)
        )
        body.append(f'<tr><th scope="row"{kind(0)}>{escape(first)}</th>{cells}</tr>')
    name = ' class="stacking"' if stacking else ""
    return scrolling(
        f"<table{name}><caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead>"
        f"<tbody>{''.join(body)}</tbody></table>",
        caption,
    )


def scrolling(inside: str, name: str) -> str:
    """What may be wider than the page, which then scrolls by itself."""
    return f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(name)}">' \
        f"{inside}</div>"  # fmt: skip


def folded(title: str, inside: str) -> str:
    """What is shown when it is asked for."""
    return f"<details><summary>{escape(title)}</summary>{inside}</details>"


def figure(chart: Chart, small: bool = False) -> str:
    """A chart with its legend and caption, and its numbers as a table."""
    pictures = svg(chart, *(_SMALL if small else _WIDE), "wide") + svg(chart, *_NARROW, "narrow")
    legend = "".join(
        f'<li><span class="key c{one.colour % COLOURS}{" area" if one.low is not None else ""}">'
        f"</span>{escape(one.label)}</li>"
        for one in chart.legend
    )
    numbers = folded("The same as a table", table(chart.title, chart.columns, chart.rows, 0))
    return (
        f'<figure class="{"small" if small else "large"}"><h3>{escape(chart.title)}</h3>{pictures}'
        + (f'<ul class="legend">{legend}</ul>' if legend else "")
        + f"<figcaption>{escape(chart.caption)}</figcaption>{numbers}</figure>"
    )


def listing(lines: Iterable[tuple[str, str]], name: str) -> str:
    """Lines of a program with their marks; "+" and "-" show without colours, too."""
    shown = "".join(
        f'<span class="{_CLASSES[mark]}">'
        f'<span class="gutter" aria-hidden="true">{_SEEN[mark]}</span>'
        f'<span class="spoken">{_SPOKEN[mark]}</span>{escape(line)}\n</span>'
        for mark, line in lines
    )
    return (
        f'<pre class="marked" tabindex="0" aria-label="{escape(name)}"><code>{shown}</code></pre>'
    )
