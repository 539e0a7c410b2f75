"""`Settings`: a search as its file describes it, checked as a whole before anything runs.

Each table of the file is a model here, under the same name, and each key an attribute of it:
``settings.search.population``, ``settings.tasks.search.count``. What the file leaves out is filled
in, so that `Settings.to_toml` says the whole search, as it is run.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tomli_w
from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator

from azc.errors import AzcError, ConfigError, ResourceError, TaskError, expected
from azc.evaluation import check_coordinates
from azc.program import FUNCTIONS, Program
from azc.runtime import _core
from azc.runtime.tables import MOST_HURDLES
from azc.search.settings_base import MisfitError, Table, error_of, fill
from azc.search.settings_file import (
    apply_override,
    find,
    load_program,
    locate,
    parsed,
    read,
)
from azc.search.settings_islands import Plan, check_islands, plans_of, total_of
from azc.search.settings_space import SpaceSettings
from azc.search.settings_tasks import Facts, TaskTable, TaskTables, Which, check_disjoint, facts_of
from azc.tasks.task import Task
from azc.tasks.taskset import TaskSet

__all__ = ["METHODS", "MUTATIONS", "Plan", "Settings"]

#: Every method by its name (`runtime/methods.c`).
METHODS = {method.name: method for method in _core.METHODS}
#: Every kind of mutation, in the order of their numbers (`runtime/space.h`).
MUTATIONS = tuple(mutation.name for mutation in _core.MUTATIONS)

if TYPE_CHECKING:
    Method = str
    Mutation = str
else:
    Method = Literal[tuple(METHODS)]
    Mutation = Literal[MUTATIONS]

# What `search.mutations` is unless it is given, for programs of fixed and of variable size.
_FIXED: tuple[Mutation, ...] = ("alter-parameter", "randomize-instruction", "randomize-function")
_VARIABLE: tuple[Mutation, ...] = ("alter-parameter", "randomize-function", "insert", "remove")
_OF_STAGED: tuple[Mutation, ...] = (
    "alter-parameter",
    "randomize-instruction",
    "insert-live",
    "update-state",
    "grow-operand",
    "bypass",
    "move",
    "cross",
    "alter-constant",
)
#: Those that look at the data flow, and how many addresses they can tell apart (`runtime/flow.h`).
_FLOW = MUTATIONS[MUTATIONS.index("insert-live") :]
_FLOW_ADDRESSES = 64
_RESIZING = frozenset(mutation.name for mutation in _core.MUTATIONS if mutation.resizes)

# An interval is about this many examples, so that reports come every few seconds whatever one
# evaluation takes, and within these bounds.
_EXAMPLES_PER_INTERVAL = 4 * 10**8
_INTERVAL = (500, 500_000)

Count = Annotated[int, Field(ge=1, le=2**63 - 1)]
Seed = Annotated[int, Field(ge=0, le=2**64 - 1)]
Part = Annotated[float, Field(gt=0.0, le=1.0)]


class StopSettings(Table):
    """``search.stop``: the end, whichever comes first."""

    fitness: Part | None = None
    programs: Count | None = None
    seconds: Annotated[float, Field(gt=0.0)] | None = None

    @model_validator(mode="after")
    def _some(self) -> StopSettings:
        if self.fitness is None and self.programs is None and self.seconds is None:
            raise ValueError(expected("fitness, programs or seconds", "none of them"))
        return self


class SearchSettings(Table):
    """``[search]``: how programs are drawn, replaced and compared."""

    method: Method = "regularized-evolution"
    population: Annotated[int, Field(ge=1, le=10**7)] = 1000
    tournament: Annotated[int, Field(ge=1, le=10**7)] = 10
    mutate_prob: Annotated[float, Field(ge=0.0, le=1.0)] = 0.9
    children: Annotated[int, Field(ge=1, le=10**6)] = 10
    mutations: Annotated[tuple[Mutation, ...], Field(strict=False)] = ()
    repeat: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    filter: bool | Literal["strict"] = False
    drop_dead: bool = False
    aggregate: Literal["mean", "median"] = "mean"
    stop: StopSettings
    islands: Annotated[int, Field(ge=1, le=10_000)] = 1
    workers: Annotated[int, Field(ge=1, le=10_000)] = 1
    backend: Literal["processes", "ray"] = "processes"
    seed: Seed = 1
    interval: Count | None = None

    @field_validator("filter", mode="before")
    @classmethod
    def _level(cls, level: Any) -> Any:
        if not isinstance(level, bool) and level != "strict":
            raise ValueError(expected("true, false or 'strict'", repr(level)))
        return level

    @field_validator("population")
    @classmethod
    def _enough(cls, population: int, info: ValidationInfo) -> int:
        method = info.data.get("method")
        if method in METHODS and population < (least := METHODS[method].least):
            raise ValueError(expected(f"at least {least} with method {method!r}", population))
        return population

    @field_validator("children")
    @classmethod
    def _of_families(cls, children: int, info: ValidationInfo) -> int:
        method = info.data.get("method")
        if method in METHODS and not METHODS[method].families:
            do = "leave it out"
            raise ValueError(expected(f"no children with method {method!r}", children, do))
        return children

    @field_validator("mutations")
    @classmethod
    def _some(cls, mutations: tuple[Mutation, ...]) -> tuple[Mutation, ...]:
        if not mutations:
            raise ValueError(expected("at least one kind of mutation", "none"))
        if twice := [kind for kind in mutations if mutations.count(kind) > 1]:
            raise ValueError(expected("each kind of mutation once", f"{twice[0]!r} again"))
        return mutations

    @field_validator("workers")
    @classmethod
    def _island_each(cls, workers: int, info: ValidationInfo) -> int:
        islands = info.data.get("islands", workers)
        if workers > islands:
            do = "a worker without an island has nothing to do"
            raise ValueError(expected(f"at most search.islands ({islands})", workers, do))
        return workers


class RestartSettings(Table):
    """``[restart]``: what ends a population, so that a new one begins."""

    steps: Count | None = None
    programs: Count | None = None
    patience: Count | None = None
    growth: Annotated[float, Field(ge=1.0, le=10.0)] = 1.0
    gain: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    fitness: Part | None = None
    by: Count | None = None

    @model_validator(mode="after")
    def _some(self) -> RestartSettings:
        if not self.model_dump(exclude_none=True, exclude={"growth", "gain"}):
            what = "steps, programs, patience, or fitness with by"
            raise ValueError(expected(what, "none of them", "leave [restart] out"))
        if self.by is None and self.fitness is not None:
            what = "the number of programs by which fitness is to be reached"
            raise MisfitError("by", expected(what, "none"))
        if self.fitness is None and self.by is not None:
            what = "the fitness to reach within so many programs"
            raise MisfitError("fitness", expected(what, "none"))
        return self


class EvaluationSettings(Table):
    """``[evaluation]``: what a program is given to learn in (docs/semantics.md)."""

    epochs: Annotated[int, Field(ge=1, le=10**6)] = 1
    max_abs_error: Annotated[float, Field(gt=0.0, allow_inf_nan=True)] = 100.0
    seed: Seed = 0


class BudgetSettings(Table):
    """``[budget]``: programs that cost more than `factor` times `baseline` are not run."""

    baseline: str
    factor: Annotated[float, Field(gt=0.0)] = 2.0

    @field_validator("baseline")
    @classmethod
    def _loads(cls, baseline: str) -> str:
        try:
            load_program(baseline)
        except AzcError as error:
            raise ValueError(str(error)) from None
        return baseline

    def program(self) -> Program:
        """The baseline."""
        return load_program(self.baseline)


class FecSettings(Table):
    """``[fec]``: which candidates are known without a full evaluation."""

    train: Count = 10
    valid: Count = 10
    size: Annotated[int, Field(ge=1, le=10**9)] = 100_000
    forget: Count = 100
    digits: Annotated[int, Field(ge=1, le=17)] | None = None
    level1: bool = True
    level2: bool = True


class HurdleSettings(Table):
    """``[hurdles]``: which candidates are run on the first examples only."""

    train: Count
    valid: Count | None = None
    quantile: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.5
    window: Annotated[int, Field(ge=1, le=10**7)] = 1000


class NichesSettings(Table):
    """``[niches]``: what the method of that name keeps, and how it draws parents."""

    elites: Annotated[int, Field(ge=1, le=10_000)] = 16
    even: Annotated[float, Field(ge=0.0, le=1.0)] = 0.3
    grown: Count = 50
    parsimony: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    confirm: Annotated[int, Field(ge=0, le=10_000)] = 0


class ConstantsSettings(Table):
    """``[constants]``: how values in new instructions are drawn."""

    scale: Literal["even", "log"] = "even"
    decades: Annotated[float, Field(gt=0.0, le=300.0)] = 3.0


class MigrationSettings(Table):
    """``[migration]``: how often islands exchange programs, and how many."""

    every: Count
    share: Part = 0.5


class CompileSettings(Table):
    """``[compile]``: whether what the search runs most is built as native code."""

    hot: bool | Literal["auto"] = "auto"

    @field_validator("hot", mode="before")
    @classmethod
    def _one_of_three(cls, hot: Any) -> Any:
        if not isinstance(hot, bool) and hot != "auto":
            raise ValueError(expected("true, false or 'auto'", repr(hot)))
        return hot


class Settings(Table):
    """All of a search file; optional tables that it lacks are None, others have their defaults."""

    search: SearchSettings
    space: SpaceSettings
    tasks: TaskTables
    restart: RestartSettings | None = None
    evaluation: EvaluationSettings = EvaluationSettings()
    budget: BudgetSettings | None = None
    fec: FecSettings = FecSettings()
    hurdles: Annotated[tuple[HurdleSettings, ...], Field(strict=False)] = ()
    niches: NichesSettings | None = None
    constants: ConstantsSettings = ConstantsSettings()
    migration: MigrationSettings | None = None
    compile: CompileSettings = CompileSettings()
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
                apply_override(tables, override)
            return cls._of(tables)
        except ConfigError as error:
            # Lines that are indented show where in a program's text an error is.
            lines = str(error).splitlines()
            named = (line if line.startswith(" ") else f"{name}: {line}" for line in lines)
            raise ConfigError("\n".join(named)) from None

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

    @field_validator("hurdles", mode="before")
    @classmethod
    def _one_or_several(cls, hurdles: Any) -> Any:
        return (hurdles,) if isinstance(hurdles, Mapping) else hurdles

    def to_toml(self) -> str:
        """The text of a search file that says the same, with nothing left to defaults."""
        return tomli_w.dumps(self.tables())

    def tables(self) -> dict[str, Any]:
        """The same as tables."""
        tables = self.model_dump(exclude_none=True)
        for hurdle in tables["hurdles"] if METHODS[self.search.method].staged else ():
            del hurdle["window"]
        if not self.hurdles:
            del tables["hurdles"]
        elif len(self.hurdles) == 1:
            tables["hurdles"] = tables["hurdles"][0]
        if not METHODS[self.search.method].families:
            del tables["search"]["children"]
        for name in FUNCTIONS:
            function = tables["space"][name]
            for key in ("min", "max", "init") if "size" in function else ():
                del function[key]
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
    def _fits(self) -> Settings:
        self._fill_staged()
        varies = any(map(self.space.varies, FUNCTIONS))
        if not self.search.mutations:
            staged = METHODS[self.search.method].staged
            chosen = {"mutations": _OF_STAGED if staged else _VARIABLE if varies else _FIXED}
            fill(self, search=self.search.model_copy(update=chosen))
        elif not varies and (wrong := _RESIZING.intersection(self.search.mutations)):
            what = f"a function in space with min below max to {min(wrong)} instructions"
            raise MisfitError("search.mutations", expected(what, "fixed sizes"))
        if self.migration and self.search.islands == 1:
            raise MisfitError("migration", expected("search.islands above 1 to migrate between", 1))
        self._check_flow()
        facts = {which: table.facts() for which, table in self.tasks.configured().items()}
        self._fill_fec(facts["search"])
        self._check_facts(facts)
        check_islands(self)
        return self

    def _fill_staged(self) -> None:
        """What methods that decide in stages always have, and what others cannot."""
        search = self.search
        if METHODS[search.method].staged:
            if not search.drop_dead and "drop_dead" in search.model_fields_set:
                raise MisfitError(
                    "search.drop_dead", expected(f"true with {search.method!r}", "false")
                )
            fill(self, search=search.model_copy(update={"drop_dead": True}))
            fill(self, niches=self.niches or NichesSettings())
            if len(self.hurdles) > MOST_HURDLES:
                what = f"at most {MOST_HURDLES} of them"
                raise MisfitError("hurdles", expected(what, len(self.hurdles)))
            before = self.fec.train
            for hurdle in self.hurdles:
                if hurdle.train <= before:
                    what = f"more examples than before it ({before}, fec.train first)"
                    raise MisfitError("hurdles", expected(what, hurdle.train))
                before = hurdle.train
            for hurdle in self.hurdles:
                if wrong := hurdle.model_fields_set & {"valid", "window"}:
                    raise MisfitError("hurdles", expected("train and quantile", min(wrong)))
            return
        if self.niches is not None:
            raise MisfitError("niches", expected("method 'niches'", repr(search.method)))
        if len(self.hurdles) > 1:
            what = f"one with method {search.method!r}"
            raise MisfitError("hurdles", expected(what, len(self.hurdles)))

    def _check_flow(self) -> None:
        """Raise `MisfitError` where data flow is asked for that the space has too much of."""
        search, space = self.search, self.space
        flow = search.drop_dead or search.filter == "strict" or set(_FLOW) & set(search.mutations)
        addresses = space.scalars + space.vectors + space.matrices
        if flow and addresses > _FLOW_ADDRESSES:
            what = f"at most {_FLOW_ADDRESSES} addresses where data flow counts"
            raise MisfitError("space", expected(what, addresses))
        for name in FUNCTIONS:
            if search.drop_dead and space.searched(name) and space.function(name).min:
                what = "min 0 where dead instructions are dropped"
                raise MisfitError(f"space.{name}.min", expected(what, space.function(name).min))

    def _fill_fec(self, facts: Facts) -> None:
        """Let the cache's short run use all examples where there are fewer than its default."""
        counts = {"train": facts.train, "valid": facts.valid}
        fewer = {
            part: min(getattr(self.fec, part), count)
            for part, count in counts.items()
            if count is not None and part not in self.fec.model_fields_set
        }
        fill(self, fec=self.fec.model_copy(update=fewer))

    def _check_facts(self, facts: Mapping[Which, Facts]) -> None:
        """Raise `MisfitError` where the sets of tasks fit neither each other nor the settings."""
        search = facts["search"]
        for which, other in facts.items():
            for key in ("metric", "aim"):
                ours, theirs = getattr(search, key), getattr(other, key)
                if None not in (ours, theirs) and ours != theirs:
                    what = f"the same {key} as in tasks.search ({ours})"
                    raise MisfitError(f"tasks.{which}", expected(what, theirs))
        if search.classes is not None and search.classes > 2 and self.space.vectors < 3:
            what = "at least 3: the features, the label and the prediction are vectors"
            raise MisfitError("space.vectors", expected(what, self.space.vectors))
        for name, table in (("fec", self.fec), *(("hurdles", each) for each in self.hurdles)):
            for part in ("train", "valid"):
                asked, there = getattr(table, part, None), getattr(search, part)
                if asked is not None and there is not None and asked > there:
                    what = f"at most {there}, the examples of tasks.search"
                    raise MisfitError(f"{name}.{part}", expected(what, asked))

        known = [each.features for each in facts.values() if each.features is not None]
        for program in self.space.start_programs() if known else ():
            try:
                check_coordinates(program, min(known))
            except AzcError as error:
                raise MisfitError("space.start", str(error)) from None

    def plans(self) -> list[Plan]:
        """What each island is made of, in order."""
        return self._planned[0]

    def task_tables(self) -> list[TaskTable]:
        """Every T_search that there is, that of the file first."""
        return self._planned[1]

    @cached_property
    def _planned(self) -> tuple[list[Plan], list[TaskTable]]:
        return plans_of(self)

    def programs_per_interval(self, work: int) -> int:
        """Programs per island from one report to the next: `search.interval`, or a number for
        which evaluations of `work` examples each, over all tasks, take a few seconds."""
        if self.search.interval is not None:
            return self.search.interval
        low, high = _INTERVAL
        return max(low, min(high, _EXAMPLES_PER_INTERVAL // max(1, work)))

    def make_tasks(self, which: Which, first: int = 0, count: int | None = None) -> TaskSet:
        """The tasks of one set, or `count` of them from `first` on; none if it is not configured.
        Raises `TaskError` or `ResourceError`."""
        table = getattr(self.tasks, which)
        if table is not None and count is not None:
            table = table.model_copy(update={"count": count})
        try:
            made: TaskSet = TaskSet([]) if table is None else table.make(first)
            return made
        except TaskError as error:
            raise TaskError(f"tasks.{which}: {error}") from error
        except ResourceError as error:
            raise ResourceError(f"tasks.{which}: {error}", error.required) from error

    def check_tasks(self, sets: Mapping[Which, Sequence[Task]]) -> None:
        """Raise `ConfigError` where tasks, as they have been made, share a task between two sets
        or do not fit the settings; what is known without making them has been checked already.

        `sets` holds ``"search"`` and may hold the others.
        """
        made = {which: tasks for which, tasks in sets.items() if tasks}
        try:
            self._check_facts({which: facts_of(tasks) for which, tasks in made.items()})
        except MisfitError as error:
            raise ConfigError(f"{error.key}: {error}") from None
        if self.niches and self.niches.confirm >= (count := len(sets["search"])):
            what = expected(f"less than the {count} tasks of tasks.search", self.niches.confirm)
            raise ConfigError(f"niches.confirm: {what}")
        check_disjoint(made)
