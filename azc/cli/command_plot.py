"""`azc plot`: the figures of a search, as files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from azc.cli.base import Command, OneOf, quoted
from azc.cli.saving import check_writable, write_file
from azc.errors import ConfigError, expected

_EXAMPLES = """
azc plot runs/linear -o progress.svg
azc plot runs/linear -o decisions.png --figure decisions
azc plot runs/seed-* -o seeds.svg --figure success
"""


#: What else than reports some figures need.
_NEEDS = {
    "success": "it takes two runs with search.stop.fitness, one of which reached it",
    "niches": 'only searches with method = "niches" have them',
}


def _names() -> Sequence[str]:
    from azc.report.figures import FIGURES

    return tuple(FIGURES)


@click.command("plot", cls=Command, examples=_EXAMPLES)
@click.argument("folders", metavar="DIR…", nargs=-1, required=True)
@click.option(
    "-o",
    "output",
    required=True,
    metavar="FILE.svg",
    help="Where the figure is written: .svg, .png or .pdf.",
)
@click.option(
    "--figure", type=OneOf(_names), default="progress", show_default=True, help="Which figure."
)
def command(folders: tuple[str, ...], output: str, figure: str) -> None:
    """Draw a figure of a search, or of several together.

    DIR is what --out of a search was. The figures are those of 'azc report'; they are drawn by
    matplotlib: pip install 'azc[plot]'.
    """
    from azc.report.figures import FIGURES, names_for
    from azc.report.plotting import FORMATS, draw, rendered
    from azc.report.runs import read_run

    form = Path(output).suffix.lower().removeprefix(".")
    if form not in FORMATS:
        what = f"a name that ends with {', '.join(f'.{one}' for one in FORMATS)}"
        raise ConfigError(f"-o: {expected(what, quoted(output))}")
    if figure not in (names := names_for(len(folders))):
        runs = "one run" if len(folders) == 1 else f"{len(folders)} runs"
        what = f"a figure of {runs}: one of {', '.join(names)}"
        raise ConfigError(f"--figure: {expected(what, quoted(figure))}")
    check_writable(output, "-o")
    chart = FIGURES[figure][0]([read_run(Path(folder)) for folder in folders])
    if chart is None:
        do = _NEEDS.get(figure, "let the search go on")
        raise ConfigError(expected(f"enough on record for {figure}", "too little", do))
    data = rendered(lambda empty: draw(chart, empty), form)
    if data is None:
        raise ConfigError(expected("matplotlib", "none", "pip install 'azc[plot]'"))
    write_file(output, data)
