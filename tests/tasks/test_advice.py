"""What is said of tasks before anything runs: labels out of reach, goals without learning."""

import warnings

import numpy as np
import pytest

import azc
from azc.errors import AzcWarning
from azc.tasks import Task
from azc.tasks.advice import constant_fitness, warn_of_constants, warn_of_labels


def task(y_valid, metric="rmse", y_train=(0, 1), name="mine"):
    X = np.ones((len(y_train), 2))
    return Task(X, y_train, np.ones((len(y_valid), 2)), y_valid, metric=metric, name=name)


@pytest.mark.parametrize(
    ("labels", "metric", "fitness"),
    [
        ([0, 0, 0, 1], "accuracy", 0.75),
        ([1, 1, 1, 1], "accuracy", 1.0),
        ([5, 5, 5, 5], "rmse", 1.0),
        ([0, 2], "rmse", 0.5),
        ([0, 200], "rmse", 0.006365986),
    ],
)
def test_constant_fitness(labels, metric, fitness):
    assert constant_fitness(task(labels, metric)) == pytest.approx(fitness)


def test_a_constant_does_as_well_as_that():
    program = azc.parse("def Predict():\n    s1 = 1.0\n")
    one = task([0, 2], y_train=(1, 1))
    assert azc.evaluate(program, [one]).fitness[0] == pytest.approx(constant_fitness(one))


def test_goals_that_need_no_learning():
    tasks = [task([0, 0, 0, 1], "accuracy", name="first"), task([1, 1], "accuracy", name="second")]
    with pytest.warns(AzcWarning, match=r"fitness 0\.875 .* second .*stop\.fitness = 0\.8"):
        warn_of_constants(tasks, 0.8, "mean")
    with pytest.warns(AzcWarning, match="fitness 1 "):
        warn_of_constants(tasks, 0.99, "median")
    warn_of_constants(tasks, 0.9, "mean")
    warn_of_constants(tasks, None, "mean")


def test_labels_beyond_the_limit():
    tasks = [task([0, 1]), task([0, -500], name="far"), task([0, 300], name="too")]
    with pytest.warns(AzcWarning, match=r"labels of far \(and of 1 other tasks\) reach 500"):
        warn_of_labels(tasks, 100.0)
    warn_of_labels(tasks, 500.0)
    with pytest.warns(AzcWarning, match="standardize_labels"):
        warn_of_labels(tasks[1:], 100.0)


def test_classes_are_within_reach():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_labels([task([0, 1], "accuracy")], 0.5)
