"""The report: one HTML page that holds all it needs, asks the network for nothing and runs no
script."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from string import Template

from azc.report import figures, parts, told
from azc.report.charts import Chart
from azc.report.runs import Run
from azc.report.scores import Measured
from azc.version import VERSION

__all__ = ["best_of", "page", "waiting"]


def page(runs: Sequence[Run], measured: Measured | None = None, refresh: int | None = None) -> str:
    """The page of one run, or of several and of the best of them. `measured`: what was measured of
    the best run's best program; `refresh`: seconds after which a browser asks again."""
    best = best_of(runs)
    together = figures.made(runs) if len(runs) > 1 else {}
    charts = figures.made([best])
    body = [
        *([_several(runs, together)] if len(runs) > 1 else []),
        told.progress(best, charts),
        told.statistics(charts),
        told.nodes(best),
        told.explanation(best, measured),
        told.comparison(best, measured),
        told.repeating(best),
    ]
    if len(runs) > 1:
        title = f"{len(runs)} searches on {told.task_of(best)}"
        lead = parts.paragraph(f"The best of them is {best.name}; what follows the comparison is "
                               "about it.")  # fmt: skip
    else:
        title, lead = f"Search on {told.task_of(best)}", parts.paragraph(str(best.folder), "quiet")
    return _filled(title, lead + told.summary(best), body, refresh)


def best_of(runs: Sequence[Run]) -> Run:
    """The run with the best program."""
    return max(runs, key=_merit)


def waiting(message: str, refresh: int) -> str:
    """A page that says why there is no report yet."""
    return _filled("No report yet", parts.paragraph(message, "warning"), [], refresh)


def _filled(title: str, lead: str, body: Sequence[str], refresh: int | None) -> str:
    folder = files("azc.report")
    head = "" if refresh is None else f'<meta http-equiv="refresh" content="{refresh}">\n'
    made = time.strftime("%Y-%m-%d %H:%M")
    follows = "" if refresh is None else f"; looks again every {refresh} s"
    return Template(folder.joinpath("page.html").read_text("utf-8")).substitute(
        head=head,
        title=escape(title),
        style=folder.joinpath("page.css").read_text("utf-8"),
        lead=lead,
        links=" ".join(_links(body)),
        body="\n".join(part for part in body if part),
        foot=f"Made by azc {VERSION}, {made}{follows}.",
    )


def _links(body: Sequence[str]) -> list[str]:
    links = []
    for part in filter(None, body):
        name = part.partition('id="')[2].partition('"')[0]
        title = part.partition("<h2")[2].partition(">")[2].partition("</h2>")[0]
        links.append(f'<a href="#{name}">{title}</a>')
    return links


def _merit(run: Run) -> tuple[float, float]:
    if run.best is None:
        return (-1.0, -1.0)
    return (run.best.search if run.best.select is None else run.best.select, run.best.search)


def _beside_seed(run: Run) -> object:
    """The settings that runs to be compared share."""
    if run.settings is None:
        return run.text
    tables = run.settings.model_dump()
    del tables["search"]["seed"]
    return tables


def _several(runs: Sequence[Run], charts: Mapping[str, Chart]) -> str:
    rows = []
    for run in sorted(runs, key=_merit, reverse=True):
        best = run.best
        scores = [None, None, None] if best is None else [best.search, best.select, best.final]
        rows.append(
            (
                run.name, str(run.seed), *("" if v is None else f"{v:.4f}" for v in scores),
                "yes" if run.solved else "", f"{run.programs:,}", told.duration(run.cpu_seconds),
            )
        )  # fmt: skip
    columns = ("run", "seed", "T_search", "T_select", "T_final", "goal reached", "programs",
               "CPU time")  # fmt: skip
    notes = []
    if any(_beside_seed(run) != _beside_seed(runs[0]) for run in runs):
        notes.append(parts.paragraph("These runs have different settings.", "warning"))
    large = [
        parts.figure(charts[n]) for n in ("progress", "progress-time", "success") if n in charts
    ]
    return parts.section(
        "runs", "All runs", *notes, parts.table("Best first", columns, rows), *large
    )
