"""`Search`: evolves programs on tasks, from settings to the best program.

The course of a search, in rounds of so many programs per island:

    every island draws and decides its programs          (runtime/island.c)
    what it offers is scored on T_select                 (scoring.py)
    islands exchange programs                            (migration.py)
    all of it is saved                                   (store.py)

until a program passes, or the budget ends; the winner is scored on T_final.
"""

from __future__ import annotations

import json
import math
import os
import re
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

from azc.checks import positive_number
from azc.errors import ConfigError, expected
from azc.memory import refuse_beyond
from azc.runtime import _core
from azc.search.course import Course
from azc.search.engines import engine_for
from azc.search.given import KEYWORDS, assembled, task_sets
from azc.search.moving import check_same, fingerprints, leaving, returning, split_moves
from azc.search.report import Outcome, Report
from azc.search.runtime_settings import bytes_needed
from azc.search.settings import Settings
from azc.search.settings_file import parsed
from azc.search.settings_islands import own_tasks
from azc.search.settings_tasks import Which, facts_of
from azc.search.store import Store
from azc.tasks import Task
from azc.tasks.advice import warn_of_constants, warn_of_labels

__all__ = ["Search"]

_PathLike = str | os.PathLike[str]

#: What a search takes memory for before it begins.
_NUMEROUS = "of search.population, search.children, search.islands, fec.size or hurdles.window"
#: Keys of a search file that do not change the course that a search takes, only its end.
_FREE = re.compile(
    r"search\.stop\..*|search\.(workers|backend|snapshots)|compile\..*|(islands\[\d+\]\.)?tasks\.\w+\.data"
)


class Search:
    """A search that is described but not yet run.

    >>> search = Search.from_toml("demo")                            # doctest: +SKIP
    >>> outcome = search.run(seed=1)                                 # doctest: +SKIP
    >>> print(outcome.program, outcome.fitness)                      # doctest: +SKIP
    """

    def __init__(
        self,
        settings: Settings | Mapping[str, Any] | _PathLike | None = None,
        *,
        tasks: Any = None,
        select: Any = None,
        final: Any = None,
        **keywords: Any,
    ) -> None:
        """
        Parameters
        ----------
        settings : the tables of a search file as a dict, its path, a preset's name, or `Settings`;
            what the keywords say comes on top of it.
        tasks, select, final : T_search, T_select and T_final, each a list of tasks, a `TaskSet`,
            one task, a spec such as ``"linear"``, or its table as a dict. With `tasks`, the
            settings' own sets are not used.
        keywords : tables of a search file as dicts (``space={…}``), and keys of its ``[search]``
            (``method="mgg"``).

        Raises `ConfigError` or `TaskError` for what a search file may not say either.
        """
        sets: dict[Which, Any] = {"search": tasks, "select": select, "final": final}
        self.settings, self._given = assembled(settings, sets, keywords)
        self.outcome: Outcome | None = None
        # Of a run to go on with: where it is, and what that knows its tasks by.
        self._folder: Path | None = None
        self._data: str | None = None

    def __repr__(self) -> str:
        search, task = self.settings.search, self.settings.tasks.search.task
        return f"<Search on {task!r}: {search.method}, seed {search.seed}>"

    @classmethod
    def from_toml(
        cls, path: _PathLike | Mapping[str, Any], overrides: Sequence[str] = ()
    ) -> Search:
        """The search in a file, in the preset of that name or in tables (`Settings.from_toml`)."""
        return cls(Settings.from_toml(path, overrides))

    @classmethod
    def resume(
        cls,
        folder: _PathLike,
        overrides: Sequence[str] = (),
        *,
        tasks: Any = None,
        select: Any = None,
        final: Any = None,
    ) -> Search:
        """The search that left `folder`, to go on with it; `overrides` may change what the
        course does not depend on: ``search.stop``, ``search.workers``, ``compile``, and the paths
        of what is the same elsewhere. Tasks that the search was given have to be given again: a
        search keeps no data, but knows by fingerprints whether they are the same."""
        path = Path(folder)
        with Store.open(path) as store:
            text, seed = store.settings, store.seed
            before, data = store.about("folder"), store.about("data")
        name = str(path / "search.toml")
        text = returning(text, name, path, before or "")
        moves, others = split_moves(overrides, parsed(text, name))
        began = Settings.from_text(text, name, [f"search.seed={seed}", *moves])
        settings = Settings.from_text(began.to_toml(), name, others)
        for key, was, value in _changes(began.model_dump(), settings.model_dump()):
            if not _FREE.fullmatch(key):
                do = "leave it so, or begin another search with another --out"
                what = expected(f"{_shown(was)}, as the search began", _shown(value), do)
                raise ConfigError(f"{name}: {key}: {what}")
        search = cls(settings)
        search._folder, search._data = path, data
        search._given = task_sets({"search": tasks, "select": select, "final": final})
        return search

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
        backend: str | None = None,
        address: str | None = None,
    ) -> Outcome:
        """Search until the goal is reached or the budget ends.

        Parameters
        ----------
        seed, seconds, workers, backend : instead of the settings' own; infinite seconds are no
            limit.
        out : the folder that everything is saved in; without it nothing is.
        resume : go on with what is in `out`, as a search that `resume` returned does anyhow.
        data : where image sets lie.
        report : called several times a second, and at the end of every round.
        messages : called with what the user should know but did not ask for.
        address : of the Ray cluster, with backend ``"ray"``; without it one is started here.

        Ctrl-C ends it as a budget does. Raises `ConfigError`, `TaskError`, `ResourceError`,
        `StateError` and, where hot compiling is asked for, `CompileError`.
        """
        if out is not None and not isinstance(out, (str, os.PathLike)):
            raise ConfigError("out: " + expected("the path of a folder", repr(out)))
        if resume and self._folder is None:
            if out is None:
                raise ConfigError(expected("out, the folder to go on in", "none", "name it"))
            given: dict[str, Any] = {KEYWORDS[which]: made for which, made in self._given.items()}
            self.outcome = Search.resume(out, **given).run(
                seed=seed, seconds=seconds, workers=workers, data=data, report=report,
                messages=messages, backend=backend, address=address,
            )  # fmt: skip
            return self.outcome
        if self._folder is not None:
            self._check_goes_on(seed, out)
        settings = self._with(seed, seconds, workers, data, backend)
        hosts = settings.search
        with ExitStack() as stack:
            # Before the tasks are made, because both take their time.
            engine = engine_for(hosts.backend, hosts.workers, address)
            stack.callback(engine.close)
            sets, own, known = self._tasks(settings)
            saving = self._store(out, settings, known)
            if saving:
                stack.callback(saving.close)
                if hosts.snapshots is not None:
                    saving.shelve(hosts.snapshots)
            course = stack.enter_context(
                Course(settings, sets, own, saving, report, messages, engine)
            )
            stack.enter_context(_interruptible(course.interrupt))
            stack.enter_context(_core.Environment())
            if self._folder is not None:
                course.restore()
            folder = out if self._folder is None else self._folder
            self.outcome = replace(course.run(), out=None if folder is None else Path(folder))
        return self.outcome

    def _tasks(
        self, settings: Settings
    ) -> tuple[Mapping[Which, Sequence[Task]], list[Sequence[Task]], str]:
        """The sets of tasks, those of single islands, and what all are known by; refused where the
        search cannot be run on them."""
        sets = {
            which: self._given[which] if which in self._given else settings.make_tasks(which)
            for which in settings.tasks.needed_at_once()
        }
        own = own_tasks(settings.plans(), sets)
        known = fingerprints(settings, sets, own)
        if self._folder is not None:
            check_same(self._folder, self._data, known)
        settings.check_tasks(sets)
        _check_alike(sets)
        _warn(settings, sets)
        searched = [sets["search"], *own]
        refuse_beyond(bytes_needed(settings, searched), "the search", _NUMEROUS)
        return sets, own, known

    def _check_goes_on(self, seed: int | None, out: _PathLike | None) -> None:
        do = "leave it out, or begin another search"
        if seed not in (None, self.seed):
            raise ConfigError(f"seed: {expected(f'{self.seed}, as the search began', seed, do)}")
        if out is not None and Path(out) != self._folder:
            raise ConfigError(f"out: {expected(f'{self._folder}, to go on there', out, do)}")

    def _store(self, out: _PathLike | None, settings: Settings, known: str) -> Store | None:
        if self._folder is not None:
            return Store.open(self._folder)
        if out is None:
            return None
        folder = Path(out).absolute()
        about = {"folder": str(folder), "data": known}
        text = leaving(settings.to_toml(), folder)
        return Store.create(folder, text, seed=settings.search.seed, about=about)

    def _with(
        self,
        seed: int | None,
        seconds: float | None,
        workers: int | None,
        data: str | None,
        backend: str | None,
    ) -> Settings:
        overrides = []
        if seed is not None:
            overrides.append(f"search.seed={seed}")
        if seconds is not None:
            seconds = positive_number("search.stop.seconds", seconds)
            limit = "" if seconds == math.inf else float(seconds)
            overrides.append(f"search.stop.seconds={limit}")
        if workers is not None:
            overrides.append(f"search.workers={workers}")
        if backend is not None:
            overrides.append(f"search.backend={json.dumps(str(backend))}")
        if data is not None:
            tables = self.settings.tasks.configured()
            images = [name for name, table in tables.items() if table.uses_data]
            overrides += [f"tasks.{name}.data={json.dumps(str(data))}" for name in images]
            for plan in self.settings.plans():
                if plan.tasks and plan.settings.tasks.search.uses_data:
                    overrides.append(f"{plan.path}.tasks.search.data={json.dumps(str(data))}")
        return self.settings.changed(overrides) if overrides else self.settings


def _warn(settings: Settings, sets: Mapping[Which, Sequence[Task]]) -> None:
    goal = settings.search.stop.fitness
    warn_of_constants(sets.get("select", sets["search"]), goal, settings.search.aggregate)
    for tasks in sets.values():
        warn_of_labels(tasks, settings.evaluation.max_abs_error)


def _changes(before: Any, after: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """The keys at which two nested tables differ, with their values."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in {**before, **after}:
            yield from _changes(before.get(key), after.get(key), f"{path}.{key}" if path else key)
    elif path == "islands" and len(before) == len(after):
        for number, both in enumerate(zip(before, after, strict=True)):
            yield from _changes(*both, f"{path}[{number}]")
    elif before != after:
        yield path, before, after


def _shown(value: Any) -> str:
    return "none" if value in (None, [], ()) else json.dumps(value)


def _check_alike(sets: Mapping[Which, Sequence[Task]]) -> None:
    for which, tasks in sets.items():
        kinds = {(task.metric, facts_of([task]).aim) for task in tasks}
        if len(kinds) > 1:
            got = " and ".join(f"{metric} of {aim}" for metric, aim in sorted(kinds))
            raise ConfigError(f"tasks.{which}: {expected('tasks of one kind', got)}")
    counts = {(len(task.y_train), len(task.y_valid)) for task in sets["search"]}
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
