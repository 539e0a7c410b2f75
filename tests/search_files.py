"""Search files for tests, and what becomes of them when keys are changed."""

from __future__ import annotations

import sqlite3
import tomllib
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from azc.errors import ConfigError
from azc.search import Outcome, Search
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

#: A search that takes a fraction of a second, in which everything happens: two islands exchange
#: programs and begin anew, and programs are selected.
SMALL = """
[search]
population = 30
tournament = 4
islands = 2
interval = 400
stop = { programs = 4000 }
[space]
scalars = 4
vectors = 3
matrices = 1
ops = ["scalar_const", "dot", "scalar_sub", "scalar_mul", "scalar_vector_mul", "vector_add"]
setup = { size = 3 }
predict = { size = 2 }
learn = { size = 5 }
[restart]
programs = 1500
[migration]
every = 600
share = 0.5
[compile]
hot = false
[tasks.search]
task = "linear"
count = 3
features = 4
train = 30
valid = 10
[tasks.select]
task = "linear"
count = 4
features = 4
train = 40
valid = 10
[tasks.final]
task = "linear"
count = 2
features = 4
train = 40
valid = 10
"""


def small(*changes: str) -> Search:
    """The search of `SMALL` with ``KEY=VALUE`` changes."""
    return Search(changed(*changes, text=SMALL))


def told(outcome: Outcome) -> str:
    """All that an outcome says and that may not depend on the clock."""
    return repr((outcome.solved, outcome.reason, outcome.best, outcome.history, outcome.lineage))


def left(folder: Path) -> dict[str, Any]:
    """All that a search has left in `folder` and that may not depend on the clock."""
    with closing(sqlite3.connect(f"file:{folder}/run.sqlite?mode=ro", uri=True)) as connection:
        tables: dict[str, Any] = {
            name: connection.execute(f"SELECT * FROM {name} ORDER BY 1, 2").fetchall()
            for name in ("history", "hall", "lineage")
        }
    assert tables["history"]
    files = [path for path in folder.rglob("*.az") if path.is_file()]
    return tables | {str(path.relative_to(folder)): path.read_text() for path in files}


#: Gradient descent but for its last line, which any search finds soon.
NEAR = (
    "def Setup():\n    s2 = 0.05\ndef Predict():\n    s1 = dot(v0, v1)\n"
    "def Learn():\n    s3 = s0 - s1\n    s3 = s3 * s2\n    v2 = s3 * v0\n    NoOp()\n"
)


def near(folder: Path, *changes: str) -> Search:
    """The search of `SMALL` beginning with `NEAR`, of which only Learn is changed."""
    path = folder / "near.az"
    path.write_text(NEAR)
    given = ("space.setup={size=1,ops=[]}", "space.predict={size=1,ops=[]}", "space.learn.size=4")
    return small(*given, f"space.start={path}", *changes)
