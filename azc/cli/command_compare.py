"""`azc compare`: programs against each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from azc.cli.base import Command, Whole, json_option
from azc.cli.evaluating import TaskChoice, evaluation_options
from azc.cli.output import Column, finite, print_json, print_table
from azc.cli.programs import load_program

if TYPE_CHECKING:
    from azc.use.compare import Comparison

_EXAMPLES = """
azc compare affine nlms adam --task affine --tasks 50
azc compare best.az network_classifier --task digits:select --seeds 5 --json
"""


@click.command("compare", cls=Command, examples=_EXAMPLES)
@click.argument("program_names", metavar="P.az Q.az...", nargs=-1, required=True)
@evaluation_options
@click.option(
    "--seeds",
    type=Whole(1, 2**31 - 1),
    default=3,
    show_default=True,
    metavar="N",
    help="Evaluations of each task, averaged.",
)
@json_option
def command(
    program_names: tuple[str, ...],
    choice: TaskChoice,
    epochs: int,
    tier: str,
    seeds: int,
    as_json: bool,
) -> None:
    """Compare programs on the same tasks with the same seeds.

    Differences are paired over tasks, with 95 % intervals; p is that of Wilcoxon's signed-rank
    test, corrected by Holm for the number of pairs.
    """
    from azc.cli.progress import Waiting
    from azc.use.compare import compare

    programs = [load_program(name) for name in program_names]
    with Waiting(f"making the tasks of {choice.task}"):
        tasks = choice.make()
    with Waiting("comparing"):
        comparison = compare(
            programs, tasks, seeds=seeds, epochs=epochs, seed=choice.seed, tier=tier
        )
    if as_json:
        print_json(_document(comparison))
    else:
        _print(comparison)


def _document(comparison: Comparison) -> dict[str, Any]:
    return {
        "tasks": comparison.tasks,
        "seeds": comparison.seeds,
        "programs": [
            {
                "program": one.name,
                "fitness": finite(one.fitness),
                "low": finite(one.low),
                "high": finite(one.high),
                "seconds_per_example": finite(one.seconds_per_example),
            }
            for one in comparison.contenders
        ],
        "pairs": [
            {
                "first": comparison.contenders[pair.first].name,
                "second": comparison.contenders[pair.second].name,
                "difference": finite(pair.difference),
                "low": finite(pair.low),
                "high": finite(pair.high),
                "win_rate": pair.wins,
                "ties": pair.ties,
                "p": pair.p,
                "p_holm": pair.p_holm,
            }
            for pair in comparison.pairs
        ],
    }


def _print(comparison: Comparison) -> None:
    columns = [Column("program"), Column("fitness", right=True), Column("95 %", right=True),
               Column("ns per example", right=True)]  # fmt: skip
    rows = [
        [
            one.name,
            f"{one.fitness:.6f}",
            f"{one.low:.4f} to {one.high:.4f}",
            f"{1e9 * one.seconds_per_example:.0f}",
        ]
        for one in comparison.contenders
    ]
    print_table(columns, rows)
    click.echo()
    titles = ("difference", "95 %", "wins", "ties", "p", "p (Holm)")
    columns = [Column("first"), Column("second"), *(Column(t, right=True) for t in titles)]
    rows = [
        [
            comparison.contenders[pair.first].name,
            comparison.contenders[pair.second].name,
            f"{pair.difference:+.6f}",
            f"{pair.low:+.4f} to {pair.high:+.4f}",
            f"{100 * pair.wins:.0f}%",
            f"{100 * pair.ties:.0f}%",
            f"{pair.p:.3g}",
            f"{pair.p_holm:.3g}",
        ]
        for pair in comparison.pairs
    ]
    print_table(columns, rows)
    click.echo()
    click.echo(f"{comparison.tasks} tasks, each the mean of {comparison.seeds} seeds")
