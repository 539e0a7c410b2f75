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
import os
import platform
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

import azc
from azc.ops import Type
from azc.packing import blocks, pack
from azc.program import Program
from azc.runtime import _core

HERE = Path(__file__).parent
TRAIN, VALID = 1000, 100

LINEAR = """
def Setup():
    s2 = 0.001
def Predict():
    s1 = dot(v0, v1)
def Learn():
    s3 = s0 - s1
    s3 = s3 * s2
    v2 = s3 * v0
    v1 = v1 + v2
"""

# m0, v1: first layer; v2, s2: second; s3: learning rate. Weights start from constants, so that
# the conventional loop needs no random numbers.
NETWORK = """
def Setup():
    s3 = 0.001
    s4 = 0.1
    v2 = bcast(s4)
    v7 = bcast(s4)
    m0 = outer(v2, v7)
def Predict():
    v4 = dot(m0, v0)
    v4 = v4 + v1
    v5 = maximum(v4, v3)
    s1 = dot(v5, v2)
    s1 = s1 + s2
def Learn():
    s5 = s0 - s1
    s5 = s5 * s3
    s2 = s2 + s5
    v6 = s5 * v5
    v5 = s5 * v2
    v2 = v2 + v6
    v4 = heaviside(v4, 1.0)
    v5 = v5 * v4
    v1 = v1 + v5
    m1 = outer(v5, v0)
    m0 = m0 + m1
"""

#: Additions and multiplications of one training step.
FLOPS = {"linear": lambda f: 4 * f + 2, "network": lambda f: 4 * f * f + 9 * f + 4}


def build(source: str, features: int, folder: Path, flags: list[str]) -> ctypes.CDLL:
    """The conventional loop for one number of features."""
    library = folder / f"conventional{features}{''.join(flags)}.so"
    command = [os.environ.get("CC", "cc"), "-O3", "-march=native", "-fopenmp-simd", "-shared"]
    command += [*flags, "-fPIC", f"-DF={features}", "-o", str(library), str(HERE / source), "-lm"]
    subprocess.run(command, check=True)
    return ctypes.CDLL(str(library))


def pointer(array: np.ndarray) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


def make_tasks(count: int, features: int) -> list[azc.Task]:
    return azc.tasks.make_set(
        "linear", features=features, count=count, train=TRAIN, valid=VALID, seed=1
    )


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


class Interpreter:
    """The interpreter on given tasks, arranged in lanes as `azc.evaluate` does."""

    def __init__(self, program: Program, tasks: list[azc.Task]) -> None:
        self.code, self.machine = _core.Code(program.packed()), _core.Machine()
        self.fitness, self.value = np.zeros(len(tasks)), np.zeros(16)
        matrices = any(address.type is Type.MATRIX for address in program.addresses())
        self.blocks = [
            (
                block.positions,
                pack([tasks[p] for p in block.positions], block.lanes),
                np.zeros(block.lanes),
            )
            for block in blocks(tasks, matrices)
        ]

    def __call__(self) -> np.ndarray:
        for positions, batch, fitness in self.blocks:
            self.machine.run(self.code, batch, fitness, self.value[: len(fitness)])
            self.fitness[positions] = fitness[: len(positions)]
        return self.fitness


def seconds(function: Conventional | Interpreter, calls: int) -> float:
    started = time.perf_counter()
    for _ in range(calls):
        function()
    return (time.perf_counter() - started) / calls


PEAK = """
typedef double v8 __attribute__((vector_size(64)));
#define EACH(X) X(a0, +) X(a1, *) X(a2, +) X(a3, *) X(a4, +) X(a5, *) \\
                X(a6, +) X(a7, *) X(a8, +) X(a9, *) X(b0, +) X(b1, *)
#define MAKE(name, op) v8 name = x;
#define STEP(name, op) name = name op x; __asm__("" : "+v"(name));
#define TAKE(name, op) total += name[0];
double peak(long n, double one) { /* unknown to the compiler, or it would drop products */
    v8 x = {one, one, one, one, one, one, one, one};
    double total = 0.0;
    EACH(MAKE)
    for (long i = 0; i < n; ++i) { EACH(STEP) }
    EACH(TAKE)
    return total;
}
"""


def peak_flops(folder: Path) -> float:
    """Float64 additions and multiplications (not fused) that the core does in a second."""
    (folder / "peak.c").write_text(PEAK)
    library = folder / "peak.so"
    command = [os.environ.get("CC", "cc"), "-O3", "-march=native", "-mprefer-vector-width=512"]
    subprocess.run([*command, "-shared", "-fPIC", "-o", library, folder / "peak.c"], check=True)
    peak = ctypes.CDLL(str(library)).peak
    peak.restype = ctypes.c_double
    rates = []
    for _ in range(5):
        started = time.perf_counter()
        peak(ctypes.c_long(4_000_000), ctypes.c_double(1.0))
        rates.append(12 * 8 * 4e6 / (time.perf_counter() - started))
    return max(rates)


def cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeat", type=int, default=9)
    parser.add_argument("--features", type=int, nargs="+", default=[4, 8, 16, 32])
    parser.add_argument("--tasks", type=int, nargs="+", default=[8, 16])
    parser.add_argument("--level", default=None, help="instruction-set level (default: the best)")
    options = parser.parse_args()
    if options.level:
        _core.use_level(options.level)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        peak = peak_flops(folder)
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
    runs = [Conventional(library, program, tasks) for library in libraries]
    runs.append(Interpreter(program, tasks))
    for run in runs:
        np.testing.assert_allclose(run(), runs[-1](), rtol=1e-6)
    calls = [max(1, round(0.1 / seconds(run, 1))) for run in runs]
    rounds = [[seconds(run, n) for run, n in zip(runs, calls, strict=True)] for _ in range(repeat)]
    ratios = sorted(loop / ours for loop, _, ours in rounds)
    steps, features = TRAIN * len(tasks), tasks[0].features
    loop, reordered, ours = (
        statistics.median(column) / steps * 1e9 for column in zip(*rounds, strict=True)
    )
    low, high = ratios[len(ratios) // 4], ratios[-1 - len(ratios) // 4]
    share = FLOPS[label](features) / ours * 1e9 / peak
    print(
        f"{label:8} {features:3} {len(tasks):6} {loop:7.1f} {reordered:10.1f} {ours:7.2f}  "
        f"{statistics.median(ratios):10.1f} ({low:.1f}–{high:.1f}) {share:13.0%}"
    )


if __name__ == "__main__":
    main()
