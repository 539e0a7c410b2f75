"""`Preparation`: new rows are treated as the training rows were."""

from __future__ import annotations

import pickle

import numpy as np

import azc
from azc.tasks import Preparation, Scaling
from azc.tasks.draws import standardise


def test_scaling_of_new_rows_is_that_of_the_parts() -> None:
    rng = np.random.default_rng(0)
    first = rng.normal(1e6, 3.0, (20, 3))
    second = rng.normal(1e6, 3.0, (5, 3))
    preparation = Preparation(("a", "b", "c"), "y", Scaling.of(first))
    assert (preparation.features(second) == standardise(first, second)[1]).all()


def test_labels_return_to_their_units() -> None:
    y = np.array([3.0, 5.0, 9.0, 1e7])
    assert Preparation(("a",)).labels(y) is y
    scaling = Scaling.of(y[:, None])
    standardised = scaling.apply(y[:, None])[:, 0]
    restored = Preparation(("a",), label_scaling=scaling).labels(standardised)
    np.testing.assert_allclose(restored, y, rtol=1e-14)


def test_gaps_are_filled() -> None:
    preparation = Preparation(("a", "b"), gaps=np.array([1.0, 2.0]))
    rows = np.array([[np.nan, 5.0], [6.0, np.nan]])
    assert preparation.features(rows).tolist() == [[1.0, 5.0], [6.0, 2.0]]


def test_a_task_carries_it() -> None:
    x = np.ones((2, 1))
    preparation = Preparation(("a",), "y", Scaling.of(x), ("no", "yes"))
    task = azc.Task(x, [0, 1], x, [0, 1], metric="accuracy", preparation=preparation)
    assert task.preparation is preparation
    again = pickle.loads(pickle.dumps(task)).preparation
    assert (again.columns, again.classes) == (("a",), ("no", "yes"))
