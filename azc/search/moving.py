"""What a run was made of, so that it can be moved: paths as its folder sees them, and fingerprints
of the data and programs at their ends, which tell whether those are still the same."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import tomli_w
import xxhash

from azc.errors import StateError, expected
from azc.program import Program
from azc.search.settings import Settings
from azc.search.settings_file import parsed, steps_of, with_paths
from azc.search.settings_tasks import Which
from azc.tasks import Task
from azc.tasks.task import arrays_of

__all__ = ["check_same", "fingerprints", "leaving", "returning", "settings_as_run", "split_moves"]


# ---- paths --------------------------------------------------------------------------------------


def leaving(text: str, folder: Path) -> str:
    """`text` of a search file with its paths relative to `folder`, where they have more in common
    with it than the root."""
    folder = folder.absolute()

    def relative(path: str) -> str:
        if os.path.commonpath([path, folder]) == os.path.sep:
            return path
        from_folder = os.path.relpath(path, folder)
        # Or the name of a program would be one of the library's.
        up = from_folder.startswith(os.pardir)
        return from_folder if up else os.path.join(os.curdir, from_folder)

    return tomli_w.dumps(with_paths(parsed(text, "settings"), relative))


def returning(text: str, name: str, folder: Path, before: str) -> str:
    """`text` as `leaving` gave it, with absolute paths: as seen from `folder`, or where there is
    nothing, as seen from the folder `before`, where the run was when it began."""

    def absolute(path: str) -> str:
        here, there = (os.path.abspath(os.path.join(at, path)) for at in (folder, before or folder))
        return there if os.path.exists(there) and not os.path.exists(here) else here

    return tomli_w.dumps(with_paths(parsed(text, name), absolute))


def settings_as_run(about: Mapping[str, str], folder: Path) -> Settings:
    """The settings of the run in `folder`, which says `about` itself what it was. Raises
    `AzcError` where this azc cannot read them, or what they name is gone."""
    name = str(folder / "search.toml")
    text = returning(about["settings"], name, folder, about.get("folder", ""))
    return Settings.from_text(text, name, [f"search.seed={about['seed']}"])


def split_moves(overrides: Sequence[str], tables: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Of `overrides`, those that put a path where `tables` has one, and the others."""
    paths: list[str] = []
    with_paths(tables, lambda path: paths.append(path) or path)  # type: ignore[func-returns-value]
    moves: list[str] = []
    others: list[str] = []
    for override in overrides:
        value: Any = tables
        for step in steps_of(override.partition("=")[0]):
            try:
                value = value[step]
            except (KeyError, IndexError, TypeError):
                value = None
        moved = value is not None and (value if isinstance(value, list) else [value])
        (moves if moved and all(one in paths for one in moved) else others).append(override)
    return moves, others


# ---- fingerprints -------------------------------------------------------------------------------


def fingerprints(
    settings: Settings,
    sets: Mapping[Which, Iterable[Task]],
    own: Sequence[Iterable[Task]] = (),
) -> str:
    """What to know `sets` of tasks by, those that islands have of their `own`, and the programs
    that come from files; JSON."""
    named = {f"tasks.{which}": made for which, made in sets.items()}
    named |= {f"tasks of islands, {number}": made for number, made in enumerate(own, 1)}
    tasks = {
        key: [[task.name, _size(task), _digest(arrays_of(task))] for task in made]
        for key, made in named.items()
    }
    programs: dict[str, list[Program]] = {"space.start": settings.space.start_programs()}
    if settings.budget:
        programs["budget.baseline"] = [settings.budget.program()]
    return json.dumps(
        tasks
        | {
            key: [["a program", "another one", _digest(program.packed())] for program in there]
            for key, there in programs.items()
        }
    )


def check_same(folder: Path, began: str | None, now: str) -> None:
    """Raise `StateError` where `fingerprints` were others when the run in `folder` began."""
    if began is None:
        return
    before, after = json.loads(began), json.loads(now)
    for key, known in before.items():
        for number, (name, size, digest) in enumerate(known):
            if number >= len(there := after.get(key, [])) or there[number][2] != digest:
                got = there[number][1] if number < len(there) else "none"
                same = got == size
                what = expected(
                    f"{name} as it was when the search began ({size})",
                    f"other data of that size ({got})" if same and key.startswith("tasks") else got,
                    "put it back, name where it is with --set, or begin another search",
                )
                raise StateError(f"{folder}: {key}: {what}")


def _size(task: Task) -> str:
    return f"{len(task.y_train)}+{len(task.y_valid)} examples, {task.features} features"


def _digest(parts: Iterable[Any]) -> str:
    digest = xxhash.xxh3_128()
    for part in parts:
        digest.update(repr(getattr(part, "shape", None)).encode())
        digest.update(memoryview(part).cast("B"))
    return digest.hexdigest()
