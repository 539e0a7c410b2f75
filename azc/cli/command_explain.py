"""`azc explain`: what each line of a program does, and what it is worth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from azc.cli.base import Command, json_option
from azc.cli.evaluating import TaskChoice, evaluation_options
from azc.cli.output import finite, print_json
from azc.cli.programs import load_program
from azc.cli.saving import check_writable, write_file

if TYPE_CHECKING:
    from azc.use.explain import Explanation

_EXAMPLES = """
azc explain network --task teacher-nn --features 4
azc explain best.az --task digits:search --tasks 16 --picture best.mmd
azc explain best.az --task digits:search --json
"""


@click.command("explain", cls=Command, examples=_EXAMPLES)
@click.argument("program_name", metavar="P.az")
@evaluation_options
@click.option("--picture", metavar="FILE.mmd", help="Write the data flow, for Mermaid.")
@json_option
def command(
    program_name: str,
    choice: TaskChoice,
    epochs: int,
    tier: str,
    picture: str | None,
    as_json: bool,
) -> None:
    """Say what each line of a program does, and what it is worth.

    Each line is left out in turn, and put into a simpler program; the first steps of training are
    watched, and compared with the gradient of the prediction. Roles are told in words where
    measurements or the data flow bear them out.
    """
    from azc.cli.progress import Progress, Waiting
    from azc.use.explain import explain

    if picture is not None:
        check_writable(picture, "--picture")
    program = load_program(program_name)
    with Waiting(f"making the tasks of {choice.task}"):
        tasks = choice.make()
    with Progress("evaluations") as progress:
        told = explain(
            program, tasks, epochs=epochs, seed=choice.seed, tier=tier, progress=progress
        )
    if picture is not None:
        write_file(picture, told.picture.encode("utf-8"))
    if as_json:
        print_json(_document(told))
    else:
        click.echo(str(told))


def _document(told: Explanation) -> dict[str, Any]:
    return {
        "fitness": finite(told.fitness),
        "lines": [
            {
                "function": line.function,
                "index": line.index,
                "text": line.text,
                "named": line.named,
                "live": line.live,
                "without": finite(line.without),
                "loss": finite(line.loss),
                "low": finite(line.low),
                "high": finite(line.high),
                "core": line.core,
                "knock_in": finite(line.knock_in),
                "fails": line.fails,
                "matters": line.matters,
                "role": line.role,
            }
            for line in told.lines
        ],
        "addresses": [
            {
                "name": cell.name,
                "address": str(cell.address),
                "kind": cell.kind,
                "min": finite(cell.low),
                "max": finite(cell.high),
            }
            for cell in told.addresses
        ],
        "gradients": [
            {
                "address": str(direction.address),
                "name": direction.name,
                "of": direction.of,
                "cosine": finite(direction.cosine),
                "late": finite(direction.late),
            }
            for direction in told.gradients
        ],
        "core": {"fitness": finite(told.core_fitness), "program": str(told.core)},
        "short": told.short,
        "picture": told.picture,
        "tasks": told.tasks,
        "seeds": told.seeds,
        "steps": told.steps,
    }
