"""What each ingredient of a search by niches is worth: the search without it.

    python benchmarks/ablations.py [--preset demo] [--seeds 20] [--first 1] [--limit 30]
                                   [--arms NAME,NAME…] [--set K=V …]

Runs the preset with seeds 1, 2, … (or from --first on) on one core, as solving.py does, to a
program that passes T_select or to the limit in CPU seconds; then each arm, which is the preset with
something taken away or put in another's place, on the same seeds. For each: how many seeds were
solved, with Wilson's interval; CPU seconds at the median and quartiles, an unsolved seed being the
limit; solutions per CPU second, as a multiple of those of the whole recipe, with the exact
interval; and the one-sided p, of the test of Mann and Whitney, that the arm is no slower. No p is
corrected for the number of arms.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from common import cpu, pin
from solving import arguments, quartiles, run

from azc.paper.statistics import greater, rate_ratio, wilson_share
from azc.search import Search
from azc.search.settings import Settings

WHOLE = "whole recipe"
_PLAIN = (
    'search.mutations=["alter-parameter","randomize-instruction","randomize-function",'
    '"insert","remove"]'
)
#: What is changed, by what it is called.
ARMS: dict[str, tuple[str, ...]] = {
    WHOLE: (),
    "regularized evolution": (
        *("search.method=regularized-evolution", "search.population=100", "niches="),
        *("search.drop_dead=true", "hurdles="),
    ),
    "filter as the reference's": ("search.filter=true",),
    "no filter": ("search.filter=false",),
    "plain mutations": (_PLAIN,),
    "one mutation at a time": ("search.repeat=0.0",),
    "constants drawn evenly": ("constants.scale=even", "constants.near_one=0.0"),
    "no constants near one": ("constants.near_one=0.0",),
    "niches drawn evenly": ("niches.even=1.0",),
    "no parsimony": ("niches.parsimony=0.0",),
    "no restarts": ("restart=",),
    "always from nothing": ("restart.from_best=0",),
    "no hurdles": ("hurdles=", "niches.least=0.0"),
    "what scores alike run on": (),
    "all tasks at once": ("niches.confirm=0",),
    "no cache": ("fec.level1=false", "fec.level2=false"),
    "grown at random": ("niches.grown=1000000000",),
}


def changes(name: str, recipe: Settings) -> tuple[str, ...]:
    """What an arm sets in the recipe."""
    looks = recipe.niches is not None and recipe.niches.by == "behaviour"
    if name == "no hurdles" and looks:
        # Behaviour is looked at there, and nothing more.
        first = recipe.hurdles[0].train
        return f"hurdles=[{{train={first}, quantile=0.001}}]", "niches.least=0.0"
    if name == "what scores alike run on":
        kept = (
            f"{{train={hurdle.train}, quantile={hurdle.quantile}}}" for hurdle in recipe.hurdles
        )
        return (f"hurdles=[{', '.join(kept)}]",)
    return ARMS[name]


@dataclass
class Arm:
    """What an arm's seeds took."""

    seconds: list[float] = field(default_factory=list)
    solved: int = 0


def row(name: str, arm: Arm, whole: Arm) -> str:
    share = wilson_share(arm.solved, len(arm.seconds))
    low, median, high = quartiles(arm.seconds)
    cells = [
        name,
        f"{arm.solved} of {len(arm.seconds)} ({share.low:.2f}-{share.high:.2f})",
        f"{median:.2f} ({low:.2f}-{high:.2f})",
    ]
    if arm is not whole:
        spent, recipe = sum(arm.seconds), sum(whole.seconds)
        ratio, _ = rate_ratio((arm.solved, spent), (whole.solved, recipe))
        p = greater(arm.seconds, whole.seconds)
        cells += [f"{ratio.value:.2f} ({ratio.low:.2f}-{ratio.high:.2f})", f"{p:.2g}"]
    else:
        cells += ["1", "–"]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = arguments(__doc__, limit=30.0)
    parser.add_argument("--arms", default=",".join(ARMS), help="some of the arms")
    options = parser.parse_args()
    pin()
    first = options.first
    print(f"{cpu()}; {options.preset} {' '.join(options.overrides)}, seeds {first} to "
          f"{first + options.seeds - 1}, at most {options.limit:g} CPU s")  # fmt: skip
    print("\n| arm | solved | CPU s | solutions a second | p |\n|---|---|---|---|---|")
    whole = Arm()
    recipe = Search.from_toml(options.preset, options.overrides).settings
    # Other methods would have others.
    given = [f"search.mutations={json.dumps(recipe.search.mutations)}", *options.overrides]
    recipe = Search.from_toml(options.preset, given).settings
    for name in dict.fromkeys([WHOLE, *options.arms.split(",")]):
        arm = whole if name == WHOLE else Arm()
        search = Search.from_toml(options.preset, [*given, *changes(name, recipe)])
        if name != WHOLE and search.settings == recipe:
            continue  # which lacks that ingredient
        for seed in range(first, first + options.seeds):
            outcome = run(search, seed, options.limit)
            arm.solved += outcome.solved
            spent = outcome.report.cpu_seconds
            arm.seconds.append(spent if outcome.solved else max(spent, options.limit))
        print(row(name, arm, whole), flush=True)


if __name__ == "__main__":
    main()
