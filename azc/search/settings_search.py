"""``[search]``: how programs are drawn, replaced and compared; methods and mutations by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from azc.errors import expected
from azc.runtime import _core
from azc.search.settings_base import Count, Part, Seed, Table

__all__ = [
    "METHODS",
    "MUTATIONS",
    "OF_SOME_METHODS",
    "Mutation",
    "SearchSettings",
    "StopSettings",
    "lacking",
]

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


#: Keys that only some methods have, by their table, and what tells whether a method has them.
OF_SOME_METHODS: dict[tuple[str, str], Callable[[Any], bool]] = {
    ("search", "children"): lambda method: method.families,
    ("hurdles", "valid"): lambda method: not method.staged,
    ("hurdles", "window"): lambda method: not method.staged,
    ("hurdles", "apart"): lambda method: method.staged,
    ("restart", "from_best"): lambda method: method.most > 1,
}


def lacking(method: str) -> list[tuple[str, str]]:
    """Tables with their keys that `method` lacks: these stand at their defaults, which settings as
    text leave out."""
    return [where for where, has in OF_SOME_METHODS.items() if not has(METHODS[method])]


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
    snapshots: Annotated[str, Field(min_length=1)] | None = None

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
