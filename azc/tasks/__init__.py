"""Data sets -> learning tasks: synthetic, image sets, files of one's own.

>>> from azc import tasks
>>> task = tasks.make("linear", features=4, seed=1)
>>> task.X_train.shape, task.metric
((1000, 4), 'rmse')
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from azc.tasks.making import Kind, kinds, make, make_set
    from azc.tasks.preparation import Preparation, Scaling
    from azc.tasks.spec import Spec, parse_spec
    from azc.tasks.task import Task
    from azc.tasks.taskset import TaskSet

# Imported on first use, so that the help of commands, which comes from the declaration of the
# options, needs no NumPy.
_HOME = {
    "Kind": "making",
    "Preparation": "preparation",
    "Scaling": "preparation",
    "Spec": "spec",
    "Task": "task",
    "TaskSet": "taskset",
    "kinds": "making",
    "make": "making",
    "make_set": "making",
    "parse_spec": "spec",
}

__all__ = [
    "Kind",
    "Preparation",
    "Scaling",
    "Spec",
    "Task",
    "TaskSet",
    "kinds",
    "make",
    "make_set",
    "parse_spec",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        value = getattr(importlib.import_module(f"azc.tasks.{_HOME[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'azc.tasks' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
