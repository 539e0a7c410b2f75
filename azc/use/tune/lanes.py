"""Many constant vectors of one program at once, each in lanes of its own.

    lane = vector * tasks + task

A block holds as many tasks as fit, and as many vectors beside each other as there are lanes left:
few tasks do not leave lanes idle. Every lane computes what it would alone, to the bit.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from azc.errors import CompileError, warn
from azc.memory import Room
from azc.packing import lane_count, native_shares, pack, packed_bytes
from azc.prepared import has_matrices
from azc.program import Program
from azc.runtime import _core
from azc.tasks import Task
from azc.use.tune.constants import live_constants

if TYPE_CHECKING:
    from azc.compiler.structure import Arguments, Structure

__all__ = ["Lanes"]

Array = NDArray[np.float64]


#: No block's copy of its examples is larger.
_MOST_BYTES = 2**28
#: So many vectors are enough to fill every lane.
_USUAL_VECTORS = 16


@dataclass(frozen=True, slots=True)
class _Block:
    """Tasks of one shape, at `positions`, `vectors` times beside each other; what runs them, and
    in chunks of how many lanes (all, if interpreted)."""

    positions: list[int]
    vectors: int
    lanes: int
    chunk: int
    batch: _core.Batch
    native: _core.Native | None
    places: NDArray[np.int64] | None


class Lanes:
    """Scores constant vectors of `program` on `tasks`; a context manager, for its threads.

    `settings`: epochs, seed and max_abs_error. `workers` threads share out the blocks. The results
    depend on neither workers nor tier.
    """

    def __init__(
        self,
        program: Program,
        tasks: Sequence[Task],
        settings: dict[str, Any],
        *,
        workers: int = 1,
        tier: str = "interpreter",
    ) -> None:
        self._program, self._tasks, self._settings = program, list(tasks), settings
        self._classes = self._tasks[0].classes
        self._matrices = has_matrices(program, self._classes)
        self._code = _core.Code(program.packed())
        self._base = live_constants(program, self._classes)
        self._made: dict[tuple[Any, ...], _Block] = {}
        self._local = threading.local()
        # The calling thread is one of them.
        self._workers = workers
        self._pool = ThreadPoolExecutor(workers - 1) if workers > 1 else None
        self._vector = 0
        self.tier = "interpreter"
        if tier == "compiled":
            self.compile()

    def __enter__(self) -> Lanes:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool:
            self._pool.shutdown(cancel_futures=True)

    def compile(self) -> None:
        """From now on run compiled code: one build serves every vector, since constants are
        arguments. Raises `CompileError`."""
        from azc.compiler.toolchain import find_toolchain

        self._vector = find_toolchain().vector
        self.tier = "compiled"
        self._made.clear()

    def build_seconds(self) -> float:
        """What `compile` would cost; inf where there is no C compiler."""
        from azc.compiler import natives
        from azc.compiler.toolchain import find_toolchain

        try:
            vector = find_toolchain().vector
            wanted = {
                self._structure(features, chunk)[0]
                for features, _, _, chunk in self._shapes(_USUAL_VECTORS, vector)
            }
            missing = wanted - natives.find(wanted).keys()
            return natives.build_seconds(missing) if missing else 0.0
        except CompileError as error:
            warn(f"programs run on the interpreter alone, as there is no C compiler: {error}")
            return float("inf")

    def score(self, positions: Sequence[int], values: Array, train: float = 1.0) -> Array:
        """Fitness (k, D) of k vectors `values` (k, n) of the constants at `positions` among
        `live_constants`; training sees the first share `train` of each task's examples."""
        full = np.tile(self._base, (len(values), 1))
        full[:, list(positions)] = values
        fitness = np.zeros((len(values), len(self._tasks)))
        jobs = iter(
            [
                (block, start)
                for block in self._blocks(len(values), train)
                for start in range(0, len(values), block.vectors)
            ]
        )

        def work() -> None:
            # A job may take less time than giving it to a thread would: each thread is started
            # once, and takes from the list (which no two can do at once) until nothing is left.
            for block, start in jobs:
                scores = self._run(block, full[start : start + block.vectors])
                fitness[start : start + len(scores), block.positions] = scores

        others = [self._pool.submit(work) for _ in range(self._workers - 1)] if self._pool else []
        try:
            work()
        finally:
            # Where one fails, the others have nothing more to do, and are not left at work.
            for _ in jobs:
                pass
            wait(others)
        for other in others:
            other.result()
        return fitness

    # ---- blocks ---------------------------------------------------------------------------------

    def _shapes(self, vectors: int, vector: int) -> Iterator[tuple[int, list[int], int, int]]:
        """(features, positions, lanes, chunk) of each block; `vector`: doubles in a register of
        compiled code, 0 for the interpreter."""
        groups: dict[tuple[int, ...], list[int]] = {}
        for position, task in enumerate(self._tasks):
            shape = (task.features, len(task.y_train), len(task.y_valid))
            groups.setdefault(shape, []).append(position)
        for (features, *_), positions in groups.items():
            while positions:
                count = len(positions) * vectors
                if vector:
                    many = self._classes > 2
                    shares = native_shares(
                        count, features, self._matrices, many, vector, rest_alone=False
                    )
                    _, lanes, chunk = next(shares)
                else:
                    lanes = chunk = lane_count(count, features, self._matrices)
                # Vectors beside each other need the examples once each.
                while lanes > 1 and packed_bytes(self._tasks[positions[0]], lanes) > _MOST_BYTES:
                    lanes = lanes // 2 if lanes // 2 >= chunk or not vector else 1
                    chunk = min(chunk, lanes)
                side_by_side = 1
                while 2 * side_by_side <= min(len(positions), lanes):
                    side_by_side *= 2
                yield features, positions[:side_by_side], lanes, chunk
                positions = positions[side_by_side:]

    def _blocks(self, vectors: int, train: float) -> list[_Block]:
        """The blocks for so many vectors; their batches are made once and kept."""
        made = []
        for _, positions, lanes, chunk in self._shapes(vectors, self._vector):
            key = (positions[0], len(positions), lanes, chunk, train)
            if key not in self._made:
                self._made[key] = self._make(positions, lanes, chunk, train)
            made.append(self._made[key])
        return made

    def _make(self, positions: list[int], lanes: int, chunk: int, train: float) -> _Block:
        tasks = [self._beginning(self._tasks[position], train) for position in positions]
        members = tasks * (lanes // len(tasks))
        native = places = None
        if self._vector:
            from azc.compiler.natives import obtain

            structure, arguments = self._structure(tasks[0].features, chunk)
            native, places = obtain([structure])[structure].native, arguments.places
        what = f"this program on {tasks[0].name} (F = {tasks[0].features}, {lanes} side by side)"
        cells = self._machine().bytes_needed(
            self._code,
            features=tasks[0].features,
            classes=tasks[0].classes,
            lanes=lanes,
            train=len(tasks[0].y_train),
            valid=len(tasks[0].y_valid),
            epochs=self._settings["epochs"],
            native=native,
        )
        Room().refuse_beyond(packed_bytes(tasks[0], lanes) + cells, what)
        batch = pack(members, lanes, chunk)
        return _Block(positions, lanes // len(tasks), lanes, chunk, batch, native, places)

    def _structure(self, features: int, chunk: int) -> tuple[Structure, Arguments]:
        from azc.compiler.structure import ENTRIES, LANES, structure_of

        layout = ENTRIES if chunk == 1 else LANES
        return structure_of(self._program, classes=self._classes, features=features, layout=layout)

    @staticmethod
    def _beginning(task: Task, share: float) -> Task:
        count = max(1, round(share * len(task.y_train)))
        if count >= len(task.y_train):
            return task
        return Task(
            task.X_train[:count],
            task.y_train[:count],
            task.X_valid,
            task.y_valid,
            metric=task.metric,
            classes=task.classes or None,
            seed=task.key,
            name=task.name,
        )

    # ---- runs -----------------------------------------------------------------------------------

    def _machine(self) -> _core.Machine:
        if not hasattr(self._local, "machine"):
            self._local.machine = _core.Machine()
        machine: _core.Machine = self._local.machine
        return machine

    def _run(self, block: _Block, vectors: Array) -> Array:
        """Fitness (k, tasks) of at most as many vectors as the block holds."""
        tasks = len(block.positions)
        # Lanes without a vector of their own repeat the last.
        rows = np.minimum(np.arange(block.lanes) // tasks, len(vectors) - 1)
        by_lane = vectors[rows]
        chunks = by_lane.reshape(-1, block.chunk, by_lane.shape[1])
        constants = np.ascontiguousarray(chunks.transpose(0, 2, 1)).reshape(-1, block.chunk)
        fitness, value = np.zeros(block.lanes), np.zeros(block.lanes)
        native: dict[str, Any] = {}
        if block.native is not None:
            native = {"native": block.native, "places": block.places}
        self._machine().run(
            self._code,
            block.batch,
            fitness,
            value,
            constants=constants,
            **native,
            **self._settings,
        )
        return fitness[: tasks * len(vectors)].reshape(len(vectors), tasks)
