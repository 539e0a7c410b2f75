"""The hand-written network that the best programs are compared with, its constants fitted."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import azc.evaluation
from azc import library
from azc.paper.experiment import Context
from azc.paper.plan import Arm
from azc.paper.tuning import scaled, tuned
from azc.program import Program
from azc.search.settings import Settings

__all__ = ["network_on", "with_data"]

#: Trials that the network's constants are fitted with, on the tasks that programs are searched on.
_TRIALS = 100


def network_on(context: Context, arm: Arm) -> dict[str, Any]:
    """The network's fitness on each set of the arm's tasks, with the constants that are best on
    T_search: ``"search"``, ``"select"`` and ``"final"``; and its ``"program"``."""
    assert arm.settings is not None
    settings = arm.settings
    name = "softmax_network" if settings.tasks.search.task.endswith(":all") else "network"

    def made() -> dict[str, Any]:
        context.tell(f"{name} on the tasks of {arm.name}: fitting its constants")
        program = replace(library.load(name), doc="")
        return _scores(program, with_data(settings, context.data))

    assert context.record is not None
    key = f"{name} on {settings.tasks.model_dump_json()} {settings.evaluation}"
    fact: dict[str, Any] = context.record.fact(key, made)
    return fact


def with_data(settings: Settings, data: str | None) -> Settings:
    """The settings with image sets read from that folder, if one is given."""
    tables = settings.tasks.configured()
    images = [which for which, table in tables.items() if table.uses_data and data is not None]
    return settings.changed([f"tasks.{which}.data={json.dumps(data)}" for which in images])


def _scores(program: Program, settings: Settings) -> dict[str, Any]:
    evaluation = settings.evaluation
    given: dict[str, Any] = {
        "epochs": evaluation.epochs,
        "seed": evaluation.seed,
        "max_abs_error": evaluation.max_abs_error,
    }
    fitted = tuned(program, settings.make_tasks("search"), seed=0, trials=_TRIALS, evaluation=given)
    program = scaled(program, fitted["factors"])
    scores: dict[str, Any] = {"program": str(program), "search": fitted["best"]}
    for which in settings.tasks.configured():
        if which != "search":
            result = azc.evaluation.evaluate(program, settings.make_tasks(which), **given)
            scores[which] = result.mean
    return scores
