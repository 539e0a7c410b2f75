"""What the Python interface accepts beside what it asks for, what it refuses, and how it shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import azc

TEXT = '"""Adds."""\ndef Predict():\n    s1 = dot(v0, v1)\ndef Learn():\n    v1 = v0 + v1\n'


@pytest.fixture(scope="module")
def task() -> azc.Task:
    return azc.tasks.make("linear", features=4, train=10, valid=5)


def test_a_text_may_be_bytes_or_a_path(tmp_path: Path) -> None:
    path = tmp_path / "a.az"
    path.write_text(TEXT)
    assert azc.parse(TEXT) == azc.parse(TEXT.encode()) == azc.parse(path) == azc.load(path)
    assert azc.parse(path).filename == str(path)
    with pytest.raises(azc.ParseError, match="expected UTF-8 text, got byte 0xff"):
        azc.parse(b"\xff")


def test_one_task_stands_for_a_list(task: azc.Task) -> None:
    program = azc.parse(TEXT)
    [alone] = azc.evaluate(program, task, tier="interpreter").fitness
    assert alone == azc.evaluate(program, [task]).fitness[0]


def test_settings_as_tables() -> None:
    demo = azc.Search.from_toml("demo").settings
    assert azc.Search.from_toml(demo.model_dump(exclude_none=True)).settings == demo
    with pytest.raises(azc.ConfigError, match="settings: expected the key 'search', got none"):
        azc.Search.from_toml({})


@pytest.mark.parametrize("wrong", [None, 3, [TEXT], object()])
def test_what_is_no_text(wrong: Any) -> None:
    with pytest.raises(azc.AzcError, match="expected the text of a program, got "):
        azc.parse(wrong)
    with pytest.raises(azc.AzcError, match="expected the path of a program, got "):
        azc.load(wrong)
    with pytest.raises(azc.ConfigError, match=r"expected a search file.* a dict of settings, got "):
        azc.Search.from_toml(wrong)


@pytest.mark.parametrize("options", [{"seconds": "soon"}, {"out": 5}, {"seed": "x"}])
def test_options_of_a_search(options: dict[str, Any]) -> None:
    with pytest.raises(azc.ConfigError, match=f"{next(iter(options))}: expected "):
        azc.Search.from_toml("demo").run(**options)


@pytest.mark.parametrize("wrong", ["affine", None, Path("affine.az"), 5])
def test_what_is_no_program(wrong: Any, task: azc.Task) -> None:
    for call in (
        lambda: azc.evaluate(wrong, [task]),
        lambda: azc.compile(wrong, features=4),
        lambda: azc.compile([wrong], features=4),
    ):
        with pytest.raises(azc.AzcError, match=r"expected a Program, got .*azc\.library\.load"):
            call()
    assert azc.library.load("affine").hash  # as the message says


@pytest.mark.parametrize("wrong", [None, 3, ["linear"], "linear"])
def test_what_are_no_tasks(wrong: Any) -> None:
    with pytest.raises(azc.TaskError, match="expected a Task"):
        azc.evaluate(azc.parse(TEXT), wrong)


def test_short_to_see() -> None:
    """A line for each, whatever its size: the last expression of a cell in a notebook."""
    lines = "".join(f"    v{k} = v0 + v{k}\n" for k in range(3, 900))
    program = azc.parse(f"def Predict():\n{lines}", filename="large.az")
    assert repr(program) == (
        f"<Program large.az: 0 in Setup, 897 in Predict, 0 in Learn instructions, "
        f"{program.hash[:12]}>"
    )
    assert repr(program.predict[0]) == "<Instruction v3 = v0 + v3>"
    shown = program._repr_markdown_()
    assert shown.startswith("```python\ndef Setup():\n    pass\n")
    assert shown.endswith("lines more: print(program) shows all\n```")
    assert len(shown.splitlines()) < 70
    x = np.ones((1000, 8))
    task = azc.Task(x, x[:, 0], x, x[:, 0])
    result = azc.evaluate(azc.parse(TEXT), [task] * 50, tier="interpreter")
    for value in (task, result, azc.Search.from_toml("demo")):
        assert len(repr(value)) < 200
        assert "\n" not in repr(value)


def test_a_docstring_cannot_end_the_block_early() -> None:
    shown = azc.parse(f'"""See ````x````."""\n{TEXT[12:]}')._repr_markdown_()
    fence = shown.partition("python")[0]
    assert shown.count(fence) == 2
