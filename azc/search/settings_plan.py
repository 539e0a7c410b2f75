"""`Plan`: what an island is made of, and `IslandSettings`, which say it.

Each table has been checked by itself; here they are checked against each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator

from azc.errors import AzcError, ConfigError, ResourceError, TaskError, expected
from azc.evaluation import check_coordinates
from azc.program import FUNCTIONS
from azc.runtime import _core
from azc.runtime.tables import MOST_HURDLES
from azc.search.settings_base import MisfitError, Table, fill
from azc.search.settings_search import METHODS, MUTATIONS, Mutation, SearchSettings, lacking
from azc.search.settings_space import SpaceSettings
from azc.search.settings_tables import (
    BudgetSettings,
    CompileSettings,
    ConstantsSettings,
    EvaluationSettings,
    FecSettings,
    HurdleSettings,
    MigrationSettings,
    NichesSettings,
    RestartSettings,
)
from azc.search.settings_tasks import Facts, TaskTables, Which, check_disjoint, facts_of
from azc.tasks.task import Task
from azc.tasks.taskset import TaskSet

__all__ = ["IslandSettings", "Plan"]

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


class IslandSettings(Table):
    """All of a search file that islands can differ in, and what they share; optional tables that it
    lacks are None, others have their defaults."""

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

    @field_validator("hurdles", mode="before")
    @classmethod
    def _one_or_several(cls, hurdles: Any) -> Any:
        return (hurdles,) if isinstance(hurdles, Mapping) else hurdles

    def tables(self) -> dict[str, Any]:
        """What the tables of a search file that says the same would be."""
        tables = self.model_dump(exclude_none=True)
        for name, key in lacking(self.search.method):
            for table in _each(tables.get(name)):
                table.pop(key, None)
        if not self.hurdles:
            del tables["hurdles"]
        elif len(self.hurdles) == 1:
            tables["hurdles"] = tables["hurdles"][0]
        for name in FUNCTIONS:
            function = tables["space"][name]
            for key in ("min", "max", "init") if "size" in function else ():
                del function[key]
        return tables

    @model_validator(mode="after")
    def _fits(self) -> IslandSettings:
        self._check_keys()
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
        return self

    def _check_keys(self) -> None:
        """Raise `MisfitError` for a key that the method lacks. A default is no mistake: settings
        that were written out as a whole may have it."""
        method = self.search.method
        for name, key in lacking(method):
            for table in _each(getattr(self, name)):
                if (value := getattr(table, key)) != type(table).model_fields[key].default:
                    what = expected(f"no {key} with method {method!r}", value, "leave it out")
                    raise MisfitError(f"{name}.{key}", what)

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
            if self.niches and self.niches.by == "behaviour" and not self.hurdles:
                what = "at least one of them, at which behaviour is looked at"
                raise MisfitError("hurdles", expected(what, "none", "add [[hurdles]]"))
            before = self.fec.train
            for hurdle in self.hurdles:
                if hurdle.train <= before:
                    what = f"more examples than before it ({before}, fec.train first)"
                    raise MisfitError("hurdles", expected(what, hurdle.train))
                before = hurdle.train
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


def _each(tables: Any) -> Sequence[Any]:
    """The tables where there may be several, as of hurdles, or the one that there is."""
    return tables if isinstance(tables, (list, tuple)) else (tables,) if tables else ()


@dataclass(frozen=True, slots=True)
class Plan:
    """What an island is made of.

    `island`: its number; `settings`: those in force there; `tasks`: the number of its T_search
    among `Settings.task_tables`; `measure`: equal where fitness means the same; `path`: of the
    table that it is of, if of any.
    """

    island: int
    settings: IslandSettings
    tasks: int = 0
    measure: int = 0
    path: str = ""

    @property
    def population(self) -> int:
        """Members that it can have."""
        search = self.settings.search
        members: int = min(search.population, METHODS[search.method].most)
        return members

    @property
    def may_be_hot(self) -> bool:
        """Whether what it runs most may be compiled: not what is evaluated in stages, nor on tasks
        of its own."""
        return not self.tasks and not METHODS[self.settings.search.method].staged
