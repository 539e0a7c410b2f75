"""What an experiment consists of: arms, each with settings of its own, repeated with several seeds.

The time is shared out evenly to the arms: whichever has had the least of it so far has the next
trial, so an experiment that ends early has compared like with like.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

from azc.paper.record import Trial
from azc.search.settings import METHODS, Settings

__all__ = ["Arm", "Options", "Plan", "methods"]


@dataclass(frozen=True, slots=True)
class Options:
    """What the user asks for. `hours` and `seeds` are the scale, None: as the experiment has it.

    `overrides` are texts ``KEY=VALUE`` that change the settings of every arm; `only` are parts of
    names of arms, those to run; `variant` and `program` are for experiments that have such.
    """

    hours: float | None = None
    seeds: int | None = None
    overrides: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    variant: str | None = None
    program: str | None = None

    def shaping(self) -> dict[str, Any]:
        """What an experiment that has begun cannot change; JSON."""
        return {
            "overrides": list(self.overrides),
            "only": list(self.only),
            "variant": self.variant,
            "program": self.program,
        }


@dataclass(frozen=True, slots=True)
class Arm:
    """One of what is compared. `labels` are its columns in the data; `settings` those of its
    searches, None where it has none; `about` is whatever else the experiment needs (JSON)."""

    name: str
    labels: Mapping[str, str]
    settings: Settings | None = None
    about: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        text = None if self.settings is None else self.settings.to_toml()
        about = dict(self.about)
        return {"name": self.name, "labels": dict(self.labels), "settings": text, "about": about}

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Arm:
        text, name = fields["settings"], fields["name"]
        settings = None if text is None else Settings.from_text(text, f"settings of {name!r}")
        return cls(name, fields["labels"], settings, fields["about"])


@dataclass(frozen=True, slots=True)
class Plan:
    """`limit`: seconds of one trial at most. `seeds`: trials of each arm; with `repeats` there may
    be more, as long as `seconds` of all trials last, side by side or not. `first`: the number of
    the first seed."""

    arms: tuple[Arm, ...]
    limit: float
    seeds: int
    seconds: float
    repeats: bool = False
    first: int = 1

    @classmethod
    def scaled(
        cls,
        arms: Sequence[Arm],
        hours: float,
        seeds: int,
        *,
        repeats: bool,
        first: int = 1,
        workers: int = 1,
    ) -> Plan:
        """That which takes so many workers about so many hours."""
        seconds = 3600.0 * hours * workers
        limit = seconds / (len(arms) * seeds)
        return cls(tuple(arms), limit, seeds, seconds, repeats, first)

    def rescaled(self, hours: float | None, seeds: int | None, workers: int = 1) -> Plan:
        """The same trials, but more or fewer of them."""
        plan = self
        if hours is not None:
            seconds = 3600.0 * hours * workers
            fitting = int(seconds / (self.limit * len(self.arms)) + 1e-9)
            plan = replace(plan, seconds=seconds, seeds=max(1, fitting))
        return plan if seeds is None else replace(plan, seeds=seeds)

    def next(
        self, trials: Sequence[Trial], running: Sequence[tuple[str, int]] = ()
    ) -> tuple[Arm, int] | None:
        """Arm and seed of the trial that comes after `trials` and those that are `running`; None if
        there is none."""
        spent = dict.fromkeys(self.names(), 0.0)
        taken: dict[str, set[int]] = {name: set() for name in self.names()}
        times = [(trial.arm, trial.seed, trial.document["seconds"]) for trial in trials]
        for name, seed, seconds in (*times, *((*one, self.limit) for one in running)):
            spent[name] += seconds
            taken[name].add(seed)
        if self.repeats and sum(spent.values()) >= self.seconds:
            return None
        waiting = [arm for arm in self.arms if self.repeats or len(taken[arm.name]) < self.seeds]
        if not waiting:
            return None
        arm = min(waiting, key=lambda arm: (spent[arm.name], len(taken[arm.name])))
        # An interrupted trial left a gap.
        return arm, next(seed for seed in count(self.first) if seed not in taken[arm.name])

    def names(self) -> list[str]:
        """The names of the arms."""
        return [arm.name for arm in self.arms]

    def to_json(self) -> dict[str, Any]:
        arms = [arm.to_json() for arm in self.arms]
        return {
            "arms": arms,
            "limit": self.limit,
            "seeds": self.seeds,
            "seconds": self.seconds,
            "repeats": self.repeats,
            "first": self.first,
        }

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Plan:
        return cls(**{**fields, "arms": tuple(map(Arm.from_json, fields["arms"]))})


def methods() -> tuple[str, ...]:
    """The search methods that there are, as `search.method` names them."""
    return tuple(METHODS)
