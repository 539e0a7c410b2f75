"""From what is asked for to the findings: begins an experiment or goes on with it, trial by
trial, and writes down what they show.

    DIR/record.sqlite   every trial that has ended                   (record.py)
    DIR/searches/       the folders of searches, those under way too
    DIR/findings.md     the tables
    DIR/data.csv        a row for each trial
    DIR/data.json       what the picture shows
    DIR/figure.svg      the picture
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from azc.errors import ConfigError, expected
from azc.paper.experiment import Context, Experiment, InterruptedTrialError
from azc.paper.plan import Arm, Options, Plan
from azc.paper.record import Record, Trial
from azc.paper.tables import Findings, as_csv
from azc.paper.workers import Pool

__all__ = ["Outcome", "run"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an experiment stands. `done`: all trials of its plan have ended; `drawn`: there is a
    picture, which needs matplotlib."""

    done: bool
    trials: int
    findings: Findings
    folder: Path
    drawn: bool


def run(
    experiment: Experiment,
    options: Options,
    folder: Path,
    *,
    resume: bool = False,
    data: str | None = None,
    workers: int = 1,
    tell: Callable[[str], None] = lambda text: None,
) -> Outcome:
    """Run the experiment in `folder`, or go on with the one there.

    `data`: where image sets lie; `workers`: trials that run side by side; `tell` is called with
    what is going on. Ctrl-C during a search ends it with what there is. Raises
    `AzcError`.
    """
    workers = 1 if experiment.alone else workers
    with _opened(experiment, options, folder, resume, workers) as record:
        plan = Plan.from_json(record.about("plan"))
        if resume:
            plan = plan.rescaled(options.hours, options.seeds, workers)
            record.note("plan", plan.to_json())
        context = Context(record, folder, plan, data, tell)
        if workers > 1:
            done = _run_side_by_side(experiment, context, record, workers)
        else:
            done = _run_trials(experiment, context, record)
        if done and not experiment.keeps:
            shutil.rmtree(folder / "searches", ignore_errors=True)
        trials = record.trials()
        findings = experiment.conclude(context, trials)
        drawn = _write(experiment, findings, folder)
        return Outcome(done, len(trials), findings, folder, drawn)


def _opened(
    experiment: Experiment, options: Options, folder: Path, resume: bool, workers: int
) -> Record:
    shaping = {"experiment": experiment.name, **options.shaping()}
    if not resume:
        _check(experiment, options)
        arms = _chosen(experiment, options)
        hours = experiment.hours if options.hours is None else options.hours
        seeds = experiment.seeds if options.seeds is None else options.seeds
        plan = Plan.scaled(
            arms,
            hours,
            seeds,
            repeats=experiment.repeats,
            first=experiment.first_seed,
            workers=workers,
        )
        record = Record.create(folder, plan.to_json())
        record.note("shaping", shaping)
        return record
    record = Record.open(folder)
    try:
        _check_goes_on(record.about("shaping"), shaping, options)
    except BaseException:
        record.close()
        raise
    return record


def _check(experiment: Experiment, options: Options) -> None:
    known = ", ".join(experiment.variants) or "none"
    if options.variant is not None and options.variant not in experiment.variants:
        what = f"one of the variants of {experiment.name} ({known})"
        raise ConfigError(expected(what, repr(options.variant)))
    if options.program is not None and not experiment.takes_program:
        what = f"no program with {experiment.name}"
        raise ConfigError(expected(what, repr(options.program), "leave it out"))


def _chosen(experiment: Experiment, options: Options) -> list[Arm]:
    """The arms, or those of which the name has one of `options.only` in it."""
    arms = experiment.arms(options)
    if not options.only:
        return arms
    chosen = [arm for arm in arms if any(part in arm.name for part in options.only)]
    if not chosen:
        known = ", ".join(repr(arm.name) for arm in arms)
        raise ConfigError(f"--only: {expected(f'a part of one of {known}', list(options.only))}")
    return chosen


def _check_goes_on(began: dict[str, Any], shaping: dict[str, Any], options: Options) -> None:
    """An experiment goes on as it began; what is left out is as it was."""
    given = {key: value for key, value in shaping.items() if value not in (None, [])}
    for key, value in given.items():
        if began.get(key) != value:
            do = "leave it out, or begin another experiment with another --out"
            what = f"{began.get(key)!r}, as the experiment began"
            raise ConfigError(f"{key}: {expected(what, repr(value), do)}")


def _run_trials(experiment: Experiment, context: Context, record: Record) -> bool:
    """Trials to the end of the plan, one after the other; False if the user ended it before."""
    while (following := context.plan.next(record.trials())) is not None:
        arm, seed = following
        try:
            document = experiment.trial(context, arm, seed)
        except (InterruptedTrialError, KeyboardInterrupt):
            return False
        _keep(experiment, context, record, Trial(arm.name, seed, document))
    return True


def _run_side_by_side(
    experiment: Experiment, context: Context, record: Record, workers: int
) -> bool:
    """The same with so many trials at a time."""
    interrupted = False
    with Pool(experiment.name, context, workers) as pool:
        while True:
            try:
                while not interrupted and pool.idle:
                    following = context.plan.next(record.trials(), pool.running)
                    if following is None:
                        break
                    pool.begin(following[0].name, following[1])
                if not pool.running:
                    return not interrupted
                for done in pool.finished():
                    if done.document is None:
                        interrupted = True
                    else:
                        trial = Trial(done.arm, done.seed, done.document)
                        _keep(experiment, context, record, trial)
            except KeyboardInterrupt:
                if interrupted:
                    raise
                interrupted = True
                pool.interrupt()


def _keep(experiment: Experiment, context: Context, record: Record, trial: Trial) -> None:
    record.add(trial.arm, trial.seed, trial.document)
    if not experiment.keeps:
        folder = context.folder(trial.arm, trial.seed)
        shutil.rmtree(folder, ignore_errors=True)
    spent = sum(other.document["seconds"] for other in record.trials())
    share = 100 * spent / context.plan.seconds
    context.tell(
        f"{trial.arm}, seed {trial.seed}: {_line(trial.document)} ({share:.0f}% of the time)"
    )


def _line(document: dict[str, Any]) -> str:
    """A trial in a few words."""
    if "programs" not in document:
        return f"{document['seconds']:.1f} s"
    scores = [f"{name} {value:.4f}" for name, value in document["fitness"].items() if value]
    solved = "solved, " if document["solved"] else ""
    return f"{solved}{document['programs']:,} programs, {document['seconds']:.1f} s; " + ", ".join(
        scores
    )


def _write(experiment: Experiment, findings: Findings, folder: Path) -> bool:
    """The files of the findings; whether the picture is among them."""
    _put(folder / "findings.md", findings.markdown().encode())
    _put(folder / "data.csv", as_csv(findings.rows).encode())
    _put(folder / "data.json", json.dumps(findings.data, indent=1).encode())
    from azc.paper.drawing import svg

    picture = svg(experiment, findings.data)
    if picture is not None:
        _put(folder / "figure.svg", picture)
    return picture is not None


def _put(path: Path, data: bytes) -> None:
    """Write the file at once: who reads it finds the old content or the new."""
    temporary = path.with_name(f".{path.name}.writing")
    temporary.write_bytes(data)
    os.replace(temporary, path)
