"""`azc report`: what a search did, as a page."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from azc.cli.base import Command, Whole
from azc.cli.evaluating import data_option
from azc.cli.saving import check_writable, write_file
from azc.errors import ConfigError, expected

if TYPE_CHECKING:
    from azc.report.runs import Run
    from azc.report.scores import Measured

_EXAMPLES = """
azc report runs/linear
azc report runs/linear -o linear.html
azc report runs/seed-* -o seeds.html
azc report runs/linear --serve
"""
_PAGE = "report.html"
_PORT = 8765


@click.command("report", cls=Command, examples=_EXAMPLES)
@click.argument("folders", metavar="DIR…", nargs=-1, required=True)
@click.option(
    "-o", "output", metavar="FILE.html", help=f"Where the page is written.  [default: {_PAGE}]"
)
@click.option(
    "--tasks",
    type=Whole(0, 2**31 - 1),
    default=20,
    show_default=True,
    metavar="N",
    help="Tasks of each set that the best program is measured on; 0 measures nothing.",
)
@data_option
@click.option(
    "--serve",
    is_flag=True,
    help="Write nothing; show the page to a browser on this machine, following the search.",
)
@click.option(
    "--port",
    type=Whole(0, 65535),
    metavar="N",
    help=f"Where --serve listens; 0 takes a free port.  [default: {_PORT}]",
)
def command(
    folders: tuple[str, ...],
    output: str | None,
    tasks: int,
    data: str | None,
    serve: bool,
    port: int | None,
) -> None:
    """Show what a search did, as one page for a browser.

    DIR is what --out of the search was; the search may still be running. Of several searches, such
    as the same with other seeds, the page compares the courses and shows the best. It holds all
    that it needs, and asks the network for nothing.
    """
    paths = [Path(folder) for folder in folders]
    if serve:
        if output is not None:
            raise click.UsageError(expected("at most one of -o and --serve", "both"))
        _serve(paths, _PORT if port is None else port)
        return
    if port is not None:
        raise click.UsageError(expected("--serve where there is --port", "none"))

    from azc.report.page import page
    from azc.report.runs import read_run

    target = _PAGE if output is None else output
    check_writable(target, "-o")
    started = time.monotonic()
    runs = [read_run(path) for path in paths]
    text = page(runs, _measured(runs, tasks, data)).encode()
    write_file(target, text)
    seconds = time.monotonic() - started
    click.echo(f"{target}: {len(text) / 1000:,.0f} kB, made in {seconds:.1f} s")


def _measured(runs: list[Run], tasks: int, data: str | None) -> Measured | None:
    if not tasks:
        return None

    from azc.report.page import best_of
    from azc.report.scores import measured

    return measured(
        best_of(runs), tasks=tasks, data=data, tell=lambda text: click.echo(text, err=True)
    )


def _serve(paths: list[Path], port: int) -> None:
    from azc.report.serving import ADDRESS, Served, server

    try:
        listening = server(Served(paths), port)
    except OSError as error:
        what = expected("a port that is free", f"{port} ({error.strerror})", "give another")
        raise ConfigError(f"--port: {what}") from None
    with listening:
        where = f"http://{ADDRESS}:{listening.server_address[1]}/"
        click.echo(f"{where} shows the search, and looks for news; Ctrl-C ends this")
        try:
            listening.serve_forever()
        except KeyboardInterrupt:
            click.echo("ended", err=True)
