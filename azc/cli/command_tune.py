"""`azc tune`: fits a program's constants to tasks."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from azc.cli.base import Command, OneOf, Positive, Whole, json_option
from azc.cli.evaluating import TaskChoice, evaluation_options
from azc.cli.output import Column, finite, print_json, print_program, print_table
from azc.cli.programs import read_text
from azc.cli.saving import check_writable, write_file
from azc.errors import ConfigError, expected

if TYPE_CHECKING:
    from azc.use.tune import Tuned

_EXAMPLES = """
azc tune network --task teacher-nn --trials 200 -o tuned.az
azc tune best.az --task digits:search --method tpe --seconds 60 -o tuned.az
azc tune best.az --task digits:search --seconds 600 -o tuned.az --resume
azc tune best.az --task cifar10:search --decouple --workers 4
"""

_MOST = 2**31 - 1
_SHOWN_TRIALS = 5


def _methods() -> tuple[str, ...]:
    from azc.use.tune import METHODS

    return METHODS


@click.command("tune", cls=Command, examples=_EXAMPLES)
@click.argument("program_name", metavar="P.az")
@evaluation_options
@click.option(
    "--trials",
    type=Whole(1, _MOST),
    metavar="N",
    help="Constant vectors to try.  [default: 100; no limit with --seconds]",
)
@click.option("--seconds", type=Positive(), metavar="X", help="Stop trying after so long.")
@click.option(
    "--method",
    type=OneOf(_methods),
    default="random",
    show_default=True,
    help="Random search, or a sampler of Optuna's.",
)
@click.option(
    "--decouple",
    is_flag=True,
    help="First make constants of what is computed although it never changes.",
)
@click.option("--no-hurdles", is_flag=True, help="Train every vector on all examples.")
@click.option(
    "--workers", type=Whole(1, 1024), default=1, show_default=True, metavar="N", help="Threads."
)
@click.option("-o", "output", metavar="OUT.az", help="Write the program with its new constants.")
@click.option(
    "--record",
    metavar="FILE",
    help="Keep every evaluation in a file of JSON lines.  [default: beside OUT.az]",
)
@click.option("--resume", is_flag=True, help="Go on from the record.")
@json_option
def command(
    program_name: str,
    choice: TaskChoice,
    epochs: int,
    tier: str,
    trials: int | None,
    seconds: float | None,
    method: str,
    decouple: bool,
    no_hurdles: bool,
    workers: int,
    output: str | None,
    record: str | None,
    resume: bool,
    as_json: bool,
) -> None:
    """Fit a program's constants to tasks.

    The params of P.az move in their declared ranges; without params, every constant that matters
    moves by up to a factor of 100 either way. The mean fitness on validation decides. Tasks that
    have a test part are scored on it at the end, before and after.
    """
    from azc.cli.progress import Progress, Waiting
    from azc.lang import parse
    from azc.use.tune import tune
    from azc.use.tune.text import retold

    if output is not None:
        check_writable(output, "-o")
        record = record or f"{output}.trials.jsonl"
    if resume and record is None:
        do = "name the record, or the program's file that it stands beside"
        raise ConfigError(expected("--record or -o with --resume", "neither", do))
    text, filename = read_text(program_name)
    program = parse(text, filename)
    with Waiting(f"making the tasks of {choice.task}"):
        tasks = choice.make()
    started = time.monotonic()
    # Trials may be without limit: then it is time that shows how far the work is.
    timed = seconds is not None and trials is None
    with Progress("seconds" if timed else "trials") as progress:

        def report(done: int, most: int, best: float) -> None:
            if timed and seconds is not None:
                progress(min(int(time.monotonic() - started), int(seconds)), max(int(seconds), 1))
            else:
                progress(done, most)

        tuned = tune(
            program,
            tasks,
            trials=trials,
            method=method,
            seed=choice.seed,
            seconds=seconds,
            epochs=epochs,
            workers=workers,
            hurdles=not no_hurdles,
            tier=tier,
            decouple=decouple,
            record=record,
            resume=resume,
            progress=report,
        )
    new = retold(text, tuned.program, tuned.constants, tuned.values)
    if output is not None:
        write_file(output, new.encode("utf-8"))
    if as_json:
        print_json(_document(tuned, new))
        return
    _print(tuned)
    if output is None:
        click.echo()
        print_program(new)


def _lines(tuned: Tuned, text: str) -> list[int]:
    from azc.use.tune.text import lines_of

    return lines_of(text, tuned.program, tuned.constants)


def _document(tuned: Tuned, text: str) -> dict[str, Any]:
    return {
        "fitness": {
            "before": finite(tuned.before),
            "after": finite(tuned.fitness),
            "test_before": tuned.test_before,
            "test": tuned.test,
        },
        "constants": [
            {"name": c.name, "line": line, "before": finite(c.value), "after": finite(value)}
            for c, line, value in zip(
                tuned.constants, _lines(tuned, text), tuned.values, strict=True
            )
        ],
        "trials": len(tuned.trials),
        "program": text,
        "diff": tuned.decoupled.diff if tuned.decoupled else "",
        "best_trials": [
            {"trial": t.number, "fitness": finite(t.fitness), "values": list(t.values)}
            for t in _best(tuned)
        ],
        "tier": tuned.tier,
        "seconds": tuned.seconds,
    }


def _best(tuned: Tuned) -> list[Any]:
    whole = [trial for trial in tuned.trials if trial.train == 1.0]
    return sorted(whole, key=lambda trial: (-trial.fitness, trial.number))[:_SHOWN_TRIALS]


def _print(tuned: Tuned) -> None:
    if tuned.decoupled:
        changed = tuned.decoupled.diff or "nothing that is computed turned out to be constant"
        click.echo(f"{changed}\n")
    names = [constant.name for constant in tuned.constants]
    columns = [
        Column("constant"),
        *(Column(t, right=True) for t in ("from", "to", "before", "after")),
    ]
    rows = [
        [c.name, f"{c.low:.4g}", f"{c.high:.4g}", f"{c.value:.6g}", f"{value:.6g}"]
        for c, value in zip(tuned.constants, tuned.values, strict=True)
    ]
    print_table(columns, rows)
    click.echo()
    shown = [Column("trial", right=True), Column("fitness", right=True)]
    print_table(
        [*shown, *(Column(name, right=True) for name in names)],
        [
            [str(t.number), f"{t.fitness:.6f}", *(f"{value:.6g}" for value in t.values)]
            for t in _best(tuned)
        ],
    )
    click.echo()
    gave_up = sum(trial.train < 1.0 for trial in tuned.trials)
    hurdle = f", {gave_up} given up after an eighth of the examples" if gave_up else ""
    click.echo(f"fitness {tuned.before:.6f} before, {tuned.fitness:.6f} after")
    if tuned.test is not None and tuned.test_before is not None:
        click.echo(f"test    {tuned.test_before:.6f} before, {tuned.test:.6f} after")
    click.echo(
        f"{len(tuned.trials)} trials in {tuned.seconds:.3f} s with tier {tuned.tier}{hurdle}"
    )
