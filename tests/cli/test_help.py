"""What the commands say of themselves, what the manual says of them, and what starting costs."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

from azc.cli.main import cli, main
from azc.version import VERSION

_CONTEXT = click.Context(cli, info_name="azc")
COMMANDS = {name: cli.get_command(_CONTEXT, name) for name in cli.list_commands(_CONTEXT)}
MANUAL = (Path(__file__).parents[2] / "docs" / "commands.md").read_text()


def _options(command: click.Command) -> list[str]:
    return [
        spelling
        for param in command.get_params(click.Context(command))
        if isinstance(param, click.Option)
        for spelling in param.opts
    ]


def test_the_commands_are_there():
    assert {"run", "check", "fmt", "show", "ops", "tasks", "library"} <= set(COMMANDS)


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_of_all(azc, flag):
    outcome = azc(flag)
    assert outcome.code == 0
    assert "..." not in outcome.out.partition("Commands:")[2]
    for name, command in COMMANDS.items():
        assert re.search(rf"^  {name} +{re.escape(command.get_short_help_str(90)[:20])}",
                         outcome.out, re.MULTILINE)  # fmt: skip


def test_nothing_asked_for_shows_the_help(azc):
    assert azc().out == azc("--help").out


def test_version(azc):
    assert azc("--version").out == f"azc {VERSION}\n"


@pytest.mark.parametrize("name", COMMANDS)
def test_help_has_every_option_and_examples(azc, name):
    outcome = azc(name, "-h")
    assert outcome.code == 0
    assert outcome.out == azc(name, "--help").out
    for option in _options(COMMANDS[name]):
        assert option in outcome.out
    assert f"\nExamples:\n  azc {name}" in outcome.out
    for param in COMMANDS[name].params:
        assert isinstance(param, click.Argument) or param.help


@pytest.mark.parametrize("name", COMMANDS)
def test_examples_are_commands(name):
    for line in COMMANDS[name].examples.strip().splitlines():
        words = shlex.split(line.split(" < ")[0].split(" > ")[0])
        assert words[:2] == ["azc", name]
        # Parses the options without running anything.
        COMMANDS[name].make_context(name, words[2:])


def _section(name: str) -> str:
    found = re.search(rf"^## azc {name}\n(.*?)(?=^## |\Z)", MANUAL, re.MULTILINE | re.DOTALL)
    assert found
    return found[1]


@pytest.mark.parametrize("name", COMMANDS)
def test_manual_has_every_command_and_option(name):
    section = _section(name)
    # The options that describe tasks and evaluation are explained once.
    shared = _options(COMMANDS["run"]) if "options of [`azc run`](#azc-run)" in section else []
    for option in _options(COMMANDS[name]):
        if option.startswith("--"):
            place = MANUAL if option in ("--debug", "--help") else section
            if option in shared:
                place += _section("run")
            assert re.search(rf"`[^`\n]*{option}\b", place), option
    assert f"[`azc {name}`](#azc-{name})" in MANUAL


def test_manual_has_no_option_that_does_not_exist():
    known = {option for command in COMMANDS.values() for option in _options(command)}
    known |= set(_options(cli))
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", MANUAL)) <= known


def test_choices_in_help_are_those_of_the_library(azc):
    from azc.evaluation import TIERS
    from azc.tasks.task import METRICS

    out = azc("run", "-h").out
    assert f"--tier {'|'.join(TIERS)}" in out
    assert f"--metric {'|'.join(METRICS)}" in out


def _imported(*arguments: str) -> set[str]:
    """The modules that a run of the command line has imported."""
    code = (
        "import sys; from azc.cli.main import main; "
        f"assert main({list(arguments)!r}) == 0; print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    return set(done.stderr.split())


@pytest.mark.parametrize("arguments", [("--help",), ("ops",), ("ops", "--json"), ("--version",)])
def test_light_commands_import_little(arguments):
    heavy = {"numpy", "lark", "rich", "pydantic", "azc.tasks.task", "azc.lang", "azc.evaluation"}
    assert not heavy & _imported(*arguments)


def test_run_imports_what_it_needs_only(files):
    imported = _imported("run", "linear.az", "--task", "digits", "--json")
    assert not {"sklearn", "scipy", "pydantic", "rich", "pyarrow", "azc.reference"} & imported


def test_main_takes_its_arguments_from_the_process(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["azc", "--version"])
    assert main() == 0
    assert VERSION in capsys.readouterr().out
