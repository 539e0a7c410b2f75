"""How long a search takes to a verified solution.

    python benchmarks/solving.py [--preset demo] [--seeds 20] [--first 1] [--limit 60] [--set K=V …]

Runs the preset with seeds 1, 2, … (or from --first on) on one core, each to a program that passes
T_select or to the limit (CPU seconds are counted, tasks that are made and the selection included).
Prints every seed, then median and quartiles over all of them; a seed that is not solved counts as
the limit.
"""

from __future__ import annotations

import argparse
import statistics

from common import cpu, pin

from azc.search import Search


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--preset", default="demo")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first", type=int, default=1, help="the first of the seeds")
    parser.add_argument("--limit", type=float, default=60.0)
    parser.add_argument("--set", dest="overrides", action="append", default=[])
    options = parser.parse_args()
    pin()
    print(f"{cpu()}; {options.preset} {' '.join(options.overrides)}")
    seconds = []
    search = Search.from_toml(options.preset, options.overrides)
    for seed in range(options.first, options.first + options.seeds):
        outcome = search.run(seed=seed, seconds=options.limit)
        report = outcome.report
        taken = report.cpu_seconds if outcome.solved else options.limit
        seconds.append(taken)
        fitness = ", ".join(f"{k} {v:.6f}" for k, v in outcome.fitness.items() if v is not None)
        print(
            f"seed {seed:3}: {'solved' if outcome.solved else 'not solved':10} {taken:7.2f} s "
            f"{report.total('programs'):>12,} programs {report.experiments:>4} populations  "
            f"{fitness}",
            flush=True,
        )
    quartiles = statistics.quantiles(
        seconds * 2 if len(seconds) == 1 else seconds, n=4, method="inclusive"
    )
    low, median, high = quartiles
    print(f"CPU seconds: median {median:.2f}, quartiles {low:.2f} and {high:.2f}, "
          f"mean {statistics.mean(seconds):.2f}, {sum(s < options.limit for s in seconds)} of "
          f"{len(seconds)} solved")  # fmt: skip


if __name__ == "__main__":
    main()
