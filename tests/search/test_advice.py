"""Before a search begins it says what its tasks make pointless."""

from __future__ import annotations

import numpy as np
import pytest
from search_files import changed

from azc.errors import AzcWarning
from azc.search import Search

RNG = np.random.default_rng(0)
LITTLE = ("search.stop.seconds=", "search.stop.programs=300", "search.population=20")


def table(path, labels) -> str:
    rows = [
        f"{a},{b},{y}" for (a, b), y in zip(RNG.normal(size=(len(labels), 2)), labels, strict=True)
    ]
    path.write_text("\n".join(["a,b,y", *rows]) + "\n")
    return str(path)


def search(spec: str, *changes: str) -> Search:
    tasks = (f"tasks.search.task='{spec}'", "tasks.search.target=y")
    return Search(changed(*LITTLE, *tasks, *changes))


def test_a_goal_that_a_constant_reaches(tmp_path):
    spec = table(tmp_path / "x.csv", [0] * 57 + [1] * 3)
    with pytest.warns(AzcWarning, match=r"a constant prediction has fitness 0\.916667 .* x\.csv"):
        search(spec, "search.stop.fitness=0.9").run()
    search(spec, "search.stop.fitness=0.95").run()


def test_labels_beyond_the_limit(tmp_path):
    spec = table(tmp_path / "x.csv", RNG.normal(size=60) * 1e5)
    with pytest.warns(AzcWarning, match=r"labels of x\.csv\[0\] reach .* the limit of 100"):
        found = search(spec).run()
    assert found.fitness["search"] == 0.0
    assert search(spec, "tasks.search.standardize_labels=true").run().fitness["search"] > 0.4
    assert search(spec, "evaluation.max_abs_error=1e7").run().fitness["search"] > 0.0
