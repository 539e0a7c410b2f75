"""How far a long piece of work is, on standard error."""

from __future__ import annotations

import sys
import threading
import time
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

__all__ = ["Progress", "Waiting"]

#: Work that is over sooner is not commented on.
_QUIET_SECONDS = 1.0
#: Between two lines where standard error is no terminal.
_LINE_SECONDS = 10.0


class Progress:
    """Call with (done, total). After a second, a bar on a terminal; elsewhere a line now and then.

    A context manager, so that the bar is removed whatever ends the work.
    """

    def __init__(self, unit: str) -> None:
        self._unit = unit
        self._started = time.monotonic()
        self._next_line = self._started + _LINE_SECONDS
        self._bar: Bar | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if sys.stderr.isatty():
            if now - self._started >= _QUIET_SECONDS:
                self._draw(done, total)
        elif now >= self._next_line:
            self._next_line = now + _LINE_SECONDS
            share = 100.0 * done / max(total, 1)
            seconds = now - self._started
            click.echo(f"{share:.0f}% of {total} {self._unit}, {seconds:.0f} s", err=True)

    def _draw(self, done: int, total: int) -> None:
        if self._bar is None:
            from rich.console import Console
            from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
            from rich.progress import Progress as Bar

            self._bar = Bar(
                BarColumn(),
                TaskProgressColumn(),
                TextColumn("of {task.total:.0f} {task.description}"),
                TimeRemainingColumn(),
                console=Console(file=sys.stderr),
                transient=True,
            )
            self._task = self._bar.add_task(self._unit, total=total)
            self._bar.start()
        assert self._task is not None
        self._bar.update(self._task, completed=done, total=total)


class Waiting:
    """Says what is being done, once, if it takes longer than a second: for work that cannot tell
    how far it is. A context manager."""

    def __init__(self, what: str) -> None:
        self._timer = threading.Timer(_QUIET_SECONDS, lambda: click.echo(f"{what} …", err=True))
        self._timer.daemon = True

    def __enter__(self) -> None:
        self._timer.start()

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
