"""The programs in the language's documentation are programs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from azc.lang import check, format_text, parse
from azc.lang.functions import ALIASES, MACROS
from azc.lang.spellings import SPELLINGS

PAGE = (Path(__file__).parents[2] / "docs" / "language.md").read_text("utf-8")
BLOCKS = [
    block for block in re.findall(r"```python\n(.*?)```", PAGE, re.S) if "import" not in block
]


@pytest.mark.parametrize("block", BLOCKS)
def test_examples(block: str) -> None:
    if "def " not in block:
        block = "def Learn():\n" + "".join(f"    {line}\n" for line in block.splitlines())
    else:
        assert check(block) == []
    assert parse(format_text(block)) == parse(block)


def test_every_function_is_mentioned() -> None:
    assert len(BLOCKS) == 3
    names = {head.name for head in (*SPELLINGS, *MACROS)} | set(ALIASES)
    missing = [
        name for name in names if name.isidentifier() and not re.search(rf"\b{name}\b", PAGE)
    ]
    assert missing == []
