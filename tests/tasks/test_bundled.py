"""Tables that come with scikit-learn: the same as scikit-learn gives, split as other tables are."""

from dataclasses import replace

import numpy as np
import pytest

from azc.errors import TaskError
from azc.tasks import kinds, make, make_set
from azc.tasks.bundled import BUNDLED, read_bundled
from azc.tasks.options import TaskOptions

NAMES = list(BUNDLED)


@pytest.mark.parametrize("name", NAMES)
def test_as_scikit_learn_has_them(name):
    datasets = pytest.importorskip("sklearn.datasets")
    info = BUNDLED[name]
    raw = {"scaled": False} if name == "diabetes" else {}
    found = getattr(datasets, info.loader)(**raw)
    table = read_bundled(name)
    assert list(table.columns) == list(found.feature_names)
    np.testing.assert_array_equal(table.X, found.data)
    assert len(table.X) == info.rows
    if info.classes:
        assert table.texts.tolist() == found.target_names[found.target].tolist()
    else:
        np.testing.assert_array_equal(table.numbers, found.target)


@pytest.mark.parametrize("name", NAMES)
def test_elsewhere(name, monkeypatch):
    """Should the files move, scikit-learn itself is asked."""
    usual = read_bundled(name)
    monkeypatch.setitem(BUNDLED, name, replace(BUNDLED[name], files=("none",)))
    table = read_bundled(name)
    assert table.X.tobytes() == usual.X.tobytes()
    assert table.labels(table.metric)[0].tobytes() == usual.labels(usual.metric)[0].tobytes()


@pytest.mark.parametrize("name", NAMES)
def test_splits(name):
    info = BUNDLED[name]
    tasks = make_set(name, count=3, seed=2)
    assert [task.name for task in tasks] == [f"{name}[{i}]" for i in range(3)]
    assert len({task.X_train.tobytes() for task in tasks}) == 3
    for task in tasks:
        assert (len(task.y_train), len(task.y_valid)) == info.sizes
        assert (task.features, task.metric, task.classes) == (
            len(info.columns), info.metric, info.classes,
        )  # fmt: skip
        np.testing.assert_allclose(task.X_train.mean(axis=0), 0, atol=1e-12)
        if info.classes:
            shares = [np.bincount(y.astype(int)) / len(y) for y in (task.y_train, task.y_valid)]
            np.testing.assert_allclose(*shares, atol=0.05)
        else:
            assert task.y_train.std() == pytest.approx(1)
    again = make(name, index=2, seed=2)
    assert again.X_train.tobytes() == tasks[2].X_train.tobytes()


def test_options():
    assert len(make_set("wine")) == 8
    assert make("wine", drop=["ash", "hue"]).features == 11
    assert make("diabetes", standardize_labels=False).y_train.max() > 100
    task = make("iris", train=30, valid=30)
    assert np.bincount(task.y_test.astype(int)).tolist() == [30, 30, 30]
    assert len(TaskOptions(task="iris", count=2).make()) == 2


@pytest.mark.parametrize(
    ("spec", "options", "message"),
    [
        ("wine", {"target": "hue"}, "no target for 'wine'"),
        ("wine", {"fill": "mean"}, "no fill for 'wine'"),
        ("wine", {"drop": ["hues"]}, "did you mean 'hue'?"),
        ("wine", {"metric": "rmse"}, "use metric accuracy"),
        ("wine:all", {}, "'wine' alone"),
        ("win", {}, "did you mean 'wine'?"),
        ("iris", {"features": 3}, "features 4"),
    ],
)
def test_refused(spec, options, message):
    with pytest.raises(TaskError) as caught:
        make(spec, **options)
    assert message in str(caught.value)


def test_without_scikit_learn(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(TaskError, match="pip install scikit-learn"):
        read_bundled("wine")
    assert not any(kind.found for kind in kinds() if kind.name in BUNDLED)
