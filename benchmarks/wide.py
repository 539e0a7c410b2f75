"""Programs on matrices far larger than the caches, against what memory can deliver, on one core.

    python benchmarks/wide.py [--features 3072] [--examples 8] [--repeat 5]
    python benchmarks/wide.py --epoch [--data DIR]

A matrix of 3072 x 3072 has 75.5 MB. At every training example a program must at least update each
matrix that changes: read and write it, once. Two times are measured in the same run with plain
loops in C on as many buffers of that size, eight streams side by side; `read` adds all numbers up,
`update` adds a constant to each in place:

    limit             the updates alone, as if all that is read were read in passing
    apart             Predict's passes and Learn's one after the other

A last-level cache that keeps a part of the buffers thus counts for these times too. For comparison
a `copy` loop, whose bytes are those read and those written (a line that is loaded before it is
overwritten counts twice, not three times).

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
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from common import NETWORK, Compiled, Interpreter, Runner, compile_c, cpu, pin, pointer, quartiles

import azc
from azc.compiler.natives import obtain
from azc.compiler.toolchain import find_toolchain
from azc.library import load as load_library
from azc.program import Program
from azc.running import structures_of
from azc.runtime import _core

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
typedef double v8 __attribute__((vector_size(64), aligned(8)));
#define EIGHT _Pragma("GCC unroll 8") for (int k = 0; k < 8; ++k)
double read_all(const double *a, long n)
{
    const long part = n / 8;
    v8 s[8] = {{0.0}};
    double total = 0.0;
    for (long i = 0; i < part; i += 8) EIGHT s[k] += *(const v8 *)(a + k * part + i);
    EIGHT total += s[k][0] + s[k][1] + s[k][2] + s[k][3] + s[k][4] + s[k][5] + s[k][6] + s[k][7];
    return total;
}
void update(double *a, long n)
{
    const long part = n / 8;
    for (long i = 0; i < part; i += 8) EIGHT *(v8 *)(a + k * part + i) += 1.0;
}
void copy(double *restrict to, const double *restrict from, long n)
{
    const long part = n / 8;
    for (long i = 0; i < part; i += 8)
        EIGHT *(v8 *)(to + k * part + i) = *(const v8 *)(from + k * part + i);
}
"""


#: A loop and the buffers that it runs over.
Pass = tuple[str, tuple[int, ...]]
READ, UPDATE_FIRST, UPDATE_SECOND = ("read_all", (0,)), ("update", (0,)), ("update", (1,))


@dataclass(frozen=True)
class Wide:
    """A program, and the passes over matrices that Predict and Learn make at least, each for
    itself."""

    label: str
    program: Program
    passes: tuple[Pass, ...]
    classes: int = 0

    @property
    def updates(self) -> tuple[Pass, ...]:
        return tuple(one for one in self.passes if one[0] == "update")


def aligned(count: int) -> np.ndarray:
    """Ones, beginning on a large page as matrices of the runtime do."""
    room = np.ones(count + (1 << 18))
    start = -room.ctypes.data % (1 << 21) // 8
    return room[start : start + count]


class Memory:
    """The loops in C, on buffers of the size of matrices."""

    def __init__(self, folder: Path, features: int) -> None:
        (folder / "loops.c").write_text(LOOPS)
        flags = ("-mprefer-vector-width=512", "-Wno-psabi")
        self.library = compile_c(folder / "loops.c", folder / "loops.so", flags)
        self.library.read_all.restype = ctypes.c_double
        self.count = features**2
        self.buffers = [aligned(self.count) for _ in range(2)]

    def seconds(self, passes: Sequence[Pass], rounds: int = 8) -> float:
        """Of all passes once. Some rounds before are not counted: what of the buffers a cache
        keeps settles slowly."""
        size = ctypes.c_long(self.count)
        calls = [
            (self.library[name], *(pointer(self.buffers[number]) for number in numbers), size)
            for name, numbers in passes
        ]

        def run(rounds: int) -> None:
            for function, *arguments in calls * rounds:
                function(*arguments)

        run(rounds // 2)
        started = time.perf_counter()
        run(rounds)
        return (time.perf_counter() - started) / rounds


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
    once = (READ, UPDATE_FIRST)
    return [
        Wide("update", azc.parse(UPDATE), once),
        Wide("update, Predict", azc.parse(UPDATE_IN_PREDICT), (UPDATE_FIRST,)),
        Wide("network", azc.parse(NETWORK), once),
        Wide("bilinear", load_library("bilinear"), (*once, UPDATE_SECOND), 2),
    ]


def measure(wide: Wide, memory: Memory, features: int, examples: int, repeat: int) -> None:
    """Measure one program and print its row."""
    tiers = [PerExample(tier, wide, features, examples) for tier in (Compiled, Interpreter)]
    outcomes = [tier.runs[1].predictions() for tier in tiers]
    np.testing.assert_array_equal(*outcomes)
    assert np.isfinite(outcomes[0]).all()  # it did not stop
    functions: list[Callable[[], float]] = [
        lambda: memory.seconds(wide.updates),
        lambda: memory.seconds(wide.passes),
        *tiers,
    ]
    rounds = [[function() for function in functions] for _ in range(repeat)]

    def ratio(above: int, below: int) -> str:
        low, middle, high = quartiles([times[above] / times[below] for times in rounds])
        return f"{middle:.2f} ({low:.2f}–{high:.2f})"

    limit, apart, ours, slow = (
        statistics.median(column) * 1e3 for column in zip(*rounds, strict=True)
    )
    megabytes = 16e-6 * features**2 * len(wide.updates)
    print(
        f"{wide.label:15} {megabytes:6.1f} {limit:6.1f} {apart:6.1f} {ours:9.1f}   "
        f"{ratio(2, 0):18} {limit / ours:6.0%}   {ratio(2, 1):18} "
        f"{slow:10.1f}   {ratio(3, 2)}"
    )


def print_memory(memory: Memory, repeat: int) -> None:
    """The bandwidth of each loop, on one buffer over and over and on two that take turns."""
    megabytes = 8e-6 * memory.count
    cases: list[tuple[str, list[list[Pass]]]] = [
        ("one buffer", [[READ], [UPDATE_FIRST]]),
        (
            "two buffers",
            [
                [READ, ("read_all", (1,))],
                [UPDATE_FIRST, UPDATE_SECOND],
                [("copy", (0, 1)), ("copy", (1, 0))],
            ],
        ),
    ]
    for label, loops in cases:
        rates = []
        for passes in loops:
            name = passes[0][0].removesuffix("_all")
            each = megabytes * len(passes) * (1 if name == "read" else 2)
            speeds = [each / 1e3 / memory.seconds(passes) for _ in range(repeat)]
            low, middle, high = quartiles(speeds)
            rates.append(f"{name} {middle:.1f} ({low:.1f}–{high:.1f})")
        print(f"{label} of {megabytes:.1f} MB, GB/s: {', '.join(rates)}")


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

    def limits() -> list[float]:
        train, valid = (len(part) for part in (one.y_train, one.y_valid))
        return [
            train * memory.seconds(wide.updates) + valid * memory.seconds([READ])
            for _ in range(repeat)
        ]

    before = limits()
    started = time.perf_counter()
    result = azc.evaluate(wide.program, [one], tier="compiled", progress=progress)
    wall = time.perf_counter() - started
    after = limits()
    for name, values in (("before", before), ("after", after), ("then and now", before + after)):
        limit = statistics.median(values)
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
        memory = Memory(Path(name), features)
        print_memory(memory, options.repeat)
        if options.epoch:
            epoch(features, memory, options.data, options.repeat)
            return
        print("                      ms for each example    compiled, ratio (quartiles)")
        print(
            "program             MB  limit  apart  compiled   to the limit        share   "
            "to apart          interpreter   to compiled"
        )
        for wide in every:
            measure(wide, memory, features, options.examples, options.repeat)


if __name__ == "__main__":
    main()
