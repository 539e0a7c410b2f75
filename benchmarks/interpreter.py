"""Interpreter against a conventional task-by-task loop, in one run on one core.

    python benchmarks/interpreter.py [--repeat 9] [--tasks 8 16] [--features 4 8 16 32]

All run the same instructions on the same examples: linear regression (5 instructions a step) and a
2-layer network with biases (16). Times are per training step and task, validation folded in (1000
training and 100 validation examples), packing not counted; the runs alternate, and medians are
printed with the quartiles of the ratio. `reordered` is the loop built so that the compiler may add
in any order. The share of peak is of the float64 additions and multiplications, not fused, that
the core did in the same run.
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
    options = parser.parse_args()
    if options.level:
        _core.use_level(options.level)
    pin()
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
