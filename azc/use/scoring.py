"""Many programs on the same tasks, which are packed once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from azc.packing import blocks, pack
from azc.program import Program
from azc.runtime import _core
from azc.tasks import Task
from azc.tiers import has_matrices

__all__ = ["Scorer"]

Array = NDArray[np.float64]


class Scorer:
    """Fitness of programs on `tasks`, by the interpreter; what was scored is remembered."""

    def __init__(self, tasks: Sequence[Task], *, epochs: int, max_abs_error: float) -> None:
        self.tasks = list(tasks)
        self._settings = {"epochs": epochs, "max_abs_error": max_abs_error}
        self._classes = self.tasks[0].classes
        self._packed: dict[bool, list[tuple[list[int], _core.Batch]]] = {}
        self._known: dict[tuple[Program, int], Array] = {}
        self._machine = _core.Machine()

    def fitness(self, program: Program, seed: int) -> Array:
        """(D,) float64."""
        if (program, seed) not in self._known:
            self._known[program, seed] = self._run(program, seed)
        return self._known[program, seed]

    def over(self, program: Program, seeds: Iterable[int]) -> Array:
        """(D,): the mean over seeds."""
        return np.asarray(np.mean([self.fitness(program, seed) for seed in seeds], axis=0))

    def _run(self, program: Program, seed: int) -> Array:
        matrices = has_matrices(program, self._classes)
        if matrices not in self._packed:
            self._packed[matrices] = [
                (block.positions, pack([self.tasks[p] for p in block.positions], block.lanes))
                for block in blocks(self.tasks, matrices)
            ]
        code = _core.Code(program.packed())
        result = np.zeros(len(self.tasks))
        for positions, batch in self._packed[matrices]:
            fitness, value = np.zeros(batch.lanes), np.zeros(batch.lanes)
            self._machine.run(code, batch, fitness, value, seed=seed, **self._settings)
            result[positions] = fitness[: len(positions)]
        return result
