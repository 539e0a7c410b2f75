"""The short tables of a search file: restarts, evaluation, caches, hurdles and the like."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from azc.errors import AzcError, expected
from azc.program import Program
from azc.search.settings_base import Count, MisfitError, Part, Seed, Table
from azc.search.settings_file import load_program

__all__ = [
    "BudgetSettings",
    "CompileSettings",
    "ConstantsSettings",
    "EvaluationSettings",
    "FecSettings",
    "HurdleSettings",
    "MigrationSettings",
    "NichesSettings",
    "RestartSettings",
]


class RestartSettings(Table):
    """``[restart]``: what ends a population, so that a new one begins."""

    steps: Count | None = None
    programs: Count | None = None
    patience: Count | None = None
    growth: Annotated[float, Field(ge=1.0, le=10.0)] = 1.0
    gain: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    from_best: Annotated[int, Field(ge=0, le=10**6)] = 0
    fitness: Part | None = None
    by: Count | None = None

    @model_validator(mode="after")
    def _some(self) -> RestartSettings:
        if not self.model_dump(exclude_none=True, exclude={"growth", "gain", "from_best"}):
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
    apart: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0


class NichesSettings(Table):
    """``[niches]``: what the method of that name keeps, and how it draws parents."""

    by: Literal["form", "behaviour"] = "form"
    elites: Annotated[int, Field(ge=1, le=10_000)] = 16
    even: Annotated[float, Field(ge=0.0, le=1.0)] = 0.3
    grown: Count = 50
    parsimony: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    least: Annotated[float, Field(ge=0.0, le=10.0)] = 0.75
    confirm: Annotated[int, Field(ge=0, le=10_000)] = 0
    fit: Annotated[int, Field(ge=0, le=10_000)] = 0


class ConstantsSettings(Table):
    """``[constants]``: how values in new instructions are drawn."""

    scale: Literal["even", "log"] = "even"
    decades: Annotated[float, Field(gt=0.0, le=300.0)] = 3.0
    near_one: Annotated[float, Field(ge=0.0, le=1.0)] = 0.0

    @field_validator("near_one")
    @classmethod
    def _of_log(cls, near_one: float, info: ValidationInfo) -> float:
        if near_one and (scale := info.data.get("scale")) not in ("log", None):
            raise ValueError(expected("0 or a scale of 'log'", f"{near_one} where it is {scale!r}"))
        return near_one


class MigrationSettings(Table):
    """``[migration]``: how often islands exchange programs, and how many."""

    every: Count
    share: Part = 0.5
    synchronous: bool = True


class CompileSettings(Table):
    """``[compile]``: whether what the search runs most is built as native code."""

    hot: bool | Literal["auto"] = "auto"

    @field_validator("hot", mode="before")
    @classmethod
    def _one_of_three(cls, hot: Any) -> Any:
        if not isinstance(hot, bool) and hot != "auto":
            raise ValueError(expected("true, false or 'auto'", repr(hot)))
        return hot
