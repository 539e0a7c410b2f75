"""What an evaluation comes to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from azc.runtime import _core

__all__ = ["Result"]

Array = NDArray[np.float64]


@dataclass(slots=True, repr=False)
class Result:
    """The outcome of one evaluation on D tasks.

    `fitness` (D,) float64 in [0, 1]; `value` (D,) float64, the metric of the epoch that reached it
    (RMSE in units of the label, inf where training or validation stopped; accuracy in [0, 1]);
    `metric` its name, ``"rmse"`` or ``"accuracy"``; `predictions`, one array per task, (n_valid,)
    or (n_valid, C) float64: what stood in s1 (v2) after the last epoch, before any sigmoid or
    softmax, NaN where there was no prediction; `tier` that ran it, and `reason` why that one;
    `examples` served in training and validation, all tasks of a lane block counted once; `running`
    and `seconds` of wall time, without and with building.
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
