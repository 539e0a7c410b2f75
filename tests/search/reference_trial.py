"""How a search decides candidates, once more in plain Python on the reference tier: what
`runtime/trial.h` says of caches, hurdle and budget."""

from __future__ import annotations

import functools
import math
import operator
import struct
from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import programs
from reference_analysis import canonical_hash

from azc import reference
from azc.program import Program
from azc.runtime import _core


class _Watched(reference.Run):
    """Notes how many examples training serves, and what Learn sees of predictions."""

    served = 0

    def __init__(self, *arguments: Any) -> None:
        self.seen: list[float] = []
        _Watched.last = self
        super().__init__(*arguments)

    def train_one(self, *arguments: Any) -> bool:
        self.served += 1
        return super().train_one(*arguments)

    def call(self, function: str, step: int) -> None:
        if function == "learn":
            shown = self.memory[self.prediction]
            self.seen += shown[: self.classes].tolist() if self.classes > 2 else [float(shown)]
        super().call(function, step)


@dataclass(frozen=True)
class Run:
    """Of one program on some tasks: fitness of each, training examples that all were served,
    whether each stopped in training, predictions (of training, of validation) of each, and how far
    these are from linear (of those that did not stop)."""

    fitness: tuple[float, ...]
    steps: int
    stopped: tuple[bool, ...]
    predictions: tuple[tuple[list[float], list[float]], ...]
    nonlinearity: float


def _nonlinearity(run: reference.Run, examples: Any, step: int) -> float:
    """What `az_stages_nonlinearity` says of one task; the run's memory is changed."""
    f, g, zero = (
        [float(p) for i, x in enumerate(each) for p in _raw(run, x, step + i)]
        for each in (examples, -examples, 0.0 * examples)
    )
    even = odd = 0.0
    for a, b, c in zip(f, g, zero, strict=True):
        even += abs(a + b - 2.0 * c)
        odd += abs(a - b)
    share = even / (even + odd) if even > 0.0 else 0.0
    return share if even + odd < math.inf else 1.0


def _raw(run: reference.Run, x: Any, step: int) -> Any:
    run.predict(x, step)
    prediction = run.memory[run.prediction]
    return prediction[: run.classes] if run.classes > 2 else [prediction]


def watch(
    program: Program, tasks: Sequence[Any], train: int, valid: int, *, epochs: int, **given: Any
) -> Run:
    """The reference on the first examples of tasks."""
    classes = tasks[0].classes
    _, learns, stateless, random = _core.analyse(_core.Code(program.packed()), classes)
    # An untouched prediction goes through the sigmoid again and again.
    writes = (2, "v") if classes > 2 else (1, "s")
    outputs = [(i.out, i.op.output.value) for i in program.predict if i.op.output]
    if not learns and not random and stateless and (classes < 2 or writes in outputs):
        epochs = 1  # every epoch would be like the first
    fitness, steps, stopped, shown, far = [], 0, [], [], []
    before, reference.Run = reference.Run, _Watched
    try:
        for task in tasks:
            part = SimpleNamespace(**vars(task))
            part.X_train, part.y_train = task.X_train[:train], task.y_train[:train]
            part.X_valid, part.y_valid = task.X_valid[:valid], task.y_valid[:valid]

            def trained(memory: Any, _: int, task: Any = task) -> bool:
                if memory is not None:
                    run, kept = _Watched.last, {at: value.copy() for at, value in memory.items()}
                    far.append(_nonlinearity(run, task.X_train[:8], 1 + run.served))
                    memory.update(kept)
                return True

            value, _, raw = reference.evaluate_task(
                program, part, epochs=epochs, library=programs.RuntimeMath(), trained=trained,
                **given,
            )  # fmt: skip
            last = _Watched.last
            width = classes if classes > 2 else 1
            fitness.append(value)
            steps += last.served
            stopped.append(len(last.seen) < last.served * width)
            missing = [math.nan] * (train * width - len(last.seen))
            shown.append((last.seen + missing, raw.ravel().tolist()))
    finally:
        reference.Run = before
    mean = functools.reduce(operator.add, far, 0.0) / len(far) if far else 1.0
    return Run(tuple(fitness), steps, tuple(stopped), tuple(shown), mean)


def rounded(value: float, bits: int) -> bytes:
    """A prediction as its fingerprint sees it: the last `bits` of its fraction rounded away (half
    away from zero), one NaN, one zero."""
    if value != value:
        return b"nan"
    (number,) = struct.unpack("<q", struct.pack("<d", abs(value)))
    if bits and not math.isinf(value):
        number = (number + (1 << bits >> 1)) >> bits << bits
    return struct.pack("<q", number) + (b"-" if value < 0.0 and number else b"+")


class Trial:
    """How candidates are decided; `memo` keeps runs, which depend on the program alone."""

    def __init__(self, tasks: Sequence[Any], given: dict[str, Any]) -> None:
        self.tasks, self.given = tasks, given
        self.hurdled = False  # the last decision
        self.ways = dict.fromkeys(("evaluated", "level1", "level2", "over_budget", "hurdled"), 0)
        self.steps = 0
        self.level1: OrderedDict[str, set[str]] = OrderedDict()
        self.level2: OrderedDict[Any, list[Any]] = OrderedDict()
        self.recent: deque[float] = deque(maxlen=given["window"])
        self.recents, self.threshold = 0, -math.inf
        self.memo: dict[Any, Run] = {}

    def _run(self, program: Program, part: str) -> Run:
        given = self.given
        prefix = "" if part == "fitness" else {"prefix": "hurdle_", "fingerprint": "fec_"}[part]
        key = (program.packed(), part)
        if key not in self.memo:
            self.memo[key] = watch(
                program, self.tasks, given[f"{prefix}train"], given[f"{prefix}valid"],
                epochs=1 if prefix else given["epochs"], seed=given["evaluation_seed"],
                max_abs_error=given["max_abs_error"],
            )  # fmt: skip
        return self.memo[key]

    def _over_tasks(self, fitness: Sequence[float]) -> float:
        if self.given["median"]:
            return sorted(fitness)[len(fitness) // 2]
        total = 0.0
        for one in fitness:
            total += one
        return total / len(fitness)

    def _passes(self, prefix: float) -> bool:
        passes = prefix >= self.threshold
        self.recent.append(prefix)
        self.recents += 1
        if self.recents % max(1, self.given["window"] // 10) == 0:
            place = int(self.given["quantile"] * len(self.recent))
            self.threshold = sorted(self.recent)[place]
        return passes

    def _tried(self, program: Program, known: set[str]) -> tuple[str, float]:
        if self.given["hurdle_train"]:
            run = self._run(program, "prefix")
            known.add("prefix")
            self.steps += run.steps
            score = self._over_tasks(run.fitness)
            if not self._passes(score):
                self.hurdled = True
                return "hurdled", score
        run = self._run(program, "fitness")
        known.add("fitness")
        self.steps += run.steps
        return "evaluated", self._over_tasks(run.fitness)

    def _by_fingerprint(self, program: Program, known: set[str]) -> tuple[str, float]:
        run = self._run(program, "fingerprint")
        known.add("fingerprint")
        self.steps += run.steps
        if all(run.stopped):
            return "evaluated", 0.0
        bits = self.given["rounding"].bit_length()
        key = tuple(rounded(v, bits) for task in run.predictions for part in task for v in part)
        if key in self.level2:
            self.level2.move_to_end(key)
            entry = self.level2[key]
            entry[1] += 1
            if entry[1] >= self.given["forget"]:
                del self.level2[key]
            return "level2", entry[0]
        how, fitness = self._tried(program, known)
        if how != "hurdled":
            _add(self.level2, key, [fitness, 0], self.given["cache_size"])
        return how, fitness

    def decide(self, program: Program) -> float:
        self.hurdled = False
        cost = _cost(program, self.given)
        if 0.0 < self.given["most_cost"] < cost:
            self.ways["over_budget"] += 1
            return 0.0
        key = canonical_hash(program, self.given["classes"])
        if self.given["level1"] and key in self.level1:
            self.level1.move_to_end(key)
        known = set(self.level1.get(key, ()))
        before = set(known)
        if self.given["level2"]:
            how, fitness = self._by_fingerprint(program, known)
        else:
            how, fitness = self._tried(program, known)
        if self.given["level1"]:
            if known == before:
                how = "level1"
            _add(self.level1, key, known, self.given["cache_size"])
        self.ways[how] += 1
        return fitness


def _add(table: OrderedDict[Any, Any], key: Any, value: Any, size: int) -> None:
    if key not in table and len(table) == size:
        table.popitem(last=False)
    table[key] = value


def _cost(program: Program, given: dict[str, Any]) -> float:
    setup, predict, learn = (
        sum(given["op_cost"][i.op.number] for i in body) for _, body in program.functions()
    )
    return setup + given["train"] * (predict + learn)
