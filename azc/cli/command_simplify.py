"""`azc simplify`: programs with fewer lines."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import click

from azc.cli.base import Command, Whole, json_option
from azc.cli.evaluating import TaskChoice, optional_evaluation_options
from azc.cli.output import finite, print_json, print_program
from azc.cli.programs import load_program
from azc.cli.saving import check_writable, write_file
from azc.errors import ConfigError, TaskError, expected

if TYPE_CHECKING:
    from azc.tasks import TaskSet

_EXAMPLES = """
azc simplify best.az
azc simplify best.az --task digits:select --tolerance 0.005 -o simple.az
"""

_FURTHER = 4


@click.command("simplify", cls=Command, examples=_EXAMPLES)
@click.argument("program_name", metavar="P.az")
@optional_evaluation_options
@click.option(
    "--tolerance",
    type=float,
    metavar="X",
    help="How far the mean fitness on the tasks may fall.  [default: 0]",
)
@click.option(
    "--confirm",
    type=Whole(0, 2**31 - 1),
    metavar="N",
    help="Further tasks of the kind that the result is held against.  [default: 4 times as many as "
    "--tasks, where there are more]",
)
@click.option("-o", "output", metavar="OUT.az", help="Write the program instead of printing it.")
@json_option
def command(
    program_name: str,
    choice: TaskChoice | None,
    epochs: int,
    tier: str,
    tolerance: float | None,
    confirm: int | None,
    output: str | None,
    as_json: bool,
) -> None:
    """Write a program with fewer lines.

    Without --task the result predicts the same, to the bit, on any task. With --task, lines go as
    long as the mean fitness does not fall by more than --tolerance, and no task fails, or falls
    far, that did not before; give tasks that the program was not found on. What is left is held
    against the program on further tasks, and lines come back where it does not stand that.
    """
    from azc.cli.progress import Waiting
    from azc.use.simplify import simplify

    if output is not None:
        check_writable(output, "-o")
    if tolerance is not None and (choice is None or not 0.0 <= tolerance < math.inf):
        what = "a number from 0, together with --task"
        raise ConfigError(f"--tolerance: {expected(what, tolerance)}")
    if confirm is not None and choice is None:
        raise ConfigError(f"--confirm: {expected('--task beside it', 'none')}")
    program = load_program(program_name)
    tasks, others = None, None
    if choice is not None:
        with Waiting(f"making the tasks of {choice.task}"):
            tasks = choice.make()
            others = _further(choice, len(tasks), confirm)
    with Waiting("leaving lines out"):
        simple = simplify(
            program,
            tasks,
            tolerance or 0.0,
            confirm=others or (),
            epochs=epochs,
            seed=choice.seed if choice else 0,
            tier=tier,
        )
    sizes = [sum(1 for _ in p.instructions()) for p in (program, simple)]
    document: dict[str, Any] = {"lines": {"before": sizes[0], "after": sizes[1]}}
    said = f"{sizes[0]} lines before, {sizes[1]} after"
    if choice is not None and tasks is not None:
        from azc.evaluation import evaluate

        settings: dict[str, Any] = {"epochs": epochs, "seed": choice.seed, "tier": tier}
        before, after = (evaluate(p, tasks, **settings).mean for p in (program, simple))
        document["fitness"] = {"before": finite(before), "after": finite(after)}
        said += f"; fitness {before:.6f} before, {after:.6f} after"
        if others:
            before, after = (evaluate(p, others, **settings).mean for p in (program, simple))
            document["confirmed"] = {
                "tasks": len(others),
                "before": finite(before),
                "after": finite(after),
            }
            said += f"; on {len(others)} further tasks {before:.6f} before, {after:.6f} after"
    if output is not None:
        write_file(output, str(simple).encode("utf-8"))
    if as_json:
        print_json({**document, "program": str(simple)})
        return
    click.echo(said, err=True)
    if output is None:
        print_program(str(simple))


def _further(choice: TaskChoice, count: int, confirm: int | None) -> TaskSet | None:
    """Tasks of the same kind that come behind the first `count`."""
    if confirm == 0:
        return None
    try:
        return choice.make(first=count, count=confirm or _FURTHER * count)
    except TaskError as error:
        # Files are used as they are, and there are no more of them.
        if confirm is not None:
            raise TaskError(f"--confirm: {error}") from None
        return None
