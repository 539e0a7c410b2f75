"""Data sets -> learning tasks: synthetic, image sets, files of one's own.

>>> from azc import tasks
>>> task = tasks.make("linear", features=4, seed=1)
>>> task.X_train.shape, task.metric
((1000, 4), 'rmse')
"""

from azc.tasks.making import Kind, kinds, make, make_set
from azc.tasks.spec import Spec, parse_spec
from azc.tasks.task import Task

__all__ = ["Kind", "Spec", "Task", "kinds", "make", "make_set", "parse_spec"]
