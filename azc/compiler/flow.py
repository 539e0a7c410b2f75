"""Which addresses carry a value from one example to the next, or from Predict to Learn."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from azc.compiler.fusion import Statement
from azc.program import Address

__all__ = ["Flow", "flow_of"]


@dataclass(frozen=True, slots=True)
class Flow:
    """`between` examples, and `after` each of Setup, Predict and Learn; `unset` addresses are read
    by Setup before anything writes them, for the zeros that they hold."""

    between: frozenset[Address]
    unset: frozenset[Address]
    after: tuple[frozenset[Address], frozenset[Address], frozenset[Address]]


def flow_of(
    bodies: Sequence[Sequence[Statement]], given: Iterable[Address], prediction: Address
) -> Flow:
    """Least fixpoint over the loop of Predict and Learn; evaluation sets the addresses `given`
    (features and label) before each of the two, and reads `prediction` after Predict."""
    setup, predict, learn = bodies
    anew = set(given)
    between: set[Address] = set()
    while True:
        after_predict = (_before(learn, between) - anew) | between | {prediction}
        wider = (_before(predict, after_predict) - anew) | between
        if wider == between:
            ends = frozenset(between)
            unset = frozenset(_before(setup, between) - between - anew)
            return Flow(ends, unset, (ends, frozenset(after_predict), ends))
        between = wider


def _before(body: Sequence[Statement], after: Iterable[Address]) -> set[Address]:
    """Addresses whose values matter before the body, given those that matter after it."""
    live = set(after)
    for statement in reversed(body):
        if statement.replaces:
            live.discard(statement.writes)
        live |= statement.reads
    return live
