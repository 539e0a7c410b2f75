"""Fragments knocked in: put into a given program in many ways, of which the best is judged anew."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from azc.analysis import canonical_hash, interface_addresses, live_mask
from azc.errors import ConfigError, expected
from azc.evaluation import check
from azc.ops import Type
from azc.program import FUNCTIONS, Address, Instruction, Program
from azc.tasks import Task, TaskSet
from azc.use.intervals import mean_interval
from azc.use.motifs.fragments import Piece
from azc.use.scoring import Scorer

__all__ = ["KnockIn", "knock_in"]

#: Ways that are drawn for each that is tried: many are equal, or leave the fragment without effect.
_DRAWS = 20
#: How probably what the fragment makes and reads itself stands where the program has a value.
_SHARED = 0.5


@dataclass(frozen=True)
class KnockIn:
    """A program with a fragment in it. Of `ways` ways to put it in, `program` is the best on one
    half of the tasks; on the other half `before` is the mean fitness without it, `difference` what
    it adds, with the 95 % interval over these tasks. `program` is None where in no way that
    was tried the fragment reaches a prediction."""

    program: Program | None
    before: float
    difference: float
    low: float
    high: float
    ways: int


def knock_in(
    piece: Piece,
    program: Program,
    tasks: Sequence[Task],
    *,
    ways: int = 200,
    epochs: int = 1,
    seed: int = 0,
    max_abs_error: float = 100.0,
    tier: str = "auto",
    progress: Callable[[], None] | None = None,
) -> KnockIn:
    """Put a fragment into `program`: anywhere in its functions, what is open bound to any of its
    addresses, results instead of any of its values, by draws from `seed`.

    The way is chosen on every other task and judged on the rest, so that the best of many is not
    taken for better than it is.
    """
    if len(tasks) < 4:
        raise ConfigError(expected("at least four tasks, half of which judge", len(tasks)))
    check(program, tasks, tier, epochs, seed, max_abs_error)
    classes = tasks[0].classes
    choosing, judging = (
        Scorer(TaskSet(list(half)), epochs=epochs, max_abs_error=max_abs_error, tier=tier)
        for half in (tasks[::2], tasks[1::2])
    )
    rng = np.random.default_rng(seed)
    tried: dict[str, tuple[float, Program]] = {}
    for _ in range(_DRAWS * ways):
        if len(tried) == ways:
            break
        made, positions = _put(piece, program, classes, rng)
        masks = dict(zip(FUNCTIONS, live_mask(made, classes), strict=True))
        if not all(masks[function][index] for function, index in positions):
            continue
        if (key := canonical_hash(made, classes)) not in tried:
            tried[key] = float(choosing.fitness(made, seed).mean()), made
            if progress:
                progress()
    before = judging.fitness(program, seed)
    if not tried:
        return KnockIn(None, float(before.mean()), 0.0, 0.0, 0.0, 0)
    best = max(tried.values(), key=lambda each: each[0])[1]
    difference, low, high = mean_interval(judging.fitness(best, seed) - before)
    return KnockIn(best, float(before.mean()), difference, low, high, len(tried))


def _put(
    piece: Piece, program: Program, classes: int, rng: np.random.Generator
) -> tuple[Program, list[tuple[str, int]]]:
    """The program with the piece in it, and where its instructions are."""
    features, label, prediction = interface_addresses(classes)
    there = sorted(program.addresses() | {features, label, prediction}, key=str)
    free = dict.fromkeys(Type, 0)
    for address in there:
        free[address.type] = max(free[address.type], address.number + 1)

    def fresh(kind: Type) -> Address:
        free[kind] += 1
        return Address(kind, free[kind] - 1)

    def any_of(kind: Type, but: Sequence[Address] = ()) -> Address:
        choices = [one for one in there if one.type is kind and one not in but]
        return choices[int(rng.integers(len(choices)))] if choices else fresh(kind)

    read = {address for one in piece.program.instructions() for address in one.reads}
    names = {features: features, label: label}
    for address in sorted(piece.program.addresses() - names.keys(), key=str):
        if address in piece.zero:
            names[address] = fresh(address.type)
        elif address in piece.open:
            names[address] = any_of(address.type)
        elif address == prediction and _predicts(piece, prediction):
            names[address] = prediction
        elif address in read and rng.random() >= _SHARED:
            names[address] = fresh(address.type)
        else:
            names[address] = any_of(address.type, (features, label))
    bodies: dict[str, Any] = {}
    positions = []
    for function, body in program.functions():
        added = [_renamed(one, names) for one in getattr(piece.program, function)]
        at = int(rng.integers(len(body) + 1))
        bodies[function] = (*body[:at], *added, *body[at:])
        positions += [(function, at + k) for k in range(len(added))]
    return Program(**bodies, filename=program.filename), positions


def _predicts(piece: Piece, prediction: Address) -> bool:
    return any(one.output == prediction for one in piece.program.predict)


def _renamed(instruction: Instruction, names: dict[Address, Address]) -> Instruction:
    assert instruction.output is not None
    operands = map(Address, instruction.op.inputs, instruction.inputs)
    return replace(
        instruction,
        out=names[instruction.output].number,
        inputs=tuple(names[address].number for address in operands),
    )
