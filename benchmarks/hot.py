"""What hot compiling does for a search: on against off, early and late in one search.

    python benchmarks/hot.py [--preset digits-baseline] [--points 0 300000] [--programs 150000]
                             [--repeat 5] [--seed 1] [--data DIR]

The preset's space is searched by regularized evolution, to each point without it; from there on,
copies of the folder go on for so many programs with `compile.hot` false, auto and true (build
whatever is hottest), in turns, each in a process of its own and with an empty cache. CPU seconds
count everything, builds and their C compiler included. All must end with the same history.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import shutil
import statistics
import tempfile
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from common import RUN_BASELINE, cpu, quartiles

from azc.search import Search


class State(NamedTuple):
    """Of a search, so far."""

    cpu_seconds: float
    built: int
    build_seconds: float
    native: float
    history: Any


def advance(
    options: argparse.Namespace, cache: Path, folder: Path, programs: int, hot: str
) -> State:
    """Go on with the search in `folder`, or begin it there."""
    os.environ["AZC_CACHE_DIR"] = str(cache)
    overrides = [*RUN_BASELINE, f"search.stop.programs={programs}", f"compile.hot={hot}"]
    if folder.exists():
        outcome = Search.resume(folder, overrides).run(data=options.data)
    else:
        overrides += ["search.stop.seconds=", "search.interval=2000"]
        search = Search.from_toml(options.preset, overrides)
        outcome = search.run(seed=options.seed, out=folder, data=options.data)
    report = outcome.report
    hots = report.hot
    return State(report.cpu_seconds, hots.built, hots.seconds, hots.share, outcome.history)


def in_a_process(call: partial[State]) -> State:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(call).result()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--preset", default="digits-baseline")
    parser.add_argument("--points", type=int, nargs="+", default=[0, 300_000])
    parser.add_argument("--programs", type=int, default=150_000)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--data")
    options = parser.parse_args()
    print(f"{cpu()}; {options.preset}, seed {options.seed}, {options.repeat} times")
    print(f"{'programs/CPU s:':>42}{'times that':>18}")
    print(f"{'from':>10}{'hot':>7}  {'median (least–most)':23}{'of false (quartiles)':24}", end="")
    print(f"{'built':>6}{'build s':>9}{'native':>8}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        base, copy = folder / "base", folder / "copy"
        for point in options.points:
            spent = 0.0
            if point:
                to_there = partial(advance, options, folder / "unused", base, point, "false")
                spent = in_a_process(to_there).cpu_seconds
            rates: dict[str, list[float]] = {"false": [], "auto": [], "true": []}
            last: dict[str, State] = {}
            for _ in range(options.repeat):
                for hot, measured in rates.items():
                    if point:
                        shutil.copytree(base, copy)
                    cache = folder / "cache"
                    end = point + options.programs
                    last[hot] = in_a_process(partial(advance, options, cache, copy, end, hot))
                    measured.append(options.programs / (last[hot].cpu_seconds - spent))
                    shutil.rmtree(copy)
                    shutil.rmtree(cache, ignore_errors=True)
                    assert last[hot].history == last["false"].history
            for hot, each in rates.items():
                speed = f"{statistics.median(each):,.0f} ({min(each):,.0f}–{max(each):,.0f})"
                low, middle, high = quartiles(
                    [ours / off for ours, off in zip(each, rates["false"], strict=True)]
                )
                print(
                    f"{point:>10,}{hot:>7}  {speed:23}"
                    f"{f'{middle:.3f} ({low:.3f}–{high:.3f})':24}{last[hot].built:>6}"
                    f"{last[hot].build_seconds:>9.1f}{last[hot].native:>8.1%}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
