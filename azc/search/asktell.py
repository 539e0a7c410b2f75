"""Methods of search written in Python, for trying ideas: drawing, mutating and evaluating are the
search's own, what is kept is the method's.

    class HillClimber:
        def breed(self, pool):
            return pool.mutate([self.best]) if self.best else pool.first(1)

        def replace(self, pool, programs, fitness):
            ...

    run(HillClimber(), Pool(Settings.from_toml("demo")), programs=10_000)
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from azc.memory import refuse_beyond
from azc.ops import OPS
from azc.packing import blocks, pack
from azc.program import FUNCTIONS, Instruction, Program
from azc.runtime import _core
from azc.search.report import Counts
from azc.search.runtime_settings import bytes_of, settings_of, space_of
from azc.search.settings import Settings
from azc.tasks import Task

__all__ = ["Method", "Packed", "Pool", "run"]

#: A program as the runtime holds it (`Program.packed`).
Packed = tuple[bytes, bytes, bytes]


class Pool:
    """Where a method's programs come from, and what they are worth.

    Of the settings, those of the space, the tasks, evaluation, cache, hurdles and budget are in
    force; population, filter, restarts, migration and the end are the method's own affair. All that
    is drawn follows from the seed: `rng` is for the method's own draws.
    """

    def __init__(
        self,
        settings: Settings,
        tasks: Sequence[Task] | None = None,
        *,
        seed: int | None = None,
        per_task: bool = False,
    ) -> None:
        """`tasks`: instead of the settings' T_search; `seed`: of theirs; `per_task`: keep the
        fitness on each task too, with what is evaluated and in the cache."""
        self.settings = settings
        self.seed = settings.search.seed if seed is None else seed
        self.rng = np.random.default_rng(self.seed)
        self.tasks = settings.make_tasks("search") if tasks is None else list(tasks)
        needed = bytes_of(settings, self.tasks, per_task=per_task)
        refuse_beyond(needed, "the search", "of fec.size")
        told = settings_of(settings, self.tasks, self.seed, hot=False) | {"per_task": per_task}
        packed = [
            (pack([self.tasks[p] for p in b.positions], b.lanes, b.chunk), b.chunk, b.positions)
            for b in blocks(self.tasks, settings.space.matrices > 0)
        ]
        self._space = space_of(settings)
        self._island = _core.Island(self._space, told, packed, [], [])
        self._starts = [program.packed() for program in settings.space.start_programs()]
        self._drawn = 0
        #: With `per_task` the fitness of each program of the last batch on each task,
        #: [programs][tasks]: where it was stopped at a hurdle, on the examples before that.
        self.per_task: NDArray[np.float64] | None = None
        self._keeps_tasks = per_task

    def _number(self) -> int:
        self._drawn += 1
        return self._drawn

    def random(self, count: int) -> list[Packed]:
        """Random programs."""
        return [self._space.random(self.seed, self._number()) for _ in range(count)]

    def first(self, count: int) -> list[Packed]:
        """What a population begins with, by ``space.start``."""
        if self._starts:
            return [self._starts[k % len(self._starts)] for k in range(count)]
        if self.settings.space.start == "random":
            return self.random(count)
        space = self.settings.space
        nothing = ((Instruction(OPS[0]),) * space.function(name).init for name in FUNCTIONS)
        setup, predict, learn = nothing
        return [Program(setup, predict, learn).packed()] * count

    def mutate(self, programs: Sequence[Packed]) -> list[Packed]:
        """A mutant of each, by one of ``search.mutations``."""
        return [self._space.mutate(p, self.seed, self._number())[1] for p in programs]

    def evaluate(self, programs: Sequence[Packed]) -> list[float]:
        """The fitness of each, decided as a search does it; other threads run meanwhile."""
        if self._keeps_tasks:
            self.per_task = np.empty((len(programs), len(self.tasks)))
        return self._island.evaluate(list(programs), self.per_task)

    def counts(self) -> Counts:
        """What was evaluated so far, and how."""
        return Counts(island=0, **self._island.counts())

    def best(self) -> tuple[Program, float] | None:
        """The best program that was evaluated in full, and its fitness."""
        best = self._island.best()
        return (Program.unpacked(best[0]), best[1]) if best else None


class Method(Protocol):
    """What a method does, turn by turn."""

    def breed(self, pool: Pool) -> Sequence[Packed]:
        """Programs to evaluate next, at least one."""

    def replace(self, pool: Pool, programs: Sequence[Packed], fitness: Sequence[float]) -> None:
        """What becomes of them, now that their fitness is known."""


def run(method: Method, pool: Pool, *, programs: int) -> tuple[Program, float] | None:
    """Lets a method evaluate so many programs, or fewer where `search.stop.fitness` is reached
    before; returns the best of all that the pool has evaluated."""
    goal = pool.settings.search.stop.fitness
    while (left := programs - pool.counts().programs) > 0:
        bred = list(islice(method.breed(pool), left))
        if not bred:
            break
        method.replace(pool, bred, pool.evaluate(bred))
        best = pool.best()
        if goal is not None and best and best[1] >= goal:
            break
    return pool.best()
