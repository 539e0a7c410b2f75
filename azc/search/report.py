"""What a search tells of itself: counts per island, reports while it runs, and its outcome."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from azc.program import Program
from azc.runtime.tables import Counts

__all__ = ["Ancestor", "Best", "Counts", "HotCounts", "Outcome", "Report"]


@dataclass(frozen=True, slots=True)
class Best:
    """A program worth keeping: found on `island`, in its run `run`, as its candidate `birth`.

    Fitness on T_search, T_select and T_final, None where not scored.
    """

    program: Program
    island: int
    run: int
    birth: int
    search: float
    select: float | None = None
    final: float | None = None


@dataclass(frozen=True, slots=True)
class Ancestor:
    """One step in the lineage of a program: candidate `birth` came of candidate `parent` (-1: of
    none) by `mutation` (its name, or "start", "random", "seed", "migrant")."""

    birth: int
    parent: int
    mutation: str
    fitness: float
    program: Program


@dataclass(frozen=True, slots=True)
class HotCounts:
    """Compiled structures: how many there are, wall seconds that building them took, how many are
    being built, and the share in [0, 1] of executed training steps that ran natively."""

    built: int = 0
    seconds: float = 0.0
    building: int = 0
    share: float = 0.0


@dataclass(frozen=True, slots=True)
class Report:
    """A search at one moment. `experiments`: populations begun, over all islands. `best`: the best
    on T_search so far; in an outcome, the one that was selected. `settled`: at the end of an
    interval, so the counts are part of the search's history; otherwise just a look in between.
    `programs_limit` and `seconds_limit` are the budget (None: without end)."""

    seconds: float
    cpu_seconds: float
    experiments: int
    islands: tuple[Counts, ...]
    best: Best | None
    hot: HotCounts
    workers: int
    settled: bool
    programs_limit: int | None = None
    seconds_limit: float | None = None

    def total(self, name: str) -> int:
        """The sum of one of the counts, such as ``"programs"``, over all islands."""
        return sum(getattr(counts, name) for counts in self.islands)

    @property
    def programs_per_second(self) -> float:
        """Programs drawn and decided per CPU second of all workers."""
        return self.total("programs") / self.cpu_seconds if self.cpu_seconds > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a search ended. `solved`: ``stop.fitness`` was reached on T_select (on T_search where
    there is no T_select). `reason`: ``"solved"``, ``"programs"``, ``"seconds"`` or
    ``"interrupted"``. `best.program` is simplified: its live slice. `history`: the settled
    reports' counts, in order. `saved`: nothing failed to be saved in `out`."""

    solved: bool
    reason: str
    seed: int
    report: Report
    best: Best | None
    history: tuple[tuple[Counts, ...], ...]
    out: Path | None = None
    saved: bool = True
    lineage: tuple[Ancestor, ...] = ()

    @property
    def program(self) -> Program | None:
        return self.best.program if self.best else None

    @property
    def fitness(self) -> dict[str, float | None]:
        """On ``"search"``, ``"select"`` and ``"final"`` tasks; None where not configured."""
        best = self.best
        return {
            "search": best.search if best else None,
            "select": best.select if best else None,
            "final": best.final if best else None,
        }
