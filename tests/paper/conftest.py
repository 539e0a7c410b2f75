"""Experiments on tasks of a fraction of a second, with nothing to download."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from azc.paper import find
from azc.paper.experiment import Context
from azc.paper.plan import Options, Plan
from azc.paper.record import Record


@pytest.fixture
def context(tmp_path: Path) -> Callable[..., Context]:
    """Makes the context of an experiment that has begun and has no trials."""

    def begin(name: str, *overrides: str, **rest: str) -> Context:
        experiment = find(name)
        arms = experiment.arms(Options(overrides=overrides, **rest))
        plan = Plan.scaled(arms, 1.0, 2, repeats=False, first=experiment.first_seed)
        base = tmp_path / name
        return Context(Record.create(base, plan.to_json()), base, plan)

    return begin
