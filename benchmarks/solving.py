"""How long a search takes to a verified solution, and how many examples.

    python benchmarks/solving.py [--preset demo] [--seeds 20] [--first 1] [--limit 60] [--set K=V …]

Runs the preset with seeds 1, 2, … (or from --first on) on one core, each to a program that passes
T_select or to the limit, in CPU seconds, tasks that are made and the selection included.
Examples that programs were served on T_search, in training and validation, over all tasks, are
shown as so many whole programs, a whole one being served all examples of all tasks; what T_select
takes is not among them. Prints every seed, then median and quartiles over all of them; a seed that
is not solved counts as the limit, and as no number of programs that one could name.
"""

from __future__ import annotations

import argparse
import math
import signal
import statistics
from collections.abc import Sequence

from common import cpu, pin

from azc.search import Outcome, Report, Search
from azc.search.settings import METHODS, Settings


def whole_programs(settings: Settings, report: Report) -> float:
    """Examples served on T_search over those of one whole program; where it is not counted how
    many validated, the most that it can have been."""
    tasks = settings.tasks.search
    validated = report.total("evaluated") * tasks.valid * settings.evaluation.epochs
    if not METHODS[settings.search.method].staged:
        # What is known by its form is counted as if it had been run, as steps are.
        validated += report.total("level1") * tasks.valid * settings.evaluation.epochs
        validated += report.total("programs") * min(settings.fec.valid, tasks.valid)
        validated += report.total("hurdled") * tasks.valid
    one = tasks.count * (tasks.train * settings.evaluation.epochs + tasks.valid)
    return (report.total("steps") + tasks.count * validated) / one


def run(search: Search, seed: int, limit: float) -> Outcome:
    """Runs until solved or, as by Ctrl-C, when so many CPU seconds are spent: on a machine that
    other work keeps busy, the time of day says little."""
    ended = False

    def report(report: Report) -> None:
        nonlocal ended
        if report.cpu_seconds >= limit and not ended:
            ended = True
            signal.raise_signal(signal.SIGINT)

    return search.run(seed=seed, seconds=100.0 * limit, report=report)


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """Lower quartile, median and upper quartile; infinite ones have no neighbours to share with."""
    ordered = sorted(values)
    found = []
    for share in (0.25, 0.5, 0.75):
        place = share * (len(ordered) - 1)
        low, high = ordered[math.floor(place)], ordered[math.ceil(place)]
        found.append(low if low == high else low + (place - math.floor(place)) * (high - low))
    return found[0], found[1], found[2]


def arguments(doc: str, limit: float) -> argparse.ArgumentParser:
    """What says which searches to run; `limit`: CPU seconds of one, unless it is given."""
    parser = argparse.ArgumentParser(description=doc.partition("\n")[0])
    parser.add_argument("--preset", default="demo")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first", type=int, default=1, help="the first of the seeds")
    parser.add_argument("--limit", type=float, default=limit)
    parser.add_argument("--set", dest="overrides", action="append", default=[])
    return parser


def main() -> None:
    options = arguments(__doc__, limit=60.0).parse_args()
    pin()
    print(f"{cpu()}; {options.preset} {' '.join(options.overrides)}")
    seconds, served = [], []
    search = Search.from_toml(options.preset, options.overrides)
    for seed in range(options.first, options.first + options.seeds):
        outcome = run(search, seed, options.limit)
        report = outcome.report
        taken = report.cpu_seconds if outcome.solved else options.limit
        whole = whole_programs(search.settings, report)
        seconds.append(taken)
        served.append(whole if outcome.solved else math.inf)
        fitness = ", ".join(f"{k} {v:.6f}" for k, v in outcome.fitness.items() if v is not None)
        print(
            f"seed {seed:3}: {'solved' if outcome.solved else 'not solved':10} {taken:7.2f} s "
            f"{report.total('programs'):>12,} programs {report.experiments:>4} populations "
            f"{whole:>9,.0f} whole  "
            f"{fitness}",
            flush=True,
        )
    low, median, high = quartiles(seconds)
    print(f"CPU seconds: median {median:.2f}, quartiles {low:.2f} and {high:.2f}, "
          f"mean {statistics.mean(seconds):.2f}, {sum(map(math.isfinite, served))} of "
          f"{len(seconds)} solved")  # fmt: skip
    low, median, high = quartiles(served)
    print(f"examples, in whole programs: median {median:,.0f}, quartiles {low:,.0f} and "
          f"{high:,.0f}, mean {statistics.mean(served):,.0f}")  # fmt: skip


if __name__ == "__main__":
    main()
