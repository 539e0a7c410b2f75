"""Constants fitted by random search, as the paper fits them (S7): every trial multiplies each
constant by a factor of its own, between a thousandth and a thousand on a logarithmic scale.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

import azc.evaluation
from azc.ops import ConstantKind
from azc.program import FUNCTIONS, Instruction, Program
from azc.tasks import Task, TaskSet

__all__ = ["constants_of", "scaled", "tuned"]

_SPAN = 3.0  # powers of ten, up and down


def constants_of(program: Program) -> list[tuple[str, int, int]]:
    """The positions of constants that can be fitted: function, instruction, constant."""
    return [
        (function, index, which)
        for function, body in program.functions()
        for index, instruction in enumerate(body)
        for which, kind in enumerate(instruction.op.constants)
        if kind is not ConstantKind.INDEX
    ]


def scaled(program: Program, factors: Sequence[float]) -> Program:
    """The program with its constants multiplied, in the order of `constants_of`."""
    bodies = {name: list(body) for name, body in program.functions()}
    for (function, index, which), factor in zip(constants_of(program), factors, strict=True):
        old = bodies[function][index]
        constants = list(old.constants)
        constants[which] *= factor
        bodies[function][index] = Instruction(old.op, old.out, old.inputs, tuple(constants))
    setup, predict, learn = (tuple(bodies[name]) for name in FUNCTIONS)
    return replace(program, setup=setup, predict=predict, learn=learn, params=())


def tuned(
    program: Program,
    tasks: Sequence[Task],
    *,
    seed: int,
    trials: int | None = None,
    seconds: float | None = None,
    state: Mapping[str, Any] | None = None,
    keep: Callable[[dict[str, Any]], None] = lambda state: None,
    evaluation: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The best of so many trials, or of those that fit the seconds; trial 0 is the program itself.

    Returns a state (JSON): ``trials`` made, ``seconds`` they took, ``before``, the fitness of trial
    0, ``best``, that of the best, and its ``factors``. `state` is one to go on from, and `keep` is
    called with each new one; `evaluation` are options of `azc.evaluate`. Trials depend on the seed
    and their number alone.
    """
    count, tasks = len(constants_of(program)), TaskSet(tasks)  # packed once
    current: dict[str, Any] = dict(state or {"trials": 0, "seconds": 0.0, "factors": [1.0] * count})
    while trials is None or current["trials"] < trials:
        if seconds is not None and current["trials"] and current["seconds"] >= seconds:
            break
        started = time.monotonic()
        number = current["trials"]
        draws = np.random.default_rng([seed, number])
        factors = [1.0] * count
        if number:
            factors = (10.0 ** draws.uniform(-_SPAN, _SPAN, count)).tolist()
        fitness = azc.evaluation.evaluate(
            scaled(program, factors), tasks, **(evaluation or {})
        ).mean
        if number == 0:
            current |= {"before": fitness, "best": fitness}
        elif fitness > current["best"]:
            current |= {"best": fitness, "factors": factors}
        current |= {
            "trials": number + 1,
            "seconds": current["seconds"] + time.monotonic() - started,
        }
        keep(current)
        if not count:
            break
    return current
