"""Tasks side by side: which share a block of lanes, and the arrays that the runtime reads."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from azc.runtime import _core
from azc.tasks import Task, TaskSet

__all__ = [
    "Block",
    "Lot",
    "batch_of",
    "blocks",
    "lane_count",
    "lots",
    "native_blocks",
    "native_shares",
    "pack",
    "packed_bytes",
    "prediction_width",
]

Array = NDArray[np.float64]
_Made = TypeVar("_Made")

#: From this many features on, a matrix of one task alone keeps the vector units busy, and those of
#: several tasks side by side no longer fit the L1 cache (benchmarks/engine.md).
_WIDE_MATRIX = 32
#: Fewer tasks than fill a register are better off one by one where there are so many features for
#: each, if matrices have the most of the work; and otherwise only a single one is.
_FEATURES_ALONE = 4


def lane_count(tasks: int, features: int, matrices: bool) -> int:
    """How many of `tasks` tasks of one shape should run side by side: 1, 2, 4, 8 or 16.

    As many as there are while what one step touches stays in the L1 cache and the examples in the
    L2 cache: up to 16 lanes with 8 features, 8 with more, one with matrices from 32 features or
    vectors from 257 on, whose entries then fill the vector units. The results are the same
    whatever is chosen.
    """
    if features > 256 or (matrices and features >= _WIDE_MATRIX):
        widest = 1
    else:
        widest = 16 if features <= 8 else 8
    lanes = 1
    while lanes < min(tasks, widest):
        lanes *= 2
    return lanes


@dataclass(frozen=True, slots=True)
class Block:
    """Tasks that run together: their `positions` among all, and the number of `lanes`, of which
    those behind the last task idle. A compiled program takes them `chunk` at a time."""

    positions: tuple[int, ...]
    lanes: int
    chunk: int


def blocks(tasks: Sequence[Task], matrices: bool) -> Sequence[Block]:
    """Blocks for the interpreter; `matrices`: the program has some."""

    def share() -> Iterator[Block]:
        for features, positions in _groups(tasks):
            while positions:
                lanes = lane_count(len(positions), features, matrices)
                yield Block(positions[:lanes], lanes, lanes)
                positions = positions[lanes:]

    return _kept(tasks, ("blocks", matrices), lambda: tuple(share()))


def native_blocks(
    tasks: Sequence[Task], matrices: bool, vector: int, *, rest_alone: bool = True
) -> Sequence[Block]:
    """Blocks for compiled programs on a machine whose registers hold `vector` doubles: chunks of
    that many lanes where tasks fill them, and for the rest one lane each.

    One task alone fills a register with entries of its own vectors, so that few tasks are better
    served one by one; how few grows with the features (benchmarks/engine.md). Not `rest_alone`: a
    few that are left over by chunks make another chunk even so.
    """

    def share() -> Iterator[Block]:
        for features, positions in _groups(tasks):
            many = tasks[positions[0]].classes > 2
            shape = (len(positions), features, matrices, many, vector)
            for count, lanes, chunk in native_shares(*shape, rest_alone=rest_alone):
                yield Block(positions[:count], lanes, chunk)
                positions = positions[count:]

    key = ("native blocks", matrices, vector, rest_alone)
    return _kept(tasks, key, lambda: tuple(share()))


def native_shares(
    tasks: int,
    features: int,
    matrices: bool,
    many_classes: bool,
    vector: int,
    *,
    rest_alone: bool = True,
) -> Iterator[tuple[int, int, int]]:
    """How `native_blocks` shares out so many tasks of one shape: (tasks, lanes, chunk) of each
    block."""
    chunked = False
    while tasks:
        widest = lane_count(tasks, features, matrices)
        few = _alone(tasks, features, matrices, vector) and (rest_alone or not chunked)
        if few or widest == 1 < tasks:
            lanes = chunk = 1
        else:
            lanes, chunk = (1 if many_classes else widest), vector
            # No chunk wholly idle, nor one with so few tasks that they had better be alone.
            while lanes > vector and (
                lanes - tasks >= vector
                or (rest_alone and _alone(tasks % vector, features, matrices, vector))
            ):
                lanes //= 2
            lanes, chunked = max(lanes, vector), True
        yield min(tasks, lanes), lanes, chunk
        tasks -= min(tasks, lanes)


def _alone(tasks: int, features: int, matrices: bool, vector: int) -> bool:
    """Whether so few tasks are better off one by one."""
    most = features // _FEATURES_ALONE if matrices else 1
    return 0 < tasks < vector and tasks <= most and features >= vector


def _kept(tasks: Sequence[Task], key: Hashable, make: Callable[[], _Made]) -> _Made:
    """What `make` returns, which a set of tasks keeps and a list does not."""
    return tasks.kept(key, make) if isinstance(tasks, TaskSet) else make()


def _groups(tasks: Sequence[Task]) -> Iterator[tuple[int, tuple[int, ...]]]:
    """The number of features, and positions of tasks, that can share a block of lanes."""
    groups: dict[tuple[int, ...], list[int]] = {}
    for position, task in enumerate(tasks):
        shape = (task.features, len(task.y_train), len(task.y_valid), task.classes)
        groups.setdefault(shape, []).append(position)
    for (features, *_), positions in groups.items():
        yield features, tuple(positions)


def prediction_width(task: Task) -> int:
    """Numbers in one prediction: one, or one per class of more than two."""
    return task.classes if task.classes > 2 else 1


def batch_of(tasks: Sequence[Task], block: Block, *, keep: bool = True) -> _core.Batch:
    """The examples of a block's tasks; a set of tasks keeps them, unless told not to."""

    def make() -> _core.Batch:
        return pack([tasks[position] for position in block.positions], block.lanes, block.chunk)

    return _kept(tasks, ("batch", block), make) if keep else make()


@dataclass(frozen=True, slots=True, eq=False)
class Lot:
    """A block with all that a run of it takes, computed once.

    `first` of its tasks; `where` among all they are: a slice with as many tasks as lanes if the lot
    is `full`. `shape` of predictions: lanes, examples, width. Of the examples that all lots have in
    one epoch, `most`, so many are served `before` it. `serial`: of this lot alone.
    """

    block: Block
    batch: _core.Batch
    first: Task
    where: slice
    full: bool
    shape: tuple[int, int, int]
    before: int
    most: int
    serial: int


_serials = itertools.count()


def lots(tasks: Sequence[Task], in_blocks: Sequence[Block], *, keep: bool = True) -> Iterator[Lot]:
    """The blocks, each as a lot, one after the other: the examples of one that nobody keeps go when
    it is done with. `keep` is for `batch_of`."""
    each = [_examples(tasks[block.positions[0]]) for block in in_blocks]
    starts = itertools.accumulate(each, initial=0)
    for before, block in zip(starts, in_blocks, strict=False):
        first, start = tasks[block.positions[0]], block.positions[0]
        where = slice(start, start + block.lanes)
        full = block.positions == tuple(range(start, start + block.lanes))
        shape = (block.lanes, len(first.y_valid), prediction_width(first))
        batch = batch_of(tasks, block, keep=keep)
        yield Lot(block, batch, first, where, full, shape, before, sum(each), next(_serials))


def _examples(task: Task) -> int:
    return len(task.y_train) + len(task.y_valid)


def packed_bytes(task: Task, lanes: int) -> int:
    """Bytes of the copy that packing makes; one lane needs none."""
    examples = len(task.y_train) + len(task.y_valid)
    return 0 if lanes == 1 else 8 * lanes * examples * (task.features + 1)


def pack(tasks: Sequence[Task], lanes: int, chunk: int | None = None) -> _core.Batch:
    """Lays tasks side by side; lanes without a task repeat the first. For compiled programs each
    example's entries lie `chunk` lanes at a time, as `runtime/native.h` says."""
    padded = [*tasks, *[tasks[0]] * (lanes - len(tasks))]

    def side_by_side(arrays: list[Array]) -> Array:
        if lanes == 1:
            return arrays[0][..., None]
        packed = _aligned((*arrays[0].shape, lanes))
        _core.pack([_rows(array) for array in arrays], chunk or lanes, packed.reshape(-1))
        return packed

    return _core.Batch(
        side_by_side([task.X_train for task in padded]),
        side_by_side([task.y_train for task in padded]),
        side_by_side([task.X_valid for task in padded]),
        side_by_side([task.y_valid for task in padded]),
        keys=[task.key for task in padded],
        active=len(tasks),
        classes=tasks[0].classes,
    )


def _rows(array: Array) -> Array:
    """(n, entries) of features, or of labels: one entry each."""
    return array if array.ndim == 2 else array[:, None]


def _aligned(shape: tuple[int, ...]) -> Array:
    """An empty array that begins on a cache line, so that no vector of lanes crosses one."""
    count = math.prod(shape)
    room = np.empty(count + 8)
    start = -room.ctypes.data % 64 // 8
    return room[start : start + count].reshape(shape)
