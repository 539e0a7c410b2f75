"""`azc paper`: the experiments of the AutoML-Zero paper."""

from __future__ import annotations

from pathlib import Path

import click

from azc.cli.base import Command, OneOf, Positive, Whole, quoted
from azc.cli.evaluating import data_option
from azc.cli.failures import FAILED
from azc.errors import ConfigError, expected

_EXAMPLES = """
azc paper figure4 --hours 2
azc paper figure4 --resume
azc paper figure5 --hours 0.5 --seeds 10 --out runs/networks
azc paper figure6 --data ~/data --workers 2
azc paper figure7 --variant fast-training
azc paper figure8 --set tasks.search.task=digits:search --set tasks.select.task=digits:select
azc paper final --program best.az
"""
_MOST = 2**31 - 1
_RUNS = Path("runs")


def _names() -> tuple[str, ...]:
    from azc.paper import NAMES

    return NAMES


@click.command("paper", cls=Command, examples=_EXAMPLES)
@click.argument("name", metavar="EXPERIMENT", type=OneOf(_names))
@click.option(
    "--hours",
    type=Positive(),
    metavar="X",
    help="How long all of it may take.  [default: the experiment's]",
)
@click.option(
    "--out",
    metavar="DIR",
    help="Where all of it is kept.  [default: runs/paper-EXPERIMENT]",
)
@click.option("--resume", is_flag=True, help="Go on with the experiment that is in DIR.")
@click.option(
    "--seeds",
    type=Whole(1, _MOST),
    metavar="N",
    help="Trials of each arm.  [default: as the paper has it]",
)
@click.option(
    "--workers",
    type=Whole(1, _MOST),
    metavar="N",
    default=1,
    show_default=True,
    help="Trials that run side by side, each on a core.",
)
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change a setting of all searches, such as search.population=100; may be given several "
    "times.",
)
@click.option(
    "--only",
    multiple=True,
    metavar="TEXT",
    help="Only arms with this in their name; may be given several times.",
)
@click.option("--variant", metavar="NAME", help="Which of the experiment's variants.")
@click.option("--program", metavar="P.az", help="The evolved program, where one is needed.")
@data_option
@click.option("--json", "as_json", is_flag=True, help="Print the findings as one JSON document.")
@click.pass_context
def command(
    context: click.Context,
    name: str,
    hours: float | None,
    out: str | None,
    resume: bool,
    seeds: int | None,
    workers: int,
    overrides: tuple[str, ...],
    only: tuple[str, ...],
    variant: str | None,
    program: str | None,
    data: str | None,
    as_json: bool,
) -> None:
    """Run one of the experiments of the AutoML-Zero paper of 2020.

    EXPERIMENT is figure4, …, figure8 or final. Every trial that has ended is kept in DIR, with
    tables, data and a picture of what they show; an experiment that was ended or killed goes on
    with --resume. The exit code is 1 if Ctrl-C ended it.
    """
    if out is not None and (not out or "\0" in out):
        what = expected("a folder, or the name of a new one", quoted(out))
        raise ConfigError(f"--out: {what}")

    from azc.cli.output import Column, print_json, print_table
    from azc.paper import find
    from azc.paper.plan import Options
    from azc.paper.running import run

    experiment = find(name)
    outcome = run(
        experiment,
        Options(hours, seeds, overrides, only, variant, program),
        Path(out) if out is not None else _RUNS / f"paper-{name}",
        resume=resume,
        data=data,
        workers=workers,
        tell=lambda text: click.echo(text, err=True),
    )
    findings = outcome.findings
    if as_json:
        document = {"done": outcome.done, "trials": outcome.trials, "out": str(outcome.folder)}
        print_json({"experiment": name, **document, "data": findings.data})
    else:
        click.echo(findings.title)
        for table in findings.tables:
            click.echo(f"\n{table.title}")
            columns = [
                Column(title, right=index >= table.right)
                for index, title in enumerate(table.columns)
            ]
            print_table(columns, table.rows)
        for title, text in findings.texts:
            click.echo(f"\n{title}\n{text.rstrip()}")
        click.echo("")
        for note in findings.notes:
            click.echo(note)
        drawn = "" if outcome.drawn else "; for a picture, pip install 'azc[plot]'"
        click.echo(f"saved in {outcome.folder}{drawn}")
    if not outcome.done:
        click.echo("interrupted; go on with --resume", err=True)
    context.exit(0 if outcome.done else FAILED)
