"""Each experiment: the settings of its arms, and its findings of trials that are made up."""

from __future__ import annotations

import json
import sys
from typing import Any
from xml.etree import ElementTree

import pytest
from paper_files import DIGITS, FINAL

from azc import library
from azc.errors import ConfigError
from azc.paper import NAMES, find
from azc.paper.drawing import svg
from azc.paper.experiment import PLAIN, derived, growing
from azc.paper.figure4 import NICHES, PROBLEMS
from azc.paper.plan import Options, methods
from azc.paper.record import Trial
from azc.paper.tables import as_csv

#: Behaviour is looked at at a hurdle.
HURDLE = "hurdles={train=20}"
OVERRIDES = {"figure6": (*DIGITS, HURDLE), "figure7": DIGITS, "figure8": DIGITS, "final": FINAL}
START = "def Setup():\n    pass\n\ndef Predict():\n    pass\n\ndef Learn():\n    pass\n"
BETTER = START.replace("def Predict():\n    pass", "def Predict():\n    s1 = dot(v0, v1)")
LEARNS = BETTER.replace("def Learn():\n    pass", "def Learn():\n    v1 = v0 + v1")


def document(seed: int, **changes: Any) -> dict[str, Any]:
    """What came of a trial, made up."""
    found: dict[str, Any] = {
        "solved": seed % 2 == 1, "reason": "seconds", "seconds": 2.0, "cpu_seconds": 1.5 + seed,
        "populations": 3, "programs": 1000 * seed, "evaluated": 100, "level1": 5, "level2": 5,
        "filtered": 10, "over_budget": 0, "hurdled": 3, "steps": 1000,
        "fitness": {"search": 0.5 + seed / 20, "select": 0.4 + seed / 20, "final": 0.4 + seed / 30},
        "program": LEARNS, "course": [[100, 0.3], [200 * seed, 0.5 + seed / 20]],
        "lineage": [
            {"programs": 1, "fitness": 0.1, "mutation": "start", "program": START},
            {"programs": 50, "fitness": 0.3, "mutation": "insert", "program": BETTER},
            {"programs": 90, "fitness": 0.2, "mutation": "remove", "program": START},
            {"programs": 200, "fitness": 0.55, "mutation": "insert", "program": LEARNS},
        ],
        "found": seed == 1, "layers": seed < 3, "goal": 0.7, "adapted": seed == 2,
        "scores": {"a": 0.7, "b": 0.8}, "accuracy": 0.75,
        "trials": 10, "before": 0.5, "best": 0.7, "constants": 2,
    }  # fmt: skip
    return found | changes


@pytest.mark.parametrize("name", NAMES)
def test_findings(name, context):
    experiment, made = find(name), context(name, *OVERRIDES.get(name, ()))
    trials = [
        Trial(arm.name, seed, document(seed))
        for arm in made.plan.arms
        for seed in range(experiment.first_seed, 4)
    ]
    findings = experiment.conclude(made, trials)
    # One row for each trial; the final evaluation has one for each pair of classes.
    assert len(findings.rows) >= 3 * len(made.plan.arms)
    assert as_csv(findings.rows).count("\n") == len(findings.rows) + 1
    for table in findings.tables:
        assert {len(row) for row in table.rows} == {len(table.columns)}
        assert table.title in findings.markdown()
    data = json.loads(json.dumps(findings.data, allow_nan=False))
    pytest.importorskip("matplotlib")
    picture = svg(experiment, data)
    assert picture is not None
    assert ElementTree.fromstring(picture).tag.endswith("svg")
    assert svg(experiment, data) == picture


@pytest.mark.parametrize("name", NAMES)
def test_findings_of_nothing(name, context):
    findings = find(name).conclude(context(name, *OVERRIDES.get(name, ())), [])
    assert findings.rows == []
    assert findings.markdown()


@pytest.mark.parametrize("name", NAMES)
def test_arms_have_names_of_their_own(name):
    arms = find(name).arms(Options())
    assert len({arm.name for arm in arms}) == len(arms) > 1


def test_figure4_has_the_papers_settings():
    arms = {arm.name: arm.settings for arm in find("figure4").arms(Options())}
    assert len(arms) == len(PROBLEMS) * len(methods())
    sizes = {"linear": (5, 1, 4), "affine": (6, 2, 6)}
    for problem, expected in sizes.items():
        settings = arms[f"{problem} / regularized-evolution"]
        assert settings
        space, search = settings.space, settings.search
        assert (space.setup.size, space.predict.size, space.learn.size) == expected
        assert space.scalars == 4 + (problem == "affine")
        assert (space.vectors, space.matrices) == (3, 1)
        assert (search.population, search.tournament, search.mutate_prob) == (1000, 10, 0.9)
        assert not search.filter
        assert settings.restart
        assert settings.restart.programs == (100_000 if problem == "affine" else 10_000)
    for settings in arms.values():
        assert settings
        tasks = settings.tasks.search
        assert (tasks.count, tasks.features, tasks.train, tasks.valid) == (3, 8, 1000, 100)
        assert settings.search.islands == 1
        assert bool(settings.hurdles) == (settings.search.method == "niches")
        assert not settings.migration


@pytest.mark.parametrize("problem", PROBLEMS)
def test_figure4_has_the_presets_way_with_niches(problem):
    arms = {arm.name: arm.settings for arm in find("figure4").arms(Options())}
    ours = derived(NICHES[problem.split(",")[0]])
    settings = arms[f"{problem} / niches"]
    assert settings
    for table in ("niches", "constants", "restart", "fec", "hurdles"):
        assert getattr(settings, table) == getattr(ours, table)
    same = {"exclude": {"stop"}}
    assert settings.search.model_dump(**same) == ours.search.model_dump(**same)
    assert settings.search.stop.fitness == 0.9999
    assert settings.space.start == "empty" or problem.endswith("learning")


def test_figure5_has_the_papers_settings():
    arms = {arm.name: arm.settings for arm in find("figure5").arms(Options())}
    assert arms["paper"]
    space = arms["paper"].space
    assert (space.setup.size, space.predict.size, space.learn.size) == (21, 3, 9)
    assert (space.scalars, space.vectors, space.matrices) == (4, 8, 2)


@pytest.mark.parametrize("variant", find("figure7").variants)
def test_figure7_changes_the_tasks_only(variant):
    case, control = find("figure7").arms(Options(variant=variant))
    assert case.settings
    assert control.settings
    assert case.settings.search == control.settings.search
    difference = (case.settings.tasks, case.settings.evaluation) != (
        control.settings.tasks,
        control.settings.evaluation,
    )
    assert difference


def test_figure8_adds_one_upgrade_at_a_time():
    arms = {arm.name: arm.settings for arm in find("figure8").arms(Options())}
    first, last = arms["baseline"], arms["+ hurdles"]
    assert first
    assert last
    assert not any((first.migration, first.hurdles, first.fec.level2))
    assert last.migration
    assert last.hurdles
    assert last.fec.level2
    assert arms["and filter"] == last.changed(["search.filter=true"])


def test_without_matplotlib_there_is_no_picture(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert svg(find("figure4"), {"points": []}) is None


def test_plain_settings_are_those_of_no_preset():
    for preset in ("demo", "affine", "cifar10-fast", "cifar10-full", "paper-cifar10"):
        search = derived(preset, PLAIN).search
        assert (search.method, search.filter, search.islands) == ("regularized-evolution", False, 1)


def test_growing_has_the_same_sizes_at_most():
    settings = derived("linear-learning")
    space = settings.changed(growing(settings)).space
    assert (space.learn.min, space.learn.max) == (0, settings.space.learn.max)
    assert space.setup == settings.space.setup


def test_final_refuses_what_it_does_not_know():
    experiment = find("final")
    with pytest.raises(ConfigError, match="did you mean 'pairs'"):
        experiment.arms(Options(overrides=("pair=1",)))
    with pytest.raises(ConfigError, match="did you mean 'cifar10'"):
        experiment.arms(Options(overrides=("images=cifar",)))
    with pytest.raises(ConfigError, match="train: expected a whole number from 1, got '0'"):
        experiment.arms(Options(overrides=("train=0",)))


def test_final_takes_a_program():
    arms = find("final").arms(Options(program="arctan_decay"))
    assert "arctan" in arms[2].about["text"]
    assert str(library.load("network")).endswith(arms[1].about["text"])


def test_unknown_experiment():
    with pytest.raises(ConfigError, match="did you mean 'figure4'"):
        find("figure44")
