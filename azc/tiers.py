"""What runs programs: the reference, the interpreter, compiled code, or the better of these two."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from azc.analysis import live
from azc.errors import CompileError, warn
from azc.memory import refuse_beyond
from azc.ops import Type
from azc.packing import Block, blocks, native_blocks, pack, packed_bytes, prediction_width
from azc.program import Program
from azc.runtime import _core
from azc.tasks import Task

if TYPE_CHECKING:
    from azc.compiler.structure import Arguments, Structure

__all__ = ["TIERS", "Array", "Outcome", "Progress", "has_matrices", "run", "structures_of"]

#: What runs a program: `auto` begins with the interpreter, and changes to compiled code where that
#: is at hand, or pays for its building.
TIERS = ("auto", "interpreter", "compiled", "reference")

Array = NDArray[np.float64]
Progress = Callable[[int, int], None]


@dataclass(slots=True)
class Outcome:
    """What a tier made of D tasks, filled in block by block; the fields are those of
    `azc.evaluation.Result`. `running`: wall seconds without building."""

    fitness: Array
    value: Array
    predictions: list[Array]
    tier: str
    reason: str = ""
    examples: int = 0
    running: float = 0.0

    @classmethod
    def empty(cls, count: int, tier: str) -> Outcome:
        return cls(np.zeros(count), np.zeros(count), [np.empty(0)] * count, tier)


def run(
    program: Program,
    tasks: list[Task],
    settings: dict[str, Any],
    *,
    tier: str,
    cpu: str = "native",
    sparing: bool = False,
    progress: Progress | None = None,
) -> Outcome:
    """Train and validate on one of `TIERS`; `settings` are epochs, seed and max_abs_error, checked;
    `cpu` is what compiled code is built for. `sparing`: a second layout is not built only for the
    few tasks that another one leaves over."""
    runners: dict[str, Callable[[], Outcome]] = {
        "auto": lambda: _auto(program, tasks, settings, progress),
        "interpreter": lambda: _interpreter(program, tasks, settings, progress),
        "compiled": lambda: _compiled(program, tasks, settings, progress, cpu, sparing),
        "reference": lambda: _reference(program, tasks, settings, progress),
    }
    outcome = runners[tier]()
    outcome.reason = outcome.reason or "asked for"
    return outcome


def _reference(
    program: Program, tasks: list[Task], settings: dict[str, Any], progress: Progress | None
) -> Outcome:
    from azc.reference import evaluate_task

    each = [settings["epochs"] * (len(t.y_train) + len(t.y_valid)) for t in tasks]
    outcome = Outcome.empty(len(tasks), "reference")
    starts = itertools.accumulate(each, initial=0)
    for place, (done, task) in enumerate(zip(starts, tasks, strict=False)):
        if progress:
            progress(done, sum(each))
        fitness, value, predictions = evaluate_task(program, task, **settings)
        outcome.fitness[place], outcome.value[place] = fitness, value
        outcome.predictions[place] = predictions
    outcome.examples = sum(each)
    return outcome


# ---- the runtime's tiers ------------------------------------------------------------------------


def has_matrices(program: Program, classes: int) -> bool:
    """Whether a matrix matters to what the program predicts for so many classes."""
    running = live(program, classes)
    return any(address.type is Type.MATRIX for address in running.addresses())


def _interpreter(
    program: Program, tasks: list[Task], settings: dict[str, Any], progress: Progress | None
) -> Outcome:
    found = list(blocks(tasks, has_matrices(program, tasks[0].classes)))
    natives: list[_Native | None] = [None] * len(found)
    return _run(program, tasks, settings, progress, found, natives, "interpreter")


@dataclass(frozen=True, slots=True)
class _Native:
    """A compiled function, and its arguments for a block: what `Machine.run` takes."""

    native: _core.Native
    constants: Array
    places: NDArray[np.int64]


def _compiled(
    program: Program,
    tasks: list[Task],
    settings: dict[str, Any],
    progress: Progress | None,
    cpu: str = "native",
    sparing: bool = False,
) -> Outcome:
    from azc.compiler.natives import find, obtain
    from azc.compiler.toolchain import find_toolchain

    vector = find_toolchain(cpu).vector
    wanted = structures_of(program, tasks, vector)
    if sparing and len(find({s for _, s, _ in wanted}, cpu)) < len({s for _, s, _ in wanted}):
        wanted = structures_of(program, tasks, vector, rest_alone=False)
    found = obtain([structure for _, structure, _ in wanted], cpu=cpu)
    natives: list[_Native | None] = [
        _Native(found[structure].native, arguments.for_lanes(block.lanes, block.chunk),
                arguments.places)
        for block, structure, arguments in wanted
    ]  # fmt: skip
    placed = [block for block, _, _ in wanted]
    return _run(program, tasks, settings, progress, placed, natives, "compiled")


def structures_of(
    program: Program, tasks: list[Task], vector: int, *, rest_alone: bool = True
) -> list[tuple[Block, Structure, Arguments]]:
    """What must be compiled to run the program on the tasks: the structure of each block."""
    from azc.compiler.structure import ENTRIES, LANES, structure_of

    made: dict[tuple[int, int, str], tuple[Structure, Arguments]] = {}
    wanted = []
    matrices = has_matrices(program, tasks[0].classes)
    for block in native_blocks(tasks, matrices, vector, rest_alone=rest_alone):
        task = tasks[block.positions[0]]
        layout = ENTRIES if block.chunk == 1 else LANES
        key = (task.classes, task.features, layout)
        if key not in made:
            made[key] = structure_of(
                program, classes=task.classes, features=task.features, layout=layout
            )
        wanted.append((block, *made[key]))
    return wanted


def _run(
    program: Program,
    tasks: list[Task],
    settings: dict[str, Any],
    progress: Progress | None,
    placed: list[Block],
    natives: list[_Native | None],
    tier: str,
) -> Outcome:
    """Runs the program block by block, interpreted where a block has no native function."""
    code, machine = _core.Code(program.packed()), _core.Machine()
    outcome = Outcome.empty(len(tasks), tier)
    first = [tasks[block.positions[0]] for block in placed]
    per_block = [settings["epochs"] * (len(t.y_train) + len(t.y_valid)) for t in first]
    before = 0
    started = time.perf_counter()
    for block, native, most in zip(placed, natives, per_block, strict=True):
        members = [tasks[position] for position in block.positions]
        _refuse_too_large(code, machine, members[0], block, settings["epochs"], native)
        batch = pack(members, block.lanes, block.chunk)
        fitness, value = np.zeros(block.lanes), np.zeros(block.lanes)
        width = prediction_width(members[0])
        raw = np.empty((block.lanes, len(members[0].y_valid), width))
        report = None
        if progress:

            def report(done: int, offset: int = before) -> None:
                progress(offset + done, sum(per_block))

        given: dict[str, Any] = {}
        if native:
            given = {"native": native.native, "constants": native.constants}
            given["places"] = native.places
        outcome.examples += machine.run(
            code, batch, fitness, value, raw, progress=report, **given, **settings
        )
        before += most
        for lane, position in enumerate(block.positions):
            outcome.fitness[position], outcome.value[position] = fitness[lane], value[lane]
            outcome.predictions[position] = raw[lane] if width > 1 else raw[lane, :, 0]
    outcome.running = time.perf_counter() - started
    return outcome


def _refuse_too_large(
    code: _core.Code,
    machine: _core.Machine,
    task: Task,
    block: Block,
    epochs: int,
    native: _Native | None,
) -> None:
    # One example of the right shape is enough to ask how much memory the cells take.
    probe = pack([_first_example(task)], block.lanes, block.chunk)
    cells = machine.bytes_needed(code, probe, epochs, native=native.native if native else None)
    predictions = 8 * block.lanes * len(task.y_valid) * prediction_width(task)
    order = 8 * len(task.y_train) if epochs > 1 else 0
    refuse_beyond(
        cells + order + predictions + packed_bytes(task, block.lanes),
        f"this program on {task.name} (F = {task.features}, {block.lanes} tasks side by side)",
    )


def _first_example(task: Task) -> Task:
    return Task(
        task.X_train[:1],
        task.y_train[:1],
        task.X_valid[:1],
        task.y_valid[:1],
        metric=task.metric,
        classes=task.classes or None,
        seed=0,
    )


# ---- the choice ---------------------------------------------------------------------------------

#: How long the interpreter runs before it is asked whether compiled code would end sooner.
_TRIAL = 0.05


#: How much faster compiled code is expected to be before any was measured: with matrices that are
#: larger than the caches, and otherwise.
_FIRST_GAINS = {True: 2.5, False: 1.5}


class _Change(Exception):  # noqa: N818
    """Leaves the interpreter in the middle of a run."""


def _auto(
    program: Program, tasks: list[Task], settings: dict[str, Any], progress: Progress | None
) -> Outcome:
    """Begins with the interpreter; what it has done in the first moments says how long the whole
    will take, and a build of known cost is weighed against that."""
    # Counted from the first report on, when tasks are packed and Setup is done.
    began: tuple[float, int] | None = None
    reason, whole = "", 0.0

    def look(done: int, most: int) -> None:
        nonlocal began, reason, whole
        began = began or (time.perf_counter(), done)
        elapsed, served = time.perf_counter() - began[0], done - began[1]
        if not reason and elapsed >= _TRIAL and served:
            whole = elapsed / served * most
            change, reason = _weigh(program, tasks, whole, whole - elapsed)
            if change:
                raise _Change
        if progress:
            progress(done, most)

    try:
        outcome = _interpreter(program, tasks, settings, look)
    except _Change:
        try:
            outcome = _compiled(program, tasks, settings, progress)
            _record_gain(tasks, whole, outcome.running)
        except CompileError as error:
            # The interpreter can do all that compiled code can.
            warn(f"compiling failed, so that the interpreter runs the program: {error}")
            outcome = _interpreter(program, tasks, settings, progress)
            reason = "compiling failed"
    outcome.reason = reason or f"done within {_TRIAL:g} s, which no build could better"
    return outcome


def _weigh(program: Program, tasks: list[Task], whole: float, left: float) -> tuple[bool, str]:
    """Whether to change to compiled code, and why: the interpreter needs `whole` seconds for all,
    of which so many are `left`."""
    from azc.compiler import natives
    from azc.compiler.toolchain import find_toolchain

    try:
        vector = find_toolchain().vector
        wanted = {s for _, s, _ in structures_of(program, tasks, vector)}
        missing = wanted - natives.find(wanted).keys()
        build = natives.build_seconds(missing) if missing else 0.0
        gain = natives.recorded(_gain_name(tasks), _FIRST_GAINS[_is_deep(tasks)])
    except CompileError as error:
        _warn_once(f"programs run on the interpreter alone, as there is no C compiler: {error}")
        return False, "there is no C compiler"
    change = build + whole / gain < left
    costs = f"a build of {build:.2g} s" if missing else "compiled code from the cache"
    run = f"{costs} and a run of {whole / gain:.2g} s"
    return change, f"the interpreter would take {left:.2g} s more, {run}"


def _is_deep(tasks: list[Task]) -> bool:
    return max(task.features for task in tasks) > 64


def _gain_name(tasks: list[Task]) -> str:
    return f"gain with {'many' if _is_deep(tasks) else 'few'} features"


def _record_gain(tasks: list[Task], interpreted: float, compiled: float) -> None:
    from azc.compiler import natives

    if compiled > 0:
        natives.record(_gain_name(tasks), min(max(interpreted / compiled, 1.05), 50.0))


_warned: set[str] = set()


def _warn_once(message: str) -> None:
    if message not in _warned:
        _warned.add(message)
        warn(message)
