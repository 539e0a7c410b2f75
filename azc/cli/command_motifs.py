"""`azc motifs`: what reappears over independent runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from azc.cli.base import Command, Whole, json_option
from azc.cli.evaluating import TaskChoice, optional_evaluation_options
from azc.cli.output import Column, finite, print_json, print_table
from azc.cli.programs import load_program
from azc.errors import expected

if TYPE_CHECKING:
    from azc.use.motifs import KnockIn, Motif, Motifs

_EXAMPLES = """
azc motifs runs/demo-*
azc motifs runs/demo-* --nodes 3 --json
azc motifs runs/demo-* --into linear.az --task linear --tasks 20
"""


@click.command("motifs", cls=Command, examples=_EXAMPLES)
@click.argument("folders", metavar="DIR...", nargs=-1, required=True)
@click.option(
    "--nodes",
    type=Whole(2, 6),
    default=4,
    show_default=True,
    metavar="N",
    help="The most instructions of a fragment.",
)
@click.option(
    "--top",
    type=Whole(1, 2**31 - 1),
    default=10,
    show_default=True,
    metavar="N",
    help="The best programs of each run that are looked at.",
)
@click.option(
    "--random",
    "draws",
    type=Whole(10, 10**6),
    default=1000,
    show_default=True,
    metavar="N",
    help="Random programs that each of them is compared with.",
)
@click.option(
    "--show",
    type=Whole(1, 2**31 - 1),
    default=20,
    show_default=True,
    metavar="N",
    help="Motifs in the table, and knocked in.",
)
@click.option("--into", metavar="P.az", help="A program that motifs are put into; needs --task.")
@click.option(
    "--ways",
    type=Whole(1, 10**6),
    default=200,
    show_default=True,
    metavar="N",
    help="Ways to put a motif into it that are tried.",
)
@optional_evaluation_options
@json_option
def command(
    folders: tuple[str, ...],
    nodes: int,
    top: int,
    draws: int,
    show: int,
    into: str | None,
    ways: int,
    choice: TaskChoice | None,
    epochs: int,
    tier: str,
    as_json: bool,
) -> None:
    """Find fragments of data flow that reappear over independent runs.

    DIR is what --out of each search was. A fragment is a few instructions of which one uses what
    another makes, whatever the names of addresses and the constants. It counts once for each run
    whose hall of fame has it, against random programs of the search's space; p is corrected by
    Holm for the number of fragments. With --into, each is put into a program, and the difference
    in fitness is measured.
    """
    from azc.cli.progress import Progress, Waiting
    from azc.use.motifs import knock_in, motifs

    if (into is None) != (choice is None):
        given = "--task alone" if into is None else "--into alone"
        raise click.UsageError(expected("--into and --task together", given))
    program = None if into is None else load_program(into)
    with Progress("programs") as progress:
        result = motifs(folders, nodes=nodes, top=top, random=draws, progress=progress)
    shown = result.largest[:show]
    knocked: dict[str, KnockIn] = {}
    if program is not None and choice is not None:
        with Waiting(f"making the tasks of {choice.task}"):
            tasks = choice.make()
        with Progress("motifs") as progress:
            for done, motif in enumerate(shown):
                progress(done, len(shown))
                knocked[motif.id] = knock_in(
                    motif.piece,
                    program,
                    tasks,
                    ways=ways,
                    epochs=epochs,
                    seed=choice.seed,
                    tier=tier,
                )
    if as_json:
        print_json(_document(result, knocked))
    else:
        _print(result, shown, knocked)


def _document(result: Motifs, knocked: dict[str, KnockIn]) -> dict[str, Any]:
    return {
        "runs": result.runs,
        "fragments": result.fragments,
        "random": result.random,
        "live": finite(result.live),
        "live_random": finite(result.live_random),
        "weaker_filter": result.weaker_filter,
        "motifs": [_told(motif, knocked.get(motif.id)) for motif in result.all],
    }


def _told(motif: Motif, knocked: KnockIn | None) -> dict[str, Any]:
    told = {
        "id": motif.id,
        "nodes": motif.nodes,
        "lines": [{"function": function, "text": text} for function, text in motif.piece.lines()],
        "runs": list(motif.runs),
        "programs": motif.programs,
        "expected": motif.expected,
        "p": motif.p,
        "p_holm": motif.p_holm,
        "q": motif.q,
        "significant": motif.significant,
        "within": motif.within,
        "program": str(motif.piece.program),
    }
    if knocked is not None:
        told["knock_in"] = {
            "before": finite(knocked.before),
            "difference": finite(knocked.difference),
            "low": finite(knocked.low),
            "high": finite(knocked.high),
            "ways": knocked.ways,
            "program": None if knocked.program is None else str(knocked.program),
        }
    return told


def _print(result: Motifs, shown: list[Motif], knocked: dict[str, KnockIn]) -> None:
    numbers = ["runs", "by chance", "p (Holm)"] + (["knock-in", "95 %"] if knocked else [])
    columns = [Column(title, right=True) for title in numbers] + [Column(""), Column("fragment")]
    rows = []
    for motif in shown:
        cells = [
            f"{len(motif.runs)} of {len(result.runs)}",
            f"{motif.expected:.2f}",
            f"{motif.p_holm:.2g}",
        ]
        if knocked:
            cells += _difference(knocked[motif.id])
        before = ""
        for function, text in motif.piece.lines():
            said = "" if function == before else function.capitalize()
            rows.append([*cells, said, text])
            cells, before = [""] * len(numbers), function
        rows.append([""] * len(columns))
    if rows:
        print_table(columns, rows[:-1])
        click.echo()
    several, significant = len(result.all), len(result.significant)
    click.echo(
        f"{result.fragments} fragments, {several} in two or more of {len(result.runs)} runs, "
        f"{significant} of these in more than chance explains, {len(result.largest)} of which are "
        f"part of no larger one in the same runs"
    )
    click.echo(
        f"a program has {result.live:.1f} live instructions, random programs that it is compared "
        f"with {result.live_random:.1f}"
    )
    if result.weaker_filter:
        click.echo(
            "hardly any random program passes the filter of the search: a weaker one is used"
        )


def _difference(knocked: KnockIn) -> list[str]:
    if knocked.program is None:
        return ["no way in", ""]
    return [f"{knocked.difference:+.4f}", f"{knocked.low:+.4f} to {knocked.high:+.4f}"]
