"""Which values of a program are known without running it, and which are the same.

Values get numbers: what is computed alike from values of the same numbers has the same number. An
address that is written in Predict or Learn holds an unknown value at the beginning of a step; all
others hold what Setup left, and at first everything is zero.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from azc.analysis import interface_addresses
from azc.ops import Op, Type
from azc.program import FUNCTIONS, Address, Instruction, Program
from azc.runtime import _core

__all__ = ["Seen", "number_values"]

_MATH = {"scalar_sin": "sin", "scalar_cos": "cos", "scalar_tan": "tan", "scalar_arcsin": "arcsin",
         "scalar_arccos": "arccos", "scalar_arctan": "arctan", "scalar_exp": "exp",
         "scalar_log": "log"}  # fmt: skip
_F = np.float64


def _math(name: str) -> Callable[[np.float64], float]:
    def value(a: np.float64) -> float:
        # The runtime's own function: NumPy's may differ in the last bit.
        array = np.array([a])
        _core.apply(name, array)
        return float(array[0])

    return value


#: What the runtime makes of known scalars, to the bit.
_SCALARS: dict[str, Callable[..., float]] = {
    "scalar_add": lambda a, b: a + b,
    "scalar_sub": lambda a, b: a - b,
    "scalar_mul": lambda a, b: a * b,
    "scalar_div": lambda a, b: a / b,
    "scalar_abs": lambda a: np.abs(a),
    "scalar_reciprocal": lambda a: _F(1.0) / a,
    "scalar_heaviside": lambda a: 1.0 if a >= 0 else 0.0,
    "scalar_min": lambda a, b: b if b < a else a,
    "scalar_max": lambda a, b: b if a < b else a,
    **{op: _math(name) for op, name in _MATH.items()},
}
#: Ops that give back their first operand, to the bit, if both are the same.
_COPIES = {"scalar_min", "vector_min", "matrix_min", "scalar_max", "vector_max", "matrix_max"}
_MINUS = {"scalar_sub", "vector_sub", "matrix_sub"}
_PLUS = {"scalar_add", "vector_add", "matrix_add"}
_TIMES = {"scalar_mul", "vector_mul", "matrix_mul"}
_SCALE = {"scalar_vector_mul", "scalar_matrix_mul"}
_OVER = {"scalar_div", "vector_div", "matrix_div"}
_BROADCASTS = {"vector_broadcast", "column_broadcast", "row_broadcast"}
#: Ops on vectors and matrices that do to each entry what the scalar op does.
_ENTRIES = {
    f"{kind}_{name}": f"scalar_{name}"
    for kind in ("vector", "matrix")
    for name in ("add", "sub", "mul", "div", "abs", "reciprocal")
} | {
    "scalar_vector_mul": "scalar_mul",
    "scalar_matrix_mul": "scalar_mul",
    "vector_min": "scalar_min",
    "vector_max": "scalar_max",
}
#: Ops that undo themselves, and ops that change nothing the second time.
_INVOLUTIONS = {"transpose"}
_IDEMPOTENT = {"scalar_abs", "vector_abs", "matrix_abs"}

#: Values are told apart by numbers; equal numbers are equal values, to the bit.
Number = int


class Table:
    """What each number stands for."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[object, ...], Number] = {}
        self._parts: list[tuple[object, ...]] = []

    def number(self, *parts: object) -> Number:
        """The number of what is made in this way."""
        if parts not in self._numbers:
            self._numbers[parts] = len(self._parts)
            self._parts.append(parts)
        return self._numbers[parts]

    def uniform(self, kind: Type, value: float) -> Number:
        """The number of what has `value` in every entry."""
        return self.number("uniform", kind, struct.pack("=d", value))

    def known(self, number: Number) -> float | None:
        """The value in every entry, where it is known."""
        parts = self._parts[number]
        if parts[0] != "uniform":
            return None
        assert isinstance(parts[2], bytes)
        return float(struct.unpack("=d", parts[2])[0])

    def inside(self, number: Number, op: int) -> Number | None:
        """The operand of what op `op` on one operand made; None if it is not that."""
        parts = self._parts[number]
        if parts[:2] != ("op", op):
            return None
        assert isinstance(parts[2], int)
        return parts[2]


@dataclass(slots=True)
class Seen:
    """Of one instruction: the numbers of its operands and of its result; for each of them, which
    addresses held it before the instruction ran, that first which has held it longest; the number
    that its output held; and the value of every entry of the result, where it is `known`."""

    operands: tuple[Number, ...]
    result: Number
    holders: dict[Number, list[Address]]
    before: Number
    known: float | None


class _State:
    """What each address holds, and since when."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._numbers: dict[Address, Number] = {}
        self._since: dict[Address, int] = {}
        self._clock = 0

    def of(self, address: Address) -> Number:
        if address not in self._numbers:
            self._numbers[address] = self._table.uniform(address.type, 0.0)
        return self._numbers[address]

    def put(self, address: Address, number: Number) -> None:
        self._clock += 1
        if self._numbers.get(address) != number:
            self._since[address] = self._clock
        self._numbers[address] = number

    def holders(self, addresses: Iterable[Address], number: Number) -> list[Address]:
        holders = [address for address in addresses if self.of(address) == number]
        return sorted(holders, key=lambda a: (self._since.get(a, 0), a.number))


def number_values(program: Program, classes: int) -> dict[tuple[str, int], Seen]:
    """What is known of every instruction's operands and result, on tasks of so many classes."""
    features, label, prediction = interface_addresses(classes)
    addresses = program.addresses() | {features, label, prediction}
    tunable = {(param.function, param.index) for param in program.params}
    seen: dict[tuple[str, int], Seen] = {}
    table = Table()
    state = _State(table)
    for address in (features, label):
        state.put(address, table.number("in setup", address))
    for function in FUNCTIONS:
        if function != "setup":
            state.put(features, table.number("in step", features))
        if function == "predict":
            _begin_step(program, state, table, prediction)
            state.put(features, table.number("in step", features))
            # Predict does not see the label: it is zero.
            state.put(label, table.uniform(label.type, 0.0))
        elif function == "learn":
            state.put(label, table.number("in step", label))
            # A sigmoid or softmax may have come between.
            state.put(prediction, table.number("judged", prediction))
        for index, instruction in enumerate(getattr(program, function)):
            output = instruction.output
            if output is None:
                continue
            reads = tuple(state.of(address) for address in instruction.reads)
            result = _number(table, instruction, reads, (function, index))
            if (function, index) in tunable:
                # A param is to stay one: its value is not made use of.
                result = table.number("made", (function, index))
            held = {n: state.holders(addresses, n) for n in (*reads, result)}
            before = state.of(output)
            seen[function, index] = Seen(reads, result, held, before, table.known(result))
            state.put(output, result)
    return seen


def _begin_step(program: Program, state: _State, table: Table, prediction: Address) -> None:
    """Forget what the step before may have changed."""
    written = {i.output for body in (program.predict, program.learn) for i in body if i.output}
    for address in (*sorted(written, key=str), prediction):
        state.put(address, table.number("of the step before", address))


def _number(
    table: Table, instruction: Instruction, reads: tuple[Number, ...], position: tuple[str, int]
) -> Number:
    op = instruction.op
    assert op.output is not None
    if op.random or op.entry:
        return table.number("made", position)
    if not op.has_operands:
        return table.uniform(Type.SCALAR, instruction.constants[0])
    known = [table.known(number) for number in reads]
    sure = [_F(value) for value in known if value is not None]
    if len(sure) == len(known):
        scalar = _ENTRIES.get(op.name, op.name)
        if scalar in _SCALARS:
            with np.errstate(all="ignore"):
                return table.uniform(op.output, float(_SCALARS[scalar](*sure)))
        if op.name in _BROADCASTS:
            return table.uniform(op.output, float(sure[0]))
    same = _same_as(table, op, reads, known)
    if same is not None:
        return same
    return table.number("op", op.number, *(sorted(reads) if op.commutative else reads))


def _same_as(
    table: Table, op: Op, reads: tuple[Number, ...], known: list[float | None]
) -> Number | None:
    """The operand that the result equals, to the bit, or None."""
    name = op.name

    def holds(operand: int, number: float) -> bool:
        """Whether an operand is that number, sign of zero included."""
        value = known[operand]
        return value is not None and struct.pack("=d", value) == struct.pack("=d", number)

    if name in _COPIES and reads[0] == reads[1]:
        return reads[0]
    if (name in _MINUS and holds(1, 0.0)) or (name in _PLUS and holds(1, -0.0)):
        return reads[0]
    if name in _PLUS and holds(0, -0.0):
        return reads[1]
    if name in _TIMES | _OVER and holds(1, 1.0):
        return reads[0]
    if name in _TIMES | _SCALE and holds(0, 1.0):
        return reads[1]
    inner = table.inside(reads[0], op.number) if name in _INVOLUTIONS | _IDEMPOTENT else None
    if inner is not None:
        return inner if name in _INVOLUTIONS else reads[0]
    return None
