"""How often `azc motifs` reports what is not there: halls of fame of random programs.

    python benchmarks/false_motifs.py [--sets N] [--runs N] [--programs N] [--help]

A set is some runs that found nothing: each hall holds the first random programs of a space for
linear models that pass the strict filter, drawn as a search begins a population. Every motif that
is called significant is a false one; Holm's correction promises at most one set in twenty with any.
"""

from __future__ import annotations

import argparse
import math
import time
from typing import Any

from azc.analysis import live
from azc.program import Program
from azc.search.runtime_settings import filter_of, space_of
from azc.search.settings import Settings
from azc.use.motifs import Hall, find

SETTINGS: dict[str, Any] = {
    "search": {"method": "niches", "population": 500, "filter": "strict", "stop": {"programs": 1}},
    "space": {
        "scalars": 4,
        "vectors": 3,
        "matrices": 0,
        "ops": [
            *("scalar_const", "dot", "scalar_sub", "scalar_mul", "scalar_vector_mul"),
            "vector_add",
        ],
        "setup": {"min": 0, "max": 4},
        "predict": {"min": 0, "max": 2},
        "learn": {"min": 0, "max": 6},
    },
    "tasks": {"search": {"task": "linear"}},
}
_DRAWS = 10_000_000


def hall(settings: Any, programs: int, seed: int) -> Hall:
    functions = [settings.space.function(name) for name in ("setup", "predict", "learn")]
    space = space_of(settings, [function.max for function in functions])
    found = []
    for candidate in range(programs):
        drawn = space.passing(seed, candidate, filter_of(settings), _DRAWS, None)
        if drawn is not None:
            found.append((live(Program.unpacked(drawn[0]), 0), settings))
    return Hall(f"run {seed}", found)


def interval(hits: int, of: int) -> tuple[float, float]:
    """Wilson's, of 95 %."""
    z, share = 1.96, hits / of
    middle = (share + z * z / (2 * of)) / (1 + z * z / of)
    half = z * math.sqrt(share * (1 - share) / of + z * z / (4 * of * of)) / (1 + z * z / of)
    return max(0.0, middle - half), min(1.0, middle + half)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", type=int, default=20)
    parser.add_argument("--runs", type=int, default=6)
    parser.add_argument("--programs", type=int, default=3, help="of a hall of fame")
    parser.add_argument("--random", type=int, default=300, help="programs to compare with")
    given = parser.parse_args()
    settings = Settings.from_tables(SETTINGS, "noise").plans()[0].settings
    started, wrong, fragments, raw = time.process_time(), 0, 0, 0
    for number in range(given.sets):
        seeds = range(1000 * number + 1, 1000 * number + 1 + given.runs)
        halls = [hall(settings, given.programs, seed) for seed in seeds]
        found = find(
            halls, nodes=4, top=given.programs, random=given.random, level=0.05, seed=number
        )
        wrong += bool(found.significant)
        fragments += found.fragments
        raw += sum(motif.p < 0.05 for motif in found.all)
        told = "; ".join(
            f"{len(motif.runs)} runs, {motif.expected:.2f} by chance, p {motif.p_holm:.2g}"
            for motif in found.largest[:3]
        )
        print(
            f"set {number}: {len(found.significant)} of {found.fragments} fragments, live "
            f"{found.live:.1f} against {found.live_random:.1f}  {told}",
            flush=True,
        )
    low, high = interval(wrong, given.sets)
    print(
        f"{wrong} of {given.sets} sets with a false motif, {wrong / given.sets:.2f} "
        f"({low:.2f} to {high:.2f}); of {fragments} fragments {raw} have p < 0.05 uncorrected; "
        f"{time.process_time() - started:.0f} CPU s"
    )


if __name__ == "__main__":
    main()
