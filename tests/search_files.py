"""Search files for tests, and what becomes of them when keys are changed."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from azc.errors import ConfigError
from azc.search.settings import Settings
from azc.search.settings_file import apply_override

#: The least that a search file says.
LEAST = """
[search]
stop = { seconds = 1 }
[space]
scalars = 4
vectors = 3
matrices = 1
setup = { size = 2 }
predict = { size = 2 }
learn = { size = 8 }
[tasks.search]
task = "linear"
"""

#: Every table, and every key that can be set beside the others.
ALL = """
[search]
method = "mgg"
population = 20
tournament = 3
mutate_prob = 0.5
children = 4
mutations = ["insert", "remove", "trade", "identity"]
filter = true
aggregate = "median"
stop = { fitness = 0.9, programs = 1_000, seconds = 2.5 }
islands = 4
workers = 2
seed = 18446744073709551615
interval = 50
[space]
scalars = 5
vectors = 6
matrices = 2
ops = ["dot", "OP1", "matrix_add"]
setup = { size = 3, ops = ["scalar_const"] }
predict = { min = 1, max = 4, init = 2 }
learn = { min = 0, max = 8 }
start = "random"
[restart]
steps = 1_000_000
programs = 5_000
patience = 400
fitness = 0.5
by = 300
[evaluation]
epochs = 3
max_abs_error = inf
seed = 7
[budget]
baseline = "linear"
factor = 1.5
[fec]
train = 5
valid = 6
size = 100
forget = 3
digits = 9
level1 = false
level2 = true
[hurdles]
train = 20
valid = 10
quantile = 0.75
window = 50
[migration]
every = 100
share = 0.25
[compile]
hot = false
[tasks.search]
task = "linear"
count = 4
features = [4, 8]
train = 100
valid = 50
[tasks.select]
task = "affine"
[tasks.final]
task = "teacher-nn"
count = 2
seed = 5
"""


def tables(text: str = LEAST) -> dict[str, Any]:
    return tomllib.loads(text)


def changed(*changes: str, text: str = LEAST) -> Settings:
    """Settings of `text` with ``KEY=VALUE`` changes, from no file."""
    found = tables(text)
    for change in changes:
        apply_override(found, change)
    return Settings.from_mapping(found)


def refusal(*changes: str, text: str = LEAST) -> str:
    with pytest.raises(ConfigError) as caught:
        changed(*changes, text=text)
    return str(caught.value)


def save(folder: Path, text: str = LEAST, name: str = "demo.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


#: A program of 2, 2 and 8 instructions, in two parts.
PROGRAM = (
    "def Setup():\n    NoOp()\n    s2 = 0.5\ndef Predict():\n    s1 = dot(v0, v1)\n    NoOp()\n"
)
LEARN = "def Learn():\n" + "    NoOp()\n" * 8
