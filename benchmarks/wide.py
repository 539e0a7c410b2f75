"""Programs on matrices far larger than the caches, against what memory can deliver, on one core.

    python benchmarks/wide.py [--features 3072] [--examples 8] [--repeat 5]
    python benchmarks/wide.py --epoch [--data DIR]

A matrix of 3072 x 3072 has 75.5 MB. At every training example a program must at least read each
matrix that is used before it has changed, and update each that changes (read and write it). The
limit is the time that plain loops in C take for as many passes over as many buffers of that size,
in the same run: `read` adds all numbers up, `update` adds a constant to each in place. For
comparison a `copy` loop (its bytes are those read and those written, so that a line which is loaded
before it is overwritten counts twice, not three times).

Time per example is the difference between two runs, by the difference in their training examples,
so that Setup and validation do not count. The runs take turns; medians are printed, and quartiles.

    update            Predict reads m0, Learn does m0 = m0 + outer(v5, v0)
    update, Predict   the same update at the start of Predict: one pass for both
    network           the 2-layer network of the other benchmarks
    bilinear          the library's program, after the paper's figure 6: two matrices change

--epoch: one epoch of `bilinear` on two classes of CIFAR-10 as they are (8,000 training and 1,000
validation examples), in minutes; random numbers of that shape if DIR does not have the images.
"""

from __future__ import annotations

import argparse
import ctypes
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from common import NETWORK, Compiled, Interpreter, Runner, compile_c, cpu, pin, pointer, quartiles

import azc
from azc.compiler.natives import obtain
from azc.compiler.toolchain import find_toolchain
from azc.library import load as load_library
from azc.program import Program
from azc.runtime import _core
from azc.tiers import structures_of

UPDATE = """
def Setup():
    s2 = 0.001
def Predict():
    v1 = dot(m0, v0)
    s1 = dot(v0, v1)
def Learn():
    s3 = s0 - s1
    s3 = s3 * s2
    v5 = s3 * v0
    m1 = outer(v5, v0)
    m0 = m0 + m1
"""
UPDATE_IN_PREDICT = """
def Setup():
    s2 = 0.001
def Predict():
    m1 = outer(v5, v0)
    m0 = m0 + m1
    v1 = dot(m0, v0)
    s1 = dot(v0, v1)
def Learn():
    s3 = s0 - s1
    s3 = s3 * s2
    v5 = s3 * v0
"""

LOOPS = """
double read_all(const double *restrict a, long n)
{
    double total = 0.0;
#pragma omp simd reduction(+ : total)
    for (long i = 0; i < n; ++i) total += a[i];
    return total;
}
void update(double *restrict a, long n)
{
#pragma omp simd
    for (long i = 0; i < n; ++i) a[i] += 1.0;
}
void copy(double *restrict to, const double *restrict from, long n)
{
#pragma omp simd
    for (long i = 0; i < n; ++i) to[i] = from[i];
}
"""


@dataclass(frozen=True)
class Wide:
    """A program, and its passes over matrices for each training example: those that only read, and
    those that also write; `matrices` have to be kept."""

    label: str
    program: Program
    reads: int
    updates: int
    matrices: int
    classes: int = 0

    def megabytes(self, features: int) -> float:
        return 8e-6 * features**2 * (self.reads + 2 * self.updates)


class Memory:
    """The loops in C, on as many buffers as a program has matrices."""

    def __init__(self, folder: Path, features: int, most: int) -> None:
        (folder / "loops.c").write_text(LOOPS)
        # Without the first flag the compiler calls memcpy.
        flags = ("-fno-tree-loop-distribute-patterns", "-fopenmp-simd")
        self.library = compile_c(folder / "loops.c", folder / "loops.so", flags)
        self.library.read_all.restype = ctypes.c_double
        self.count = features**2
        self.buffers = [np.ones(self.count) for _ in range(max(most, 2))]

    def _seconds(self, name: str, *groups: tuple[int, ...]) -> float:
        """Of one pass, when buffers take turns."""
        size, function = ctypes.c_long(self.count), self.library[name]
        started = time.perf_counter()
        for group in groups:
            function(*(pointer(self.buffers[place]) for place in group), size)
        return (time.perf_counter() - started) / len(groups)

    def read(self, matrices: int) -> float:
        return self._seconds("read_all", *((k,) for k in range(matrices)))

    def update(self, matrices: int) -> float:
        return self._seconds("update", *((k,) for k in range(matrices)))

    def copy(self) -> float:
        return self._seconds("copy", (0, 1), (1, 0))


def task(features: int, train: int, valid: int, classes: int) -> azc.Task:
    """Random numbers, of a size that keeps programs from diverging."""
    rng = np.random.default_rng(5)
    parts = []
    for n in (train, valid):
        y = rng.integers(classes, size=n) if classes else rng.normal(size=n)
        parts += [rng.normal(size=(n, features)) / features**0.5, y]
    metric = "accuracy" if classes else "rmse"
    return azc.Task(*parts, metric=metric, classes=classes or None, name="random")


class PerExample:
    """Seconds that one more training example takes a tier."""

    def __init__(self, tier: type[Runner], wide: Wide, features: int, examples: int) -> None:
        tasks = [task(features, train, 1, wide.classes) for train in (2, 2 + examples)]
        self.runs = [tier(wide.program, [one]) for one in tasks]
        self.runs[1].machine = self.runs[0].machine  # one memory for both
        self.examples = examples

    def __call__(self) -> float:
        times = []
        for run in self.runs:
            started = time.perf_counter()
            run()
            times.append(time.perf_counter() - started)
        return (times[1] - times[0]) / self.examples


def programs() -> list[Wide]:
    return [
        Wide("update", azc.parse(UPDATE), 1, 1, 1),
        Wide("update, Predict", azc.parse(UPDATE_IN_PREDICT), 0, 1, 1),
        Wide("network", azc.parse(NETWORK), 1, 1, 1),
        Wide("bilinear", load_library("bilinear"), 1, 2, 2, 2),
    ]


def measure(wide: Wide, memory: Memory, features: int, examples: int, repeat: int) -> None:
    """Measure one program and print its row."""
    tiers = [PerExample(tier, wide, features, examples) for tier in (Compiled, Interpreter)]
    outcomes = [tier.runs[1].predictions() for tier in tiers]
    np.testing.assert_array_equal(*outcomes)
    assert np.isfinite(outcomes[0]).all()  # it did not stop
    functions: list[Callable[[], float]] = [
        lambda: memory.read(wide.matrices),
        lambda: memory.update(wide.matrices),
        *tiers,
    ]
    rounds = [[function() for function in functions] for _ in range(repeat)]
    limits = [wide.reads * read + wide.updates * update for read, update, _, _ in rounds]
    low, multiple, high = quartiles(
        [ours / limit for (_, _, ours, _), limit in zip(rounds, limits, strict=True)]
    )
    least, faster, most = quartiles([slow / ours for _, _, ours, slow in rounds])
    _, _, ours, slow = (statistics.median(column) * 1e3 for column in zip(*rounds, strict=True))
    print(
        f"{wide.label:16} {wide.megabytes(features):6.1f} {statistics.median(limits) * 1e3:9.1f} "
        f"{ours:9.1f}   {multiple:.2f} ({low:.2f}–{high:.2f}) {1 / multiple:8.0%} "
        f"{slow:12.1f}   {faster:.2f} ({least:.2f}–{most:.2f})"
    )


def print_memory(memory: Memory, most: int, repeat: int) -> None:
    megabytes = 8e-6 * memory.count
    for matrices in range(1, most + 1):
        rates = []
        for name, passes, function in (
            ("read", 1, lambda m=matrices: memory.read(m)),
            ("update", 2, lambda m=matrices: memory.update(m)),
            *([("copy", 2, memory.copy)] if matrices == 2 else []),
        ):
            low, middle, high = quartiles(
                [passes * megabytes / 1e3 / function() for _ in range(repeat)]
            )
            rates.append(f"{name} {middle:.1f} ({low:.1f}–{high:.1f})")
        print(f"{matrices} x {megabytes:.1f} MB, GB/s: {', '.join(rates)}")


def epoch(features: int, memory: Memory, data: Path | None, repeat: int) -> None:
    wide = programs()[-1]
    try:
        one = azc.tasks.make("cifar10:raw:3,8", data=data)
    except azc.TaskError as error:
        print(f"random numbers instead of images: {error}")
        one = task(features, 8000, 1000, wide.classes)
    print(f"one epoch of {wide.label}: {one}")
    shown = -1

    def progress(done: int, most: int) -> None:
        nonlocal shown
        if 20 * done // most > shown:
            shown = 20 * done // most
            passed = time.perf_counter() - started
            print(f"  {done}/{most} examples, {passed:.0f} s", file=sys.stderr, flush=True)

    before = [(memory.read(2), memory.update(2)) for _ in range(repeat)]
    started = time.perf_counter()
    result = azc.evaluate(wide.program, [one], tier="compiled", progress=progress)
    wall = time.perf_counter() - started
    after = [(memory.read(2), memory.update(2)) for _ in range(repeat)]
    for name, values in (("before", before), ("after", after), ("both", before + after)):
        read, update = (statistics.median(column) for column in zip(*values, strict=True))
        train = len(one.y_train) * (wide.reads * read + wide.updates * update)
        limit = train + len(one.y_valid) * wide.reads * read
        print(f"limit by the bandwidth {name}: {limit:.1f} s, wall time {wall / limit:.2f} of it")
    print(f"wall time {wall:.1f} s; fitness {result.fitness[0]:.4f}; {result.examples} examples")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--features", type=int, default=3072)
    parser.add_argument("--examples", type=int, default=8)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--epoch", action="store_true")
    parser.add_argument("--data", type=Path, default=None, help="folder with CIFAR-10")
    options = parser.parse_args()
    features, every = options.features, programs()
    vector = find_toolchain().vector
    wanted = [
        structure
        for wide in every
        for _, structure, _ in structures_of(
            wide.program, [task(features, 1, 1, wide.classes)], vector
        )
    ]
    obtain(wanted)
    pin()
    print(f"{cpu()}; level {_core.level()}; {features} features")
    with tempfile.TemporaryDirectory() as name:
        memory = Memory(Path(name), features, 2)
        print_memory(memory, 2, options.repeat)
        if options.epoch:
            epoch(features, memory, options.data, options.repeat)
            return
        print("                      MB     limit  compiled   compiled /  share of   interpreter  ")
        print(
            "program          /example        ms        ms   limit (quartiles)  limit"
            "           ms   / compiled"
        )
        for wide in every:
            measure(wide, memory, features, options.examples, options.repeat)


if __name__ == "__main__":
    main()
