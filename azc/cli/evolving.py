"""What a search shows: live on a terminal, as plain lines elsewhere, as JSON lines for programs."""

from __future__ import annotations

import json
import math
import os
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Self, TextIO, cast

import click

from azc.cli.describing import (
    Rate,
    best_fitness,
    duration,
    filtered_share,
    fitness_text,
    frame,
    mean_fitness,
    program_text,
    share,
    summary,
    unsaved,
)
from azc.cli.output import finite

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from azc.program import Program
    from azc.search.report import Best, Counts, Outcome, Report

__all__ = ["JsonLines", "Lines", "Live", "View", "view_for"]

#: Between two lines where there is no terminal.
_LINE_SECONDS = 2.0
#: Terminals on which nothing can be drawn over.
_PLAIN_TERMINALS = ("dumb", "unknown")


class View:
    """Shows a search: called with each report while it runs, `finish` once with its outcome.

    A context manager, so that a terminal is as it was, whatever ends the search.
    """

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def __call__(self, report: Report) -> None:
        raise NotImplementedError

    def finish(self, outcome: Outcome) -> None:
        """Say how the search ended."""
        click.echo(summary(outcome))

    def message(self, text: str) -> None:
        """Say `text`, on standard error, while the search runs."""
        click.echo(text, err=True)


def view_for(as_json: bool, title: str, seed: int, classes: int | None) -> View:
    """The view that fits standard output. `title` names the search, `classes` is its tasks'."""
    if as_json:
        return JsonLines(seed)
    if sys.stdout.isatty() and os.environ.get("TERM") not in _PLAIN_TERMINALS:
        return Live(title, classes)
    return Lines()


class JsonLines(View):
    """A JSON document per line: one for each settled report, and one for the outcome."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def __call__(self, report: Report) -> None:
        if report.settled:
            names = ("evaluated", "level1", "level2", "filtered", "over_budget", "hurdled", "steps")
            _print_line(
                {
                    "done": False,
                    "seed": self._seed,
                    **_course(report),
                    **{name: report.total(name) for name in names},
                    "best": finite(best_fitness(report)),
                    "mean": finite(mean_fitness(report)),
                    "islands": [_island(counts) for counts in report.islands],
                }
            )

    def finish(self, outcome: Outcome) -> None:
        if not outcome.saved:
            self.message(unsaved(outcome))
        program = outcome.program
        _print_line(
            {
                "done": True,
                "solved": outcome.solved,
                "reason": outcome.reason,
                "seed": outcome.seed,
                **_course(outcome.report),
                "fitness": {
                    name: None if value is None else finite(value)
                    for name, value in outcome.fitness.items()
                },
                "program": None if program is None else program_text(program),
                "out": None if outcome.out is None else str(outcome.out),
                "saved": outcome.out is not None and outcome.saved,
                "unsaved_reports": outcome.unsaved,
            }
        )


def _print_line(document: dict[str, Any]) -> None:
    # click.echo flushes, so a reader has each line at once.
    click.echo(json.dumps(document, allow_nan=False))


def _course(report: Report) -> dict[str, Any]:
    return {
        "experiments": report.experiments,
        "programs": report.total("programs"),
        "seconds": finite(report.seconds),
        "cpu_seconds": finite(report.cpu_seconds),
        "programs_per_second": finite(round(report.programs_per_second, 1)),
        "repeatable": report.repeatable,
        "nodes": [asdict(node) for node in report.nodes],
        "hot": {name: _number(value) for name, value in asdict(report.hot).items()},
    }


def _island(counts: Counts) -> dict[str, Any]:
    return {name: _number(value) for name, value in asdict(counts).items()}


def _number(value: int | float) -> int | float | None:
    return finite(value) if isinstance(value, float) else value


class Lines(View):
    """Plain lines: settled reports, some seconds apart, the last of them in any case."""

    def __init__(self) -> None:
        self._rate = Rate()
        self._next = -math.inf
        self._waiting: Report | None = None

    def __call__(self, report: Report) -> None:
        self._rate.add(report)
        if not report.settled:
            return
        self._waiting = report
        if report.seconds >= self._next:
            self._print()

    def finish(self, outcome: Outcome) -> None:
        if self._waiting is not None:
            self._print()
        super().finish(outcome)

    def _print(self) -> None:
        report, self._waiting = self._waiting, None
        assert report is not None
        self._next = report.seconds + _LINE_SECONDS
        parts = [
            duration(report.seconds),
            f"{report.total('programs'):,} programs",
            f"{self._rate}/s",
            f"level 1 {share(report, 'level1')}",
            f"level 2 {share(report, 'level2')}",
            f"filtered {filtered_share(report)}",
            f"best {fitness_text(best_fitness(report))}",
            f"mean {fitness_text(mean_fitness(report))}",
        ]
        if not report.repeatable:
            parts.append("not repeatable")
        click.echo("  ".join(parts))


class Live(View):
    """One picture on a terminal, drawn over itself and removed at the end."""

    def __init__(self, title: str, classes: int | None = None) -> None:
        from rich.console import Console
        from rich.live import Live as Drawing

        self._title, self._classes = title, classes
        self._rate = Rate()
        self._best: Best | None = None
        self._program: list[str] = []
        self._console = Console(file=sys.stdout, highlight=False)
        self._drawing = Drawing(
            console=self._console, auto_refresh=False, transient=True, redirect_stderr=False
        )
        self._stderr: TextIO | None = None

    def __enter__(self) -> Self:
        # What goes to a file must not end up on the terminal.
        if sys.stderr.isatty():
            self._stderr, sys.stderr = sys.stderr, _above(self._console, sys.stderr)
        self._drawing.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def __call__(self, report: Report) -> None:
        self._rate.add(report)
        self._drawing.update(self._picture(report), refresh=True)

    def finish(self, outcome: Outcome) -> None:
        self._stop()
        super().finish(outcome)

    def _stop(self) -> None:
        if self._stderr is not None:
            sys.stderr, self._stderr = self._stderr, None
        self._drawing.stop()

    def _picture(self, report: Report) -> RenderableType:
        from rich.panel import Panel
        from rich.text import Text

        if report.best is not self._best:
            self._best = report.best
            self._program = self._live(report.best.program) if report.best else []
        width, height = self._console.size
        # The frame takes four columns and two rows; one more row is the shell's.
        lines = frame(report, self._rate, self._program, width - 4, height - 3)
        text = "\n".join(lines)
        if self._console.options.ascii_only:
            # Written out as an escape, it would make the line longer than the terminal is wide.
            text = text.replace("…", "~")
        title = "".join(char if char.isprintable() else "\ufffd" for char in self._title)
        return Panel(
            Text(text, no_wrap=True, overflow="crop"),
            title=Text(title, style="bold"),
            subtitle=Text("Ctrl-C ends and saves"),
        )

    def _live(self, program: Program) -> list[str]:
        from azc.analysis import live

        return program_text(live(program, self._classes)).splitlines()


def _above(console: Console, stream: TextIO) -> TextIO:
    """A stream whose lines are printed above what is being drawn."""
    from rich.file_proxy import FileProxy

    class Above(FileProxy):
        # Without an encoding, click would take it for broken and write past it into the picture.
        encoding = "utf-8"
        errors = "backslashreplace"

    return cast(TextIO, Above(console, stream))
