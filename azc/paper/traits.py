"""What the best programs do, by stated rules over their data flow: which layers they learn, and
which of the paper's adaptations they have.

Every rule looks at the live slice only. Values carry marks from instruction to instruction, through
Predict, Learn and the loop over examples, until nothing changes: where a value comes from
(`_SOURCES`), and marks that a rule adds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from azc.analysis import interface_addresses, live
from azc.ops import Type
from azc.program import Address, Instruction, Program
from azc.tasks import Task
from azc.use.tracing import trace

__all__ = ["has_mean_rate", "has_noisy_activation", "has_rate_decay", "learns_two_layers"]

Marks = frozenset[str]
#: Given the function's name, an instruction and the marks of its operands: those of its result.
Rule = Callable[[str, Instruction, list[Marks]], Marks]

_NONE: Marks = frozenset()
#: Where a value comes from: an example's features, its label, a draw that is made anew for each
#: example.
_FEATURES, _LABEL, _NOISE = "features", "label", "noise"
_SOURCES = frozenset({_FEATURES, _LABEL, _NOISE})

#: Ops that bend: their result is not linear in their operands.
_BENDING = frozenset(
    f"{kind}_{name}"
    for kind in ("scalar", "vector", "matrix")
    for name in ("heaviside", "max", "min", "abs")
)
_PRODUCTS = frozenset({"scalar_mul", "scalar_vector_mul", "scalar_matrix_mul"})
#: A rate that multiplies has decayed when it is this part of what it was, or less.
_DECAYED = 0.5
_MONOTONE = 0.9


@dataclass(frozen=True, slots=True)
class _Flow:
    """Marks at the end of the analysis: `read` of an instruction's operands, by function and
    number; `prediction` as Predict leaves it."""

    program: Program
    read: dict[tuple[str, int], list[Marks]]
    prediction: Marks

    def of(self, function: str) -> Iterator[tuple[int, Instruction, list[Marks]]]:
        """The instructions of a function with the marks of their operands."""
        for index, instruction in enumerate(getattr(self.program, function)):
            yield index, instruction, self.read[function, index]


def _sources(function: str, instruction: Instruction, operands: list[Marks]) -> Marks:
    """All that the operands come from, and noise where the instruction draws some."""
    marks = _NONE.union(*operands)
    return marks | {_NOISE} if instruction.op.random and function != "setup" else marks


def _flow(program: Program, classes: int, rule: Rule) -> _Flow:
    features, label, prediction = interface_addresses(classes)
    program = live(program, classes)
    memory: dict[Address, Marks] = {}
    read: dict[tuple[str, int], list[Marks]] = {}

    def run(function: str) -> None:
        for index, instruction in enumerate(getattr(program, function)):
            operands = [memory.get(address, _NONE) for address in instruction.reads]
            read[function, index] = operands
            if instruction.output is not None:
                memory[instruction.output] = rule(function, instruction, operands)

    run("setup")
    while True:
        before = dict(memory)
        memory |= {features: frozenset({_FEATURES}), label: _NONE}
        run("predict")
        predicted = memory.get(prediction, _NONE)
        memory |= {features: frozenset({_FEATURES}), label: frozenset({_LABEL})}
        run("learn")
        # What may stand there at the next example: what stood there before, or what does now.
        for address in before.keys() | memory.keys():
            memory[address] = memory.get(address, _NONE) | before.get(address, _NONE)
        if memory == before:
            return _Flow(program, read, predicted)


def learns_two_layers(program: Program, classes: int = 0) -> bool:
    """Whether the prediction is a learned layer over another: Predict multiplies what comes from
    the features by a matrix that depends on labels, bends it, and multiplies that by a vector or
    matrix that depends on labels."""

    def rule(function: str, instruction: Instruction, operands: list[Marks]) -> Marks:
        if function != "predict":
            return _sources(function, instruction, operands) & _SOURCES
        marks = set(_sources(function, instruction, operands))
        name = instruction.op.name
        if name == "matrix_vector_dot" and _LABEL in operands[0] and _FEATURES in operands[1]:
            marks.add("above" if "bent" in operands[1] else "layer")
        if name == "dot" and any(
            "bent" in one and _LABEL in other for one, other in (operands, operands[::-1])
        ):
            marks.add("above")
        if name in _BENDING and "layer" in marks:
            marks.add("bent")
        return frozenset(marks)

    return "above" in _flow(program, classes, rule).prediction


def has_noisy_activation(program: Program, classes: int = 0) -> bool:
    """Whether noise reaches the prediction through a bend, as in a noisy ReLU: a draw that Predict
    makes, or that Learn makes and that depends on no example, is among what goes into a maximum, a
    minimum, an absolute value or a step, from which the prediction comes."""

    def rule(function: str, instruction: Instruction, operands: list[Marks]) -> Marks:
        marks = set(_sources(function, instruction, operands))
        if function != "predict":
            # What is learned from noisy activations is not noise.
            return frozenset(marks & _SOURCES)
        if marks & {"noisy"} or instruction.op.random or any(map(_is_noise, operands)):
            marks.add("noisy")
        if instruction.op.name in _BENDING and "noisy" in marks:
            marks.add("bent")
        return frozenset(marks)

    return "bent" in _flow(program, classes, rule).prediction


def _is_noise(marks: Marks) -> bool:
    return _NOISE in marks and not marks & {_FEATURES, _LABEL}


def has_mean_rate(program: Program, classes: int = 0) -> bool:
    """Whether the mean of learned weights is a rate: Learn multiplies what depends on the label by
    a scalar that scalar ops alone have made of the mean of a matrix that depends on labels."""

    def rule(function: str, instruction: Instruction, operands: list[Marks]) -> Marks:
        marks = set(_sources(function, instruction, operands))
        scalar = instruction.op.output is Type.SCALAR
        if instruction.op.name == "matrix_mean" and _LABEL in operands[0]:
            marks.add("mean")
        elif not (scalar and all(kind is Type.SCALAR for kind in instruction.op.inputs)):
            marks.discard("mean")
        return frozenset(marks)

    flow = _flow(program, classes, rule)
    return any(
        instruction.op.name in _PRODUCTS
        and any("mean" in one and _LABEL in other for one, other in (read, read[::-1]))
        for _, instruction, read in flow.of("learn")
    )


def has_rate_decay(program: Program, task: Task) -> bool:
    """Whether a rate shrinks while the program is trained on `task`: Learn multiplies what depends
    on the label by a scalar that depends on no example and no draw, and whose size falls over the
    first epoch to half of what it was or less, steadily (rank correlation with time below -0.9); or
    divides it by one that grows to twice of what it was as steadily."""
    flow = _flow(program, task.classes, _sources)
    operands, signs = [], []
    for index, instruction, read in flow.of("learn"):
        for operand, other in ((0, 1), (1, 0)):
            if len(read) < 2 or read[operand] or _LABEL not in read[other]:
                continue
            if instruction.op.inputs[operand] is not Type.SCALAR:
                continue
            divides = instruction.op.name == "scalar_div" and operand == 1
            if instruction.op.name in _PRODUCTS or divides:
                operands.append((index, operand))
                signs.append(-1.0 if divides else 1.0)
    with np.errstate(divide="ignore"):
        return any(
            _decays(np.abs(values) ** sign)
            for values, sign in zip(_read(flow.program, task, operands), signs, strict=True)
        )


def _read(program: Program, task: Task, operands: Sequence[tuple[int, int]]) -> list[Any]:
    """What instructions of Learn read in one epoch of training, each of `operands` being the
    number of an instruction and of its operand: a scalar that only instructions have written."""
    stored: dict[Address, float] = {}
    read: list[list[float]] = [[] for _ in operands]

    def watch(function: str, index: int, value: Any) -> None:
        instruction = getattr(program, function)[index]
        for values, (number, operand) in zip(read, operands, strict=True):
            if function == "learn" and index == number:
                values.append(stored.get(instruction.reads[operand], 0.0))
        if instruction.output.type is Type.SCALAR:
            stored[instruction.output] = float(value)

    if operands:
        trace(program, task, watch, examples=len(task.y_train))
    return [np.array(values) for values in read]


def _decays(values: Any) -> bool:
    kept = values[np.isfinite(values)]
    if len(kept) < 10 or not kept[0] > 0.0 or kept[-1] > _DECAYED * kept[0]:
        return False
    from scipy.stats import spearmanr  # which takes a second to import

    return bool(spearmanr(np.arange(len(kept)), kept).statistic < -_MONOTONE)
