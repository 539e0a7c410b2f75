"""`TaskSet`: tasks in a fixed order, which keep what was made of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import Any, NoReturn, TypeVar, overload

from azc.errors import TaskError, expected
from azc.tasks.task import Task

__all__ = ["TaskSet"]

_Made = TypeVar("_Made")


class TaskSet(Sequence[Task]):
    """An immutable sequence of tasks.

    Evaluating needs the tasks' examples side by side in memory; a set keeps these layouts, each
    made when it is first needed, so that many programs on the same tasks pay for them once. They
    take about as much memory again as the tasks, and go with the set. Slices and sums are sets of
    their own. May be used by several threads at once.
    """

    __slots__ = ("__weakref__", "_kept", "_lock", "_tasks")

    _tasks: tuple[Task, ...]
    _kept: dict[Hashable, Any]
    _lock: threading.RLock

    def __init__(self, tasks: Iterable[Task]) -> None:
        made = tuple(tasks)
        for task in made:
            if not isinstance(task, Task):
                got = type(task).__name__
                raise TaskError(expected("a Task", got, "make one with azc.Task(…)"))
        for name, value in (("_tasks", made), ("_kept", {}), ("_lock", threading.RLock())):
            object.__setattr__(self, name, value)

    def kept(self, key: Hashable, make: Callable[[], _Made]) -> _Made:
        """What `make` returned when it was first called for `key`; once, whoever asks."""
        try:
            made: _Made = self._kept[key]
        except KeyError:
            with self._lock:
                if key not in self._kept:
                    self._kept[key] = make()
                made = self._kept[key]
        return made

    def had(self, key: Hashable) -> Any:
        """What is kept for `key`, None if nothing is."""
        return self._kept.get(key)

    @overload
    def __getitem__(self, index: int) -> Task: ...
    @overload
    def __getitem__(self, index: slice) -> TaskSet: ...
    def __getitem__(self, index: int | slice) -> Task | TaskSet:
        if isinstance(index, slice):
            return TaskSet(self._tasks[index])
        return self._tasks[index]

    def __len__(self) -> int:
        return len(self._tasks)

    def __iter__(self) -> Iterator[Task]:
        return iter(self._tasks)

    def __contains__(self, task: object) -> bool:
        return task in self._tasks

    def __add__(self, other: Iterable[Task]) -> TaskSet:
        return TaskSet((*self._tasks, *other))

    def __repr__(self) -> str:
        if not self._tasks:
            return "TaskSet([])"
        more = f", and {len(self) - 1} more" if len(self) > 1 else ""
        return f"<TaskSet of {len(self)}: {self._tasks[0]!r}{more}>"

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"a TaskSet cannot be changed; make a new one to change {name!r}")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"a TaskSet cannot be changed; {name!r} cannot be deleted")

    def __reduce__(self) -> tuple[Any, ...]:
        # What is kept stays behind: whoever gets the tasks makes it anew.
        return TaskSet, (self._tasks,)
