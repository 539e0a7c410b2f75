"""Interpreter against a conventional task-by-task loop, in one run on one core.

    python benchmarks/interpreter.py [--repeat 9] [--tasks 8 16] [--features 4 8 16 32]

Both run the same instructions on the same examples: linear regression (5 instructions a step) and
a 2-layer network with biases (16). Times are per training step and task, validation folded in
(1000 training and 100 validation examples), packing not counted; the two alternate, and medians
with the quartiles of the ratio are printed. `peak` is the share of float64 additions and
multiplications that the core could do, from the same run.
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
from azc.evaluation import _pack
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

def build(source: str, features: int, folder: Path) -> ctypes.CDLL:
    """The conventional loop for one number of features."""
    library = folder / f"conventional{features}.so"
    command = [os.environ.get("CC", "cc"), "-O3", "-march=native", "-fopenmp-simd", "-shared"]
    command += ["-fPIC", f"-DF={features}", "-o", str(library), str(HERE / source), "-lm"]
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
    """The interpreter on given tasks, side by side."""

    def __init__(self, program: Program, tasks: list[azc.Task]) -> None:
        self.lanes = len(tasks)
        self.batch = _pack(tasks, self.lanes)
        self.code, self.machine = _core.Code(program.packed()), _core.Machine()
        self.fitness, self.value = np.zeros(self.lanes), np.zeros(self.lanes)

    def __call__(self) -> np.ndarray:
        self.machine.run(self.code, self.batch, self.fitness, self.value)
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
double peak(long n) {
    v8 x = {1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0};
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
    subprocess.run(
        [*command, "-shared", "-fPIC", "-o", library, folder / "peak.c"], check=True
    )
    peak = ctypes.CDLL(str(library)).peak
    peak.restype = ctypes.c_double
    rates = []
    for _ in range(5):
        started = time.perf_counter()
        peak(ctypes.c_long(4_000_000))
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
    parser.add_argument("--lanes", type=int, nargs="+", default=[8, 16])
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
        print("program   F  tasks  conventional ns  azc ns  ratio (quartiles)    peak")
        for label, text in (("linear", LINEAR), ("network", NETWORK)):
            program = azc.parse(text)
            for features in options.features:
                library = build("conventional.c", features, folder)
                for lanes in options.lanes:
                    tasks = make_tasks(lanes, features)
                    report(label, program, tasks, library, peak, options.repeat)


def report(
    label: str,
    program: Program,
    tasks: list[azc.Task],
    library: ctypes.CDLL,
    peak: float,
    repeat: int,
) -> None:
    """Measure one program at one shape and print its row."""
    old, new = Conventional(library, program, tasks), Interpreter(program, tasks)
    np.testing.assert_allclose(old(), new(), rtol=1e-6)
    calls_old, calls_new = (max(1, round(0.02 / seconds(f, 1))) for f in (old, new))
    pairs = [(seconds(old, calls_old), seconds(new, calls_new)) for _ in range(repeat)]
    ratios = sorted(a / b for a, b in pairs)
    steps, features = TRAIN * len(tasks), tasks[0].features
    ns_old, ns_new = (statistics.median(column) / steps * 1e9 for column in zip(*pairs))
    low, high = ratios[len(ratios) // 4], ratios[-1 - len(ratios) // 4]
    share = FLOPS[label](features) / ns_new * 1e9 / peak
    print(
        f"{label:8} {features:3} {len(tasks):6} {ns_old:16.1f} {ns_new:7.2f} "
        f"{statistics.median(ratios):6.1f} ({low:.1f}–{high:.1f}) {share:10.1%}"
    )


if __name__ == "__main__":
    main()
