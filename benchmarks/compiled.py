"""Compiled programs against the interpreter, hand-written C, NumPy and Numba, on one core.

    python benchmarks/compiled.py [--repeat 9] [--tasks 1 10] [--features 4 8 16 32]
                                  [--parts interpreter c python]

Linear regression, logistic regression (binary labels, the library's program) and a 2-layer network
with biases, each on the same 1000 training and 100 validation examples whoever runs it. Times are
per training step, validation folded in; building, packing and warming up are not counted. The runs
take turns; medians are printed, and the quartiles of ratios.

1. Against the interpreter, all tasks at once, each as `azc.evaluate` would arrange them. `bound` is
   the larger of two times that no order of the same operations can beat: what waits for what from
   one step's weights to the next's (in cycles of this core's additions and multiplications, moves
   between entries and memory left out), and all arithmetic at the core's peak; blocks of tasks that
   run one after the other are added up. Peak is of additions and multiplications that are not
   fused, measured in the same run.
2. Against `handwritten.c`, task after task: `in order`, and `reordered`, which may add in any order
   (azc may not); each with and without fused multiply-adds (azc has none). The ratio is to the
   fastest of the four.
3. Against `handwritten.py`, task after task: NumPy, and if it is installed Numba.
"""

from __future__ import annotations

import argparse
import ctypes
import statistics
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import handwritten
import numpy as np
from common import (
    FLOPS,
    LINEAR,
    NETWORK,
    TRAIN,
    VALID,
    Compiled,
    Core,
    Interpreter,
    build,
    cpu,
    make_tasks,
    pin,
    quartiles,
    take_turns,
)

import azc
from azc.compiler.natives import obtain
from azc.compiler.toolchain import find_toolchain
from azc.library import load as load_library
from azc.program import Program
from azc.running import structures_of
from azc.runtime import _core

#: How the C loops are built; the last ratio is to the fastest.
VARIANTS = (
    (),
    ("-ffp-contract=off",),
    ("-DREORDER",),
    ("-DREORDER", "-ffp-contract=off"),
)
PARTS = ("interpreter", "c", "python")


@dataclass
class Case:
    """A program and its tasks."""

    label: str
    program: Program
    tasks: list[azc.Task]

    @property
    def name(self) -> str:
        return f"{self.label:8} {self.tasks[0].features:3} {len(self.tasks):6}"

    @property
    def steps(self) -> int:
        """Training steps, of all tasks."""
        return TRAIN * len(self.tasks)


class Work(ctypes.Structure):
    """As in handwritten.c."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("tasks", "train", "valid")),
        *((name, ctypes.c_void_p) for name in ("x_train", "y_train", "x_valid", "y_valid")),
        *((name, ctypes.c_void_p) for name in ("fitness", "predicted")),
    )


class HandwrittenC:
    """One function of handwritten.c on given tasks."""

    def __init__(self, library: ctypes.CDLL, case: Case) -> None:
        parts = ("X_train", "y_train", "X_valid", "y_valid")
        arrays = [np.stack([getattr(task, name) for task in case.tasks]) for name in parts]
        self.fitness = np.zeros(len(case.tasks))
        self.predicted = np.zeros((len(case.tasks), VALID))
        self.arrays = [*arrays, self.fitness, self.predicted]
        pointers = [array.ctypes.data for array in self.arrays]
        self.work = ctypes.byref(Work(len(case.tasks), TRAIN, VALID, *pointers))
        self.function = library[case.label]
        self.function.restype = None

    def __call__(self) -> np.ndarray:
        self.function(self.work)
        return self.fitness


class HandwrittenPython:
    """One function of handwritten.py on given tasks."""

    def __init__(self, function: handwritten.Algorithm, case: Case) -> None:
        self.function, self.tasks = function, case.tasks
        self.fitness = np.zeros(len(case.tasks))
        self.predicted = np.zeros((len(case.tasks), VALID))

    def __call__(self) -> np.ndarray:
        for k, task in enumerate(self.tasks):
            self.fitness[k] = self.function(
                task.X_train, task.y_train, task.X_valid, task.y_valid, self.predicted[k]
            )
        return self.fitness


def cases(features: Sequence[int], counts: Sequence[int]) -> Iterator[Case]:
    logistic = load_library("logistic")
    for label, program, classes in (
        ("linear", azc.parse(LINEAR), 0),
        ("logistic", logistic, 2),
        ("network", azc.parse(NETWORK), 0),
    ):
        for f in features:
            for count in counts:
                yield Case(label, program, make_tasks(count, f, classes))


def check(runs: Sequence[HandwrittenC | HandwrittenPython], ours: Compiled) -> None:
    """Raise unless all reach the same fitness and predict the same, but for rounding."""
    for run in runs:
        np.testing.assert_allclose(run(), ours(), rtol=1e-9)
        np.testing.assert_allclose(run.predicted, ours.predictions(), rtol=1e-9, atol=1e-9)


def nanoseconds(rounds: Sequence[Sequence[float]], steps: int) -> list[float]:
    """Of each run, per step."""
    return [statistics.median(column) / steps * 1e9 for column in zip(*rounds, strict=True)]


def ratio(rounds: Sequence[Sequence[float]], which: int, ours: int = -1) -> str:
    """How many times the seconds of `ours` the run `which` takes."""
    low, middle, high = quartiles([times[which] / times[ours] for times in rounds])
    digits = 2 if middle < 10 else 0
    return f"{middle:.{digits}f} ({low:.{digits}f}–{high:.{digits}f})"


# ---- the three parts ----------------------------------------------------------------------------


def against_interpreter(every: Sequence[Case], core: Core, repeat: int) -> None:
    print("\n1. Interpreter: ns per training step of all tasks")
    print(
        "program    F  tasks  interpreter  compiled  ratio (quartiles)     "
        "bound  time / bound  share of peak"
    )
    for case in every:
        runs = [Interpreter(case.program, case.tasks), ours := Compiled(case.program, case.tasks)]
        np.testing.assert_array_equal(*(run().copy() for run in runs))
        rounds = take_turns(runs, repeat)
        slow, fast = nanoseconds(rounds, TRAIN)
        f = case.tasks[0].features
        chain, flops = core.chain_seconds(case.label, f), FLOPS[case.label](f)
        bound = 1e9 * sum(max(chain, lanes * flops / core.flops) for lanes in ours.lanes)
        share = len(case.tasks) * flops / fast * 1e9 / core.flops
        print(
            f"{case.name} {slow:12.1f} {fast:9.1f}  {ratio(rounds, 0):20} {bound:6.1f} "
            f"{fast / bound:13.1f} {share:14.0%}"
        )


def against_c(every: Sequence[Case], folder: Path, repeat: int) -> None:
    print("\n2. Hand-written C: ns per training step and task")
    print("                         in order          reordered")
    print(
        "program    F  tasks    fused    not      fused    not      azc  fastest / azc (quartiles)"
    )
    for case in every:
        f = case.tasks[0].features
        ours = Compiled(case.program, case.tasks)
        runs = [HandwrittenC(build("handwritten.c", f, folder, flags), case) for flags in VARIANTS]
        check(runs, ours)
        rounds = take_turns([*runs, ours], repeat)
        times = nanoseconds(rounds, case.steps)
        fastest = times.index(min(times[:-1]))
        print(
            f"{case.name} {times[0]:8.1f} {times[1]:6.1f} {times[2]:10.1f} {times[3]:6.1f} "
            f"{times[4]:8.1f}  {ratio(rounds, fastest)}"
        )


def against_python(every: Sequence[Case], repeat: int) -> None:
    versions = {"NumPy": handwritten.NUMPY}
    try:
        versions |= handwritten.numba_versions()
        missing = ""
    except ImportError as error:
        missing = f"Numba cannot be imported ({error}); to compare with it: pip install numba"
    heads = " ".join(f"{name:>9}" for name in versions)
    print("\n3. Hand-written Python: ns per training step and task; then ratios to azc (quartiles)")
    ratios = "  ".join(f"{name:20}" for name in versions)
    print(f"program    F  tasks {heads}       azc  {ratios}".rstrip())
    for case in every:
        ours = Compiled(case.program, case.tasks)
        runs: list[HandwrittenPython] = [
            HandwrittenPython(version[case.label], case) for version in versions.values()
        ]
        check(runs, ours)
        everyone: list[Callable[[], np.ndarray]] = [*runs, ours]
        rounds = take_turns(everyone, repeat, least=0.05)
        times = nanoseconds(rounds, case.steps)
        columns = " ".join(f"{time:9.1f}" for time in times)
        ratios = "  ".join(f"{ratio(rounds, which):20}" for which in range(len(runs)))
        print(f"{case.name} {columns}  {ratios}".rstrip())
    if missing:
        print(missing)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeat", type=int, default=9)
    parser.add_argument("--features", type=int, nargs="+", default=[4, 8, 16, 32])
    parser.add_argument("--tasks", type=int, nargs="+", default=[1, 10])
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--level", default=None, help="instruction-set level (default: the best)")
    options = parser.parse_args()
    if options.level:
        _core.use_level(options.level)
    every = list(cases(options.features, options.tasks))
    # All at once, and before the process is kept to one core.
    vector = find_toolchain().vector
    obtain([s for case in every for _, s, _ in structures_of(case.program, case.tasks, vector)])
    pin()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        core = Core(folder)
        print(
            f"{cpu()}; level {_core.level()}; core peak {core.flops / 1e9:.1f} GFLOP/s, "
            f"an addition {core.addition * 1e9:.2f} ns, "
            f"a multiplication {core.multiplication * 1e9:.2f} ns"
        )
        if "interpreter" in options.parts:
            against_interpreter(every, core, options.repeat)
        if "c" in options.parts:
            against_c(every, folder, options.repeat)
        if "python" in options.parts:
            against_python(every, options.repeat)


if __name__ == "__main__":
    main()
