"""Where the limit on errors ended training or validation: the task and the example are said."""

import numpy as np
import pytest

from azc import Task, parse
from azc.cli.limits import say_where_it_ended
from azc.evaluation import evaluate

# Predicts 0, 1, 2, … in training and then as many as there were.
COUNTER = (
    "def Setup():\n    s2 = 1.0\ndef Predict():\n    s1 = s3\ndef Learn():\n    s3 = s3 + s2\n"
)
NAN = "def Predict():\n    s2 = log(s2)\n    s3 = s2 - s2\n    s1 = s3\n"


def told(capsys, program, tasks, limit):
    program = parse(program)
    result = evaluate(program, tasks, max_abs_error=limit)
    say_where_it_ended(program, tasks, result, seed=0, max_abs_error=limit)
    return capsys.readouterr().err


def task(name="mine", valid=(0,) * 20, metric="rmse"):
    return Task(np.zeros((10, 3)), np.zeros(10), np.zeros((20, 3)), valid, metric=metric, name=name)


@pytest.mark.parametrize("limit", [0.5, 3.5, 7.5, 8.5])
def test_in_training(capsys, limit):
    row = int(limit + 0.5)
    message = f"an error was NaN or above {limit:g} on mine at training example {row}, whose label"
    assert message in told(capsys, COUNTER, [task()], limit)


@pytest.mark.parametrize("row", [0, 1, 13, 19])
def test_in_validation(capsys, row):
    valid = np.where(np.arange(20) < row, 10, -5)
    message = f"on mine at validation example {row}, whose label is -5: fitness 0"
    assert message in told(capsys, COUNTER, [task(valid=valid)], 12.5)


def test_nan(capsys):
    classes = task(metric="accuracy", valid=np.ones(20))
    assert "on mine at training example 0, whose label is 0" in told(capsys, NAN, [classes], 100.0)


def test_of_many_tasks_a_few_are_told(capsys):
    message = told(capsys, COUNTER, [task(f"t{i}") for i in range(5)], 3.5)
    assert message.count("at training example 4") == 3
    assert "(and 2 other tasks)" in message


def test_nothing_to_tell(capsys):
    assert told(capsys, COUNTER, [task()], 100.0) == ""
