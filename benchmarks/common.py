"""What the other benchmarks share: programs, runners, timing; nothing to run."""

from __future__ import annotations

import ctypes
import math
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import azc
from azc.compiler.natives import obtain
from azc.compiler.toolchain import find_toolchain
from azc.packing import blocks, pack
from azc.prepared import has_matrices
from azc.program import Program
from azc.running import structures_of
from azc.runtime import _core

HERE = Path(__file__).parent
TRAIN, VALID = 1000, 100

#: What makes the search of a preset that of run_baseline.sh of google-research/automl_zero.
RUN_BASELINE = (
    *("search.method=regularized-evolution", "search.population=100", "search.tournament=10"),
    'search.mutations=["alter-parameter","randomize-function","insert","remove"]',
    *("search.filter=false", "search.repeat=0", "niches=", "hurdles=", "restart="),
    *("fec.train=10", "tasks.search.count=10"),
)

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
# the loops to compare with need no random numbers.
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

#: Additions and multiplications of one training step; 44 are of the sigmoid.
FLOPS: dict[str, Callable[[int], int]] = {
    "linear": lambda f: 4 * f + 2,
    "logistic": lambda f: 4 * f + 5 + 44,
    "network": lambda f: 4 * f * f + 9 * f + 4,
}


def _dot_additions(f: int) -> int:
    """Those of a dot product that wait for one another: eight partial sums, then their tree."""
    return (f + 7) // 8 - 1 + min(3, math.ceil(math.log2(f)))


#: (additions, multiplications) that wait for one another from one step's weights to the next's;
#: 12 and 9 are of the sigmoid, its division counted as a multiplication.
CHAIN: dict[str, Callable[[int], tuple[int, int]]] = {
    "linear": lambda f: (_dot_additions(f) + 2, 3),
    "logistic": lambda f: (_dot_additions(f) + 3 + 12, 3 + 9),
    "network": lambda f: (2 * _dot_additions(f) + 5, 6),
}


# ---- C ------------------------------------------------------------------------------------------


def compile_c(source: Path, library: Path, flags: Sequence[str] = ()) -> ctypes.CDLL:
    command = [os.environ.get("CC", "cc"), "-O3", "-march=native", *flags]
    command += ["-shared", "-fPIC", "-o", str(library), str(source), "-lm"]
    subprocess.run(command, check=True)
    return ctypes.CDLL(str(library))


def build(source: str, features: int, folder: Path, flags: Sequence[str]) -> ctypes.CDLL:
    """A C file of this folder, for one number of features."""
    library = folder / f"{Path(source).stem}{features}{''.join(flags)}.so"
    flags = ["-fopenmp-simd", *flags, f"-DF={features}"]
    return compile_c(HERE / source, library, flags)


def pointer(array: np.ndarray) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


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
#define CHAIN(name, op) double name(long n, double one) { \\
    double x = one;                                       \\
    for (long i = 0; i < n; ++i) {                        \\
        x = x op one; __asm__("" : "+x"(x));              \\
        x = x op one; __asm__("" : "+x"(x));              \\
        x = x op one; __asm__("" : "+x"(x));              \\
        x = x op one; __asm__("" : "+x"(x));              \\
    }                                                     \\
    return x;                                             \\
}
CHAIN(additions, +)
CHAIN(multiplications, *)
"""


class Core:
    """What the core can do, measured: `flops`, float64 additions and multiplications (not fused)
    in a second; `addition`, `multiplication`: seconds from one to the next that waits for it."""

    def __init__(self, folder: Path) -> None:
        (folder / "peak.c").write_text(PEAK)
        flags = ["-mprefer-vector-width=512"]
        self.library = compile_c(folder / "peak.c", folder / "peak.so", flags)
        self.flops = 12 * 8 / self._seconds("peak")
        self.addition = self._seconds("additions") / 4
        self.multiplication = self._seconds("multiplications") / 4

    def _seconds(self, name: str, rounds: int = 4_000_000) -> float:
        function = self.library[name]
        function.restype = ctypes.c_double
        times = []
        for _ in range(5):
            started = time.perf_counter()
            function(ctypes.c_long(rounds), ctypes.c_double(1.0))
            times.append(time.perf_counter() - started)
        return min(times) / rounds

    def chain_seconds(self, label: str, features: int) -> float:
        """The least that one step of a program can take, by what waits for what."""
        additions, multiplications = CHAIN[label](features)
        return additions * self.addition + multiplications * self.multiplication


def cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()


def pin() -> None:
    """Stay on one core."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


# ---- azc ----------------------------------------------------------------------------------------


def make_tasks(count: int, features: int, classes: int = 0) -> list[azc.Task]:
    """Tasks of kind `linear`; with two classes their labels' signs."""
    tasks = azc.tasks.make_set(
        "linear", features=features, count=count, train=TRAIN, valid=VALID, seed=1
    )
    if not classes:
        return tasks
    return [
        azc.Task(
            task.X_train,
            task.y_train > 0,
            task.X_valid,
            task.y_valid > 0,
            metric="accuracy",
            classes=classes,
        )
        for task in tasks
    ]


class Runner:
    """A program on given tasks, arranged in lanes as `azc.evaluate` does; calling it trains and
    scores. `blocks`: for each block positions, batch, fitness and further arguments."""

    def __init__(self, program: Program, tasks: list[azc.Task]) -> None:
        self.code, self.machine = _core.Code(program.packed()), _core.Machine()
        self.fitness, self.value = np.zeros(len(tasks)), np.zeros(16)
        self.valid = len(tasks[0].y_valid)
        self.blocks: list[tuple[list[int], _core.Batch, np.ndarray, dict[str, Any]]] = []

    def __call__(self) -> np.ndarray:
        for positions, batch, fitness, given in self.blocks:
            self.machine.run(self.code, batch, fitness, self.value[: len(fitness)], **given)
            self.fitness[positions] = fitness[: len(positions)]
        return self.fitness

    def predictions(self) -> np.ndarray:
        """The validation's, one row for each task."""
        predictions = np.zeros((len(self.fitness), self.valid))
        for positions, batch, fitness, given in self.blocks:
            raw = np.zeros((len(fitness), self.valid, 1))
            value = self.value[: len(fitness)]
            self.machine.run(self.code, batch, fitness, value, raw, **given)
            predictions[positions] = raw[: len(positions), :, 0]
        return predictions


class Interpreter(Runner):
    def __init__(self, program: Program, tasks: list[azc.Task]) -> None:
        super().__init__(program, tasks)
        for block in blocks(tasks, has_matrices(program, tasks[0].classes)):
            batch = pack([tasks[p] for p in block.positions], block.lanes)
            self.blocks.append((list(block.positions), batch, np.zeros(block.lanes), {}))


class Compiled(Runner):
    def __init__(self, program: Program, tasks: list[azc.Task]) -> None:
        super().__init__(program, tasks)
        wanted = structures_of(program, tasks, find_toolchain().vector)
        functions = obtain([structure for _, structure, _ in wanted])
        for block, structure, arguments in wanted:
            batch = pack([tasks[p] for p in block.positions], block.lanes, block.chunk)
            given = {
                "native": functions[structure].native,
                "constants": arguments.for_lanes(block.lanes, block.chunk),
                "places": arguments.places,
            }
            self.blocks.append((list(block.positions), batch, np.zeros(block.lanes), given))

    @property
    def lanes(self) -> list[int]:
        """Those of each block."""
        return [len(fitness) for _, _, fitness, _ in self.blocks]


# ---- timing -------------------------------------------------------------------------------------


def seconds(function: Callable[[], object], calls: int) -> float:
    started = time.perf_counter()
    for _ in range(calls):
        function()
    return (time.perf_counter() - started) / calls


def take_turns(
    runs: Sequence[Callable[[], object]], repeat: int, least: float = 0.1
) -> list[list[float]]:
    """Rounds, each with the seconds of a call of every run, which take turns; a measurement is of
    about `least` seconds."""
    calls = [max(1, round(least / seconds(run, 1))) for run in runs]
    return [[seconds(run, n) for run, n in zip(runs, calls, strict=True)] for _ in range(repeat)]


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """Lower quartile, median, upper quartile."""
    ordered = sorted(values)
    quarter = len(ordered) // 4
    return ordered[quarter], statistics.median(ordered), ordered[-1 - quarter]
