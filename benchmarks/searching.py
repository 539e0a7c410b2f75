"""How many programs a search draws and decides per second, and where its time goes.

    python benchmarks/searching.py [--repeat 3] [--seconds 4] [--only demo …]

On one core. Each line is regularized evolution on a preset's tasks and space, from its start, with
both levels of functional equivalence checking and with neither. Programs per CPU second: medians of
runs with different seeds, the two kinds in turn, with the least and greatest. The shares are of one
further run with both levels, which notes the time at every stage; `outside` is what a candidate
costs in it without being run (drawing, analysing, looking up, replacing).

`reference` is what the implementation published with the paper does on a Zen 3 core.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Sequence

from common import RUN_BASELINE, cpu, pin

from azc.runtime import _core
from azc.search import Settings
from azc.search.islands import Islands

CASES: dict[str, tuple[str, Sequence[str], tuple[int, int] | None]] = {
    # name: preset, overrides, the reference's programs per second with and without its FEC
    "demo": ("reference-demo", [], (29_400, 18_500)),
    "demo, 1000 examples": ("reference-demo", ["tasks.search.train=1000"], (10_700, 2_470)),
    "teacher-nn, 100 examples": ("paper-teacher-nn", ["tasks.search.train=100"], (17_200, 8_300)),
    "teacher-nn": ("paper-teacher-nn", [], (5_000, 1_130)),
    "digits-baseline": ("digits-baseline", RUN_BASELINE, None),
}
OUTSIDE = ("draw", "analyse", "look up", "replace")


def host(preset: str, overrides: Sequence[str], seed: int) -> Islands:
    settings = Settings.from_toml(preset).changed(overrides)
    return Islands(settings, settings.make_tasks("search"), seed, (0,), None)


def run(host: Islands, seconds: float) -> float:
    """Programs per CPU second over the first `seconds`; populations that end begin anew."""
    island: _core.Island = host.islands[0]
    started = time.process_time()
    while (left := seconds - (time.process_time() - started)) > 0:
        if island.run(1 << 62, left) == 3:
            island.restart()
    return island.counts()["programs"] / (time.process_time() - started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--only", nargs="*", choices=CASES, default=list(CASES))
    options = parser.parse_args()
    pin()
    print(f"{cpu()}; kernels {_core.level()}; {options.seconds:g} s a run")
    print(
        f"{'':26}{'both levels (least–most)':>27}{'neither (least–most)':>27}"
        f"{'reference':>16}{'ratios':>14}"
    )
    stages: dict[str, dict[str, float]] = {}
    for name in options.only:
        preset, overrides, reference = CASES[name]
        rates: dict[bool, list[float]] = {True: [], False: []}
        for seed in range(1, options.repeat + 1):
            for on in rates:
                levels = [f"fec.level{n}={str(on).lower()}" for n in (1, 2)]
                made = host(preset, [*overrides, *levels], seed)
                rates[on].append(run(made, options.seconds))
        cells = [
            f"{statistics.median(r):,.0f} ({min(r):,.0f}–{max(r):,.0f})" for r in rates.values()
        ]
        line = f"{name:26}{cells[0]:>27}{cells[1]:>27}"
        if reference:
            ratios = [
                statistics.median(r) / there
                for r, there in zip(rates.values(), reference, strict=True)
            ]
            line += f"{reference[0]:>8,}{reference[1]:>8,}{ratios[0]:>7.1f}{ratios[1]:>7.1f}"
        print(line, flush=True)
        made = host(preset, overrides, 1)
        made.islands[0].time_stages()
        run(made, options.seconds)
        counts = made.islands[0].counts()
        seconds = made.islands[0].stages()
        total = sum(seconds.values())
        stages[name] = {stage: spent / total for stage, spent in seconds.items()}
        outside = sum(seconds[stage] for stage in OUTSIDE) / counts["programs"]
        stages[name]["outside, us"] = 1e6 * outside
        stages[name]["level 1"] = counts["level1"] / counts["programs"]
        stages[name]["level 2"] = counts["level2"] / counts["programs"]
    print(f"\n{'':26}" + "".join(f"{column:>13}" for column in next(iter(stages.values()))))
    for name, columns in stages.items():
        cells = [
            f"{value:>13.2f}" if column.endswith("us") else f"{value:>13.1%}"
            for column, value in columns.items()
        ]
        print(f"{name:26}" + "".join(cells))


if __name__ == "__main__":
    main()
