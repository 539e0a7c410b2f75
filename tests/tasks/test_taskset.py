"""`TaskSet`: a sequence that cannot change and keeps what was made of it."""

from __future__ import annotations

import pickle
import threading

import pytest

import azc
from azc.tasks import TaskSet, make_set


def few() -> TaskSet:
    return make_set("linear", count=3, features=2, train=3, valid=2)


def test_is_a_sequence_of_tasks() -> None:
    tasks = few()
    assert isinstance(tasks, azc.TaskSet)
    assert len(tasks) == 3
    assert [task.name for task in tasks] == ["linear[0]", "linear[1]", "linear[2]"]
    assert tasks[-1] is list(tasks)[2]
    assert tasks[1] in tasks
    assert [task.name for task in tasks[::-2]] == ["linear[2]", "linear[0]"]
    assert isinstance(tasks[:1], TaskSet)
    longer = tasks[:1] + tasks[2:]
    assert list(longer) == [tasks[0], tasks[2]]


def test_cannot_be_changed() -> None:
    tasks = few()
    with pytest.raises(AttributeError, match="cannot be changed"):
        tasks._tasks = ()  # type: ignore[misc]
    with pytest.raises(TypeError):
        tasks[0] = tasks[1]  # type: ignore[index]


def test_holds_tasks_alone() -> None:
    with pytest.raises(azc.TaskError, match="expected a Task, got int"):
        TaskSet([1])  # type: ignore[list-item]


def test_repr_is_short() -> None:
    assert repr(few()).startswith("<TaskSet of 3: Task('linear[0]'")
    assert repr(TaskSet([])) == "TaskSet([])"


def test_what_is_kept_is_made_once() -> None:
    tasks, made = few(), []
    barrier = threading.Barrier(4)

    def ask() -> None:
        barrier.wait()
        assert tasks.kept("key", lambda: made.append(1) or len(made)) == 1

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [1]


def test_what_fails_is_not_kept() -> None:
    tasks = few()
    with pytest.raises(ZeroDivisionError):
        tasks.kept("key", lambda: 1 // 0)
    assert tasks.kept("key", lambda: 1) == 1


def test_pickles_its_tasks() -> None:
    tasks = few()
    tasks.kept("key", threading.Lock)
    again = pickle.loads(pickle.dumps(tasks))
    assert [task.key for task in again] == [task.key for task in tasks]
