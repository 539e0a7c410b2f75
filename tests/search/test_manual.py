"""`docs/searching.md` says what is so: every key with its default, and examples that work."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from search_files import save

from azc.cli.main import main
from azc.search import (
    Search,
    settings_plan,
    settings_search,
    settings_space,
    settings_tables,
    settings_tasks,
)
from azc.search.report import Counts
from azc.search.settings import MUTATIONS, Settings

PAGE = (Path(__file__).parents[2] / "docs" / "searching.md").read_text()
TABLES = {
    "[search]": settings_search.SearchSettings,
    "[space]": settings_space.SpaceSettings,
    "[tasks.search], [tasks.select], [tasks.final]": settings_tasks.TaskTable,
    "[restart]": settings_tables.RestartSettings,
    "[evaluation]": settings_tables.EvaluationSettings,
    "[budget]": settings_tables.BudgetSettings,
    "[fec]": settings_tables.FecSettings,
    "[hurdles]": settings_tables.HurdleSettings,
    "[niches]": settings_tables.NichesSettings,
    "[constants]": settings_tables.ConstantsSettings,
    "[migration]": settings_tables.MigrationSettings,
    "[compile]": settings_tables.CompileSettings,
}
#: Defaults that are told in words, because they follow from other keys.
IN_WORDS = {"mutations", "stop", "interval", "ops", "init", "valid", "count", "seed", "digits"}


def section(title: str) -> str:
    found = re.search(rf"^##+ {re.escape(title)}\n(.*?)(?=^##|\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found, title
    return found[1]


def rows(text: str) -> list[tuple[list[str], list[str]]]:
    """Of tables whose first column is names: the names in each row, and its other cells."""
    lines = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| `")]
    return [(re.findall(r"`([\w.-]+)`", name), cells) for name, *cells in lines]


def examples(language: str) -> list[str]:
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return [text for name, text in blocks if name == language]


@pytest.mark.parametrize("title", TABLES)
def test_every_key_is_there(title):
    model = TABLES[title]
    known = set(model.model_fields)
    if title == "[space]":
        known |= set(settings_space.FunctionSettings.model_fields)
    named = [name for names, _ in rows(section(title)) for name in names]
    assert set(named) == known
    fields: dict[str, Any] = {**settings_space.FunctionSettings.model_fields, **model.model_fields}
    for names, (*_, default) in rows(section(title)):
        for name in set(names) - IN_WORDS:
            field, said = fields[name], default.strip(" |").replace("`", "").replace(" ", "")
            if field.is_required():
                assert said == "required", name
            elif field.default is not None and name not in ("min", "max"):
                value = str(field.default).lower().replace("'", '"')
                assert said.strip('"').split(",or")[0] == value, name


def test_every_table_is_there():
    assert section("[[islands]]")
    known = {title.strip("[]").split(".")[0] for title in TABLES} | {"islands"}
    assert known == set(Settings.model_fields)


def test_every_mutation_and_count_is_there():
    assert [name for names, _ in rows(section("Mutations")) for name in names] == list(MUTATIONS)
    assert set(settings_plan._FIXED) | set(settings_plan._VARIABLE) <= set(MUTATIONS)
    for name in (*settings_plan._FIXED, *settings_plan._VARIABLE):
        assert f"`{name}`" in section("Mutations").rpartition("|")[2]
    ways = [name for names, _ in rows(section("What need not be run")) for name in names]
    assert set(ways) == {"over_budget", "level1", "level2", "hurdled", "evaluated"}
    assert set(ways) < set(Counts.__dataclass_fields__)
    commands = (Path(__file__).parents[2] / "docs" / "commands.md").read_text()
    history = re.search(r"^## azc history\n(.*?)^## ", commands, re.MULTILINE | re.DOTALL)
    assert history
    columns = [name for names, _ in rows(history[1]) for name in names]
    assert {"report", *Counts.__dataclass_fields__} == set(columns) - {"--csv", "--json"}
    for method in settings_search.METHODS:
        assert f'`"{method}"`' in section("[search]")
    for stop in settings_search.StopSettings.model_fields:
        assert f"`{stop}`" in section("[search]")


def test_the_search_file(tmp_path, monkeypatch):
    """It does what is said of it, from the command line and from Python."""
    text, islands = examples("toml")
    both = Settings.from_text(f"{text}\n{islands}", "both")
    assert [plan.tasks for plan in both.plans()] == [1, 1, 1, 1, 0, 0]
    save(tmp_path, text, "search.toml")
    monkeypatch.chdir(tmp_path)
    outcome = Search.from_toml("search.toml").run()
    assert outcome.solved
    for code in examples("python"):
        exec(compile(code, "docs/searching.md", "exec"), {})


def test_commands(tmp_path, monkeypatch, capsys):
    """Those that search are tried for a moment; the others as they stand."""
    monkeypatch.chdir(tmp_path)
    save(tmp_path, examples("toml")[0], "search.toml")
    lines = [
        line.partition("  #")[0].strip() for block in examples("") for line in block.splitlines()
    ]
    commands = [line.removeprefix("$ ") for line in lines if line.removeprefix("$ ")[:4] == "azc "]
    assert len(commands) == 7
    for command in commands:
        words = command.removeprefix("azc ").partition(" > ")[0].split()
        if words[0] == "evolve" and "--resume" not in words:
            words += ["--set", "search.stop.programs=500"]
        assert main(words) in (0, 1), command
        capsys.readouterr()


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)]+)\)", PAGE))
def test_links(link):
    path, _, place = link.partition("#")
    target = Path(__file__).parents[2] / "docs" / path if path else None
    text = target.read_text() if target else PAGE
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    slugs = [re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles]
    assert not place or place in slugs
