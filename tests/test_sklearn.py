"""Estimators: what scikit-learn asks of them, hyper-parameters, classes, repeatability, pickles."""

from __future__ import annotations

import pickle
import warnings
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_iris, make_regression
from sklearn.model_selection import GridSearchCV
from sklearn.utils.estimator_checks import check_estimator

import azc
from azc.errors import AzcError, ConfigError
from azc.sklearn import ProgramClassifier, ProgramRegressor, SearchClassifier, SearchRegressor

LITTLE: dict[str, Any] = {"programs": 60, "epochs": 2, "tasks": 1, "trials": 4}
EVERY = (
    ProgramClassifier(),
    ProgramClassifier("logistic"),
    ProgramRegressor(),
    SearchClassifier(**LITTLE),
    SearchRegressor(**LITTLE),
)


def rows(classes: int, count: int = 60, features: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Some for each class, far apart; labels are texts."""
    rng = np.random.default_rng(0)
    y = np.arange(count) % classes
    X = rng.normal(size=(count, features)) + 4.0 * y[:, None] * (np.arange(features) == 0)
    X[:, 1] += 4.0 * (y % 2)
    return X, np.array([f"class {k}" for k in range(classes)])[y]


@pytest.mark.slow
@pytest.mark.parametrize("estimator", EVERY, ids=repr)
def test_what_scikit_learn_asks(estimator: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = check_estimator(estimator, on_skip=None)
    assert len(found) > 40
    assert {check["status"] for check in found} <= {"passed", "skipped"}


@pytest.mark.parametrize("program", ["softmax", "logistic"])
@pytest.mark.parametrize("classes", [1, 2, 4])
def test_any_number_of_classes(program: str, classes: int) -> None:
    """Whether the program predicts a number or a vector, and with fewer features than classes."""
    X, y = rows(classes, features=2)
    found = ProgramClassifier(program, random_state=0).fit(X, y)
    assert found.classes_.tolist() == [f"class {k}" for k in range(classes)]
    assert found.score(X, y) > 0.85
    shares = found.predict_proba(X)
    assert shares.shape == (60, classes)
    np.testing.assert_allclose(shares.sum(axis=1), 1.0)
    best = found.classes_[shares.argmax(axis=1)]
    assert (best == found.predict(X)).all()


def test_each_estimator_has_a_program_of_its_own_by_default() -> None:
    assert ProgramClassifier().get_params(deep=False)["program"] == "softmax"
    assert ProgramRegressor().get_params(deep=False)["program"] == "least_squares"
    assert ProgramRegressor("linear", epochs=3).get_params(deep=False)["epochs"] == 3


def test_params_are_hyper_parameters() -> None:
    estimator = ProgramClassifier("logistic", random_state=0)
    assert estimator.get_params()["params__lr"] == 0.1
    assert "params__lr" not in estimator.get_params(deep=False)
    estimator.set_params(params__lr=0.5, epochs=3)
    assert clone(estimator).params == {"lr": 0.5}
    X, y = rows(2)
    given = azc.library.load("logistic").params
    fitted = estimator.fit(X, y).program_
    assert [p.default for p in fitted.params] == [0.5, *(p.default for p in given[1:])]
    grid = GridSearchCV(estimator, {"params__lr": [-0.1, 0.1]}, cv=3).fit(X, y)
    assert grid.best_params_ == {"params__lr": 0.1}
    with pytest.raises(ConfigError, match=r"expected names of params of logistic.*, got 'rate'"):
        estimator.set_params(params__rate=1)
    with pytest.raises(ConfigError, match="params: lr: expected a finite number, got 'fast'"):
        ProgramClassifier("logistic", params={"lr": "fast"}).fit(X, y)


def test_any_way_to_give_a_program(tmp_path: Any) -> None:
    X, y = load_diabetes(return_X_y=True)
    text = azc.library.text("least_squares")
    path = tmp_path / "own.az"
    path.write_text(text)
    given = ("least_squares", text, path, str(path), azc.parse(text))
    scores = {ProgramRegressor(one, random_state=0).fit(X, y).score(X, y) for one in given}
    assert len(scores) == 1
    assert scores.pop() > 0.5
    with pytest.raises(AzcError, match="expected a Program, got int"):
        ProgramRegressor(5).fit(X, y)


def test_rows_are_predicted_alone() -> None:
    """Though Predict counts them, and draws random numbers."""
    counts = "def Predict():\n    s1 = s1 + s2\n    s2 = s2 + s2\n    s3 = gaussian(0, 1)\n"
    program = azc.parse(f"def Setup():\n    s2 = 1.0\n{counts}    s1 = s1 + s3\n")
    X, y = np.zeros((6, 2)), np.arange(6.0)
    found = (
        ProgramRegressor(program, epochs=1, max_abs_error=1e9, random_state=0).fit(X, y).predict(X)
    )
    assert len(set(found)) == 1


def test_labels_and_features_of_any_scale() -> None:
    X, y = load_diabetes(return_X_y=True)
    plain = ProgramRegressor("logistic", random_state=0).fit(X, y)
    scaled = ProgramRegressor("logistic", random_state=0).fit(1e9 * X + 7, 1e-6 * y)
    np.testing.assert_allclose(scaled.predict(1e9 * X + 7), 1e-6 * plain.predict(X), rtol=1e-4)
    with pytest.raises(AzcError, match="expected absolute errors of at most 100"):
        ProgramRegressor("logistic", standardize=False).fit(X, y)


@pytest.mark.parametrize("start", ["auto", "random", ["softmax", "softmax_network"]])
def test_a_search_repeats_itself(start: Any) -> None:
    X, y = load_iris(return_X_y=True)
    # Few random programs learn all that they predict from: a hundred thousand are drawn for each.
    programs = 6 if start == "random" else LITTLE["programs"]
    given = {**LITTLE, "programs": programs, "start": start}
    found = [SearchClassifier(**given, random_state=k).fit(X, y) for k in (0, 0)]
    first, again = found
    assert first.programs_ == again.programs_
    assert (first.decision_function(X) == again.decision_function(X)).all()
    assert first.fitness_ == sorted(first.fitness_, reverse=True)
    assert first.program_ in first.programs_
    assert first.n_programs_ >= programs


def test_the_result_is_no_worse_than_the_start_on_the_rows_held_back() -> None:
    X, y = load_diabetes(return_X_y=True)
    found = SearchRegressor(**LITTLE, random_state=1).fit(X, y)
    for name in ("least_squares", "network"):
        assert azc.library.load(name) in found.programs_
    assert found.score(X, y) > 0.4


def test_what_was_there_before_has_to_be_beaten_by_more_than_chance() -> None:
    """On little data nothing that 60 programs find is; a network is where lines do not help."""
    X, y = load_iris(return_X_y=True)
    found = SearchClassifier(**LITTLE, random_state=3).fit(X, y)
    assert not found.found_
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 8))
    y = np.abs(X[:, 0]) > 0.7
    found = SearchClassifier(programs=60, epochs=20, tasks=1, trials=0, random_state=0).fit(X, y)
    assert found.score(X, y) > 0.8


def test_constants_are_tuned() -> None:
    """A network whose rate is thirty times too small learns little in five epochs."""
    X, y = load_diabetes(return_X_y=True)
    slow = ProgramRegressor("network", params={"lr": 0.003}).fit(X, y).program_
    scores = {
        trials: SearchRegressor(start=slow, programs=1, trials=trials, random_state=0)
        .fit(X, y)
        .score(X, y)
        for trials in (0, 16)
    }
    assert scores[16] > scores[0] + 0.1


def test_from_nothing() -> None:
    """What predicts was found on these rows; of three classes by pairs."""
    X, y = rows(3)
    found = SearchClassifier(programs=6000, start="empty", trials=0, random_state=0).fit(X, y)
    assert found.found_
    assert found.score(X, y) > 0.8


def test_settings_of_a_search() -> None:
    X, y = rows(2)
    found = SearchClassifier(
        programs=30, settings={"method": "random", "children": None}, random_state=0
    ).fit(X, y)
    assert found.n_programs_ == 30
    for wrong, message in (
        ({"settings": {"populaton": 3}}, "did you mean 'population'"),
        ({"settings": {"tasks": "linear"}}, "tables of a search file but those of tasks"),
        ({"programs": None}, "a budget: programs or seconds, got neither"),
    ):
        with pytest.raises(ConfigError, match=message):
            SearchClassifier(**wrong).fit(X, y)
    timed = SearchClassifier(programs=None, seconds=0.5, tasks=1).fit(X, y)
    assert timed.n_programs_ > 0


@pytest.mark.parametrize("estimator", [EVERY[0], EVERY[4]], ids=repr)
def test_pickles(estimator: Any) -> None:
    X, y = rows(2)
    y = y if isinstance(estimator, ProgramClassifier) else X[:, 0]
    fitted = clone(estimator).fit(X, y)
    again = pickle.loads(pickle.dumps(fitted))
    assert (again.predict(X) == fitted.predict(X)).all()


@pytest.mark.parametrize("program", ["softmax", "logistic"])
def test_classes_learned_in_parts(program: str) -> None:
    """Of three classes the first rows have two; the last rows make the difference."""
    X, y = load_iris(return_X_y=True)
    names = np.array(["a", "b", "c"])[y]
    chance = np.random.RandomState(0)
    model = ProgramClassifier(program, random_state=0)
    first = chance.permutation(np.flatnonzero(y < 2))
    model.partial_fit(X[first], names[first], classes=["a", "b", "c"])
    assert set(model.predict(X[:100])) == {"a", "b"}
    for _ in range(20):
        for rows in np.array_split(chance.permutation(150), 5):
            model.partial_fit(X[rows], names[rows])
    assert model.score(X, names) > 0.8
    again = pickle.loads(pickle.dumps(model)).partial_fit(X, names)
    assert np.array_equal(again.predict(X), model.partial_fit(X, names).predict(X))


def test_numbers_learned_in_parts() -> None:
    """As at once, where rows keep their order and standardising is left out."""
    X, y = make_regression(60, 4, noise=0.1, random_state=0)
    X, y = X / 3.0, y / np.std(y)
    given = {"epochs": 1, "shuffle": False, "standardize": False}
    whole = ProgramRegressor(**given).fit(X, y)
    parts = ProgramRegressor(**given).partial_fit(X[:25], y[:25]).partial_fit(X[25:], y[25:])
    assert np.array_equal(whole.predict(X), parts.predict(X))


def test_what_learning_in_parts_refuses() -> None:
    X, y = load_iris(return_X_y=True)
    model = ProgramClassifier(random_state=0)
    with pytest.raises(ValueError, match="classes in the first call"):
        model.partial_fit(X, y)
    with pytest.raises(ValueError, match=r"labels of the classes \[0, 1\]"):
        model.partial_fit(X, y, classes=[0, 1])
    model.partial_fit(X, y, classes=[0, 1, 2])
    with pytest.raises(ValueError, match="the classes of before"):
        model.partial_fit(X, y, classes=[0, 1])
    regressor = ProgramRegressor().partial_fit(X, y)
    before = regressor.predict(X)
    with pytest.raises(AzcError):
        regressor.partial_fit(X, y + 1e6)
    assert np.array_equal(regressor.predict(X), before)
