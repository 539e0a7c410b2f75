"""`Search`: evolves programs on tasks, from settings to the best program found.

The course of a search, in rounds of so many programs per island:

    every island draws and decides its programs          (runtime/island.c)
    what it offers is scored on T_select                 (scoring.py)
    islands exchange programs                            (migration.py)
    all of it is saved                                   (store.py)

until a program passes, or the budget ends; the winner is scored on T_final.
"""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from azc.errors import ConfigError, expected
from azc.search.course import Course
from azc.search.report import Outcome, Report
from azc.search.settings import Settings
from azc.search.store import Store
from azc.tasks import Task

__all__ = ["Search"]

_PathLike = str | os.PathLike[str]


class Search:
    """A search that is described but not yet run.

    >>> search = Search.from_toml("demo")                            # doctest: +SKIP
    >>> outcome = search.run(seed=1)                                 # doctest: +SKIP
    >>> print(outcome.program, outcome.fitness)                      # doctest: +SKIP
    """

    def __init__(self, settings: Settings, *, folder: Path | None = None) -> None:
        """`folder`: that of a run to go on with (`Search.resume`)."""
        self.settings = settings
        self.outcome: Outcome | None = None
        self._folder = folder

    @classmethod
    def from_toml(cls, path: _PathLike, overrides: Sequence[str] = ()) -> Search:
        """The search in a file, or in the preset of that name (`Settings.from_toml`)."""
        return cls(Settings.from_toml(path, overrides))

    @classmethod
    def resume(cls, folder: _PathLike, overrides: Sequence[str] = ()) -> Search:
        """The search that left `folder`, to go on with it; `overrides` may change what the
        course does not depend on, such as ``search.stop.seconds``."""
        path = Path(folder)
        with Store.open(path) as store:
            text, seed = store.settings, store.seed
        name = str(path / "search.toml")
        settings = Settings.from_text(text, name, [f"search.seed={seed}", *overrides])
        return cls(settings, folder=path)

    @property
    def seed(self) -> int:
        """The settings' seed."""
        return self.settings.search.seed

    @property
    def classes(self) -> int | None:
        """Classes of the tasks, 0 for regression; None where a file is to say."""
        return self.settings.tasks.search.facts().classes

    @property
    def history(self) -> tuple[tuple[object, ...], ...]:
        """The counts of each settled report of the last run, per island."""
        return self.outcome.history if self.outcome else ()

    def run(
        self,
        *,
        seed: int | None = None,
        out: _PathLike | None = None,
        seconds: float | None = None,
        workers: int | None = None,
        resume: bool = False,
        data: str | None = None,
        report: Callable[[Report], None] | None = None,
        messages: Callable[[str], None] | None = None,
    ) -> Outcome:
        """Search until the goal is reached or the budget ends.

        Parameters
        ----------
        seed, seconds, workers : in place of the settings' own.
        out : the folder that everything is saved in; without it nothing is.
        resume : go on with what is in `out`.
        data : where image sets lie.
        report : called several times a second, and at the end of every round.
        messages : called with what the user should know but did not ask for.

        Ctrl-C ends it as a budget does. Raises `ConfigError`, `TaskError`, `ResourceError`,
        `StateError` and, where hot compiling is asked for, `CompileError`.
        """
        if resume and self._folder is None and out is not None:
            return Search.resume(out).run(
                out=out, seconds=seconds, workers=workers, resume=True, data=data,
                report=report, messages=messages,
            )  # fmt: skip
        settings = self._with(seed, seconds, workers, data)
        sets = {which: settings.make_tasks(which) for which in ("search", "select", "final")}
        settings.check_tasks(sets)
        _check_alike(sets["search"])
        folder = Path(out) if out is not None else self._folder if resume else None
        store: Store | None = None
        if folder is not None and resume:
            store = Store.open(folder)
        elif folder is not None:
            store = Store.create(folder, settings.to_toml(), seed=settings.search.seed)
        try:
            course = Course(settings, sets, store, report, messages)
            with course, _interruptible(course.interrupt):
                if resume:
                    course.restore()
                self.outcome = course.run()
        finally:
            if store is not None:
                store.close()
        return self.outcome

    def _with(
        self, seed: int | None, seconds: float | None, workers: int | None, data: str | None
    ) -> Settings:
        overrides = []
        if seed is not None:
            overrides.append(f"search.seed={seed}")
        if seconds is not None:
            overrides.append(f"search.stop.seconds={float(seconds)}")
        if workers is not None:
            overrides.append(f"search.workers={workers}")
        if data is not None:
            tables = self.settings.tasks.configured()
            images = [name for name, table in tables.items() if table.uses_data]
            overrides += [f"tasks.{name}.data={json.dumps(str(data))}" for name in images]
        return self.settings.changed(overrides) if overrides else self.settings


def _check_alike(tasks: Sequence[Task]) -> None:
    counts = {(len(task.y_train), len(task.y_valid)) for task in tasks}
    if len(counts) > 1:
        got = " and ".join(f"{train}+{valid}" for train, valid in sorted(counts))
        what = "tasks.search: " + expected("tasks with equally many examples", got)
        raise ConfigError(f"{what}; set train and valid")


@contextmanager
def _interruptible(interrupt: Callable[[], None]) -> Iterator[None]:
    """The first Ctrl-C calls `interrupt`, the second raises KeyboardInterrupt."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        interrupt()

    before = signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
