"""To scikit-learn: an estimator like any other."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from exported import load_module
from sklearn.datasets import load_diabetes, load_iris, make_classification
from sklearn.utils.estimator_checks import check_estimator

import azc
from azc.use.export import export


@pytest.fixture
def model(monkeypatch):
    """Makes the class of a program; importable, so that it can be pickled."""

    def make(name, **options):
        module = load_module(export(azc.library.load(name), "sklearn", **options), f"azc_{name}")
        monkeypatch.setitem(__import__("sys").modules, module.__name__, module)
        return module.Model

    return make


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "options"), [("linear", {}), ("logistic", {"classes": 2}), ("softmax", {})]
)
def test_checks_of_scikit_learn(model, name, options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = check_estimator(model(name, **options)(), on_skip=None)
    assert {result["status"] for result in results} <= {"passed", "skipped"}


def test_regressor(model):
    X, y = load_diabetes(return_X_y=True)
    assert model("affine")(epochs=2).fit(X, y).score(X, y) > 0.4


def test_two_classes(model):
    X, y = make_classification(200, random_state=0)
    names = np.array(["no", "yes"])[y]
    fitted = model("logistic", classes=2)().fit(X, names)
    assert fitted.score(X, names) > 0.9
    np.testing.assert_allclose(fitted.predict_proba(X).sum(axis=1), 1.0)
    assert ((fitted.decision_function(X) > 0) == (fitted.predict(X) == "yes")).all()


def test_more_classes_than_features(model):
    """The program is given features of zeros."""
    X, y = load_iris(return_X_y=True)
    fitted = model("softmax")(epochs=5).fit(X[:, 2:], y)
    assert fitted.width_ == 3
    assert fitted.score(X[:, 2:], y) > 0.9


def test_training_that_fails(model):
    X, y = load_diabetes(return_X_y=True)
    with pytest.warns(UserWarning, match="an error is NaN or too large"):
        model("affine")(standardize=False).fit(X, y)
