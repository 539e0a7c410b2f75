"""Running programs on tasks by each of the reference, the interpreter and compiled code."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from azc.machines import BUILDING, Native, machine_of_thread, read_memory
from azc.memory import Room
from azc.packing import Block, Lot, blocks, lots, native_blocks, packed_bytes, prediction_width
from azc.prepared import bytes_for, code_of, has_matrices, state_of, structure_for
from azc.program import Address, Program
from azc.result import Result, Training
from azc.runtime import _core
from azc.tasks import Task, TaskSet

if TYPE_CHECKING:
    from azc.compiler.structure import Arguments, Structure

__all__ = [
    "Array",
    "Progress",
    "Work",
    "build",
    "run_compiled",
    "run_interpreted",
    "run_reference",
    "structures_of",
]

Array = NDArray[np.float64]
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Work:
    """One program on D tasks of one metric, all of it checked.

    `settings`: epochs, seed and max_abs_error; `progress` is called with (examples done, examples
    at most); `cpu` is what compiled code is built for. `sparing`: a second layout is not built only
    for the few tasks that another one leaves over. `keep`: layouts of the tasks made here are for
    later calls too. `remember`: the result's `trainings` have what training left, and unless it is
    to `validate`, too, that is all.
    """

    program: Program
    tasks: TaskSet
    settings: dict[str, Any]
    progress: Progress | None = None
    cpu: str = "native"
    sparing: bool = False
    keep: bool = True
    room: Room = field(default_factory=Room)
    remember: bool = False
    validate: bool = True

    @property
    def examples(self) -> list[int]:
        """Served for each task at most."""
        tasks, epochs = self.tasks, self.settings["epochs"]
        each = tasks.kept("examples", lambda: [len(t.y_train) + len(t.y_valid) for t in tasks])
        return [epochs * examples for examples in each]


def run_reference(work: Work) -> Result:
    from azc.reference import evaluate_task

    started = time.perf_counter()
    each = work.examples
    result = Result.empty(len(work.tasks), work.tasks[0].metric, "reference")
    starts = itertools.accumulate(each, initial=0)
    for position, (done, task) in enumerate(zip(starts, work.tasks, strict=False)):
        if work.progress:
            work.progress(done, sum(each))
        left: list[Training] = []

        def trained(
            memory: Mapping[Address, Array] | None,
            ended: int,
            left: list[Training] = left,
            classes: int = task.classes,
        ) -> bool:
            state = state_of(work.program, classes)
            copied = None if memory is None else {str(a): memory[a].copy() for a in state}
            left.append(Training(copied, ended))
            return work.validate

        observer = trained if work.remember else None
        outcome = evaluate_task(work.program, task, trained=observer, **work.settings)
        result.fitness[position], result.value[position], result.predictions[position] = outcome
        result.trainings += left
    result.examples = sum(each)
    result.running = time.perf_counter() - started
    return result


# ---- the runtime's tiers ------------------------------------------------------------------------


#: What the interpreter runs, one after the other.
_Laid = tuple[tuple[Lot, None], ...]


def run_interpreted(work: Work) -> Result:
    tasks, matrices = work.tasks, has_matrices(work.program, work.tasks[0].classes)
    with machine_of_thread() as machine:
        kept: _Laid | None = tasks.had(("interpreted", matrices))
        laid: Iterable[tuple[Lot, Native | None]] = kept or ()
        if kept is None or not _fits(work, machine, kept):
            wanted = blocks(tasks, matrices)
            keep = _make_room(work, machine, [(block, None) for block in wanted])
            laid = ((lot, None) for lot in lots(tasks, wanted, keep=keep))
            if keep:
                made = laid
                laid = tasks.kept(("interpreted", matrices), lambda: tuple(made))
        return _run(work, machine, laid, "interpreter")


def _fits(work: Work, machine: _core.Machine, laid: _Laid) -> bool:
    """Whether there is room to run on tasks that are laid out already."""

    def count() -> int:
        return max(sum(_bytes_of(work, machine, lot.first, lot.block, None)) for lot, _ in laid)

    shape = (laid[0][0].serial, work.settings["epochs"] > 1)
    return work.room.has(bytes_for(work.program, shape, count))


def run_compiled(work: Work) -> Result:
    from azc.compiler.layout import cells_of
    from azc.compiler.natives import obtain

    wanted = _wanted(work)
    with BUILDING:
        built = obtain([structure for _, structure, _ in wanted], cpu=work.cpu)
    in_blocks: list[tuple[Block, Native | None]] = []
    for block, structure, arguments in wanted:
        constants = arguments.for_lanes(block.lanes, block.chunk)
        classes = work.tasks[block.positions[0]].classes
        cells = cells_of(work.program, classes, structure, work.cpu) if work.remember else {}
        native = Native(built[structure].native, constants, arguments.places, cells)
        in_blocks.append((block, native))
    with machine_of_thread() as machine:
        keep = _make_room(work, machine, in_blocks)
        each = lots(work.tasks, [block for block, _ in in_blocks], keep=keep)
        natives = (native for _, native in in_blocks)
        return _run(work, machine, zip(each, natives, strict=True), "compiled")


def _wanted(work: Work) -> list[tuple[Block, Structure, Arguments]]:
    """What a compiled run takes: the structure of each block."""
    from azc.compiler.natives import find
    from azc.compiler.toolchain import find_toolchain

    vector = find_toolchain(work.cpu).vector
    wanted = structures_of(work.program, work.tasks, vector)
    structures = {structure for _, structure, _ in wanted}
    if work.sparing:
        with BUILDING:
            known = find(structures, work.cpu)
        if len(known) < len(structures):
            wanted = structures_of(work.program, work.tasks, vector, rest_alone=False)
    return wanted


def build(works: Sequence[Work]) -> None:
    """Have all that compiled runs of `works` take, in one go."""
    from azc.compiler.natives import obtain

    wanted = [structure for work in works for _, structure, _ in _wanted(work)]
    with BUILDING:
        obtain(wanted, cpu=works[0].cpu)


def structures_of(
    program: Program, tasks: Sequence[Task], vector: int, *, rest_alone: bool = True
) -> list[tuple[Block, Structure, Arguments]]:
    """What must be compiled to run the program on the tasks: the structure of each block."""
    from azc.compiler.structure import ENTRIES, LANES

    wanted = []
    matrices = has_matrices(program, tasks[0].classes)
    for block in native_blocks(tasks, matrices, vector, rest_alone=rest_alone):
        task = tasks[block.positions[0]]
        layout = ENTRIES if block.chunk == 1 else LANES
        made = structure_for(program, classes=task.classes, features=task.features, layout=layout)
        wanted.append((block, *made))
    return wanted


def _run(
    work: Work, machine: _core.Machine, laid: Iterable[tuple[Lot, Native | None]], tier: str
) -> Result:
    """Runs the program lot by lot, interpreted where one has no native function.

    Short: after a run over many examples none of this is in the caches any more.
    """
    started = time.perf_counter()
    code, tasks, progress = code_of(work.program), work.tasks, work.progress
    result = Result.empty(len(tasks), tasks[0].metric, tier)
    if work.remember:
        result.trainings = [_UNTRAINED] * len(tasks)
    for lot, native in laid:
        fitness, value = result.fitness[lot.where], result.value[lot.where]
        if not lot.full:
            fitness, value = np.zeros(lot.shape[0]), np.zeros(lot.shape[0])
        raw = np.empty(lot.shape)
        given: dict[str, Any] = native.arguments if native else {}
        if progress:
            given["progress"] = _reporter(progress, lot, work.settings["epochs"])
        if work.remember:
            given["trained"] = _observer(work, machine, lot.block, native, result)
        result.examples += machine.run(
            code, lot.batch, fitness, value, raw, **given, **work.settings
        )
        _share_out(result, lot, fitness, value, raw)
    result.running = time.perf_counter() - started
    return result


def _share_out(result: Result, lot: Lot, fitness: Array, value: Array, raw: Array) -> None:
    """A lot's outcome to each of its tasks."""
    each = list(raw if lot.shape[2] > 1 else raw.reshape(lot.shape[:2]))
    if lot.full:
        result.predictions[lot.where] = each
        return
    for lane, position in enumerate(lot.block.positions):
        result.fitness[position], result.value[position] = fitness[lane], value[lane]
        result.predictions[position] = each[lane]


def _reporter(progress: Progress, lot: Lot, epochs: int) -> Callable[[int], None]:
    before, most = epochs * lot.before, epochs * lot.most
    return lambda done: progress(before + done, most)


_UNTRAINED = Training(None)


def _observer(
    work: Work, machine: _core.Machine, block: Block, native: Native | None, result: Result
) -> Callable[[], bool]:
    """Takes down what training left in each lane of a block."""
    task = work.tasks[block.positions[0]]

    def trained() -> bool:
        for lane, position in enumerate(block.positions):
            if machine.died(lane):
                training = Training(None, machine.trained(lane))
            else:
                cells = native.cells if native else {}
                training = Training(
                    read_memory(machine, lane, work.program, task.classes, task.features, cells)
                )
            result.trainings[position] = training
        return work.validate

    return trained


def _make_room(
    work: Work, machine: _core.Machine, in_blocks: Sequence[tuple[Block, Native | None]]
) -> bool:
    """Refuses what would not fit in memory. Returns whether there is room to keep the layouts."""
    kept, most, what = 0, -1, ""
    known: dict[tuple[Any, ...], tuple[int, int]] = {}
    for block, native in in_blocks:
        task = work.tasks[block.positions[0]]
        shape = (task.features, len(task.y_train), len(task.y_valid), block.lanes, block.chunk)
        if shape not in known:
            known[shape] = _bytes_of(work, machine, task, block, native)
            if sum(known[shape]) > most:
                side = f"{block.lanes} tasks side by side"
                what = f"this program on {task.name} (F = {task.features}, {side})"
                most = sum(known[shape])
        kept += known[shape][0]
    work.room.refuse_beyond(most, what)
    return work.keep and work.room.has(2 * (kept + most))


def _bytes_of(
    work: Work, machine: _core.Machine, task: Task, block: Block, native: Native | None
) -> tuple[int, int]:
    """What a block takes: its examples, and all else."""
    epochs, train, valid = work.settings["epochs"], len(task.y_train), len(task.y_valid)
    lanes, features, classes = block.lanes, task.features, task.classes

    def count() -> int:
        return machine.bytes_needed(
            code_of(work.program),
            features=features,
            classes=classes,
            lanes=lanes,
            train=train,
            valid=valid,
            epochs=epochs,
            remember=work.remember,
            native=native.native if native else None,
        )

    way = (native.native.lanes, work.cpu) if native else work.remember
    shape = (features, classes, lanes, train, valid, min(epochs, 2), way)
    cells = bytes_for(work.program, shape, count)
    predictions = 8 * lanes * valid * prediction_width(task)
    order = 8 * train if epochs > 1 else 0
    return packed_bytes(task, lanes), cells + predictions + order
