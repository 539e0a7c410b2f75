"""Derivatives of every op, and of what Predict computes: reverse mode over what it did.

Each rule takes the operands, the result and the adjoint of the result, and gives the adjoints of
the operands. Where an op has a kink the rule takes the side that the op takes; steps have the
derivative 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from azc.ops import ConstantKind
from azc.program import Address, Instruction

__all__ = ["RULES", "Entry", "gradients"]

Array = NDArray[np.float64]
Rule = Callable[..., tuple[Array, ...]]


def _both(rule: Callable[[Array, Array], tuple[Array, Array]]) -> Rule:
    """Of an op on two operands, the partial derivatives."""

    def adjoints(a: Array, b: Array, y: Array, g: Array) -> tuple[Array, ...]:
        left, right = rule(a, b)
        return g * left, g * right

    return adjoints


def _one(rule: Callable[[Array, Array], Array]) -> Rule:
    """Of an op on one operand, from it and the result."""

    def adjoints(a: Array, y: Array, g: Array) -> tuple[Array, ...]:
        return (np.asarray(g * rule(a, y)),)

    return adjoints


_ADD = _both(lambda a, b: (np.ones_like(a), np.ones_like(b)))
_SUB = _both(lambda a, b: (np.ones_like(a), -np.ones_like(b)))
_MUL = _both(lambda a, b: (b, a))
_DIV = _both(lambda a, b: (1.0 / b, -a / (b * b)))
_ABS = _one(lambda a, y: np.sign(a))
_RECIPROCAL = _one(lambda a, y: -y * y)
_STEP = _one(lambda a, y: np.zeros_like(a))
_MIN = _both(lambda a, b: (np.where(b < a, 0.0, 1.0), np.where(b < a, 1.0, 0.0)))
_MAX = _both(lambda a, b: (np.where(a < b, 0.0, 1.0), np.where(a < b, 1.0, 0.0)))
_MATRIX_MIN = _both(lambda a, b: (np.where(a < b, 1.0, 0.0), np.where(a < b, 0.0, 1.0)))
_MATRIX_MAX = _both(lambda a, b: (np.where(a > b, 1.0, 0.0), np.where(a > b, 0.0, 1.0)))
_NORM = _one(lambda a, y: np.divide(a, y, out=np.zeros_like(a), where=y > 0.0))
_MEAN = _one(lambda a, y: np.full_like(a, 1.0 / a.size))


def _scale(a: Array, b: Array, y: Array, g: Array) -> tuple[Array, ...]:
    return np.asarray(np.sum(g * b)), np.asarray(g * a)


def _std(a: Array, y: Array, g: Array) -> tuple[Array, ...]:
    centred = (a - a.mean()) / a.size
    return (g * np.divide(centred, y, out=np.zeros_like(a), where=y > 0.0),)


def _row_std(a: Array, y: Array, g: Array) -> tuple[Array, ...]:
    centred = (a - a.mean(axis=1, keepdims=True)) / a.shape[1]
    y, g = y[:, None], g[:, None]
    return (g * np.divide(centred, y, out=np.zeros_like(a), where=y > 0.0),)


def _norm_along(axis: int) -> Rule:
    def adjoints(a: Array, y: Array, g: Array) -> tuple[Array, ...]:
        y, g = np.expand_dims(y, axis), np.expand_dims(g, axis)
        return (g * np.divide(a, y, out=np.zeros_like(a), where=y > 0.0),)

    return adjoints


def _none(y: Array, g: Array) -> tuple[Array, ...]:
    return ()


#: By the op's name.
RULES: dict[str, Rule] = {
    "scalar_add": _ADD,
    "scalar_sub": _SUB,
    "scalar_mul": _MUL,
    "scalar_div": _DIV,
    "scalar_abs": _ABS,
    "scalar_reciprocal": _RECIPROCAL,
    "scalar_sin": _one(lambda a, y: np.cos(a)),
    "scalar_cos": _one(lambda a, y: -np.sin(a)),
    "scalar_tan": _one(lambda a, y: 1.0 + y * y),
    "scalar_arcsin": _one(lambda a, y: 1.0 / np.sqrt(1.0 - a * a)),
    "scalar_arccos": _one(lambda a, y: -1.0 / np.sqrt(1.0 - a * a)),
    "scalar_arctan": _one(lambda a, y: 1.0 / (1.0 + a * a)),
    "scalar_exp": _one(lambda a, y: y),
    "scalar_log": _one(lambda a, y: 1.0 / a),
    "scalar_heaviside": _STEP,
    "vector_heaviside": _STEP,
    "matrix_heaviside": _STEP,
    "scalar_vector_mul": _scale,
    "vector_broadcast": lambda a, y, g: (np.sum(g),),
    "vector_reciprocal": _RECIPROCAL,
    "vector_norm": _NORM,
    "vector_abs": _ABS,
    "vector_add": _ADD,
    "vector_sub": _SUB,
    "vector_mul": _MUL,
    "vector_div": _DIV,
    "dot": _MUL,
    "outer": lambda a, b, y, g: (g @ b, a @ g),
    "scalar_matrix_mul": _scale,
    "matrix_reciprocal": _RECIPROCAL,
    "matrix_vector_dot": lambda a, b, y, g: (np.outer(g, b), g @ a),
    "column_broadcast": lambda a, y, g: (g.sum(axis=1),),
    "row_broadcast": lambda a, y, g: (g.sum(axis=0),),
    "matrix_norm": _NORM,
    "column_norm": _norm_along(0),
    "row_norm": _norm_along(1),
    "transpose": lambda a, y, g: (g.T,),
    "matrix_abs": _ABS,
    "matrix_add": _ADD,
    "matrix_sub": _SUB,
    "matrix_mul": _MUL,
    "matrix_div": _DIV,
    "matmul": lambda a, b, y, g: (g @ b.T, a.T @ g),
    "scalar_min": _MIN,
    "vector_min": _MIN,
    "matrix_min": _MATRIX_MIN,
    "scalar_max": _MAX,
    "vector_max": _MAX,
    "matrix_max": _MATRIX_MAX,
    "vector_mean": _MEAN,
    "matrix_mean": _MEAN,
    "row_mean": lambda a, y, g: (np.outer(g, np.full(a.shape[1], 1.0 / a.shape[1])),),
    "row_std": _row_std,
    "vector_std": _std,
    "matrix_std": _std,
    "scalar_const": _none,
    "vector_const": _none,
    "matrix_const": _none,
    "scalar_uniform": _none,
    "vector_uniform": _none,
    "matrix_uniform": _none,
    "scalar_gaussian": _none,
    "vector_gaussian": _none,
    "matrix_gaussian": _none,
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One instruction as it ran: what it read, by operand, and what it made."""

    instruction: Instruction
    operands: tuple[Array, ...]
    result: Array


def gradients(tape: Sequence[Entry], prediction: Address, adjoint: Array) -> dict[Address, Array]:
    """What `adjoint` of the prediction becomes at each address as it was before the tape ran:
    addresses without an influence are left out."""
    adjoints_of: dict[Address, Array] = {prediction: adjoint}
    for entry in reversed(tape):
        output = entry.instruction.output
        if output is None or output not in adjoints_of:
            continue
        incoming = adjoints_of.pop(output)
        op = entry.instruction.op
        if op.entry:
            # The other entries pass through.
            incoming = incoming.copy()
            incoming[_place(entry.instruction, incoming.shape[0])] = 0.0
            adjoints_of[output] = incoming
            continue
        adjoints = RULES[op.name](*entry.operands, entry.result, incoming)
        operands = map(Address, op.inputs, entry.instruction.inputs)
        for address, value in zip(operands, adjoints, strict=True):
            adjoints_of[address] = (
                adjoints_of[address] + value if address in adjoints_of else np.asarray(value)
            )
    return adjoints_of


def _place(instruction: Instruction, features: int) -> tuple[int, ...]:
    return tuple(
        value if isinstance(value, int) else min(int(features * value), features - 1)
        for kind, value in zip(instruction.op.constants, instruction.constants, strict=True)
        if kind is ConstantKind.INDEX
    )
