"""`Settings`: a search as its file describes it, checked as a whole before anything runs.

Each table of the file is a model, under the same name, and each key an attribute of it:
``settings.search.population``, ``settings.tasks.search.count``. What the file leaves out is filled
in, so that `Settings.to_toml` says the whole search, as it is run.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Annotated, Any

import tomli_w
from pydantic import Field, ValidationError, model_validator

from azc.errors import ConfigError, expected, nearest
from azc.search.settings_base import error_of, whole_path
from azc.search.settings_file import apply_override, find, locate, parsed, read, steps_of
from azc.search.settings_islands import check_islands, plans_of, total_of
from azc.search.settings_plan import IslandSettings, Plan
from azc.search.settings_search import METHODS, MUTATIONS
from azc.search.settings_tasks import TaskTable

__all__ = ["METHODS", "MUTATIONS", "Plan", "Settings"]

# An interval is about this many examples, so that reports come every few seconds whatever one
# evaluation takes, and within these bounds.
_EXAMPLES_PER_INTERVAL = 4 * 10**8
_INTERVAL = (500, 500_000)


class Settings(IslandSettings):
    """All of a search file."""

    islands: Annotated[tuple[dict[str, Any], ...], Field(strict=False)] = ()

    @classmethod
    def from_toml(
        cls, path: str | os.PathLike[str] | Mapping[str, Any], overrides: Sequence[str] = ()
    ) -> Settings:
        """The settings in the file at `path`, or in the preset of that name, or those tables.

        `overrides` are texts ``KEY.PATH=VALUE``, applied in turn. Paths in the file are relative to
        its folder, those in overrides to the current one. Raises `ConfigError`, each line of it
        beginning with the file's name and the key's path.
        """
        if isinstance(path, Mapping):
            return cls._overridden(locate(path, os.getcwd()), "settings", overrides)
        file, name = find(path)
        return cls._overridden(locate(read(file, name), file.absolute().parent), name, overrides)

    @classmethod
    def from_text(cls, text: str, name: str, overrides: Sequence[str] = ()) -> Settings:
        """The same of a file's text, such as `to_toml` made; `name` is what messages call it."""
        return cls._overridden(locate(parsed(text, name), os.getcwd()), name, overrides)

    def changed(self, overrides: Sequence[str]) -> Settings:
        """These settings with overrides. Raises `ConfigError`."""
        return self.from_text(self.to_toml(), "settings", overrides)

    @classmethod
    def _overridden(cls, tables: dict[str, Any], name: str, overrides: Sequence[str]) -> Settings:
        try:
            for override in overrides:
                cls._check_table(override)
                apply_override(tables, override)
            return cls._of(tables)
        except ConfigError as error:
            # Lines that are indented show where in a program's text an error is.
            lines = str(error).splitlines()
            named = (line if line.startswith(" ") else f"{name}: {line}" for line in lines)
            raise ConfigError("\n".join(named)) from None

    @classmethod
    def _check_table(cls, override: str) -> None:
        """Raise `ConfigError` where it begins at no table, with the path that it may mean."""
        steps = [step for step in steps_of(override.partition("=")[0]) if isinstance(step, str)]
        if steps and steps[0] not in cls.model_fields:
            near = nearest(steps[0], cls.model_fields)
            whole = whole_path(cls, steps)
            do = f"did you mean {whole!r}?" if whole else near
            do = do or f"the tables are {', '.join(cls.model_fields)}"
            got = repr(".".join(steps))
            raise ConfigError(expected("the path of a key of a search file", got, do))

    @classmethod
    def from_tables(cls, tables: dict[str, Any], name: str) -> Settings:
        """The settings in `tables`, whose paths are absolute; `name` is what messages call them."""
        return cls._overridden(tables, name, ())

    @classmethod
    def from_mapping(cls, tables: Mapping[str, Any]) -> Settings:
        """The settings in `tables`, nested as those of a file are; paths in them are relative to
        the current folder. Raises `ConfigError`."""
        if not isinstance(tables, Mapping):
            raise ConfigError(expected("the tables of a search file", repr(tables)))
        return cls._of(locate(tables, os.getcwd()))

    @classmethod
    def _of(cls, tables: dict[str, Any]) -> Settings:
        try:
            return cls.model_validate(tables)
        except ValidationError as error:
            raise error_of(error, cls) from None

    def to_toml(self) -> str:
        """The text of a search file that says the same, with nothing left to defaults."""
        return tomli_w.dumps(self.tables())

    def tables(self) -> dict[str, Any]:
        tables = super().tables()
        if not self.islands:
            del tables["islands"]
        return tables

    @model_validator(mode="before")
    @classmethod
    def _count_islands(cls, tables: Any) -> Any:
        """As many islands as the tables of islands are for, unless it is said."""
        if isinstance(tables, Mapping) and isinstance(search := tables.get("search"), Mapping):
            total = total_of(tables.get("islands"))
            if total is not None and "islands" not in search:
                return {**tables, "search": {**search, "islands": total}}
        return tables

    @model_validator(mode="after")
    def _islands_fit(self) -> Settings:
        check_islands(self._common, self.islands)
        if self.compile.hot is True and not self.may_be_hot:
            what = expected("false or 'auto', as no island's programs can be compiled", True)
            raise ConfigError(f"compile.hot: {what}")
        return self

    @property
    def may_be_hot(self) -> bool:
        """Whether what some island runs most may be compiled."""
        return any(plan.may_be_hot for plan in self.plans())

    @property
    def repeatable(self) -> bool:
        """Whether islands wait for each other where that decides what they do."""
        return self.migration is None or self.migration.synchronous

    def plans(self) -> list[Plan]:
        """What each island is made of, in order."""
        return self._planned[0]

    def task_tables(self) -> list[TaskTable]:
        """Every T_search that there is, that of the file first."""
        return self._planned[1]

    @cached_property
    def _planned(self) -> tuple[list[Plan], list[TaskTable]]:
        return plans_of(self._common, self.islands)

    @property
    def _common(self) -> IslandSettings:
        """Those without the tables of islands."""
        values = {key: getattr(self, key) for key in IslandSettings.model_fields}
        return IslandSettings.model_construct(self.model_fields_set - {"islands"}, **values)

    def programs_per_interval(self, work: int) -> int:
        """Programs per island from one report to the next: `search.interval`, or a number for
        which evaluations of `work` examples each, over all tasks, take a few seconds."""
        if self.search.interval is not None:
            return self.search.interval
        low, high = _INTERVAL
        return max(low, min(high, _EXAMPLES_PER_INTERVAL // max(1, work)))
