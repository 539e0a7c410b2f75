"""Random programs and tasks for tests, and ways to run them that skip every check."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np

from azc.ops import OPS, ConstantKind, Op, Type, by_name
from azc.program import Instruction, Program
from azc.runtime import _core, generate

__all__ = [
    "LINEAR",
    "SPECIALS",
    "TRANSCENDENTAL",
    "Instruction",
    "Op",
    "Outcome",
    "RuntimeMath",
    "Type",
    "bits",
    "by_name",
    "fused_in",
    "fused_pairs",
    "interpret",
    "random_instruction",
    "random_program",
    "random_task",
    "refer",
]

#: Linear regression by stochastic gradient descent, at any rate.
LINEAR = """
def Setup():
    s2 = {rate}
def Predict():
    s1 = dot(v0, v1)
def Learn():
    s3 = s0 - s1
    s3 = s3 * s2
    v2 = s3 * v0
    v1 = v1 + v2
"""

TRANSCENDENTAL = {op.number for op in OPS if "az_" in op.c}
SPECIALS = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 5e-324, -2.5e-310, 1e308, 1.0, -1.0])


def random_constant(kind: ConstantKind, rng: np.random.Generator) -> float:
    """As the search draws them, sometimes something special or a coordinate instead."""
    if kind is ConstantKind.INDEX:
        return 0 if rng.random() < 0.2 else float(rng.random())
    if rng.random() < 0.1:
        return float(rng.choice(SPECIALS))
    return float(rng.uniform(kind.low, kind.high))


def random_instruction(
    rng: np.random.Generator, addresses: dict[Type, int], op: Op | None = None
) -> Instruction:
    op = op or OPS[rng.integers(len(OPS))]
    out = 0
    if op.output:
        first = 0 if op.output is Type.MATRIX else 1
        out = int(rng.integers(first, addresses[op.output]))
    inputs = tuple(int(rng.integers(addresses[t])) for t in op.inputs)
    constants = tuple(random_constant(kind, rng) for kind in op.constants)
    return Instruction(op, out, inputs, constants)


def random_program(
    rng: np.random.Generator,
    *,
    most: int = 8,
    ops: tuple[Op, ...] = OPS,
    addresses: tuple[int, int, int] = (5, 4, 3),
) -> Program:
    """Three functions of up to `most` instructions each, over few addresses, so that much of it is
    live; most programs end Predict with a write to the prediction."""
    counts = dict(zip(Type, addresses, strict=True))

    def body(length: int) -> tuple[Instruction, ...]:
        return tuple(
            random_instruction(rng, counts, ops[rng.integers(len(ops))]) for _ in range(length)
        )

    def size() -> int:
        return int(rng.integers(0, most + 1))

    predict = body(size())
    if rng.random() < 0.8:
        to_scalar = [op for op in ops if op.output is Type.SCALAR]
        last = random_instruction(rng, counts, to_scalar[rng.integers(len(to_scalar))])
        predict += (Instruction(last.op, 1, last.inputs, last.constants),)
    return Program(setup=body(size()), predict=predict, learn=body(size()))


def random_task(
    rng: np.random.Generator,
    features: int,
    *,
    train: int = 6,
    valid: int = 5,
    classes: int = 0,
    special: float = 0.0,
) -> Any:
    """What evaluation reads of a `Task`, with no check of values: a share `special` of the features
    is zero, negative zero, infinite, NaN or denormal."""

    def part(n: int) -> tuple[np.ndarray, np.ndarray]:
        x = rng.normal(size=(n, features))
        x[rng.random(x.shape) < special] = rng.choice(SPECIALS)
        mask = rng.random(x.shape) < special
        x[mask] = rng.choice(SPECIALS, size=int(mask.sum()))
        y = rng.integers(classes, size=n).astype(float) if classes else rng.normal(size=n)
        return x, y

    x_train, y_train = part(train)
    x_valid, y_valid = part(valid)
    return SimpleNamespace(
        X_train=x_train,
        y_train=y_train,
        X_valid=x_valid,
        y_valid=y_valid,
        features=features,
        classes=classes,
        name="random",
        key=int(rng.integers(2**63)),
    )


@dataclass
class Outcome:
    """What a tier made of a program: fitness, value and predictions per task."""

    fitness: np.ndarray
    value: np.ndarray
    predictions: list[np.ndarray]

    def same_bits(self, other: Outcome) -> bool:
        """Equal to the bit; NaN equals NaN, whatever its payload."""
        pairs = [(self.fitness, other.fitness), (self.value, other.value)]
        pairs += list(zip(self.predictions, other.predictions, strict=True))
        return all(bits(a) == bits(b) for a, b in pairs)

    def close(self, other: Outcome, relative: float) -> bool:
        """Equal within a relative error."""
        pairs = [(self.fitness, other.fitness), (self.value, other.value)]
        pairs += list(zip(self.predictions, other.predictions, strict=True))
        return all(np.allclose(a, b, rtol=relative, atol=0.0, equal_nan=True) for a, b in pairs)


def bits(values: np.ndarray) -> bytes:
    """The bytes of float64 values, with one NaN."""
    values = np.array(values, dtype=np.float64)
    values[np.isnan(values)] = np.nan
    return values.tobytes()


def interpret(
    program: Program, tasks: list[Any], *, lanes: int, machine: Any = None, **settings: Any
) -> Outcome:
    """Run on the interpreter, `lanes` side by side, whatever the values."""
    from azc.packing import pack

    machine = machine or _core.Machine()
    code = _core.Code(program.packed())
    outcome = Outcome(np.empty(0), np.empty(0), [])
    for start in range(0, len(tasks), lanes):
        members = tasks[start : start + lanes]
        wide = members[0].classes if members[0].classes > 2 else 1
        fitness, value = np.zeros(lanes), np.zeros(lanes)
        raw = np.zeros((lanes, len(members[0].y_valid), wide))
        machine.run(code, pack(members, lanes), fitness, value, raw, **settings)
        outcome.fitness = np.append(outcome.fitness, fitness[: len(members)])
        outcome.value = np.append(outcome.value, value[: len(members)])
        for lane in range(len(members)):
            outcome.predictions.append(raw[lane] if wide > 1 else raw[lane, :, 0])
    return outcome


def fused_pairs() -> list[tuple[str, Op, Op, int]]:
    """The pairs of ops that the interpreter may run as one (`azc.runtime.generate.fused`)."""
    return generate.fused()


def fused_in(program: Program) -> set[str]:
    """Names of the fused kernels that the interpreter takes for a program (regression)."""
    numbers = _core.kernels_used(_core.Code(program.packed()), 0)
    names = [name for name, _, _, _ in generate.fused()]
    return {names[n - len(OPS)] for n in numbers if len(OPS) <= n < len(OPS) + len(names)}


class RuntimeMath:
    """NumPy, but for the functions of `azmath.h`, so that the reference must agree to the bit."""

    def __getattr__(self, name: str) -> Any:
        if name not in ("exp", "log", "sin", "cos", "tan", "arcsin", "arccos", "arctan"):
            return getattr(np, name)

        def function(values: Any) -> np.ndarray:
            result = np.array(values, dtype=np.float64)
            flat = np.ascontiguousarray(result.reshape(-1))
            _core.apply(name, flat)
            return flat.reshape(result.shape)

        return function


def refer(program: Program, tasks: list[Any], library: Any = np, **settings: Any) -> Outcome:
    """Run on the NumPy reference."""
    from azc.reference import evaluate_task

    outcomes = [evaluate_task(program, task, library=library, **settings) for task in tasks]
    return Outcome(
        np.array([o[0] for o in outcomes]),
        np.array([o[1] for o in outcomes]),
        [o[2] for o in outcomes],
    )
