"""What a search tells of itself: counts per island, reports while it runs, and its outcome.

`course` makes them; commands, pages and the caller of `Search.run` read them.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from pathlib import Path

from azc.program import Program
from azc.runtime.tables import Counts

__all__ = ["Ancestor", "Best", "Counts", "HotCounts", "NodeCounts", "Outcome", "Report"]


@dataclass(frozen=True, slots=True)
class Best:
    """A program worth keeping: it comes from `island`, in its run `run`, as its candidate `birth`.

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
    none) by `mutation` (its name, or "start", "random", "seed", "migrant"). `fitness` is on
    T_search, estimated where ``niches.confirm`` left some of the tasks out."""

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
class NodeCounts:
    """A machine and its part in a search: hosts and islands that are on it now, programs that it
    has drawn since the search was begun or gone on with, hosts that were lost there, and how many
    programs its last island is behind the first of all."""

    name: str
    hosts: int
    islands: int
    programs: int
    restarts: int
    lag: int


@dataclass(frozen=True, slots=True, repr=False)
class Report:
    """A search at one moment. `experiments`: populations begun, over all islands. `best`: the best
    on T_search so far; in an outcome, the one that was selected. `settled`: at the end of an
    interval, so the counts are part of the search's history; otherwise just a look in between.
    `programs_limit` and `seconds_limit` are the budget (None: without end). `repeatable`: another
    search with the same seed does the same."""

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
    nodes: tuple[NodeCounts, ...] = ()
    repeatable: bool = True

    def total(self, name: str) -> int:
        """The sum of one of the counts, such as ``"programs"``, over all islands."""
        return sum(getattr(counts, name) for counts in self.islands)

    @property
    def programs_per_second(self) -> float:
        """Programs drawn and decided per CPU second of all workers."""
        return self.total("programs") / self.cpu_seconds if self.cpu_seconds > 0 else 0.0

    def __repr__(self) -> str:
        best = f", best {self.best.search:.6f}" if self.best else ""
        return f"<Report: {self.total('programs'):,} programs in {self.seconds:.1f} s{best}>"


@dataclass(frozen=True, slots=True, repr=False)
class Outcome:
    """How a search ended. `solved`: ``stop.fitness`` was reached on T_select (on T_search where
    there is no T_select). `reason`: ``"solved"``, ``"programs"``, ``"seconds"`` or
    ``"interrupted"``. `best.program` is simplified: its live slice. `history`: the settled
    reports' counts, in order. `saved`: nothing failed to be saved in `out`; `unsaved`: how many of
    the last settled reports are not there. `hall`: the best programs, `best` the first of them.
    `goal`: ``stop.fitness``, without which no search is solved."""

    solved: bool
    reason: str
    seed: int
    report: Report
    best: Best | None
    history: tuple[tuple[Counts, ...], ...]
    out: Path | None = None
    saved: bool = True
    lineage: tuple[Ancestor, ...] = ()
    unsaved: int = 0
    hall: tuple[Best, ...] = ()
    goal: float | None = None

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

    def facts(self) -> dict[str, str]:
        """What there is to say of it, briefly, by name."""
        scores = (
            f"{name} {value:.6f}" for name, value in self.fitness.items() if value is not None
        )
        programs, seconds = self.report.total("programs"), self.report.seconds
        facts = {
            "ended by": self.reason,
            "fitness": ", ".join(scores) or "none",
            "seed": str(self.seed),
            "programs": f"{programs:,} in {seconds:.1f} s",
        }
        if self.out is not None:
            facts["saved in" if self.saved else "not saved in"] = str(self.out)
        return facts

    def __repr__(self) -> str:
        facts = [f"{name} {value}" for name, value in self.facts().items()]
        if self.goal is not None:
            facts.insert(0, "solved" if self.solved else "not solved")
        return f"<Outcome: {'; '.join(facts)}>"

    def _repr_html_(self) -> str:
        rows = (
            f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>"
            for name, value in self._shown().items()
        )
        program = f"<pre>{escape(str(self.program))}</pre>" if self.program else ""
        return f"<table>{''.join(rows)}</table>{program}"

    def _repr_markdown_(self) -> str:
        lines = ["| search | |", "|---|---|"]
        for name, value in self._shown().items():
            lines.append(f"| {name} | {value.replace('|', chr(92) + '|')} |")
        program = f"\n\n```python\n{self.program}\n```" if self.program else ""
        return "\n".join(lines) + program

    def _shown(self) -> dict[str, str]:
        solved = {"solved": "yes" if self.solved else "no"}
        return {**(solved if self.goal is not None else {}), **self.facts()}
