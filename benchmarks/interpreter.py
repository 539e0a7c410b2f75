"""Interpreter against a conventional task-by-task loop, in one run on one core.

    python benchmarks/interpreter.py [--repeat 9] [--tasks 8 16] [--features 4 8 16 32] [--late]

All run the same instructions on the same examples: linear regression (5 instructions a step) and a
2-layer network with biases (16). Times are per training step and task, validation folded in (1000
training and 100 validation examples), packing not counted; the runs alternate, and medians are
printed with the quartiles of the ratio. `reordered` is the loop built so that the compiler may add
in any order. The share of peak is of the float64 additions and multiplications, not fused, that
the core did in the same run.

`--late`: in place of that, a program that adds a matrix one example late: as the interpreter runs
it, which carries the vectors that the matrix is made of, and with every value at its address.
"""

from __future__ import annotations

import argparse
import ctypes
import statistics
import tempfile
from pathlib import Path

import numpy as np
from common import (
    FLOPS,
    LINEAR,
    NETWORK,
    TRAIN,
    VALID,
    Core,
    Interpreter,
    build,
    cpu,
    make_tasks,
    pin,
    pointer,
    quartiles,
    take_turns,
)

import azc
from azc.program import Program
from azc.runtime import _core

LATE = """
def Setup():
    s2 = 0.001
    v4 = gaussian(0.1, 1.0)
def Predict():
    v2 = maximum(v4, v0)
    v3 = dot(m1, v2)
    s1 = dot(v3, v0)
def Learn():
    m1 = m1 + m0
    s3 = s0 - s1
    s3 = s2 * s3
    v5 = s3 * v0
    m0 = outer(v5, v2)
"""


class Apart(Interpreter):
    """Somebody looks at memory after training, so that every value stands at its address."""

    def __init__(self, program: Program, tasks: list[azc.Task]) -> None:
        super().__init__(program, tasks)
        for *_, given in self.blocks:
            given["trained"] = lambda: True


class Conventional:
    """The conventional loop on given tasks."""

    def __init__(self, library: ctypes.CDLL, program: Program, tasks: list[azc.Task]) -> None:
        self.arrays = [
            np.stack([getattr(task, name) for task in tasks])
            for name in ("X_train", "y_train", "X_valid", "y_valid")
        ]
        self.fitness = np.zeros(len(tasks))
        self.library = library
        self.bodies = [(body, len(body) // 40) for body in program.packed()]

    def __call__(self) -> np.ndarray:
        code = [argument for pair in self.bodies for argument in pair]
        shape = [ctypes.c_int64(n) for n in (len(self.fitness), TRAIN, VALID)]
        status = self.library.evaluate(
            *code, *shape, *map(pointer, self.arrays), pointer(self.fitness)
        )
        assert status == 0
        return self.fitness


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeat", type=int, default=9)
    parser.add_argument("--features", type=int, nargs="+", default=[4, 8, 16, 32])
    parser.add_argument("--tasks", type=int, nargs="+", default=[8, 16])
    parser.add_argument("--level", default=None, help="instruction-set level (default: the best)")
    parser.add_argument("--late", action="store_true")
    options = parser.parse_args()
    if options.level:
        _core.use_level(options.level)
    pin()
    if options.late:
        compare_late(options)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        peak = Core(folder).flops
        print(f"{cpu()}; kernels {_core.level()}; core peak {peak / 1e9:.1f} GFLOP/s")
        print("              time per step and task, ns                 ratio to the loop")
        print(
            "program   F  tasks    loop  reordered     azc  loop / azc (quartiles)  share of peak"
        )
        for label, text in (("linear", LINEAR), ("network", NETWORK)):
            program = azc.parse(text)
            for features in options.features:
                libraries = [
                    build("conventional.c", features, folder, flags)
                    for flags in ([], ["-DREORDER"])
                ]
                for count in options.tasks:
                    tasks = make_tasks(count, features)
                    report(label, program, tasks, libraries, peak, options.repeat)


def compare_late(options: argparse.Namespace) -> None:
    """A matrix that is added one example late, made where it is used or where it is written."""
    print(f"{cpu()}; kernels {_core.level()}")
    print("  F  tasks   apart  carried   apart / carried (quartiles); ns per step and task")
    program = azc.parse(LATE)
    for features in options.features:
        for count in options.tasks:
            tasks = make_tasks(count, features)
            runs = [Apart(program, tasks), Interpreter(program, tasks)]
            np.testing.assert_array_equal(runs[0](), runs[1]())
            rounds = take_turns(runs, options.repeat)
            low, ratio, high = quartiles([apart / carried for apart, carried in rounds])
            apart, carried = (
                statistics.median(column) / (TRAIN * count) * 1e9
                for column in zip(*rounds, strict=True)
            )
            print(
                f"{features:3} {count:6} {apart:7.1f} {carried:8.1f} "
                f"{ratio:10.2f} ({low:.2f}–{high:.2f})"
            )


def report(
    label: str,
    program: Program,
    tasks: list[azc.Task],
    libraries: list[ctypes.CDLL],
    peak: float,
    repeat: int,
) -> None:
    """Measure one program at one shape and print its row."""
    runs: list[Conventional | Interpreter] = [
        *(Conventional(library, program, tasks) for library in libraries),
        Interpreter(program, tasks),
    ]
    for run in runs:
        np.testing.assert_allclose(run(), runs[-1](), rtol=1e-6)
    rounds = take_turns(runs, repeat)
    low, ratio, high = quartiles([loop / ours for loop, _, ours in rounds])
    steps, features = TRAIN * len(tasks), tasks[0].features
    loop, reordered, ours = (
        statistics.median(column) / steps * 1e9 for column in zip(*rounds, strict=True)
    )
    share = FLOPS[label](features) / ours * 1e9 / peak
    print(
        f"{label:8} {features:3} {len(tasks):6} {loop:7.1f} {reordered:10.1f} {ours:7.2f}  "
        f"{ratio:10.1f} ({low:.1f}–{high:.1f}) {share:13.0%}"
    )


if __name__ == "__main__":
    main()
