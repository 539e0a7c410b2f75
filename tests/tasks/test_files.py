"""Tasks from .npz files: exactly as given. Tables are in test_tables.py."""

import numpy as np
import pytest

from azc.errors import TaskError
from azc.tasks import Task, make, make_set

rng = np.random.default_rng(0)
ARRAYS = {
    "X_train": rng.standard_normal((6, 3)),
    "y_train": rng.standard_normal(6),
    "X_valid": rng.standard_normal((4, 3)),
    "y_valid": rng.standard_normal(4),
}


def save(path, **changes):
    np.savez(path, **{**ARRAYS, **changes})
    return str(path)


def test_exactly_as_given(tmp_path):
    spec = save(tmp_path / "mine.npz", other=np.array(["ignored"]))
    (task,) = make_set(spec)
    for name, array in ARRAYS.items():
        assert getattr(task, name).tobytes() == array.tobytes()
    assert (task.name, task.metric, task.seed) == ("mine.npz[0]", "rmse", None)
    assert task.key == Task(**ARRAYS).key
    assert make(spec, seed=9).key == task.key


def test_metric_and_test_part(tmp_path):
    y = {"y_train": np.arange(6) % 2, "y_valid": np.arange(4) % 2}
    spec = save(tmp_path / "a.npz", **y, X_test=np.zeros((2, 3)), y_test=np.zeros(2))
    task = make(spec, metric="accuracy")
    assert task.classes == 2
    assert task.X_test.shape == (2, 3)


def test_first_so_many(tmp_path):
    task = make(save(tmp_path / "a.npz"), train=2, valid=3, features=3)
    np.testing.assert_array_equal(task.X_train, ARRAYS["X_train"][:2])
    np.testing.assert_array_equal(task.y_valid, ARRAYS["y_valid"][:3])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"train": 7}, "at most 6 train examples of"),
        ({"valid": 5}, "at most 4 valid examples of"),
        ({"features": 4}, "features 3, as many as"),
        ({"count": 2}, "which is used exactly as given, got 2"),
        ({"first": 1}, "used exactly as given"),
        ({"target": "y"}, "no target for"),
        ({"metric": "accuracy"}, "labels 0 to C-1 in y_train"),
    ],
)
def test_refused(tmp_path, options, message):
    with pytest.raises(TaskError) as caught:
        make_set(save(tmp_path / "a.npz"), **options)
    assert message in str(caught.value)
    assert "a.npz" in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"y_train": np.zeros(5)}, "y_train of shape (6,)"),
        ({"X_valid": np.full((4, 3), np.nan)}, "finite numbers in X_valid, got nan in row 0"),
        ({"X_valid": np.zeros((4, 2))}, "X_valid of shape (n, 3)"),
        ({"X_train": np.zeros(6)}, "X_train.npy in"),
        ({"X_test": np.zeros((1, 3))}, "X_test and y_test together"),
    ],
)
def test_bad_content(tmp_path, changes, message):
    with pytest.raises(TaskError) as caught:
        make(save(tmp_path / "a.npz", **changes))
    assert message in str(caught.value)
    assert "a.npz" in str(caught.value)


def test_missing_arrays(tmp_path):
    np.savez(tmp_path / "a.npz", X_train=ARRAYS["X_train"])
    with pytest.raises(
        TaskError, match=r"arrays y_train, X_valid, y_valid in .*, got only X_train"
    ):
        make(str(tmp_path / "a.npz"))
