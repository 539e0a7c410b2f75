"""The page for users of the reference implementation says what is so."""

from __future__ import annotations

import re
from pathlib import Path

from azc import parse
from azc.ops import OPS
from azc.search.settings import Settings

PAGE = (Path(__file__).parents[1] / "docs" / "from-reference.md").read_text("utf-8")


def test_ops_have_their_numbers() -> None:
    rows = re.findall(r"^\| (\d+) \| `[A-Z0-9_]+_OP` \| `(\w+)` \|$", PAGE, re.MULTILINE)
    assert rows == [(str(op.number), op.name) for op in OPS]


def test_the_printed_program_is_one() -> None:
    (text,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert len(parse(text).learn) == 4


def test_settings_exist() -> None:
    Settings.from_toml(
        "reference-demo",
        [
            "search.mutations=["
            + ", ".join(f'"{name}"' for name in re.findall(r"_TYPE` \| `([a-z-]+)`", PAGE))
            + "]",
            "search.aggregate=median",
            "search.interval=1000",
            "fec={ level2 = false, size = 100_000, forget = 1_000_000 }",
            "budget={ baseline = 'network', factor = 2.0 }",
            "restart={ steps = 1000, programs = 1000 }",
            "evaluation={ epochs = 2, max_abs_error = 100.0 }",
            "space.setup={ min = 1, max = 6, init = 1 }",
            "space.start=empty",
            "tasks.search={ task = 'cifar10:search', data = '.', metric = 'accuracy' }",
            "tasks.select={ task = 'cifar10:select', seed = 3 }",
            "tasks.final=",
        ],
    )
