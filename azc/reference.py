"""The reference tier: one task, one example, one instruction after the other, in NumPy.

Slow and obvious: the oracle that the other tiers are held against. It shares with them only the
op table's NumPy expressions, which are written independently of the C ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import CodeType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from azc.analysis import interface_addresses, live_mask
from azc.ops import OPS, ConstantKind, Op
from azc.program import Address, Instruction, Program
from azc.result import last_largest
from azc.runtime import _core
from azc.tasks.task import Task

__all__ = ["Run", "evaluate_task", "order_of"]

Array = NDArray[np.float64]
Trained = Callable[[Mapping[Address, Array] | None, int], bool]

_EXPRESSIONS: dict[int, CodeType] = {
    op.number: compile(op.numpy, f"<{op.name}>", "eval") for op in OPS if op.numpy
}
_MASK64 = (1 << 64) - 1
_LOW32 = np.uint64(0xFFFFFFFF)


def total(values: Array, axis: int | None = None) -> Array:
    """The sum in the order that every tier keeps: entry e goes to partial sum e mod 8, and the
    partial sums are added as ((0+4)+(2+6)) + ((1+5)+(3+7)); -0.0 stands for no addend."""
    entries = np.ravel(values) if axis is None else np.moveaxis(values, axis, 0)
    s = np.full((8, *entries.shape[1:]), -0.0)
    for position, entry in enumerate(entries):
        s[position % 8] = s[position % 8] + entry
    tree: Array = ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]))
    return tree


def mix(value: int) -> int:
    """SplitMix64's finaliser (Steele et al., OOPSLA 2014)."""
    value = (value + 0x9E3779B97F4A7C15) & _MASK64
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK64
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK64
    return value ^ (value >> 31)


def stream_key(seed: int, task: int) -> int:
    """The key of a task's random numbers in one evaluation."""
    return mix(mix(seed & _MASK64) ^ task)


def philox(key: int, entries: int, instruction: int, step: int) -> tuple[Any, Any]:
    """Philox4x32-10 (Salmon et al., SC 2011): two arrays (entries,) of uint64."""
    c0 = np.arange(entries, dtype=np.uint64)
    c1 = np.full(entries, instruction, dtype=np.uint64)
    c2 = np.full(entries, step & 0xFFFFFFFF, dtype=np.uint64)
    c3 = np.full(entries, step >> 32, dtype=np.uint64)
    k0, k1 = key & 0xFFFFFFFF, key >> 32
    shift = np.uint64(32)
    for _ in range(10):
        p0 = c0 * np.uint64(0xD2511F53)
        p1 = c2 * np.uint64(0xCD9E8D57)
        c0, c1 = (p1 >> shift) ^ c1 ^ np.uint64(k0), p1 & _LOW32
        c2, c3 = (p0 >> shift) ^ c3 ^ np.uint64(k1), p0 & _LOW32
        k0 = (k0 + 0x9E3779B9) & 0xFFFFFFFF
        k1 = (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return c0 | (c1 << shift), c2 | (c3 << shift)


def unit(bits: Any) -> Array:
    """Numbers in (0, 1): the upper 52 bits k as (k + 1/2) / 2^52."""
    result: Array = ((bits >> np.uint64(12)).astype(np.float64) + 0.5) / 2.0**52
    return result


class Run:
    """Memory and instructions of one program on one task."""

    def __init__(self, program: Program, task: Task, seed: int, library: Any) -> None:
        self.library = library
        self.program = program
        self.task = task
        self.F = task.features
        self.classes = task.classes
        self.features, self.label, self.prediction = interface_addresses(task.classes)
        self.memory: dict[Address, Array] = {}
        self.key = stream_key(seed, task.key)
        self.random_index = self._number_random(live_mask(program, task.classes))
        for address in (*program.addresses(), self.features, self.label, self.prediction):
            self.memory[address] = np.zeros((self.F,) * address.type.rank)

    def _number_random(self, masks: tuple[list[bool], ...]) -> dict[tuple[str, int], int]:
        """Live random instructions are counted from 0, so that dead ones do not matter; dead ones
        draw too, from numbers of their own."""
        numbers, live_count, dead_count = {}, 0, 1 << 31
        for (name, body), mask in zip(self.program.functions(), masks, strict=True):
            for index, (instruction, alive) in enumerate(zip(body, mask, strict=True)):
                if instruction.op.random and alive:
                    numbers[name, index], live_count = live_count, live_count + 1
                elif instruction.op.random:
                    numbers[name, index], dead_count = dead_count, dead_count + 1
        return numbers

    def call(self, function: str, step: int) -> None:
        for index, instruction in enumerate(getattr(self.program, function)):
            output = instruction.output
            if output is not None:
                value = self._result(instruction, self.random_index.get((function, index), 0), step)
                self.observe(function, index, value)
                self.memory[output] = value

    def observe(self, function: str, index: int, value: Array) -> None:
        """Called with what each instruction is about to store, memory being what it read; for those
        who watch a program at work."""

    def _result(self, instruction: Instruction, random_index: int, step: int) -> Array:
        op = instruction.op
        output = instruction.output
        assert output is not None
        if op.entry:
            changed = self.memory[output].copy()
            constants = zip(op.constants, instruction.constants, strict=True)
            where = tuple(
                value if isinstance(value, int) else min(int(self.F * value), self.F - 1)
                for kind, value in constants
                if kind is ConstantKind.INDEX
            )
            changed[where] = instruction.constants[-1]
            return changed
        scope: dict[str, Any] = {"np": self.library, "total": total, "F": self.F}
        operands = (self.memory[address] for address in instruction.reads)
        scope.update(zip("ab", operands, strict=False))
        scope.update({f"c{k}": np.float64(c) for k, c in enumerate(instruction.constants)})
        if op.random:
            scope.update(self._draw(op, random_index, step))
        return np.asarray(eval(_EXPRESSIONS[op.number], scope), dtype=np.float64)

    def _draw(self, op: Op, random_index: int, step: int) -> dict[str, Array]:
        assert op.output is not None
        shape = (self.F,) * op.output.rank
        first, second = philox(self.key, math.prod(shape), random_index, step)
        return {"u": unit(first).reshape(shape), "w": unit(second).reshape(shape)}

    def sigmoid(self, x: Array) -> Array:
        """1 / (1 + exp(-x))."""
        return np.asarray(1.0 / (1.0 + self.library.exp(-x)))

    def predict(self, x: Array, step: int) -> None:
        self.memory[self.features] = x
        self.memory[self.label] = np.zeros_like(self.memory[self.label])
        self.call("predict", step)

    def train_one(self, x: Array, y: float, limit: float, step: int) -> bool:
        """One training step; False where training stops."""
        self.predict(x, step)
        target: Any = np.float64(y)
        if self.classes > 2:
            target = np.zeros(self.F)
            target[int(y)] = 1.0
            logits = self.memory[self.prediction].copy()
            odds = self.library.exp(logits[: self.classes] - np.max(logits[: self.classes]))
            logits[: self.classes] = odds / total(odds)
            self.memory[self.prediction] = logits
            errors = np.abs(target - logits)[: self.classes]
        else:
            if self.classes:
                self.memory[self.prediction] = self.sigmoid(self.memory[self.prediction])
            errors = np.abs(target - self.memory[self.prediction])
        if not np.all(errors <= limit):
            return False
        self.memory[self.features] = x
        self.memory[self.label] = np.asarray(target)
        self.call("learn", step)
        return True

    def validate(self, limit: float, step: int) -> tuple[float, float, Array]:
        """(fitness, metric, raw predictions) of one pass over the validation examples."""
        count = len(self.task.y_valid)
        width = (count, self.classes) if self.classes > 2 else (count,)
        predictions = np.full(width, np.nan)
        score = 0.0
        for i, (x, y) in enumerate(zip(self.task.X_valid, self.task.y_valid, strict=True)):
            self.predict(x, step + i)
            raw = self.memory[self.prediction]
            predictions[i] = raw[: self.classes] if self.classes > 2 else raw
            if self.classes > 2:
                score += float(last_largest(predictions[i]) == y)
            elif self.classes:
                score += float((y > 0.5) == (self.sigmoid(raw) > 0.5))
            else:
                error = y - raw
                if not abs(error) <= limit:
                    return 0.0, math.inf, predictions
                score += float(error * error)
        if self.classes:
            return score / count, score / count, predictions
        rmse = math.sqrt(score / count)
        angle = float(self.library.arctan(rmse))
        fitness = 1.0 - 2.0 / math.pi * angle if rmse < math.inf else 0.0
        return fitness, rmse, predictions


def order_of(seed: int, epoch: int, n: int) -> list[int]:
    """The order of the training examples: natural in epoch 0, then shuffled (Fisher and Yates)."""
    order = list(range(n))
    if epoch == 0:
        return order
    key = stream_key(seed, 0x6F72646572)
    words = philox(key, n, 0, epoch)[0]
    for i in range(n - 1, 0, -1):
        j = ((int(words[i]) >> 32) * (i + 1)) >> 32
        order[i], order[j] = order[j], order[i]
    return order


def evaluate_task(
    program: Program,
    task: Task,
    *,
    epochs: int = 1,
    seed: int = 0,
    max_abs_error: float = 100.0,
    library: Any = np,
    trained: Trained | None = None,
) -> tuple[float, float, Array]:
    """Train and validate `program` on `task`.

    Returns its fitness, the metric of the epoch that reached it (RMSE, inf where there is none;
    accuracy), and the raw predictions of the last validation, (n_valid,) or (n_valid, C).
    `library` stands for NumPy in the ops' expressions. `trained` is called with the memory that the
    last epoch's training leaves and 0, or None and the number of the training example whose error
    ended it; unless it returns True there is no validation of that epoch.
    """
    n_train, n_valid = len(task.y_train), len(task.y_valid)
    shape = (n_valid, task.classes) if task.classes > 2 else (n_valid,)
    fitness, value, predictions = 0.0, 0.0 if task.classes else math.inf, np.full(shape, np.nan)
    with _core.Environment(), np.errstate(all="ignore"):
        run = Run(program, task, seed, library)
        run.call("setup", 0)
        for epoch in range(epochs):
            step = 1 + epoch * (n_train + n_valid)
            for position, t in enumerate(order_of(seed, epoch, n_train)):
                x, y = task.X_train[t], float(task.y_train[t])
                if not run.train_one(x, y, max_abs_error, step + position):
                    if trained:
                        trained(None, epoch * n_train + position + 1)
                    return fitness, value, predictions
            last = epoch + 1 == epochs
            if trained and last and trained(run.memory, 0) is not True:
                break
            epoch_fitness, epoch_value, predictions = run.validate(max_abs_error, step + n_train)
            if epoch_fitness > fitness:
                fitness, value = epoch_fitness, epoch_value
    return fitness, value, predictions
