"""The search files that come with azc: each is one, and says what it is."""

from __future__ import annotations

import json
import re

import pytest

import azc
from azc import presets
from azc.cli.main import main
from azc.errors import ConfigError
from azc.program import FUNCTIONS
from azc.search.settings import Settings
from azc.tasks import parse_spec

every = pytest.mark.parametrize("name", presets.names())
#: Those whose data need no download.
AT_HAND = [name for name in presets.names() if '"cifar10:' not in presets.text(name)]


def test_they_are_there():
    assert set(presets.names()) == {
        *("reference-demo", "demo", "linear", "affine", "linear-learning", "affine-learning"),
        *("teacher-nn", "cifar10-baseline", "cifar10-fast", "cifar10-full", "digits-baseline"),
        *("few-examples", "fast-training", "multi-class", "paper-teacher-nn", "linear-fast"),
        *("digits-fast", "paper-cifar10"),
    }
    assert presets.names() == sorted(presets.names())


@every
def test_text(name):
    """A sentence, then what it is and where it is from, then tables, in lines that fit."""
    text = presets.text(name)
    assert text.endswith("\n")
    assert not text.endswith("\n\n")
    assert max(map(len, text.splitlines())) <= 100
    first, second, *rest = presets.doc(name).splitlines()
    assert re.fullmatch(r"[A-Z].{20,90}\.", first)
    assert second == ""
    assert 1 <= len(rest) <= 5
    assert text.splitlines()[len(rest) + 2] == ""


def test_unknown_names():
    with pytest.raises(ConfigError, match=r"got 'dmo'; did you mean 'demo'\?"):
        presets.text("dmo")
    with pytest.raises(ConfigError, match="azc presets lists them"):
        presets.path("../presets/demo")


@every
def test_settings(name, tmp_path):
    settings = Settings.from_toml(name)
    path = tmp_path / "search.toml"
    path.write_text(settings.to_toml(), encoding="utf-8")
    assert Settings.from_toml(path) == settings
    assert settings.tasks.select is not None
    assert settings.search.stop.seconds is not None
    for program in settings.space.start_programs():
        assert program.learn


@every
def test_spaces(name):
    space = Settings.from_toml(name).space
    for function in FUNCTIONS:
        assert space.searched(function) or space.start not in ("random", "empty")
    assert space.searched("learn")


@pytest.mark.parametrize("name", AT_HAND)
def test_tasks(name):
    settings = Settings.from_toml(name)
    sets = {which: settings.make_tasks(which) for which in settings.tasks.configured()}
    settings.check_tasks(sets)
    for which, tasks in sets.items():
        assert len(tasks) == getattr(settings.tasks, which).count


@every
def test_starts_are_within_the_budget(name):
    settings = Settings.from_toml(name)
    if settings.budget is None:
        return
    task = settings.tasks.search
    features = max(task.features) if isinstance(task.features, tuple) else task.features

    def cost(program: azc.Program) -> float:
        once, step = (
            sum(instruction.op.cost(features) for instruction in body)
            for body in (program.setup, (*program.predict, *program.learn))
        )
        return once + task.train * step

    limit = settings.budget.factor * cost(settings.budget.program())
    assert all(cost(program) <= limit for program in settings.space.start_programs())


def test_held_out_pairs():
    """No pair of classes that a search learns on is among those that it is judged by."""
    for name in presets.names():
        tables = Settings.from_toml(name).tasks.configured()
        parts = [parse_spec(table.task).part for table in tables.values()]
        assert parts[0] != "search" or set(parts[1:]) == {"select"}


#: Gradient descent in the words of each space.
SOLUTIONS = {
    "linear": ("s3 = s0 - s1", "s3 = s2 * s3", "v2 = s3 * v0", "v1 = v1 + v2"),
    "affine": ("s4 = s0 - s1", "s4 = s2 * s4", "s3 = s3 + s4", "v2 = s4 * v0", "v1 = v1 + v2"),
}


@pytest.mark.parametrize(
    ("kind", "rest"),
    [*((kind, rest) for kind in SOLUTIONS for rest in ("", "-learning")), ("linear", "-fast")],
)
def test_solutions_are_in_the_space(kind, rest):
    """What is given needs only its Learn, of the ops and the size that there are."""
    settings = Settings.from_toml(f"{kind}{rest}")
    (given,) = Settings.from_toml(f"{kind}-learning").space.start_programs()
    text = "def Learn():\n" + "".join(f"    {line}\n" for line in SOLUTIONS[kind])
    learn = azc.parse(text, limits=settings.space.limits).learn
    assert {instruction.op for instruction in learn} <= set(settings.space.ops_of("learn"))
    assert len(learn) <= settings.space.function("learn").max
    if rest != "-learning":
        for function, body in given.functions():
            ops = {instruction.op for instruction in body if instruction.op.index}
            assert ops <= set(settings.space.ops_of(function))
            assert len(body) <= settings.space.function(function).max
    solved = azc.Program(given.setup, given.predict, learn)
    assert azc.evaluate(given, settings.make_tasks("search")).mean < 0.7
    for which in ("search", "select"):
        result = azc.evaluate(solved, settings.make_tasks(which))
        assert result.mean > settings.search.stop.fitness


def test_the_demos_are_one_problem():
    ours, reference = Settings.from_toml("demo"), Settings.from_toml("reference-demo")
    assert ours.tasks == reference.tasks
    assert ours.space.limits == reference.space.limits
    for name in FUNCTIONS:
        one, other = ours.space.function(name), reference.space.function(name)
        assert ours.space.ops_of(name) == reference.space.ops_of(name)
        assert one.max == other.max
    assert ours.search.stop.fitness == reference.search.stop.fitness
    fast, baseline = Settings.from_toml("cifar10-fast"), Settings.from_toml("cifar10-baseline")
    assert fast.tasks.final == baseline.tasks.final
    assert sum(fast.space.limits.values()) <= sum(baseline.space.limits.values())
    ops = {op for name in FUNCTIONS for op in baseline.space.function(name).ops}
    for name in FUNCTIONS:  # where they start is another matter
        ours, theirs = fast.space.function(name), baseline.space.function(name)
        assert set(ours.ops) < ops | {"vector_sub"}
        assert ours.max <= theirs.max


def test_features_of_the_full_space():
    full, paper = Settings.from_toml("cifar10-full"), Settings.from_toml("paper-cifar10")
    assert full.space == paper.space
    assert full.tasks == Settings.from_toml("cifar10-fast").tasks
    table = paper.tasks.search
    assert table.features == (8, 16, 32)
    assert table.count % len(table.features) == 0


# ---- the command -------------------------------------------------------------------------------


def run(capsys, *arguments: str) -> tuple[int, str, str]:
    capsys.readouterr()
    code = main(list(arguments))
    out, err = capsys.readouterr()
    return code, out, err


def test_listed(capsys):
    code, out, _ = run(capsys, "presets")
    title, *rows = out.splitlines()
    assert (code, title.split()) == (0, ["preset", "what"])
    assert [row.split()[0] for row in rows] == presets.names()
    for row in rows:
        assert row.endswith(presets.doc(row.split()[0]).splitlines()[0])


def test_listed_in_json(capsys):
    _, out, _ = run(capsys, "presets", "--json")
    assert json.loads(out) == [{"name": name, "doc": presets.doc(name)} for name in presets.names()]
    _, out, _ = run(capsys, "presets", "demo", "--json")
    assert json.loads(out) == {
        **{"name": "demo", "doc": presets.doc("demo"), "text": presets.text("demo")},
    }


@every
def test_printed_as_it_stands(name, capsys):
    code, out, err = run(capsys, "presets", name)
    assert (code, out, err) == (0, presets.text(name), "")


def test_unknown_in_the_command(capsys):
    code, out, err = run(capsys, "presets", "dmo")
    assert (code, out) == (2, "")
    assert "did you mean 'demo'?" in err
