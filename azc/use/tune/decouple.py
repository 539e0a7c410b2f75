"""Hyper-parameters that are computed by accident: values that are the same at every step.

Evolved programs often have no constant where one would be of use, and take what lies about: a rate
may be ``dot(v2, v2)`` of a vector that never changes. Such an instruction becomes one that sets a
constant, which can be tuned; what only it needed goes.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from azc.analysis import live_mask
from azc.ops import Type, by_name
from azc.program import FUNCTIONS, MAX_ADDRESS, Address, Instruction, Param, Program
from azc.tasks import Task
from azc.use.dataflow import Position
from azc.use.tracing import trace
from azc.use.tune.constants import Constant, constants_of

__all__ = ["Decoupled", "decouple"]

Array = NDArray[np.float64]

#: Tasks that are looked at, runs of them with seeds of their own, and examples of each.
_TASKS, _SEEDS, _EXAMPLES = 4, 2, 60

_SET, _BROADCAST = by_name("scalar_const"), by_name("vector_broadcast")


@dataclass(frozen=True, slots=True)
class Decoupled:
    """`program` with its accidental constants made real ones, those `constants`, and the `diff`
    of its text; the same program and nothing where there are none."""

    program: Program
    constants: list[Constant]
    diff: str


def decouple(
    program: Program, tasks: Sequence[Task], *, seed: int = 0, max_abs_error: float = 100.0
) -> Decoupled:
    """Find what Predict and Learn compute that is the same number at every step, on every task and
    under every seed that is tried; in Setup too, where the program has no params.

    The result computes the same, to the bit, wherever these numbers are what they were.
    """
    classes = tasks[0].classes
    steady = _steady(program, tasks, seed, max_abs_error)
    replaced = {
        position: value
        for position, value in steady.items()
        if value != 0.0 and np.isfinite(value) and _replaceable(program, position)
    }
    changed = _replace(program, replaced, classes)
    if changed is None:
        return Decoupled(program, [], "")
    after, positions = changed
    inside = {(c.function, c.index): c for c in constants_of(replace(after, params=()), classes)}
    constants = [replace(inside[new], name=_name(program, old)) for old, new in positions.items()]
    lines = difflib.unified_diff(
        str(program).splitlines(), str(after).splitlines(), "before", "after", lineterm="", n=1
    )
    return Decoupled(after, constants, "\n".join(lines))


def _name(program: Program, position: Position) -> str:
    """What the constant was: ``s4 = dot(v2, v2)``."""
    return str(getattr(program, position[0])[position[1]])


def _replaceable(program: Program, position: Position) -> bool:
    function, index = position
    op = getattr(program, function)[index].op
    plain = op.has_operands and op is not _BROADCAST and op.output is not Type.MATRIX
    return plain and not (function == "setup" and program.params)


def _steady(
    program: Program, tasks: Sequence[Task], seed: int, max_abs_error: float
) -> dict[Position, float]:
    """Instructions whose result always is one number in every entry, and the number."""
    values: dict[Position, float | None] = {}

    def watch(function: str, index: int, value: Array) -> None:
        position = function, index
        if position in values and values[position] is None:
            return
        number = float(value.flat[0])
        same = bool((value == number).all()) and values.get(position, number) == number
        values[position] = number if same else None

    for task in tasks[:_TASKS]:
        for more in range(_SEEDS):
            trace(program, task, watch, seed=(seed + more) % 2**64, examples=_EXAMPLES,
                  max_abs_error=max_abs_error)  # fmt: skip
    return {position: value for position, value in values.items() if value is not None}


def _replace(
    program: Program, values: dict[Position, float], classes: int
) -> tuple[Program, dict[Position, Position]] | None:
    """The program with constants in these positions, without what is dead thereby; and where those
    stand that are of use. None if none is."""
    before = dict(zip(FUNCTIONS, live_mask(program, classes), strict=True))
    fresh = _fresh_scalar(program)
    if fresh is None:
        return None
    # All at once: those that only others of them need are dead then.
    whole: dict[str, Any] = {
        name: tuple(
            Instruction(_SET, instruction.out, (), (values[name, index],))
            if (name, index) in values and instruction.op.output is Type.SCALAR
            else Instruction(_BROADCAST, instruction.out, (fresh + index,))
            if (name, index) in values
            else instruction
            for index, instruction in enumerate(body)
        )
        for name, body in program.functions()
    }
    after = dict(zip(FUNCTIONS, live_mask(replace(program, **whole), classes), strict=True))
    bodies: dict[str, list[Instruction]] = {name: [] for name in FUNCTIONS}
    moved: dict[Position, int] = {}
    positions: dict[Position, Position] = {}
    for name, body in whole.items():
        for index, instruction in enumerate(body):
            if before[name][index] and not after[name][index]:
                continue
            if (name, index) in values and after[name][index]:
                if instruction.op is _BROADCAST:
                    constant = (values[name, index],)
                    instruction = replace(instruction, inputs=(fresh,))
                    bodies[name].append(Instruction(_SET, fresh, (), constant))
                    fresh += 1
                positions[name, index] = (name, len(bodies[name]) - (instruction.op is _BROADCAST))
            elif (name, index) in values:
                instruction = getattr(program, name)[index]
            moved[name, index] = len(bodies[name])
            bodies[name].append(instruction)
    if not positions or fresh > MAX_ADDRESS:
        return None
    params = tuple(_moved(param, moved) for param in program.params
                   if (param.function, param.index) in moved)  # fmt: skip
    result = replace(program, params=params, **_tuples(bodies))
    return result, positions


def _tuples(bodies: dict[str, list[Instruction]]) -> dict[str, Any]:
    return {name: tuple(body) for name, body in bodies.items()}


def _moved(param: Param, moved: dict[Position, int]) -> Param:
    return replace(param, index=moved[param.function, param.index])


def _fresh_scalar(program: Program) -> int | None:
    """The first of enough scalar addresses that the program does not use."""
    numbers = [a.number for a in program.addresses() if a.type is Type.SCALAR]
    first = max([1, *numbers]) + 1
    return first if Address(Type.SCALAR, first).number < MAX_ADDRESS - 1000 else None
