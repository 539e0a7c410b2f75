"""Programs against each other, on the same tasks with the same seeds."""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from azc.errors import ConfigError, expected
from azc.evaluation import check, evaluate
from azc.program import Program
from azc.tasks import Task, TaskSet
from azc.use.intervals import mean_interval

__all__ = ["Comparison", "Contender", "Pair", "compare"]

Array = NDArray[np.float64]

#: Runs of which the fastest is the time.
_REPEATS = 3


@dataclass(frozen=True, slots=True)
class Contender:
    """One program: its mean fitness over tasks, with the 95 % interval for it, and the seconds
    that one example took it, all tasks of a block of lanes counted once."""

    name: str
    fitness: float
    low: float
    high: float
    seconds_per_example: float


@dataclass(frozen=True, slots=True)
class Pair:
    """The program at `first` against that at `second`: the mean `difference` of their fitness,
    with its 95 % interval; on which share of the tasks the first `wins`, and `ties`; the p-value of
    Wilcoxon's signed-rank test, and as Holm corrects it for all pairs."""

    first: int
    second: int
    difference: float
    low: float
    high: float
    wins: float
    ties: float
    p: float
    p_holm: float


@dataclass(frozen=True)
class Comparison:
    """The outcome on `tasks` tasks, each the mean of `seeds` seeds; `fitness` (P, D)."""

    contenders: list[Contender]
    pairs: list[Pair]
    fitness: Array
    tasks: int
    seeds: int


def compare(
    programs: Sequence[Program],
    tasks: Sequence[Task],
    *,
    seeds: int = 3,
    epochs: int = 1,
    seed: int = 0,
    max_abs_error: float = 100.0,
    tier: str = "auto",
) -> Comparison:
    """Compare every program with every other, paired over tasks: seeds are averaged first, since
    runs of one task are not independent."""
    programs = list(programs)
    tasks = tasks if isinstance(tasks, TaskSet) else TaskSet(tasks)
    if len(programs) < 2:
        raise ConfigError(expected("at least two programs to compare", len(programs)))
    for program in programs:
        check(program, tasks, tier, epochs, seed, max_abs_error)
    scores = np.zeros((len(programs), len(tasks)))
    paces = []
    for k, program in enumerate(programs):
        best = float("inf")
        for number in range(max(seeds, _REPEATS)):
            started = time.perf_counter()
            result = evaluate(
                program,
                tasks,
                tier=tier,
                epochs=epochs,
                seed=(seed + number % seeds) % 2**64,
                max_abs_error=max_abs_error,
            )
            spent = time.perf_counter() - started
            best = min(best, spent / max(result.examples, 1))
            if number < seeds:
                scores[k] += result.fitness / seeds
        paces.append(best)
    contenders = [
        Contender(program.filename, *mean_interval(scores[k]), seconds_per_example=paces[k])
        for k, program in enumerate(programs)
    ]
    couples = list(itertools.combinations(range(len(programs)), 2))
    chances = [_wilcoxon(scores[a] - scores[b]) for a, b in couples]
    pairs = [
        Pair(
            a,
            b,
            *mean_interval(scores[a] - scores[b]),
            wins=float(np.mean(scores[a] > scores[b])),
            ties=float(np.mean(scores[a] == scores[b])),
            p=p,
            p_holm=corrected,
        )
        for (a, b), p, corrected in zip(couples, chances, holm(chances), strict=True)
    ]
    return Comparison(contenders, pairs, scores, len(tasks), seeds)


def _wilcoxon(differences: Array) -> float:
    """Two-sided p-value; 1 where no difference is left."""
    differences = differences[differences != 0.0]
    if not differences.size:
        return 1.0
    from scipy.stats import wilcoxon

    return float(wilcoxon(differences).pvalue)


def holm(chances: Sequence[float]) -> list[float]:
    """p-values corrected for their number (Holm, 1979), in the same order."""
    order = sorted(range(len(chances)), key=lambda k: chances[k])
    corrected = [0.0] * len(chances)
    highest = 0.0
    for rank, k in enumerate(order):
        highest = max(highest, min(1.0, (len(chances) - rank) * chances[k]))
        corrected[k] = highest
    return corrected
