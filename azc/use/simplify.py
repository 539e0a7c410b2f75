"""Programs with fewer lines: first without changing a bit, then as far as fitness allows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from azc.analysis import live_mask, predicts_vector
from azc.errors import ConfigError, expected
from azc.evaluation import check
from azc.ops import Type, by_name
from azc.program import FUNCTIONS, Address, Instruction, Param, Program
from azc.tasks import Task, TaskSet
from azc.use.dataflow import Position, flow_of, without
from azc.use.dropping import drop_lines
from azc.use.scoring import Scorer
from azc.use.tolerance import Tolerance
from azc.use.values import Seen, number_values

__all__ = ["simplify", "simplify_exactly"]

_SET = by_name("scalar_const")
#: Evaluations with seeds of their own, where a program draws random numbers.
_SEEDS = 3


def simplify(
    program: Program,
    tasks: Sequence[Task] | None = None,
    tolerance: float = 0.0,
    *,
    confirm: Sequence[Task] = (),
    epochs: int = 1,
    seed: int = 0,
    max_abs_error: float = 100.0,
    tier: str = "auto",
    progress: Callable[[], None] | None = None,
) -> Program:
    """The program with fewer lines.

    Without `tasks` it predicts the same, to the bit, on any task: dead lines go, values that are
    computed twice are computed once, and arithmetic on constants is done here. With `tasks`, which
    had better not be those that the program was chosen on, lines go as long as the mean fitness
    does not fall by more than `tolerance`, and as long as no task fails, or falls far, that did not
    before. What is left is held against the program on the tasks to `confirm`; those on which it
    is worse join `tasks`, and all lines are tried again.
    """
    classes = tasks[0].classes if tasks else (3 if predicts_vector(program) else 0)
    if not tolerance >= 0.0:
        raise ConfigError("tolerance: " + expected("a number from 0", repr(tolerance)))
    simple = simplify_exactly(program, classes)
    if not tasks:
        return simple
    flow = flow_of(simple, classes)
    draws = any(flow.at(position).op.random for position in flow.live)
    seeds = [(seed + k) % 2**64 for k in range(_SEEDS if draws or epochs > 1 else 1)]

    def within(tasks: Sequence[Task]) -> Tolerance:
        packed = tasks if isinstance(tasks, TaskSet) else TaskSet(tasks)
        check(program, packed, tier, epochs, seed, max_abs_error)
        scorer = Scorer(packed, epochs=epochs, max_abs_error=max_abs_error, tier=tier)
        return Tolerance(simple, list(packed), scorer, seeds, tolerance)

    def left_out(limits: Tolerance) -> set[Position]:
        def good(tried: Program) -> bool:
            if progress:
                progress()
            return limits.holds(tried)

        def mean(tried: Program) -> float:
            return float(limits.fitness(tried).mean())

        return drop_lines(simple, flow.live, mean, good)

    others = within(confirm) if confirm else None
    gone = left_out(within(tasks))
    joined: set[int] = set()
    while others and len(joined) < len(confirm):
        shorter = without(simple, gone)
        if others.holds(shorter, doubt=True):
            break
        new = set(np.flatnonzero(others.worse(shorter)).tolist()) - joined
        # Where it is only the mean that falls, every task has its part in that.
        joined |= new or set(range(len(confirm)))
        gone = left_out(within([*tasks, *(confirm[k] for k in sorted(joined))]))
    return simplify_exactly(_keep(simple, lambda position: position not in gone), classes)


def simplify_exactly(program: Program, classes: int) -> Program:
    """What predicts the same, to the bit, with fewer lines."""
    program = _live(program, classes)
    while True:
        after = _live(_pass(program, classes), classes)
        if _size(after) >= _size(program) or _draws(after) != _draws(program):
            # Draws are numbered in the order of live lines: were one to go, others would change.
            return program
        program = after


def _size(program: Program) -> int:
    return sum(1 for _ in program.instructions())


def _draws(program: Program) -> int:
    return sum(instruction.op.random for instruction in program.instructions())


def _live(program: Program, classes: int) -> Program:
    masks = dict(zip(FUNCTIONS, live_mask(program, classes), strict=True))
    return _keep(program, lambda position: masks[position[0]][position[1]])


def _keep(program: Program, wanted: Callable[[Position], bool]) -> Program:
    """The program of the wanted lines; params follow theirs."""
    bodies: dict[str, list[Instruction]] = {name: [] for name in FUNCTIONS}
    moved: dict[Position, int] = {}
    for name, body in program.functions():
        for index, instruction in enumerate(body):
            if wanted((name, index)):
                moved[name, index] = len(bodies[name])
                bodies[name].append(instruction)
    params: list[Param] = [
        replace(param, index=moved[param.function, param.index])
        for param in program.params
        if (param.function, param.index) in moved
    ]
    whole: dict[str, Any] = {name: tuple(body) for name, body in bodies.items()}
    return replace(program, params=tuple(params), **whole)


def _pass(program: Program, classes: int) -> Program:
    """Every line with what is known of its values made use of: operands are read where they were
    first, known scalars are set, and a line that stores what is there already goes."""
    seen = number_values(program, classes)
    redundant: set[Position] = set()
    bodies: dict[str, list[Instruction]] = {}
    for name, body in program.functions():
        bodies[name] = []
        for index, instruction in enumerate(body):
            position = name, index
            if position in seen:
                if seen[position].before == seen[position].result and not instruction.op.random:
                    redundant.add(position)
                instruction = _rewritten(instruction, seen[position])
            bodies[name].append(instruction)
    whole: dict[str, Any] = {name: tuple(body) for name, body in bodies.items()}
    params = tuple(
        param for param in program.params
        if whole[param.function][param.index] == getattr(program, param.function)[param.index]
    )  # fmt: skip
    return _keep(
        replace(program, params=params, **whole), lambda position: position not in redundant
    )


def _rewritten(instruction: Instruction, seen: Seen) -> Instruction:
    op = instruction.op
    if not op.has_operands:
        return instruction
    if seen.known is not None and op.output is Type.SCALAR:
        return Instruction(_SET, instruction.out, (), (seen.known,))
    inputs = []
    for kind, number, numeral in zip(op.inputs, instruction.inputs, seen.operands, strict=False):
        holders = [a for a in seen.holders[numeral] if a.type is kind]
        inputs.append(holders[0].number if holders else Address(kind, number).number)
    return replace(instruction, inputs=tuple(inputs))
