"""The sets of tasks of a search: made as the file says, and without a task in common."""

from __future__ import annotations

import numpy as np
import pytest
from search_files import LEARN, LEAST, PROGRAM, changed, refusal, save

from azc.errors import ConfigError, ResourceError, TaskError
from azc.search.settings import Settings
from azc.search.settings_tasks import TaskTable
from azc.tasks import Task


def arrays(seed: int, train: int = 12, valid: int = 11) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    X, y = rng.standard_normal((train + valid, 3)), rng.standard_normal(train + valid)
    return {
        **{"X_train": X[:train], "y_train": y[:train]},
        **{"X_valid": X[train:], "y_valid": y[train:]},
    }


def test_tasks_are_made():
    settings = changed(
        "tasks.search.count=2", "tasks.search.train=20", "tasks.select={task='affine'}"
    )
    assert [task.name for task in settings.make_tasks("search")] == ["linear[0]", "linear[1]"]
    assert len(settings.make_tasks("select")) == 8
    assert list(settings.make_tasks("final")) == []


def test_sets_of_one_kind_differ_by_default():
    three = ("tasks.select={task = 'linear'}", "tasks.final={task = 'linear'}")
    settings = changed(*three)
    seeds = [settings.tasks.search.seed, settings.tasks.select.seed, settings.tasks.final.seed]
    assert seeds == [0, 1, 2]
    sets = {which: settings.make_tasks(which) for which in ("search", "select", "final")}
    settings.check_tasks(sets)
    keys = [task.key for tasks in sets.values() for task in tasks]
    assert len(set(keys)) == 24


def test_features_in_turn():
    table = TaskTable(task="digits:search", count=5, features=[8, 16])
    made = table.make()
    assert [task.features for task in made] == [8, 16, 8, 16, 8]
    alone = TaskTable(task="digits:search", count=5, features=16).make()
    assert [task.X_train.tobytes() for task in made[1::2]] == [
        task.X_train.tobytes() for task in alone[1::2]
    ]
    assert made[0].X_train.shape == (240, 8)
    assert table.make(first=1)[0].X_train.tobytes() == made[1].X_train.tobytes()


@pytest.mark.parametrize(
    ("task", "found"),
    [
        ("teacher-nn", (8, 8, 1000, 100, "rmse")),
        ("digits:search", (8, 16, 240, 60, "accuracy")),
        ("digits:all", (8, 16, 1200, 300, "accuracy")),
        ("digits:raw:3,8", (8, 64, 240, 60, "accuracy")),
        ("x.npz", (1, None, None, None, None)),
    ],
)
def test_defaults_of_a_kind(task, found):
    table = TaskTable(task=task)
    assert (table.count, table.features, table.train, table.valid, table.metric) == found


def test_features_in_turn_where_they_cannot_be():
    columns = ("tasks.search.task=x.csv", "tasks.search.target=y", "tasks.search.features=[3, 4]")
    assert "tasks.search.features: expected one number of features with a file" in refusal(*columns)
    pixels = ("tasks.search.task=digits:raw", "tasks.search.features=[8, 16]")
    assert "tasks.search: expected features 64 with 'digits:raw'" in refusal(*pixels)


def test_errors_of_making_are_placed(tmp_path, monkeypatch):
    monkeypatch.delenv("AZC_DATA", raising=False)
    settings = changed("tasks.search.task=cifar10:search")
    with pytest.raises(TaskError, match=r"^tasks\.search: expected the files of cifar10"):
        settings.make_tasks("search")
    huge = changed("tasks.search.count=100000", "tasks.search.train=100000000")
    with pytest.raises(ResourceError, match=r"^tasks\.search: ") as caught:
        huge.make_tasks("search")
    assert caught.value.required > 2**40


def test_files_of_tasks_are_relative_to_the_file(tmp_path, monkeypatch):
    folder = tmp_path / "experiments"
    folder.mkdir()
    np.savez(folder / "mine.npz", **arrays(0))
    monkeypatch.chdir(tmp_path)
    text = LEAST.replace('"linear"', '"mine.npz"\ndata = "sets"')
    settings = Settings.from_toml(save(folder, text))
    assert settings.tasks.search.task == str(folder / "mine.npz")
    assert settings.tasks.search.data == str(folder / "sets")
    assert settings.make_tasks("search")[0].features == 3


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [
        ("{task = 'linear', seed = 3}", "{task = 'linear', seed = 3}", "linear[0]"),
        ("{task = 'linear', seed = 3}", "{task = 'linear', seed = 3, train = 50}", "linear[0]"),
        ("{task = 'linear', seed = 3, features = [4, 6]}",
         "{task = 'linear', seed = 3, features = [8, 6]}", "linear[1]"),
        ("{task = 'linear', seed = 3, features = 4}", "{task = 'linear', seed = 3}", None),
        ("{task = 'linear', seed = 3}", "{task = 'affine', seed = 3}", None),
        ("{task = 'linear', seed = 3}", "{task = 'linear', seed = 4}", None),
        ("{task = 'digits:search', seed = 3}", "{task = 'digits:select', seed = 3}", None),
        ("{task = 'digits:3,8', seed = 3}", "{task = 'digits:3,8', seed = 4}", None),
        ("{task = 'digits:3,8', seed = 3}", "{task = 'digits:8,3', seed = 3}", "digits:8,3[0]"),
        ("{task = 'digits:3,8', seed = 3}", "{task = 'digits:3,9', seed = 3}", None),
        ("{task = 'digits:3,8', seed = 3, features = 8}",
         "{task = 'digits:3,8', seed = 3, features = 16}", "digits:3,8[0]"),
        ("{task = 'digits:3,8', seed = 3}", "{task = 'digits:raw:3,8', seed = 3}", "digits:raw:3,"),
        ("{task = 'digits:all', seed = 3}", "{task = 'digits:all', seed = 3}", "digits:all[0]"),
        ("{task = 'a.npz'}", "{task = 'a.npz', train = 5}", "a.npz[0]"),
        ("{task = 'a.npz'}", "{task = './b/../a.npz', seed = 9}", "a.npz[0]"),
        ("{task = 'a.npz'}", "{task = 'b.npz'}", None),
        ("{task = 'a.csv', target = 'y', seed = 3}", "{task = 'a.csv', target = 'y', seed = 4}",
         None),
        ("{task = 'a.csv', target = 'y', seed = 3}", "{task = 'a.csv', target = 'y', seed = 3}",
         "a.csv[0]"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("places", [("search", "select"), ("search", "final"), ("select", "final")])
def test_disjoint_by_construction(one, other, shared, places):
    first, second = places
    changes = [f"tasks.{first}={one}", f"tasks.{second}={other}"]
    if first != "search":
        # Of the same metric and classes as theirs, but with nothing in common.
        rest = "digits:all" if "all" in one else "digits:0,1" if "digits" in one else "affine"
        changes.append(f"tasks.search={{task = '{rest}', seed = 77}}")
    if shared is None:
        changed(*changes)
        return
    message = refusal(*changes)
    assert f"tasks.{second}: expected tasks that tasks.{first} does not have, got" in message
    assert repr(shared)[:-1] in message


def test_pairs_shared_by_chance():
    """Two parts of one image set, one seed: where a task has the same pair of classes."""
    sets = ("tasks.search={task = 'digits', seed = 3, count = 45}",)
    assert "tasks.select: expected tasks that tasks.search does not have, got 'digits:" in refusal(
        *sets, "tasks.select={task = 'digits:3,8', seed = 3, count = 45}"
    )


def test_disjoint_by_content(tmp_path):
    """Copies of a file are the same tasks, which only their data tell."""
    same, own = arrays(0), arrays(1)
    np.savez(tmp_path / "a.npz", **same)
    np.savez(tmp_path / "b.npz", **same)
    np.savez(tmp_path / "c.npz", **own)
    np.savez(tmp_path / "d.npz", **{**own, "X_valid": same["X_valid"], "y_valid": same["y_valid"]})
    np.savez(tmp_path / "e.npz", **{**same, "y_train": own["y_train"], "y_valid": own["y_valid"]})

    def check(first: str, second: str, which: str = "select") -> None:
        tables = {"search": f"{tmp_path}/{first}.npz", which: f"{tmp_path}/{second}.npz"}
        settings = changed(*(f"tasks.{key}.task={file}" for key, file in tables.items()))
        settings.check_tasks({key: settings.make_tasks(key) for key in tables})

    check("a", "c")
    check("c", "e")  # the inputs of the one, the labels of the other
    check("a", "e")  # other labels are another task
    for which in ("select", "final"):
        with pytest.raises(
            ConfigError, match=rf"^tasks\.{which}: expected tasks that tasks\.searc"
        ):
            check("a", "b", which)
        with pytest.raises(ConfigError, match=r"got 'd\.npz\[0\]', which is 'a\.npz\[0\]' there"):
            check("a", "d", which)


def test_made_tasks_must_fit(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.savez("few.npz", **arrays(0, train=5))
    np.savez("other.npz", **arrays(1))
    settings = changed("tasks.search.task=few.npz")
    with pytest.raises(ConfigError, match=r"^fec\.train: expected at most 5, the examples of"):
        settings.check_tasks({"search": settings.make_tasks("search")})
    settings = changed(
        "tasks.search.task=few.npz", "fec.train=5", "hurdles={train = 5, valid = 12}"
    )
    with pytest.raises(ConfigError, match=r"^hurdles\.valid: expected at most 11"):
        settings.check_tasks({"search": settings.make_tasks("search")})
    labels = np.arange(12.0) % 3, np.arange(11.0) % 3
    classes = {**arrays(2), "y_train": labels[0], "y_valid": labels[1]}
    np.savez("three.npz", **classes)
    np.savez("two.npz", **{**arrays(3), "y_train": labels[0] > 0, "y_valid": labels[1] > 0})
    three = ("tasks.search.task=three.npz", "tasks.search.metric=accuracy")
    settings = changed(*three, "space.vectors=2", "space.matrices=0")
    with pytest.raises(ConfigError, match=r"^space\.vectors: expected at least 3"):
        settings.check_tasks({"search": settings.make_tasks("search")})
    settings = changed(*three, "tasks.select={task = 'two.npz', metric = 'accuracy'}")
    with pytest.raises(
        ConfigError,
        match=r"^tasks\.select: expected the same aim as in tasks\.search \(more than two cl",
    ):
        settings.check_tasks({key: settings.make_tasks(key) for key in ("search", "select")})


def test_aims_known_beforehand():
    ten = ("tasks.search.task=digits:all",)
    assert "tasks.final: expected the same aim as in tasks.search (more than two classes), got" in (
        refusal(*ten, "tasks.final={task = 'digits:3,8'}")
    )
    assert "space.vectors: expected at least 3" in refusal(*ten, "space.vectors=2")
    changed("tasks.search.task=digits:all", "tasks.search.metric=rmse", "space.vectors=2")


def test_coordinates_of_a_start_must_exist(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.az").write_text(PROGRAM.replace("NoOp()", "v1[6] = 1.0", 1) + LEARN)
    start = "space.start=mine.az"
    # Every task of every set counts, and only those that there are.
    refused = refusal(start, "tasks.search.features=[8, 4]")
    assert refused.startswith("space.start: ")
    assert (
        "mine.az: Setup, instruction 1 (v1[6] = 1.0): expected a coordinate from 0 to 3" in refused
    )
    narrow = "tasks.final={task = 'linear', count = 2, features = 5}"
    assert "expected a coordinate from 0 to 4" in refusal(start, narrow)
    changed(start, "tasks.search.features=[8, 7, 4]", "tasks.search.count=2")
    # Of a file only the data can tell.
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((10, 6)), rng.standard_normal(10)
    np.savez("six.npz", X_train=X, y_train=y, X_valid=X + 1, y_valid=y)
    settings = changed(start, "tasks.select={task = 'six.npz', metric = 'rmse'}")
    with pytest.raises(ConfigError, match=r"^space\.start: .*expected a coordinate from 0 to 5"):
        settings.check_tasks({key: settings.make_tasks(key) for key in ("search", "select")})
    settings.check_tasks({"search": settings.make_tasks("search")})


def test_equal_tasks_within_a_set_are_nobodys_business():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((10, 4)), rng.standard_normal(10)
    settings = changed()
    settings.check_tasks({"search": [Task(X, y, X + 1, y)] * 2})
