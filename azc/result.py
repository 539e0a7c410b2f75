"""What an evaluation comes to."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from azc.runtime import _core

__all__ = ["Result", "Training", "last_largest"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Training:
    """What training left of one task: `memory` by address, of those that carry a value from one
    example to the next; None where an error ended it, at training example number `ended`."""

    memory: dict[str, Array] | None
    ended: int = 0


@dataclass(slots=True, repr=False)
class Result:
    """The outcome of one evaluation on D tasks.

    `fitness` (D,) float64 in [0, 1]; `value` (D,) float64, the metric of the epoch that reached it
    (RMSE in units of the label, inf where training or validation stopped; accuracy in [0, 1]);
    `metric` its name, ``"rmse"`` or ``"accuracy"``; `predictions`, one array per task, (n_valid,)
    or (n_valid, C) float64: what stood in s1 (v2) after the last epoch, before any sigmoid or
    softmax, NaN where there was no prediction; `tier` that ran it, and `reason` why that one;
    `examples` served in training and validation, all tasks of a lane block counted once; `running`
    and `seconds` of wall time, without and with building. `test_fitness` and `test_value` are the
    same of the test part as of `fitness` and `value`, as the last epoch's training leaves the
    program; None unless they were asked for. `trainings` are for `azc.training`.
    """

    fitness: Array
    metric: str
    value: Array
    predictions: list[Array]
    tier: str
    reason: str = ""
    examples: int = 0
    running: float = 0.0
    seconds: float = 0.0
    test_fitness: Array | None = None
    test_value: Array | None = None
    trainings: list[Training] = field(default_factory=list)

    @classmethod
    def empty(cls, count: int, metric: str, tier: str) -> Result:
        """To be filled in, task by task."""
        return cls(np.zeros(count), metric, np.zeros(count), [np.empty(0)] * count, tier)

    def __repr__(self) -> str:
        count = len(self.fitness)
        what = f"fitness {self.mean:.6g}" if count == 1 else f"mean fitness {self.mean:.6g}"
        tasks = "1 task" if count == 1 else f"{count} tasks"
        return f"<Result on {tasks}: {what} ({self.metric}), {self.tier}, {self.seconds:.3g} s>"

    @property
    def mean(self) -> float:
        """Mean fitness over the tasks."""
        with _core.Environment():
            return float(np.mean(self.fitness))

    @property
    def median(self) -> float:
        """Median fitness over the tasks; the upper one of an even number, as in the reference."""
        return float(np.sort(self.fitness)[len(self.fitness) // 2])


def last_largest(logits: Array) -> int:
    """The class (C,) logits stand for: of equal ones the last."""
    best = 0
    for index in range(1, len(logits)):
        if logits[index] >= logits[best]:
            best = index
    return best
