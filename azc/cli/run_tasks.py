"""The tasks of a run, for commands that evaluate: ``--task FOLDER`` or ``--task FOLDER:select``."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from azc.errors import ConfigError, TaskError, expected, nearest
from azc.tasks.spec import FILE_SUFFIXES, parse_spec

if TYPE_CHECKING:
    from azc.search.settings import Settings
    from azc.search.settings_tasks import TaskTable, Which

__all__ = ["folder_in", "settings_of", "table_of"]


def folder_in(text: str) -> tuple[Path, str] | None:
    """The folder that `text` names and which of its sets of tasks, "" where it does not say; None
    where it names something else. Raises `ConfigError` for a path to nothing."""
    folder, colon, which = text.rpartition(":")
    for name, one in ((text, ""), (folder, which if colon else "")):
        path = Path(os.path.expanduser(name))
        # A folder that happens to be called as a kind of task is none that is meant.
        if name and path.is_dir() and ((path / "run.sqlite").exists() or not _is_kind(text)):
            return path, one
    if "/" in text and not text.lower().endswith(FILE_SUFFIXES):
        what = f"a file ending in {', '.join(FILE_SUFFIXES)}, or the folder of a run"
        raise ConfigError(f"--task: {expected(what, f'{text!r}, where nothing is')}")
    return None


def _is_kind(text: str) -> bool:
    try:
        parse_spec(text)
    except TaskError:
        return False
    return True


def settings_of(folder: Path) -> Settings:
    """Those of the run in `folder`. Raises `AzcError` where it is none, or cannot be read."""
    from azc.search.moving import settings_as_run
    from azc.search.store import read_saved

    return settings_as_run(read_saved(folder).about, folder)


def table_of(
    settings: Settings, folder: Path, which: str, changes: Mapping[str, Any]
) -> tuple[str, TaskTable]:
    """The name and the description of one set of a run's tasks, with `changes` of its keys.

    Without a name, T_select, by which the search itself selects; T_search where there is none.
    """
    from pydantic import ValidationError

    from azc.search.settings_tasks import SETS, TaskTable
    from azc.tasks.options import config_error
    from azc.tasks.spec import GIVEN

    tables = settings.tasks.configured()
    named: Which = "select" if "select" in tables else "search"
    if which:
        if which not in SETS:
            do = nearest(which, SETS)
            what = expected(f"{folder}:{', '.join(SETS[:-1])} or {SETS[-1]}", repr(which), do)
            raise ConfigError(f"--task: {what}")
        named = which
    if named not in tables:
        there = " and ".join(f"[tasks.{name}]" for name in tables)
        raise ConfigError(f"--task: {expected(f'[tasks.{named}] in {folder}', f'only {there}')}")
    where = f"{folder}:{named}"
    if tables[named].task == GIVEN:
        do = "name them by a kind or a file"
        got = "tasks that it was given from Python"
        raise ConfigError(f"--task: {expected(f'tasks in {folder} that can be made', got, do)}")
    described = {key: value for key, value in dict(tables[named]).items() if value is not None}
    try:
        return where, TaskTable.model_validate({**described, **changes})
    except ValidationError as error:
        raise config_error(error, f"--task {where}", TaskTable) from None
