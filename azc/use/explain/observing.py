"""What is measured of a program at work: ranges, what changes, and how what it does to its memory
lies to the gradient of its prediction.

In every training step, with e = label - prediction as Learn sees them, reverse-mode
differentiation of Predict gives for each address A the gradient g = dp/dA, and e g, the direction
in which an example's loss falls fastest (squared error, or cross-entropy behind a sigmoid or
softmax). With them are compared

    the change of each learned address over the step      gradient step: cosine of e g near 1
    what each instruction of Learn and Predict makes      gradient: cosine of g near 1
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from azc.ops import Type
from azc.program import Address, Instruction, Program
from azc.reference import Run
from azc.tasks import Task
from azc.use.dataflow import Flow, Position
from azc.use.explain.autodiff import Entry, gradients
from azc.use.tracing import train

__all__ = ["Cosine", "Observed", "observe"]

Array = NDArray[np.float64]

#: Tasks, examples of each, and of these how many at the beginning do not count: a start at zero
#: has no direction.
_TASKS, _EXAMPLES, _WARM = 2, 80, 1


@dataclass(slots=True)
class Cosine:
    """Adds up how two values lie to each other over the steps: the mean of each step's cosine,
    which for scalars is whether their signs agree; or, `whole`, the cosine of their courses, as if
    each were one long vector."""

    whole: bool = False
    total: float = 0.0
    steps: int = 0
    squares: list[float] = field(default_factory=lambda: [0.0, 0.0])

    def add(self, a: Array, b: Array) -> None:
        a, b = a.ravel(), b.ravel()
        product, left, right = float(a.dot(b)), float(a.dot(a)), float(b.dot(b))
        if not (0.0 < left < math.inf and 0.0 < right < math.inf and math.isfinite(product)):
            return
        self.steps += 1
        if self.whole:
            self.total += product
            self.squares[0] += left
            self.squares[1] += right
        else:
            self.total += product / math.sqrt(left) / math.sqrt(right)

    @property
    def value(self) -> float:
        """In [-1, 1]; 0 where there was nothing to compare."""
        if not self.steps:
            return 0.0
        if self.whole:
            norm = math.sqrt(self.squares[0]) * math.sqrt(self.squares[1])
            return self.total / norm if 0.0 < norm < math.inf else 0.0
        return self.total / self.steps


@dataclass(slots=True)
class Observed:
    """What was seen over all tasks and steps.

    `low`, `high`: of each address, NaN aside. `changes`: addresses whose value at the end of a
    step was not always the same. `steps[A, B]`: the change of A against e times the gradient by B;
    `late[A, B]`: against that of the step before.
    `gradient[position, B]`, `descent[position, B]`: what an instruction made, against the gradient
    by B, and against it times e. `error[position]`: scalars against e. `ends`: first and last value
    of scalars, by address. `zeros`: operands of an instruction that were 0 whenever it ran, but in
    the first step. `served`: steps.
    """

    low: dict[Address, float] = field(default_factory=dict)
    high: dict[Address, float] = field(default_factory=dict)
    changes: set[Address] = field(default_factory=set)
    steps: dict[tuple[Address, Address], Cosine] = field(default_factory=dict)
    late: dict[tuple[Address, Address], Cosine] = field(default_factory=dict)
    gradient: dict[tuple[Position, Address], Cosine] = field(default_factory=dict)
    descent: dict[tuple[Position, Address], Cosine] = field(default_factory=dict)
    error: dict[Position, Cosine] = field(default_factory=dict)
    steady: set[Position] = field(default_factory=set)
    ends: dict[Address, tuple[float, float]] = field(default_factory=dict)
    zeros: set[tuple[Position, Address]] = field(default_factory=set)
    served: int = 0


class _Observer(Run):
    """One run that is watched."""

    def __init__(self, program: Program, task: Task, seed: int, flow: Flow, into: Observed) -> None:
        super().__init__(program, task, seed, np)
        self._flow, self._into = flow, into
        self._live = set(flow.live)
        self._known = {position: _parts(flow.at(position)) for position in flow.live}
        self._tape: list[Entry] = []
        self._made: dict[Position, Array] = {}
        self._start: dict[Address, Array] = {}
        self._first: dict[Address, Array] = {}
        self._last_made: dict[Position, Array] = {}
        self._before: dict[Address, Array] = {}
        self._served = 0

    def call(self, function: str, step: int) -> None:
        if function == "predict":
            self._start, self._tape, self._made = dict(self.memory), [], {}
        before = dict(self.memory)
        super().call(function, step)
        if function == "learn":
            self._finish(before)
        elif function == "setup":
            self._note_ranges(self.memory)

    def observe(self, function: str, index: int, value: Array) -> None:
        if (function, index) not in self._live:
            return
        instruction, operands, output = self._known[function, index]
        if self._served >= _WARM and function != "setup":
            for address in operands:
                here = (function, index), address
                if here in self._into.zeros and self.memory[address].any():
                    self._into.zeros.discard(here)
        if function == "predict":
            read = tuple(self.memory[address] for address in operands)
            self._tape.append(Entry(instruction, read, value))
        self._made[function, index] = value
        self._note_range(output, value)

    def _note_ranges(self, memory: dict[Address, Array]) -> None:
        for address, value in memory.items():
            self._note_range(address, value)

    def _note_range(self, address: Address, value: Array) -> None:
        low, high = float(value.min()), float(value.max())
        if low != low:
            finite = value[~np.isnan(value)]
            if not finite.size:
                return
            low, high = float(finite.min()), float(finite.max())
        into = self._into
        into.low[address] = min(into.low.get(address, low), low)
        into.high[address] = max(into.high.get(address, high), high)

    def _error(self, before: dict[Address, Array]) -> Array:
        error = np.array(before[self.label] - before[self.prediction])
        if self.classes > 2:
            error[self.classes :] = 0.0
        return error

    def _finish(self, before: dict[Address, Array]) -> None:
        """After Learn: `before` is memory as it was before Learn."""
        into = self._into
        self._served += 1
        into.served += 1
        for address, value in self.memory.items():
            if address in (self.features, self.label):
                continue
            first = self._first.setdefault(address, value)
            if address not in into.changes and not _same(value, first):
                into.changes.add(address)
            if address.type is Type.SCALAR:
                begin = into.ends.get(address, (float(first), 0.0))[0]
                into.ends[address] = (begin, float(value))
        for position, made in self._made.items():
            last = self._last_made.setdefault(position, made)
            if position in into.steady and not _same(made, last):
                into.steady.discard(position)
        if self._served <= _WARM:
            return
        error = self._error(before)
        current = gradients(self._tape, self.prediction, error)
        carried = self._flow.carried
        current = {a: g for a, g in current.items() if a in carried and a != self.prediction}
        changed = {a: self.memory[a] - self._start[a] for a in carried if a != self.prediction}
        for directions, table in ((current, into.steps), (self._before, into.late)):
            for address, change in changed.items():
                for other, direction in directions.items():
                    if other.type is address.type:
                        table.setdefault((address, other), Cosine()).add(change, direction)
        self._before = current
        plain = float(error) if error.ndim == 0 else 0.0
        for position, made in self._made.items():
            if made.ndim == 0 and error.ndim == 0:
                into.error.setdefault(position, Cosine(whole=True)).add(made, error)
            if position[0] == "learn" and made.ndim == error.ndim == 1:
                into.error.setdefault(position, Cosine(whole=True)).add(made, error)
            if made.ndim == 0:
                continue
            for other, direction in current.items():
                if direction.ndim != made.ndim:
                    continue
                into.descent.setdefault((position, other), Cosine()).add(made, direction)
                if plain:
                    bare = direction / plain
                    into.gradient.setdefault((position, other), Cosine()).add(made, bare)


def _parts(instruction: Instruction) -> tuple[Instruction, tuple[Address, ...], Address]:
    """An instruction, its operands, and its output."""
    assert instruction.output is not None
    operands = tuple(map(Address, instruction.op.inputs, instruction.inputs))
    return instruction, operands, instruction.output


def _same(a: Array, b: Array) -> bool:
    return a is b or bool(np.array_equal(a, b, equal_nan=True))


def observe(
    program: Program, tasks: Sequence[Task], flow: Flow, *, seed: int, max_abs_error: float
) -> Observed:
    """Watch the first steps of training on a few of the tasks."""
    zeros = {(position, address) for position in flow.live for address in flow.at(position).reads}
    seen = Observed(steady=set(flow.live), zeros=zeros)
    for task in tasks[:_TASKS]:
        with np.errstate(all="ignore"):
            train(_Observer(program, task, seed, flow, seen), task, _EXAMPLES, max_abs_error)
    if seen.served <= _WARM * len(tasks[:_TASKS]):
        seen.zeros.clear()
    return seen
