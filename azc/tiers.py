"""What runs programs: the reference, the interpreter, compiled code, or the better of these two."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from azc.errors import CompileError, warn
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

__all__ = ["TIERS", "Array", "Progress", "Work", "build", "run", "structures_of"]

#: What runs a program: `auto` begins with the interpreter, and changes to compiled code where that
#: is at hand, or pays for its building.
TIERS = ("auto", "interpreter", "compiled", "reference")

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


def run(work: Work, tier: str) -> Result:
    """Train and validate on one of `TIERS`."""
    started = time.perf_counter()
    runners = {
        "auto": _auto,
        "interpreter": _interpreter,
        "compiled": _compiled,
        "reference": _reference,
    }
    result = runners[tier](work)
    result.reason = result.reason or "asked for"
    result.seconds = time.perf_counter() - started
    return result


def _reference(work: Work) -> Result:
    from azc.reference import evaluate_task

    started = time.perf_counter()
    each = work.examples
    result = Result.empty(len(work.tasks), work.tasks[0].metric, "reference")
    starts = itertools.accumulate(each, initial=0)
    for place, (done, task) in enumerate(zip(starts, work.tasks, strict=False)):
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
            found = None if memory is None else {str(a): memory[a].copy() for a in state}
            left.append(Training(found, ended))
            return work.validate

        observer = trained if work.remember else None
        found = evaluate_task(work.program, task, trained=observer, **work.settings)
        result.fitness[place], result.value[place], result.predictions[place] = found
        result.trainings += left
    result.examples = sum(each)
    result.running = time.perf_counter() - started
    return result


# ---- the runtime's tiers ------------------------------------------------------------------------


#: What the interpreter runs, one after the other.
_Laid = tuple[tuple[Lot, None], ...]


def _interpreter(work: Work) -> Result:
    tasks, matrices = work.tasks, has_matrices(work.program, work.tasks[0].classes)
    with machine_of_thread() as machine:
        kept: _Laid | None = tasks.had(("interpreted", matrices))
        laid: Iterable[tuple[Lot, Native | None]] = kept or ()
        if kept is None or not _fits(work, machine, kept):
            found = blocks(tasks, matrices)
            keep = _make_room(work, machine, [(block, None) for block in found])
            laid = ((lot, None) for lot in lots(tasks, found, keep=keep))
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


def _compiled(work: Work) -> Result:
    from azc.compiler.layout import cells_of
    from azc.compiler.natives import obtain

    wanted = _wanted(work)
    with BUILDING:
        found = obtain([structure for _, structure, _ in wanted], cpu=work.cpu)
    placed: list[tuple[Block, Native | None]] = []
    for block, structure, arguments in wanted:
        constants = arguments.for_lanes(block.lanes, block.chunk)
        classes = work.tasks[block.positions[0]].classes
        cells = cells_of(work.program, classes, structure, work.cpu) if work.remember else {}
        native = Native(found[structure].native, constants, arguments.places, cells)
        placed.append((block, native))
    with machine_of_thread() as machine:
        keep = _make_room(work, machine, placed)
        each = lots(work.tasks, [block for block, _ in placed], keep=keep)
        natives = (native for _, native in placed)
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
    found = list(raw if lot.shape[2] > 1 else raw.reshape(lot.shape[:2]))
    if lot.full:
        result.predictions[lot.where] = found
        return
    for lane, position in enumerate(lot.block.positions):
        result.fitness[position], result.value[position] = fitness[lane], value[lane]
        result.predictions[position] = found[lane]


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
    work: Work, machine: _core.Machine, placed: Sequence[tuple[Block, Native | None]]
) -> bool:
    """Refuses what would not fit in memory. Returns whether there is room to keep the layouts."""
    kept, most, what = 0, -1, ""
    known: dict[tuple[Any, ...], tuple[int, int]] = {}
    for block, native in placed:
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
            native=native.native if native else None,
        )

    way = (native.native.lanes, work.cpu) if native else None
    shape = (features, classes, lanes, train, valid, min(epochs, 2), way)
    cells = bytes_for(work.program, shape, count)
    predictions = 8 * lanes * valid * prediction_width(task)
    order = 8 * train if epochs > 1 else 0
    return packed_bytes(task, lanes), cells + predictions + order


# ---- the choice ---------------------------------------------------------------------------------

#: How long the interpreter runs before it is asked whether compiled code would end sooner.
_TRIAL = 0.05


#: How much faster compiled code is expected to be before any was measured: with matrices that are
#: larger than the caches, and otherwise.
_FIRST_GAINS = {True: 2.5, False: 1.5}


class _Change(Exception):  # noqa: N818
    """Leaves the interpreter in the middle of a run."""


def _auto(work: Work) -> Result:
    """Begins with the interpreter; what it has done in the first moments says how long the whole
    will take, and a build of known cost is weighed against that."""
    # Counted from the first report on, when tasks are packed and Setup is done.
    began: tuple[float, int] | None = None
    reason, whole, furthest = "", 0.0, 0

    def tell(done: int, most: int) -> None:
        # Compiled code begins anew; what is told of it does not go back.
        nonlocal furthest
        furthest = max(furthest, done)
        if work.progress:
            work.progress(furthest, most)

    def look(done: int, most: int) -> None:
        nonlocal began, reason, whole
        began = began or (time.perf_counter(), done)
        elapsed, served = time.perf_counter() - began[0], done - began[1]
        if not reason and elapsed >= _TRIAL and served:
            whole = elapsed / served * most
            change, reason = _weigh(work, whole, whole - elapsed)
            if change:
                raise _Change
        tell(done, most)

    try:
        result = _interpreter(replace(work, progress=look))
    except _Change:
        again = replace(work, progress=tell) if work.progress else work
        try:
            result = _compiled(again)
            _record_gain(work.tasks, whole, result.running)
        except CompileError as error:
            # The interpreter can do all that compiled code can.
            warn(f"compiling failed, so that the interpreter runs the program: {error}")
            result = _interpreter(again)
            reason = "compiling failed"
    result.reason = reason or f"done within {_TRIAL:g} s, which no build could better"
    return result


def _weigh(work: Work, whole: float, left: float) -> tuple[bool, str]:
    """Whether to change to compiled code, and why: the interpreter needs `whole` seconds for all,
    of which so many are `left`."""
    from azc.compiler import natives
    from azc.compiler.toolchain import find_toolchain

    try:
        vector = find_toolchain().vector
        wanted = {s for _, s, _ in structures_of(work.program, work.tasks, vector)}
        with BUILDING:
            missing = wanted - natives.find(wanted).keys()
        build = natives.build_seconds(missing) if missing else 0.0
        gain = natives.recorded(_gain_name(work.tasks), _FIRST_GAINS[_is_deep(work.tasks)])
    except CompileError as error:
        _warn_once(f"programs run on the interpreter alone, as there is no C compiler: {error}")
        return False, "there is no C compiler"
    change = build + whole / gain < left
    costs = f"a build of {build:.2g} s" if missing else "compiled code from the cache"
    run = f"{costs} and a run of {whole / gain:.2g} s"
    return change, f"the interpreter would take {left:.2g} s more, {run}"


def _is_deep(tasks: Sequence[Task]) -> bool:
    return max(task.features for task in tasks) > 64


def _gain_name(tasks: Sequence[Task]) -> str:
    return f"gain with {'many' if _is_deep(tasks) else 'few'} features"


def _record_gain(tasks: Sequence[Task], interpreted: float, compiled: float) -> None:
    from azc.compiler import natives

    if compiled > 0:
        natives.record(_gain_name(tasks), min(max(interpreted / compiled, 1.05), 50.0))


_warned: set[str] = set()


def _warn_once(message: str) -> None:
    if message not in _warned:
        _warned.add(message)
        warn(message)
