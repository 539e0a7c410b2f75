"""The constants of a program that can be tuned: where they stand, and how far they may move."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from azc.analysis import live_mask
from azc.ops import ConstantKind
from azc.program import Address, Instruction, Param, Program

__all__ = ["Constant", "constants_of", "live_constants", "positions_of", "with_constants"]

Array = NDArray[np.float64]

#: A constant without a range of its own moves by so many powers of ten either way.
_DECADES = 2.0


@dataclass(frozen=True, slots=True)
class Constant:
    """One constant that can be tuned.

    `function`, `index` and `which` say where it stands: which instruction of which function, and
    which of its constants. `scale`: ``"linear"``, or ``"log"``, where it keeps its sign and its
    size moves by orders of magnitude from `low` to `high`.
    """

    name: str
    function: str
    index: int
    which: int
    value: float
    low: float
    high: float
    scale: str

    def to_json(self) -> dict[str, Any]:
        """As records of evaluations have it, with the number of the constant as its "place"."""
        fields = asdict(self)
        return fields | {"place": fields.pop("which")}

    def at(self, share: Array) -> Array:
        """The values at these shares, in [0, 1), of the range."""
        if self.scale == "linear":
            return self.low + (self.high - self.low) * share
        small, large = sorted((abs(self.low), abs(self.high)))
        size = np.exp(math.log(small) + (math.log(large) - math.log(small)) * share)
        # Rounding of exp and log may not lead out of the range.
        return math.copysign(1.0, self.low) * np.clip(size, small, large)


def constants_of(program: Program, classes: int | None = None) -> list[Constant]:
    """What of a program can be tuned: its live params if it has any, else every live constant.

    `classes` is the tasks'; by default it follows from what the program predicts.
    """
    masks = dict(zip(("setup", "predict", "learn"), live_mask(program, classes), strict=True))
    if program.params:
        return [_of_param(param, program) for param in program.params
                if masks[param.function][param.index]]  # fmt: skip
    constants = []
    for function, body in program.functions():
        for index, instruction in enumerate(body):
            if masks[function][index]:
                constants += _of_instruction(function, index, instruction, program)
    return constants


def _of_param(param: Param, program: Program) -> Constant:
    instruction = getattr(program, param.function)[param.index]
    value = instruction.constants[param.constant]
    where = (param.name, param.function, param.index, param.constant, value)
    if param.low is None or param.high is None:
        return Constant(*where, *_range_around(value))
    # A default may have been changed since to a value out of the declared range.
    low, high = min(param.low, value), max(param.high, value)
    return Constant(*where, low, high, param.scale if low > 0.0 else "linear")


def _of_instruction(
    function: str, index: int, instruction: Instruction, program: Program
) -> list[Constant]:
    assert instruction.output is not None or not instruction.constants
    constants = []
    for which, (kind, value) in enumerate(
        zip(instruction.op.constants, instruction.constants, strict=True)
    ):
        if kind is ConstantKind.INDEX or not math.isfinite(value):
            continue
        name = _name(instruction, which, program.names)
        constants.append(Constant(name, function, index, which, value, *_range_around(value)))
    return constants


def _name(instruction: Instruction, which: int, names: dict[Address, str]) -> str:
    assert instruction.output is not None
    target = names.get(instruction.output, str(instruction.output))
    label = instruction.op.constant_names[which]
    return target if instruction.op.constant_names == ("value",) else f"{target}.{label}"


def _range_around(value: float) -> tuple[float, float, str]:
    """Low, high and scale for a constant of which nothing is known but its value."""
    factor = 10.0**_DECADES
    if value == 0.0 or abs(value) < 1e-290 or abs(value) > 1e290:
        return min(-1.0, value), max(1.0, value), "linear"
    low, high = sorted((value / factor, value * factor))
    return low, high, "log"


def with_constants(
    program: Program, constants: Sequence[Constant], values: Sequence[float]
) -> Program:
    """The program with these values of its constants; the defaults of its params follow."""
    bodies = {name: list(body) for name, body in program.functions()}
    changed: dict[tuple[str, int, int], float] = {}
    for constant, value in zip(constants, values, strict=True):
        instruction = bodies[constant.function][constant.index]
        numbers = list(instruction.constants)
        numbers[constant.which] = float(value)
        bodies[constant.function][constant.index] = replace(instruction, constants=tuple(numbers))
        changed[constant.function, constant.index, constant.which] = float(value)
    params = tuple(
        replace(param, default=changed.get((param.function, param.index, param.constant),
                                           param.default))
        for param in program.params
    )  # fmt: skip
    whole: dict[str, Any] = {name: tuple(body) for name, body in bodies.items()}
    return replace(program, params=params, **whole)


def live_constants(program: Program, classes: int | None = None) -> Array:
    """(n,): what the runtime takes as a program's constants, those of its live instructions in
    order, indices of entries left out."""
    return np.array([value for _, value in _numbered(program, classes)], dtype=np.float64)


def positions_of(
    program: Program, constants: Sequence[Constant], classes: int | None = None
) -> list[int]:
    """Where each of `constants` stands among `live_constants`."""
    order = {where: row for row, (where, _) in enumerate(_numbered(program, classes))}
    return [order[constant.function, constant.index, constant.which] for constant in constants]


def _numbered(program: Program, classes: int | None) -> list[tuple[tuple[str, int, int], float]]:
    masks = live_mask(program, classes)
    return [
        ((function, index, which), value)
        for (function, body), mask in zip(program.functions(), masks, strict=True)
        for index, (instruction, alive) in enumerate(zip(body, mask, strict=True))
        if alive
        for which, (kind, value) in enumerate(
            zip(instruction.op.constants, instruction.constants, strict=True)
        )
        if kind is not ConstantKind.INDEX
    ]
