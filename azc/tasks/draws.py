"""Seeded draws that every kind of task shares: generators, splits, standardisation.

A generator is named by (seed of the set, index of the task, stream), so task i is the same
whether 1 or 100 tasks are made, and one stream's length never shifts another's numbers:

    PARAMETERS  what the task is: weights of a synthetic task, the projection of an image task
    TRAIN, VALID  the examples of a synthetic task
    ROWS        which rows go into which part
    ORDER       the order of the rows within a part
    KEY         the task's seed, under which a program's random instructions draw
    PAIRS       the order of a set's pairs of classes (belongs to the set: index 0)
    SIDES       which side of a table a row is on (belongs to the table: seed 0, index 0)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from azc.tasks.preparation import Scaling
from azc.tasks.task import Array

__all__ = [
    *("apportion", "drawn", "generator", "ordered_product", "share", "standardise", "stratified"),
    "task_seed",
]

Indices = npt.NDArray[np.intp]

PARAMETERS, TRAIN, VALID, ROWS, ORDER, KEY, PAIRS, SIDES = range(8)


def generator(seed: int, index: int, stream: int, *more: int) -> np.random.Generator:
    """The generator of one stream of task `index` of the set with `seed`."""
    sequence = np.random.SeedSequence(seed, spawn_key=(index, stream, *more))
    return np.random.Generator(np.random.PCG64DXSM(sequence))


def task_seed(seed: int, index: int) -> int:
    """The 64-bit seed of task `index` itself."""
    sequence = np.random.SeedSequence(seed, spawn_key=(index, KEY))
    return int(sequence.generate_state(1, np.uint64)[0])


def ordered_product(A: Array, B: Array) -> Array:
    """``A @ B`` for (n, k) and (k, m) or (k,), with the k terms added in order.

    A BLAS product rounds differently from machine to machine; this one does not.
    """
    result = np.zeros((len(A), *B.shape[1:]))
    for j in range(A.shape[1]):
        column = A[:, j] if B.ndim == 1 else A[:, j, None]
        result += column * B[j]
    return result


def standardise(*parts: Array) -> list[Array]:
    """Each (n, F) part less the first part's mean, over its standard deviation, per column; see
    `Scaling`."""
    scaling = Scaling.of(parts[0])
    return [scaling.apply(part) for part in parts]


def share(total: int, classes: int) -> list[int]:
    """`total` examples over `classes` as evenly as possible, the first ones getting the rest."""
    return [total // classes + (c < total % classes) for c in range(classes)]


def apportion(
    sizes: Sequence[int], total: int, low: Sequence[int], high: Sequence[int]
) -> list[int]:
    """`total` shared out in proportion to `sizes`, from `low` to `high` each: what rounding leaves
    goes to those that lack most. The sums of `low` and `high` lie around `total`."""
    whole = sum(sizes)
    got = [
        max(least, min(most, total * size // whole))
        for size, least, most in zip(sizes, low, high, strict=True)
    ]

    def lacks(c: int) -> tuple[int, int]:
        return total * sizes[c] - got[c] * whole, -c

    while (left := total - sum(got)) != 0:
        step = 1 if left > 0 else -1
        can = [c for c in range(len(got)) if low[c] <= got[c] + step <= high[c]]
        got[max(can, key=lacks) if left > 0 else min(can, key=lacks)] += step
    return got


def stratified(
    sizes: Sequence[int], parts: Sequence[int], seed: int, index: int
) -> list[tuple[Indices, Indices]]:
    """For each part (class of each example, its row within that class), disjoint and shuffled.

    `sizes` counts the examples there are of each class, `parts` those wanted in each part, of each
    class as many; the caller has checked that they suffice. What one part gets does not depend on
    the later ones.
    """
    return drawn(sizes, [share(total, len(sizes)) for total in parts], seed, index)


def drawn(
    sizes: Sequence[int], shares: Sequence[Sequence[int]], seed: int, index: int
) -> list[tuple[Indices, Indices]]:
    """`stratified`, with what each part gets of each class given by `shares`."""
    rows = [generator(seed, index, ROWS, c).permutation(size) for c, size in enumerate(sizes)]
    used = [0] * len(sizes)
    result = []
    for number, counts in enumerate(shares):
        labels: list[npt.NDArray[Any]] = []
        chosen: list[npt.NDArray[Any]] = []
        for c, count in enumerate(counts):
            labels.append(np.full(count, c, dtype=np.intp))
            chosen.append(rows[c][used[c] : used[c] + count])
            used[c] += count
        order = generator(seed, index, ORDER, number).permutation(sum(counts))
        result.append((np.concatenate(labels)[order], np.concatenate(chosen)[order]))
    return result
