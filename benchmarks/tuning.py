"""Tuning: vectors at once against one at a time, and what it finds in ten seconds of CPU time."""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np

import azc
from azc import library
from azc.use.tune.constants import constants_of, positions_of, with_constants
from azc.use.tune.lanes import Lanes

SETTINGS = {"epochs": 1, "seed": 0, "max_abs_error": 100.0}


def at_once(name: str, kind: str, features: int, count: int, repeats: int) -> str:
    """CPU time per vector of 16 at once, and of one at a time by `azc.evaluate` on packed tasks."""
    program = azc.parse(library.text(name))
    tasks = azc.tasks.make_set(kind, count=count, features=features, train=1000, valid=100)
    constants = constants_of(program, tasks[0].classes)
    shares = np.random.default_rng(0).random((16, len(constants)))
    vectors = np.stack([c.at(shares[:, k]) for k, c in enumerate(constants)], axis=1)
    positions = positions_of(program, constants, tasks[0].classes)
    programs = [with_constants(program, constants, v) for v in vectors]
    ratios, together, alone = [], [], []
    with Lanes(program, tasks, SETTINGS) as lanes:
        lanes.score(positions, vectors)
        azc.evaluate(programs, tasks, tier="interpreter")
        for _ in range(repeats):
            # CPU time of this thread: nothing else on the machine counts.
            started = time.thread_time()
            got = lanes.score(positions, vectors)
            between = time.thread_time()
            one = np.stack([azc.evaluate(p, tasks, tier="interpreter").fitness for p in programs])
            ended = time.thread_time()
            assert got.tobytes() == one.tobytes()
            together.append((between - started) / 16)
            alone.append((ended - between) / 16)
            ratios.append(alone[-1] / together[-1])
    low, middle, high = statistics.quantiles(ratios, n=4)
    return (
        f"{name:8} {kind:11} {features:3} {count:6} {1e6 * min(alone):10.1f} "
        f"{1e6 * min(together):9.1f} {middle:7.1f} ({low:.1f}-{high:.1f})"
    )


def recover(seconds: float) -> None:
    """`network` on teacher-nn from a rate 30 times too small; tasks and seeds of the check are not
    those of the tuning."""
    text = library.text("network").replace("lr = 0.1 in", f"lr = {0.1 / 30:.6g} in")
    slow = azc.parse(text)
    kind = {"features": 4, "train": 1000}
    tasks = azc.tasks.make_set("teacher-nn", count=16, seed=1, **kind)
    fresh = azc.tasks.make_set("teacher-nn", count=100, seed=2, **kind)

    def held_out(program: azc.Program) -> float:
        return azc.evaluate(program, fresh, seed=2).mean

    library_fitness = held_out(azc.parse(library.text("network")))
    print(f"fresh tasks: as in the library {library_fitness:.4f}, rate / 30 {held_out(slow):.4f}")
    for method, trials in (("random", None), ("random", 300), ("tpe", 300), ("cmaes", 300)):
        started = time.process_time()
        limit = seconds if trials is None else None
        tuned = azc.tune(slow, tasks, trials=trials, seconds=limit, method=method, seed=1)
        spent = time.process_time() - started
        values = ", ".join(f"{c.name} = {v:.3g}" for c, v in
                           zip(tuned.constants, tuned.values, strict=True))  # fmt: skip
        print(
            f"{method:7} {len(tuned.trials):6} trials {spent:6.2f} CPU s  tasks tuned on "
            f"{tuned.before:.4f} -> {tuned.fitness:.4f}, fresh {held_out(tuned.program):.4f}  "
            f"{values}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=10.0)
    options = parser.parse_args()
    print("                               CPU us per vector")
    print("program  tasks         F  count  one at a time  16 at once   ratio (quartiles)")
    for row in (
        ("network", "teacher-nn", 4, 1),
        ("network", "teacher-nn", 4, 8),
        ("network", "teacher-nn", 8, 1),
        ("network", "teacher-nn", 16, 1),
        ("affine", "affine", 4, 1),
        ("affine", "affine", 16, 1),
    ):
        print(at_once(*row, options.repeats))
    recover(options.seconds)


if __name__ == "__main__":
    main()
