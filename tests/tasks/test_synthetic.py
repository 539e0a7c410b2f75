"""Synthetic tasks are exactly what their definitions say, and reproducible."""

import numpy as np
import pytest

from azc.tasks import make, make_set

KINDS = ["linear", "affine", "teacher-nn"]


@pytest.mark.parametrize("kind", KINDS)
class TestEvery:
    def test_defaults(self, kind):
        task = make(kind)
        assert task.X_train.shape == (1000, 8)
        assert task.X_valid.shape == (100, 8)
        assert task.metric == "rmse"
        assert task.name == f"{kind}[0]"
        assert task.seed is not None
        assert len(make_set(kind)) == 8

    def test_features_are_standard_normal(self, kind):
        X = make(kind, features=4, train=20_000).X_train
        np.testing.assert_allclose(X.mean(axis=0), 0, atol=0.04)
        np.testing.assert_allclose(np.cov(X.T), np.eye(4), atol=0.05)

    def test_same_again_and_independent_of_count(self, kind):
        few, many = make_set(kind, count=3, seed=5), make_set(kind, count=9, seed=5)
        for index, task in enumerate(few):
            for other in (many[index], make(kind, seed=5, index=index)):
                assert other.X_train.tobytes() == task.X_train.tobytes()
                assert other.y_valid.tobytes() == task.y_valid.tobytes()
                assert (other.key, other.name) == (task.key, task.name)

    def test_tasks_differ(self, kind):
        tasks = [*make_set(kind, count=5), *make_set(kind, count=5, seed=1)]
        assert len({task.X_train.tobytes() for task in tasks}) == 10
        assert len({task.key for task in tasks}) == 10

    def test_fewer_examples_are_a_prefix(self, kind):
        many, few = make(kind), make(kind, train=10, valid=7)
        np.testing.assert_array_equal(few.X_train, many.X_train[:10])
        np.testing.assert_array_equal(few.y_train, many.y_train[:10])
        np.testing.assert_array_equal(few.y_valid, many.y_valid[:7])

    @pytest.mark.parametrize("features", [1, 2, 33])
    def test_features(self, kind, features):
        assert make(kind, features=features, train=3, valid=1).features == features


def fit(X, y):
    """(coefficients, largest residual)"""
    w = np.linalg.lstsq(X, y, rcond=None)[0]
    return w, np.abs(X @ w - y).max()


def with_one(X):
    return np.column_stack([X, np.ones(len(X))])


def test_linear_is_linear():
    task = make("linear", features=5)
    w, residual = fit(task.X_train, task.y_train)
    assert residual < 1e-12
    np.testing.assert_allclose(task.X_valid @ w, task.y_valid, atol=1e-12)


def test_affine_is_affine_and_not_linear():
    task = make("affine", features=5)
    w, residual = fit(with_one(task.X_train), task.y_train)
    assert residual < 1e-12
    assert abs(w[-1]) > 1e-3
    np.testing.assert_allclose(with_one(task.X_valid) @ w, task.y_valid, atol=1e-12)
    assert fit(task.X_train, task.y_train)[1] > 1e-3


def test_weights_are_standard_normal():
    weights = [
        fit(with_one(t.X_train), t.y_train)[0] for t in make_set("affine", count=300, train=20)
    ]
    all_weights = np.concatenate([w[:-1] for w in weights])
    offsets = np.array([w[-1] for w in weights])
    assert abs(all_weights.mean()) < 0.1
    assert abs(all_weights.std() - 1) < 0.1
    assert abs(offsets.mean()) < 0.2
    assert abs(offsets.std() - 1) < 0.15


def test_teacher_is_homogeneous_and_piecewise_linear():
    from azc.tasks.draws import PARAMETERS, generator

    task = make("teacher-nn", features=6, seed=3, index=2)
    rng = generator(3, 2, PARAMETERS)
    M, u = rng.standard_normal((6, 6)), rng.standard_normal(6)
    np.testing.assert_allclose(np.maximum(task.X_train @ M.T, 0) @ u, task.y_train, atol=1e-12)
    assert fit(with_one(task.X_train), task.y_train)[1] > 0.1
