"""`azc.compile`: programs as native code, evaluated like any other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, overload

from azc.analysis import predicts_vector
from azc.checks import whole_number
from azc.compiler.natives import Obtained, obtain
from azc.compiler.structure import ENTRIES, LANES, Structure, structure_of
from azc.compiler.toolchain import find_toolchain
from azc.errors import ConfigError, TaskError, expected
from azc.evaluation import Result, check, check_coordinates, listed, run
from azc.packing import native_shares
from azc.prepared import has_matrices
from azc.program import Program, require_program, verify
from azc.runtime import _core
from azc.tasks import Task

__all__ = ["CompiledProgram", "Module", "check_options", "compile", "structures_for"]

#: As many as the runtime takes.
_MOST_FEATURES = 4096
_MOST_TASKS = 2**31
_MOST_LANES = max(_core.LANES)


class CompiledProgram:
    """One program of a `Module`; call it with tasks to train and score it."""

    def __init__(self, program: Program, features: int, cpu: str) -> None:
        self.program, self.features, self._cpu = program, features, cpu

    def __call__(
        self,
        tasks: Sequence[Task] | Task,
        *,
        epochs: int = 1,
        seed: int = 0,
        max_abs_error: float = 100.0,
        progress: Callable[[int, int], None] | None = None,
    ) -> Result:
        """As `azc.evaluate` with tier ``"compiled"``, to the same bits.

        Tasks must have the features that the module was built for. A layout or a kind of
        prediction that was not asked for then is built on first use.
        """
        tasks = listed(tasks)
        settings = check(self.program, tasks, "compiled", epochs, seed, max_abs_error)
        for task in tasks:
            if task.features != self.features:
                what = f"tasks of {self.features} features, for which the module was built"
                got = f"{task.name} with {task.features}"
                raise TaskError(expected(what, got, f"compile with features={task.features}"))
        compiling: dict[str, Any] = {"cpu": self._cpu, "sparing": True}
        return run(self.program, tasks, settings, tier="compiled", progress=progress, **compiling)

    def __repr__(self) -> str:
        return f"<compiled {self.program.filename}, {self.features} features>"


class Module(Sequence[CompiledProgram]):
    """Programs that were compiled together, in the order in which they were given.

    `functions`: for each structure its function, where it lies, and whether it was built just now.
    """

    def __init__(
        self,
        programs: Sequence[Program],
        features: int,
        cpu: str,
        functions: dict[Structure, Obtained],
    ) -> None:
        self._programs = [CompiledProgram(program, features, cpu) for program in programs]
        self.features, self.cpu, self.functions = features, cpu, functions

    @overload
    def __getitem__(self, index: int) -> CompiledProgram: ...
    @overload
    def __getitem__(self, index: slice) -> list[CompiledProgram]: ...
    def __getitem__(self, index: int | slice) -> CompiledProgram | list[CompiledProgram]:
        return self._programs[index]

    def __len__(self) -> int:
        return len(self._programs)

    def __repr__(self) -> str:
        names = [one.program.filename for one in self._programs[:3]]
        more = [f"{len(self) - 3} more"] if len(self) > 3 else []
        return f"<Module for {self.features} features: {', '.join([*names, *more]) or 'empty'}>"

    def __iter__(self) -> Iterator[CompiledProgram]:
        return iter(self._programs)


def compile(
    programs: Sequence[Program] | Program,
    *,
    features: int,
    tasks: int = 8,
    classes: int | None = None,
    cpu: str = "native",
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Module:
    """Build native code for programs, in batches, or take it from the cache.

    Parameters
    ----------
    programs : one or several; those that differ only in constants share a function.
    features : F, 1 to 4096; the code is for vectors of this size.
    tasks : how many tasks a call will have, which decides on the layout of memory: lanes for
        several with few features, entries side by side for one.
    classes : of the tasks (0: regression); by default what each program's prediction suggests.
    cpu : ``"native"``, the fastest on this machine, or ``"portable"``, for every one of its kind.
    workers : processes that build side by side, by default one for each core.
    progress : called with (functions there, functions wanted).

    Raises `CompileError` (no C compiler, or it refused the code), `ConfigError` (options) and
    `AzcError` (a program that sets an entry which vectors of this size lack).
    """
    programs = listed_programs(programs)
    features, tasks, classes = check_options(programs, features, tasks, classes)
    vector = find_toolchain(cpu).vector
    wanted = [
        structure
        for program in programs
        for structure in structures_for(program, features, tasks, classes, vector)
    ]
    functions = obtain(wanted, cpu=cpu, workers=workers, progress=progress)
    return Module(programs, features, cpu, functions)


def listed_programs(programs: Sequence[Program] | Program) -> list[Program]:
    """`programs` as a list; one program stands for itself."""
    if isinstance(programs, Program):
        return [programs]
    if isinstance(programs, (str, bytes)) or not isinstance(programs, Iterable):
        require_program(programs)
    return list(programs)


def check_options(
    programs: Sequence[Program], features: int, tasks: int, classes: int | None
) -> tuple[int, int, int | None]:
    """The numbers among the arguments of `compile`, as ints; raises what is wrong with any."""
    features = whole_number("features", features, 1, _MOST_FEATURES)
    tasks = whole_number("tasks", tasks, 1, _MOST_TASKS)
    if classes is not None:
        classes = whole_number("classes", classes, 0)
        if classes > max(features, 2):
            what = f"at most {features} of more than two, which a vector of that size has room for"
            raise ConfigError("classes: " + expected(what, classes, "give more features"))
    for program in programs:
        verify(program)
        check_coordinates(program, features)
    return features, tasks, classes


def structures_for(
    program: Program, features: int, tasks: int, classes: int | None, vector: int
) -> Iterator[Structure]:
    """What `compile` builds of one program, for registers of `vector` doubles."""
    if classes is None:
        classes = 3 if predicts_vector(program) else 0
    # What many tasks need repeats itself.
    few = min(tasks, 2 * _MOST_LANES + tasks % _MOST_LANES)
    shares = native_shares(few, features, has_matrices(program, classes), classes > 2, vector)
    for layout in sorted({ENTRIES if chunk == 1 else LANES for _, _, chunk in shares}):
        yield structure_of(program, classes=classes, features=features, layout=layout)[0]
