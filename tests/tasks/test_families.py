"""Many tasks of one table: sides, columns, projections, pairs of classes; one of each file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from azc.errors import ConfigError, TaskError
from azc.search import Search
from azc.tasks import make, make_set


def numbered(folder: Path, name: str = "own.npz", count: int = 40) -> Path:
    """Rows whose first feature is their number, of four classes."""
    path = folder / name
    X = np.random.default_rng(0).normal(size=(count, 5))
    X[:, 0] = np.arange(count)
    np.savez(path, X=X, y=np.arange(count) % 4)
    return path


def drawn(path: Path, **options: Any) -> set[float]:
    """The first feature, standardised, of all rows of a task."""
    task = make(str(path), metric="accuracy", **options)
    preparation = task.preparation
    assert preparation
    assert preparation.scaling
    X = np.concatenate([task.X_train, task.X_valid])
    return set(np.round(preparation.scaling.undo(X)[:, 0]))


def test_sides_share_no_row_and_every_class_is_on_each(tmp_path: Path) -> None:
    path = numbered(tmp_path)
    sides = [drawn(path, rows=side, seed=seed) for seed, side in enumerate(("search", "select"))]
    final = drawn(path, rows="final", seed=5)
    assert [len(side) for side in (*sides, final)] == [20, 8, 12]
    assert set.union(*sides, final) == set(range(40))
    assert drawn(path, rows="search", seed=9) == sides[0]


def test_a_class_of_too_few_rows_for_three_sides(tmp_path: Path) -> None:
    path = tmp_path / "few.csv"
    lines = ["x,y", *(f"{k},a" for k in range(8)), "9,b"]
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(TaskError, match=r"expected rows of every class of .*few.csv for each"):
        make(str(path), target="y", rows="search")


@pytest.mark.parametrize(("vary", "features"), [("columns", 4), ("projection", 6)])
def test_features_that_vary(vary: str, features: int) -> None:
    tasks = make_set("wine", vary=vary, features=features, count=3)
    assert [task.features for task in tasks] == [features] * 3
    names = [task.preparation.columns for task in tasks if task.preparation]
    assert vary == "projection" or len(set(names)) > 1
    again = make("wine", vary=vary, features=features, index=2)
    assert (again.X_train == tasks[2].X_train).all()
    # The same rows, seen otherwise.
    assert (make("wine", index=2).y_train == tasks[2].y_train).all()


def test_pairs_of_classes(tmp_path: Path) -> None:
    tasks = make_set(str(numbered(tmp_path)), vary="pairs", count=7)
    assert {task.classes for task in tasks} == {2}
    pairs = [task.preparation.classes for task in tasks if task.preparation]
    assert len(set(pairs[:6])) == 6
    assert pairs[6] == pairs[0]
    for wrong, message in (
        ({"metric": "rmse"}, "expected metric 'accuracy' with vary 'pairs'"),
        ({"vary": "column"}, "expected vary 'rows' or 'columns'"),
    ):
        with pytest.raises(TaskError, match=message):
            make_set("wine", **({"vary": "pairs"} | wrong))  # type: ignore[arg-type]
    with pytest.raises(TaskError, match="expected at least 3 classes in breast-cancer for pairs"):
        make("breast-cancer", vary="pairs")
    with pytest.raises(TaskError, match="expected no vary for 'linear'"):
        make("linear", vary="rows")


def test_an_npz_file_as_rows(tmp_path: Path) -> None:
    path = tmp_path / "parts.npz"
    task = make("linear", features=3, train=20, valid=10)
    parts = {name: getattr(task, name) for name in ("X_train", "y_train", "X_valid", "y_valid")}
    np.savez(path, **parts)
    assert (make(str(path)).X_train == task.X_train).all()
    resampled = make_set(str(path), vary="rows", count=2)
    assert [len(one.y_train) for one in resampled] == [24, 24]
    with pytest.raises(TaskError, match="exactly as given, got 2; vary says how its rows"):
        make_set(str(path), count=2)
    np.savez(path, X=task.X_train)
    with pytest.raises(TaskError, match=r"expected arrays X and y in .*, got X"):
        make(str(path), vary="rows")


def test_a_task_from_each_file(tmp_path: Path) -> None:
    for name in ("b.npz", "a.npz"):
        task = make("linear", features=3, seed=ord(name[0]), train=20, valid=10)
        parts = {key: getattr(task, key) for key in ("X_train", "y_train", "X_valid", "y_valid")}
        np.savez(tmp_path / name, **parts)
    tasks = make_set(str(tmp_path / "*.npz"))
    assert [task.name for task in tasks] == ["a.npz[0]", "b.npz[0]"]
    with pytest.raises(TaskError, match=r"expected at most 2 tasks of .*, got 3"):
        make_set(str(tmp_path / "*.npz"), count=3)
    with pytest.raises(TaskError, match=r"expected files that .* fits, got none"):
        make_set(str(tmp_path / "*.csv"), target="y")
    search = Search("reference-demo", tasks=str(tmp_path / "*.npz"), stop={"programs": 100})
    assert search.settings.tasks.search.count == 2
    assert search.run().reason == "programs"
    with pytest.raises(ConfigError, match=r"tasks\.search\.task: expected files that"):
        Search("reference-demo", tasks=str(tmp_path / "*.tsv"))


def test_a_search_on_the_sides_of_a_table() -> None:
    tables = {
        side: {"task": "wine", "rows": side, "vary": "columns", "features": 4, "count": 3}
        for side in ("search", "select", "final")
    }
    settings: dict[str, Any] = {"stop": {"programs": 200}, "space": {"vectors": 4}}
    best = Search("reference-demo", tasks=tables, **settings).run(seed=1).best
    assert best
    assert None not in (best.search, best.select, best.final)
