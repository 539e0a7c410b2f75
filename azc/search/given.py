"""Searches that are described in Python: tables as dicts or keywords, tasks as they are.

Tasks that were given have a table too, `GIVEN` instead of their kind, so that settings as text
say the whole search but for the examples.
"""

from __future__ import annotations

import copy
import os
import tomllib
from collections.abc import Mapping
from typing import Any

from azc.errors import ConfigError, TaskError, expected, nearest
from azc.evaluation import listed
from azc.search.settings import Settings
from azc.search.settings_file import find, locate, read
from azc.search.settings_search import SearchSettings
from azc.search.settings_tasks import SETS, Which
from azc.tasks.spec import GIVEN
from azc.tasks.taskset import TaskSet

__all__ = ["KEYWORDS", "assembled", "task_sets"]

#: Under which keywords they are given.
KEYWORDS: dict[Which, str] = {"search": "tasks", "select": "select", "final": "final"}


def assembled(
    base: Any, sets: Mapping[Which, Any], keywords: Mapping[str, Any]
) -> tuple[Settings, dict[Which, TaskSet]]:
    """Settings, and the sets of tasks among `sets`.

    `base`: Settings, tables, a search file or the name of a preset, or None; `keywords` change keys
    of it: names of tables take dicts, others are keys of ``[search]``. Raises `ConfigError` or
    `TaskError`.
    """
    told = {which: given for which, given in sets.items() if given is not None}
    if isinstance(base, Settings) and not told and not keywords:
        return base, {}
    tables = _tables(base)
    _merge(tables, locate(_by_table(keywords), os.getcwd()))
    whole = told.get("search")
    if isinstance(whole, Mapping) and whole and set(whole) <= set(SETS):
        told = {**whole, **{which: given for which, given in told.items() if which != "search"}}
    given, described = {}, {}
    for which, one in told.items():
        if isinstance(one, str):
            described[which] = {"task": one}
        elif isinstance(one, Mapping):
            described[which] = dict(one)
        else:
            given[which] = _task_set(which, one)
            described[which] = _table_of(given[which])
    # Whose tasks are others selects by others too.
    kept = {} if "search" in told else tables.get("tasks", {})
    if not isinstance(kept, Mapping):
        raise ConfigError(f"settings: tasks: {expected('a table', repr(kept))}")
    if described:
        tables["tasks"] = {**kept, **locate({"tasks": described}, os.getcwd())["tasks"]}
    return Settings.from_tables(tables, "settings"), given


def task_sets(sets: Mapping[Which, Any]) -> dict[Which, TaskSet]:
    """Those of `sets` that were given, which must be tasks."""
    return {which: _task_set(which, one) for which, one in sets.items() if one is not None}


def _tables(base: Any) -> dict[str, Any]:
    if base is None:
        return {}
    if isinstance(base, Settings):
        return tomllib.loads(base.to_toml())
    if isinstance(base, Mapping):
        return locate(base, os.getcwd())
    file, name = find(base)
    return locate(read(file, name), file.absolute().parent)


def _by_table(keywords: Mapping[str, Any]) -> dict[str, Any]:
    """Nested as a search file is."""
    nested: dict[str, Any] = {}
    for key, value in keywords.items():
        table = key in Settings.model_fields and key != "tasks"
        # Where a name is both, as that of islands may be, a number is the key.
        if key in SearchSettings.model_fields and not (table and isinstance(value, (list, dict))):
            nested.setdefault("search", {})[key] = value
        elif table and key == "search" and isinstance(value, Mapping):
            nested["search"] = {**nested.get("search", {}), **value}
        elif table:
            nested[key] = value
        else:
            known = [*SearchSettings.model_fields, *Settings.model_fields, "select", "final"]
            do = nearest(key, known) or "they are the tables of a search file and keys of [search]"
            raise ConfigError(expected("keywords of a search", repr(key), do))
    return nested


def _merge(tables: dict[str, Any], changes: Mapping[str, Any]) -> None:
    """Put `changes` in, key by key; None takes a key away."""
    for key, value in changes.items():
        if value is None:
            tables.pop(key, None)
        elif isinstance(value, Mapping) and isinstance(tables.get(key), dict):
            _merge(tables[key], value)
        else:
            tables[key] = copy.deepcopy(value)


def _task_set(which: Which, given: Any) -> TaskSet:
    name = KEYWORDS[which]
    try:
        tasks = given if isinstance(given, TaskSet) else TaskSet(listed(given))
    except TaskError as error:
        raise TaskError(f"{name}: {error}") from None
    if not tasks:
        raise TaskError(f"{name}: {expected('at least one task', 'none')}")
    return tasks


def _table_of(tasks: TaskSet) -> dict[str, Any]:
    """What there is to say of tasks that were given; what differs between them is left out."""
    every: dict[str, set[Any]] = {
        "metric": {task.metric for task in tasks},
        "features": {task.features for task in tasks},
        "train": {len(task.y_train) for task in tasks},
        "valid": {len(task.y_valid) for task in tasks},
    }
    alike = {key: values.pop() for key, values in every.items() if len(values) == 1}
    return {"task": GIVEN, "count": len(tasks), **alike}
