"""Settings of a search file become options; what is wrong is named by its key path."""

import pytest

pytest.importorskip("pydantic")

from azc.errors import ConfigError
from azc.tasks.options import TaskOptions, read_options


def test_defaults():
    options = TaskOptions(task="linear")
    assert (options.count, options.seed, options.features) == (None, 0, None)
    assert len(options.make()) == 8


def test_makes_what_it_says():
    table = {
        "task": "digits:search",
        "count": 2,
        "features": 8,
        "train": 80,
        "valid": 20,
        "seed": 3,
    }
    tasks = read_options(table, "tasks.search").make()
    assert [task.X_train.shape for task in tasks] == [(80, 8)] * 2
    again = read_options({**table, "count": 1}).make(first=1)[0]
    assert again.X_train.tobytes() == tasks[1].X_train.tobytes()


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({}, "tasks.search: expected the key 'task', got none"),
        ({"task": "digitz"}, "tasks.search.task: expected a known task kind, got 'digitz'; did"),
        ({"task": 3}, "tasks.search.task: expected a valid string, got 3"),
        (
            {"task": "linear", "feature": 4},
            "tasks.search: expected known keys, got 'feature'; did you mean 'features'?",
        ),
        ({"task": "linear", "zzz": 4}, "the keys are task, count, features"),
        ({"task": "linear", "count": "8"}, "tasks.search.count: expected a valid integer, got '8'"),
        (
            {"task": "linear", "count": True},
            "tasks.search.count: expected a valid integer, got True",
        ),
        ({"task": "linear", "count": 0}, "tasks.search.count: expected greater than or equal to 1"),
        ({"task": "linear", "features": 5000}, "less than or equal to 4096, got 5000"),
        ({"task": "linear", "train": 1.5}, "tasks.search.train: expected a valid integer"),
        ({"task": "linear", "seed": -1}, "tasks.search.seed: expected greater"),
        ({"task": "linear", "metric": "mse"}, "tasks.search.metric: expected 'rmse' or 'accuracy'"),
        ({"task": "linear", "metric": "accuracy"}, "tasks.search: expected metric 'rmse'"),
        ({"task": "linear", "target": "y"}, "no target for 'linear'"),
        ({"task": "a.csv"}, "tasks.search: expected target"),
        ({"task": "a.npz", "count": 2}, "count 1 for 'a.npz', which is used exactly as given"),
        ({"task": "digits:raw", "features": 16}, "features 64 with 'digits:raw', got 16"),
        ({"task": "linear", "data": 3}, "tasks.search.data: expected"),
    ],
)
def test_refused(table, message):
    with pytest.raises(ConfigError) as caught:
        read_options(table, "tasks.search")
    assert message in str(caught.value)


def test_every_problem_is_listed():
    with pytest.raises(ConfigError) as caught:
        read_options({"task": "linear", "train": 0, "valid": "x"}, "tasks.select")
    assert len(str(caught.value).splitlines()) == 2


def test_cannot_be_changed():
    from pydantic import ValidationError

    with pytest.raises(ValidationError):
        TaskOptions(task="linear").seed = 3
