"""What hot compiling does for a search: on against off, early and late in one search.

    python benchmarks/hot.py [--preset digits-baseline] [--points 0 300000] [--programs 150000]
                             [--seed 1] [--data DIR]

The search is run to each point without it; from there on, copies of the folder go on for so many
programs with `compile.hot` false, auto and true (build whatever is hottest). CPU seconds count
everything, builds and their C compiler included. The three must end with the same history.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path

from common import cpu

from azc.search import Search


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--preset", default="digits-baseline")
    parser.add_argument("--points", type=int, nargs="+", default=[0, 300_000])
    parser.add_argument("--programs", type=int, default=150_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--data")
    options = parser.parse_args()
    print(f"{cpu()}; {options.preset}, seed {options.seed}")
    print(f"{'from':>10}{'hot':>8}{'programs/CPU s':>16}{'built':>7}{'wall s':>8}{'native':>8}")
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder, "base")
        common = ["search.stop.seconds=", "search.interval=2000"]
        for point in options.points:
            spent = 0.0  # CPU seconds up to here
            if point:
                limit = f"search.stop.programs={point}"
                if base.exists():
                    outcome = Search.resume(base, [limit]).run()
                else:
                    search = Search.from_toml(options.preset, [*common, limit, "compile.hot=false"])
                    outcome = search.run(seed=options.seed, out=base, data=options.data)
                spent = outcome.report.cpu_seconds
            histories = []
            for hot in ("false", "auto", "true"):
                overrides = [f"search.stop.programs={point + options.programs}"]
                overrides.append(f"compile.hot={hot}")
                here = Path(folder, f"{point}-{hot}")
                if point:
                    shutil.copytree(base, here)
                    search = Search.resume(here, overrides)
                else:
                    search = Search.from_toml(options.preset, [*common, *overrides])
                outcome = search.run(
                    data=options.data, **({} if point else {"seed": options.seed, "out": here})
                )
                report = outcome.report
                rate = options.programs / (report.cpu_seconds - spent)
                print(
                    f"{point:>10,}{hot:>8}{rate:>16,.0f}{report.hot.built:>7}"
                    f"{report.hot.seconds:>8.1f}{report.hot.share:>8.1%}",
                    flush=True,
                )
                histories.append(outcome.history)
            assert histories[0] == histories[1] == histories[2]


if __name__ == "__main__":
    main()
