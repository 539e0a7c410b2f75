"""`azc run`: train and score a program."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from azc.cli.base import Command, Positive, json_option
from azc.cli.evaluating import TaskChoice, evaluation_options
from azc.cli.limits import say_where_it_ended
from azc.cli.output import Column, finite, print_json, print_table
from azc.cli.programs import load_program
from azc.cli.saving import check_writable, write_file
from azc.errors import ConfigError, expected

if TYPE_CHECKING:
    from azc.evaluation import Result
    from azc.program import Program
    from azc.tasks import TaskSet

_EXAMPLES = """
azc run linear.az --task linear
azc run linear --task affine --features 4 --tasks 100 --seed 7
azc run linear --task digits:3,8 --epochs 10
azc run model.az --task measurements.csv --target yield --metric rmse
azc run model.az --task split.npz --json --predictions out.npy
"""


@click.command("run", cls=Command, examples=_EXAMPLES)
@click.argument("program_name", metavar="P.az")
@evaluation_options
@click.option(
    "--max-abs-error",
    type=Positive(),
    default=100.0,
    show_default=True,
    metavar="X",
    help="Training ends where an error is NaN or larger.",
)
@click.option(
    "--predictions", metavar="FILE.npy", help="Write the validation predictions, a row per task."
)
@click.option("--test", is_flag=True, help="Score the test part, too: once, after the last epoch.")
@click.option("--save", metavar="MODEL.npz", help="Keep the trained memory; one task only.")
@json_option
@click.option(
    "--verbose",
    is_flag=True,
    help="Show also what was run, by which tier and why, and where the time went.",
)
def command(
    program_name: str,
    choice: TaskChoice,
    epochs: int,
    tier: str,
    max_abs_error: float,
    predictions: str | None,
    test: bool,
    save: str | None,
    as_json: bool,
    verbose: bool,
) -> None:
    """Train and score a program.

    P.az is a file, the name of a program from 'azc library', or - for standard input. Each task
    starts from zeroed memory; fitness is between 0 and 1.
    """
    from azc.cli.progress import Progress, Waiting
    from azc.tasks.advice import warn_of_labels

    if predictions is not None:
        check_writable(predictions, "--predictions")
    if save is not None:
        check_writable(save, "--save")
    moments = [time.perf_counter()]
    program = load_program(program_name)
    moments.append(time.perf_counter())
    with Waiting(f"making the tasks of {choice.task}"):
        tasks = choice.make()
    moments.append(time.perf_counter())
    if predictions is not None:
        _check_alike(tasks)
    if save is not None and len(tasks) > 1:
        do = "give --tasks 1"
        raise ConfigError(f"--save: {expected('one task, whose memory is kept', len(tasks), do)}")
    _warn_of_prediction(program, tasks)
    warn_of_labels(tasks, max_abs_error)

    from azc.evaluation import check, run
    from azc.training import model_of

    settings = check(program, tasks, tier, epochs, choice.seed, max_abs_error)
    with Progress("examples") as progress:
        result = run(
            program,
            tasks,
            settings,
            tier=tier,
            test=test,
            progress=progress,
            remember=save is not None,
        )
    if predictions is not None:
        _save_predictions(predictions, result)
    if save is not None:
        model_of(program, tasks[0], result.trainings[0], settings).save(save)
    say_where_it_ended(program, tasks, result, seed=choice.seed, max_abs_error=max_abs_error)
    if as_json:
        print_json(_document(program, tasks, result))
    else:
        _print_tasks(tasks, result, verbose)
        click.echo()
        click.echo(f"{result.seconds:.3f} s with tier {result.tier}")
        if verbose:
            _print_more(program, result, moments)


def _print_more(program: Program, result: Result, moments: list[float]) -> None:
    click.echo(f"tier {result.tier}: {result.reason}")
    loading, making = moments[1] - moments[0], moments[2] - moments[1]
    click.echo(f"{loading:.3f} s to read the program, {making:.3f} s to make the tasks")
    sizes = ", ".join(f"{name} {len(body)}" for name, body in program.functions())
    click.echo(f"{program.filename}: {sizes}; hash {program.hash}")


def _warn_of_prediction(program: Program, tasks: TaskSet) -> None:
    """Say so if the program predicts what the tasks do not score: a scalar where there are more
    than two classes, or a vector where there are not."""
    from azc.analysis import predicts_vector
    from azc.cli.failures import styled

    vector = predicts_vector(program)
    task = next((task for task in tasks if (task.classes > 2) != vector), None)
    if task is None or not any(program.instructions()):
        return
    scored = "the vector v2 is scored" if task.classes > 2 else "the scalar s1 is scored"
    made = "the vector v2" if vector else "the scalar s1"
    do = "azc library lists others" if task.classes <= 2 else "softmax predicts a vector"
    message = f"{program.filename} predicts {made}, but on {task.name} {scored}; {do}"
    click.echo(styled(message, "warning"), err=True)


def _document(program: Program, tasks: TaskSet, result: Result) -> dict[str, Any]:
    document: dict[str, Any] = {
        "program": program.filename,
        "hash": program.hash,
        "tier": result.tier,
        "fitness": finite(result.mean),
        "tasks": [
            {
                "name": task.name,
                "features": task.features,
                "fitness": finite(fitness),
                "metric": result.metric,
                "value": finite(value),
            }
            for task, fitness, value in zip(tasks, result.fitness, result.value, strict=True)
        ],
        "seconds": result.seconds,
    }
    if result.test_fitness is not None and result.test_value is not None:
        document["test_fitness"] = finite(float(result.test_fitness.mean()))
        scores = zip(result.test_fitness, result.test_value, strict=True)
        for entry, (fitness, value) in zip(document["tasks"], scores, strict=True):
            entry |= {"test_fitness": finite(fitness), "test_value": finite(value)}
    return document


def _print_tasks(tasks: TaskSet, result: Result, verbose: bool) -> None:
    columns = [Column("task"), Column("features", right=True)]
    if verbose:
        columns += [Column(title, right=True) for title in ("train", "valid", "classes")]
    columns += [Column("fitness", right=True), Column(result.metric, right=True)]
    tested = result.test_fitness is not None
    if tested:
        columns += [Column(f"test {what}", right=True) for what in ("fitness", result.metric)]
    rows = []
    for task, fitness, value in zip(tasks, result.fitness, result.value, strict=True):
        sizes = [str(task.features)]
        if verbose:
            sizes += [str(len(task.y_train)), str(len(task.y_valid)), str(task.classes or "")]
        rows.append([task.name, *sizes, f"{fitness:.6f}", f"{value:.6g}"])
    between = [""] * (len(columns) - (5 if tested else 3))
    mean = float(result.value.mean())
    rows.append(["mean", *between, f"{result.mean:.6f}", f"{mean:.6g}"])
    if result.test_fitness is not None and result.test_value is not None:
        scores = [*zip(result.test_fitness, result.test_value, strict=True)]
        scores.append((result.test_fitness.mean(), result.test_value.mean()))
        for row, (fitness, value) in zip(rows, scores, strict=True):
            row += [f"{fitness:.6f}", f"{value:.6g}"]
    print_table(columns, rows, foot=1)


def _check_alike(tasks: TaskSet) -> None:
    """Predictions go into one array, so the tasks' must have one shape."""
    shapes = {(len(task.y_valid), task.classes if task.classes > 2 else 1): task for task in tasks}
    if len(shapes) > 1:
        (one, first), (other, second), *_ = ((task.name, shape) for shape, task in shapes.items())
        got = f"{one} with {first[0]} and {other} with {second[0]}"
        do = "give --valid, or run the tasks one at a time"
        what = "tasks with equally many validation examples and classes"
        raise ConfigError(f"--predictions: {expected(what, got, do)}")


def _save_predictions(path: str, result: Result) -> None:
    import io

    import numpy as np

    buffer = io.BytesIO()
    np.save(buffer, np.stack(result.predictions), allow_pickle=False)
    write_file(path, buffer.getvalue())
