"""What a search draws, once more in plain Python: random programs and mutations as
`docs/semantics.md` describes them, from the words that `runtime/draw.h` gives to a candidate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from search import reference_flow

from azc import reference
from azc.ops import OPS, Op, by_name
from azc.program import Instruction
from azc.runtime import _core
from azc.search.settings import MUTATIONS

#: An instruction as it is packed.
FIELDS = np.dtype([("op", "i4"), ("out", "i4"), ("in", "i4", 2), ("constant", "f8", 3)])


Bodies = list[list[Instruction]]


def fields(body: bytes) -> np.ndarray:
    """Packed instructions as records."""
    return np.frombuffer(body, FIELDS)


def kind(name: str) -> int:
    """The number of a kind of mutation."""
    return MUTATIONS.index(name)


@dataclass(frozen=True)
class Spec:
    """What programs are drawn from; `ops` are names, for each function."""

    addresses: tuple[int, int, int] = (4, 3, 2)
    ops: tuple[tuple[str, ...], ...] = (tuple(op.name for op in OPS if op.index),) * 3
    least: tuple[int, int, int] = (0, 1, 0)
    most: tuple[int, int, int] = (4, 5, 6)
    first: tuple[int, int, int] = (2, 3, 4)
    mutations: tuple[str, ...] = MUTATIONS
    classes: int = 0
    repeat: float = 0.0
    decades: float = 0.0
    near_one: float = 0.0

    def core(self) -> _core.Space:
        numbers = [[by_name(name).number for name in names] for names in self.ops]
        chosen = [kind(name) for name in self.mutations]
        return _core.Space(
            self.addresses, numbers, self.least, self.most, self.first, chosen,
            classes=self.classes, repeat=self.repeat, decades=self.decades,
            near_one=self.near_one,
        )  # fmt: skip


#: Small enough that programs often learn, predict alike, or are the same.
SMALL = Spec(
    ops=(
        ("scalar_const", "vector_gaussian"),
        ("dot", "scalar_mul", "scalar_add", "scalar_log"),
        ("scalar_sub", "scalar_mul", "scalar_vector_mul", "vector_add", "scalar_div"),
    ),
    addresses=(3, 3, 1),
    mutations=MUTATIONS[: MUTATIONS.index("insert-live")],
)


def one_op(op: Op, size: int = 1) -> Spec:
    """A space in which Predict alone is searched, and has one op."""
    sizes = (0, size, 0)
    ops: tuple[tuple[str, ...], ...] = ((), (op.name,), ())
    return Spec((5, 4, 3), ops, least=sizes, most=sizes, first=sizes)


class Draws:
    """The words that candidate `candidate` draws (`runtime/draw.h`)."""

    def __init__(self, seed: int, number: int, candidate: int, stream: int = 0) -> None:
        self._of = (reference.stream_key(seed, number), stream, candidate)
        self._words: list[int] = []
        self._next = 0

    def word(self) -> int:
        if self._next == len(self._words):
            key, stream, candidate = self._of
            first, second = reference.philox(key, 64 + 2 * self._next, stream, candidate)
            pairs = np.column_stack([first, second]).astype("<u8")
            self._words = [int(word) for word in pairs.view("<u4").ravel()]
        self._next += 1
        return self._words[self._next - 1]

    def below(self, count: int) -> int:
        return (self.word() * count) >> 32

    def uniform(self) -> float:
        return ((self.word() << 32 | self.word()) >> 11) * 2.0**-53

    def gauss(self) -> float:
        u, w = 1.0 - self.uniform(), self.uniform()
        return math.sqrt(-2.0 * _apply("log", u)) * _apply("cos", 6.283185307179586477 * w)


def _apply(name: str, value: float) -> float:
    values = np.array([value])
    _core.apply(name, values)
    return float(values[0])


class Drawing:
    """Random programs and mutations of a space; a program is three lists of instructions."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.ops = [[by_name(name) for name in names] for names in spec.ops]
        self.open = [f for f in range(3) if self.ops[f]]

    def _address(self, d: Draws, of: Any, writes: bool) -> int:
        kept = int(writes and of.rank < 2)  # s0 and v0 are never written
        return kept + d.below(self.spec.addresses[of.rank] - kept)

    def _constant(self, d: Draws, op: Op, place: int) -> float:
        if self.spec.decades and op.constants[place].mutation == "scale" and not op.random:
            size = _apply("exp", -2.302585092994045684 * self.spec.decades * d.uniform())
            if self.spec.near_one and d.uniform() < self.spec.near_one:
                return 1.0 - size
            return size if d.below(2) else -size
        low, high = op.constants[place].low, op.constants[place].high
        return low + (high - low) * d.uniform()

    def instruction(self, d: Draws, f: int) -> Instruction:
        op = self.ops[f][d.below(len(self.ops[f]))]
        inputs = tuple(self._address(d, of, False) for of in op.inputs)
        out = self._address(d, op.output, True) if op.output else 0
        constants = tuple(self._constant(d, op, place) for place in range(len(op.constants)))
        return Instruction(op, out, inputs, constants)

    def random(self, d: Draws) -> list[list[Instruction]]:
        return [
            [self.instruction(d, f) for _ in range(self.spec.first[f])] if self.ops[f] else []
            for f in range(3)
        ]

    def _altered(self, d: Draws, old: Instruction) -> Instruction:
        op, inputs, constants = old.op, list(old.inputs), old.constants
        outputs = int(op.output is not None)
        if not (slots := len(inputs) + outputs + len(constants)):
            return old
        slot = d.below(slots)
        if slot < len(inputs):
            inputs[slot] = self._address(d, op.inputs[slot], False)
            return replace(old, inputs=tuple(inputs))
        if slot < len(inputs) + outputs:
            return replace(old, out=self._address(d, op.output, True))
        return self.scaled(d, old, slot - len(inputs) - outputs)

    def scaled(self, d: Draws, old: Instruction, place: int) -> Instruction:
        """With another value of a constant."""
        op, constants = old.op, list(old.constants)
        how = op.constants[place].mutation
        if how == "redraw":
            constants[place] = self._constant(d, op, place)
        elif self.spec.near_one and how == "scale" and 0.5 < constants[place] < 1.0 and d.below(2):
            constants[place] = 1.0 - (1.0 - constants[place]) * _apply("exp", d.gauss())
        elif how != "scale-positive" and d.uniform() < 0.1:
            constants[place] = -constants[place]
        else:
            constants[place] *= _apply("exp", d.gauss())
        return replace(old, constants=tuple(
            sorted(constants) if how == "scale-sorted" else constants
        ))  # fmt: skip

    def mutate(self, d: Draws, old: Bodies, others: Sequence[Bodies] = ()) -> tuple[str, Bodies]:
        while True:
            which, old = self._mutated(d, old, others)
            if not (self.spec.repeat and d.uniform() < self.spec.repeat):
                return which, old

    def _mutated(self, d: Draws, old: Bodies, others: Sequence[Bodies]) -> tuple[str, Bodies]:
        made = [list(body) for body in old]
        which = self.spec.mutations[d.below(len(self.spec.mutations))]
        if MUTATIONS.index(which) >= MUTATIONS.index("insert-live"):
            return which, reference_flow.mutate(self, d, which, old, others)
        if which in ("identity", "randomize-program"):
            for f in self.open if which == "randomize-program" else ():
                made[f] = [self.instruction(d, f) for _ in made[f]]
            return which, made
        f = self.open[d.below(len(self.open))]
        body = made[f]
        if which == "randomize-function":
            body[:] = [self.instruction(d, f) for _ in body]
        elif which == "alter-parameter" and body:
            place = d.below(len(body))
            body[place] = self._altered(d, body[place])
        elif which == "randomize-instruction" and body:
            place = d.below(len(body))
            body[place] = self.instruction(d, f)
        if which in ("insert", "trade") and len(body) < self.spec.most[f]:
            place = d.below(len(body) + 1)
            body.insert(place, self.instruction(d, f))
        if which in ("remove", "trade") and len(body) > self.spec.least[f]:
            del body[d.below(len(body))]
        return which, made
