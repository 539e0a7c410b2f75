"""How long `azc.evaluate` takes beside what the machine itself takes for the run.

    python benchmarks/evaluating.py

Library linear and network on the same 16 tasks, F = 4, 8, 16, 32, 10,000 training examples, again
and again: `Machine.run` alone on the packed batches, `azc.evaluate` on an `azc.TaskSet`, and on a
plain list, which is packed anew at every call. The three take turns; medians, and the quartiles of
the ratios of neighbours.
"""

from __future__ import annotations

import statistics
import time

import numpy as np

import azc
from azc import library
from azc.packing import batch_of, blocks
from azc.prepared import code_of, has_matrices
from azc.runtime import _core

ROUNDS = 41


def seconds(run: object) -> float:
    started = time.thread_time()  # other work on the machine would blur wall time
    run()  # type: ignore[operator]
    return time.thread_time() - started


def main() -> None:
    print(
        f"{'program':8} {'F':>3} {'machine':>9} {'TaskSet':>9} {'list':>9}  TaskSet / machine  list"
    )
    for name, kind in (("linear", "linear"), ("network", "teacher-nn")):
        for features in (4, 8, 16, 32):
            program = library.load(name)
            tasks = azc.tasks.make_set(
                kind, count=16, features=features, train=10_000, valid=100, seed=1
            )
            listed, machine, code = list(tasks), _core.Machine(), code_of(program)
            in_blocks = blocks(tasks, has_matrices(program, 0))
            batches = [(block, batch_of(tasks, block)) for block in in_blocks]

            def alone(
                batches: object = batches, machine: _core.Machine = machine, code: object = code
            ) -> None:
                for block, batch in batches:  # type: ignore[attr-defined]
                    raw = np.empty((block.lanes, 100, 1))
                    machine.run(code, batch, np.empty(block.lanes), np.empty(block.lanes), raw)

            runs = {
                "machine": alone,
                "TaskSet": lambda p=program, t=tasks: azc.evaluate(p, t, tier="interpreter"),
                "list": lambda p=program, t=listed: azc.evaluate(p, t, tier="interpreter"),
            }
            took_by: dict[str, list[float]] = {which: [] for which in runs}
            for number in range(ROUNDS + 1):
                for which, run in runs.items():
                    took = seconds(run)
                    if number:
                        took_by[which].append(took)
            middle = {which: 1e3 * statistics.median(took_by[which]) for which in runs}
            ratios = {
                which: np.percentile(np.divide(took_by[which], took_by["machine"]), (25, 50, 75))
                for which in ("TaskSet", "list")
            }
            low, median, high = ratios["TaskSet"]
            print(
                f"{name:8} {features:3d} "
                + " ".join(f"{middle[which]:6.2f} ms" for which in runs)
                + f"  {median:.2f} ({low:.2f}-{high:.2f})  {ratios['list'][1]:.2f}"
            )


if __name__ == "__main__":
    main()
