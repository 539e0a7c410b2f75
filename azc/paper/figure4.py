"""Figure 4: how much likelier than random search evolution is to find an acceptable program, over
how hard the problem is.

Section 4.1 of the paper: four problems, linear and affine regression, each as a whole and with
Setup and Predict given. A problem's difficulty is how many programs random search decides for one
that is acceptable. Evolution is run in small experiments, of each of which at most one acceptable
program is counted; here that is a population, which ends with it or after so many programs.
"""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from azc import presets
from azc.paper.experiment import PLAIN, Context, Experiment, derived, growing, row_of, searched
from azc.paper.plan import Arm, Options, methods
from azc.paper.record import Trial
from azc.paper.statistics import Estimate, event_rate, rate_ratio
from azc.paper.tables import Findings, Table, interval, number, plain, probability
from azc.search.settings import Settings

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["EXPERIMENT", "PROBLEMS"]

RANDOM, PAPERS = "random", "regularized-evolution"


@dataclass(frozen=True, slots=True)
class Problem:
    """What a problem has of its own (paper, S5). `sizes`: instructions of functions, whose ops are
    the preset's; `programs`: those of an experiment with evolution."""

    preset: str
    sizes: Mapping[str, int]
    programs: int
    changes: tuple[str, ...]

    @property
    def given(self) -> bool:
        """Whether Setup and Predict are."""
        return self.preset.endswith("-learning")

    def overrides(self) -> list[str]:
        """What makes the preset this problem, however the preset says its sizes."""
        fixed = [
            change
            for name, size in self.sizes.items()
            for key, value in (("min", ""), ("max", ""), ("init", ""), ("size", size))
            for change in (f"space.{name}.{key}={value}",)
        ]
        return [*fixed, *self.changes]


#: With as many instructions in Learn as there may be.
_GIVEN = Path(__file__).with_name("affine_given.az")
_WHOLE = (
    "space.matrices=1",
    "space.start=random",
    "space.setup.ops=['scalar_const','vector_const']",
)
PROBLEMS = {
    "linear, learning": Problem("linear-learning", {"learn": 4}, 10_000, ()),
    "linear": Problem("linear", {"setup": 5, "predict": 1, "learn": 4}, 10_000, _WHOLE),
    "affine, learning": Problem(
        "affine-learning", {"learn": 6}, 10_000, (f"space.start={_GIVEN}",)
    ),
    "affine": Problem("affine", {"setup": 6, "predict": 2, "learn": 6}, 100_000, _WHOLE),
}

_PAPER = (
    *PLAIN, "search.population=1000", "search.tournament=10", "search.mutate_prob=0.9",
    "compile.hot=false",
)  # fmt: skip
_TASKS = tuple(
    f"tasks.search.{key}={value}"
    for key, value in {"count": 3, "features": 8, "train": 1000, "valid": 100}.items()
)

#: What methods that the paper does not have are run with, beside their own defaults.
_OURS = ("search.filter=true", "restart={patience=20_000}")
_OWN: dict[str, tuple[str, ...]] = {
    "mgg": ("search.population=30", "search.children=20"),
}
#: The presets whose own way of searching the method `niches` has, by the kind of problem.
NICHES = {"linear": "linear-fast", "affine": "affine"}


class Figure4(Experiment):
    name = "figure4"
    title = "Success rate relative to random search, over the difficulty of the problem"
    hours = 2.0
    seeds = 10
    repeats = True
    keeps = False

    def arms(self, options: Options) -> list[Arm]:
        return [
            Arm(
                f"{problem} / {method}",
                {"problem": problem, "method": method},
                _settings(about, method, options.overrides),
            )
            for problem, about in PROBLEMS.items()
            for method in dict.fromkeys((RANDOM, PAPERS, *methods()))
        ]

    def trial(self, context: Context, arm: Arm, seed: int) -> dict[str, Any]:
        return searched(context, arm, seed, course=False)

    def conclude(self, context: Context, trials: Sequence[Trial]) -> Findings:
        labels = {arm.name: arm.labels for arm in context.plan.arms}
        points = [
            _point(labels[name], [trial for trial in trials if trial.arm == name])
            for name in context.plan.names()
        ]
        chance = {p["problem"]: p for p in points if p["method"] == RANDOM}
        compared = [_compared(point, chance.get(point["problem"])) for point in points]
        return Findings(
            title=f"Figure 4. {self.title}",
            data={"points": [_plain(point) for point in compared]},
            tables=[_counts_table(compared), _relative_table(compared)],
            rows=[row_of(trial, labels[trial.arm]) for trial in trials],
            notes=[
                "acceptable: fitness of at least search.stop.fitness on T_search and on 100 tasks "
                "of T_select; each population counts once",
                "rates are per program decided; draws that a filter stops are not decided, but "
                "they are part of the CPU time",
                "intervals of 95 %: exact ones of Poisson rates (Garwood) and of their ratios "
                "(conditional binomial); p: one-sided, that the rate is not above that of random "
                "search",
            ],
        )

    def draw(self, data: Mapping[str, Any], figure: Figure) -> None:
        from azc.paper.drawing import COLOURS, errors

        axes = figure.add_subplot()
        axes.set(xscale="log", yscale="log")
        axes.axhline(1.0, color="grey", linewidth=1)
        shown = [point for point in data["points"] if "relative" in point]
        names = list(dict.fromkeys(point["method"] for point in shown))
        colours = dict(zip(names, COLOURS, strict=False))
        for point in shown:
            ratio, hard = point["relative"], point["difficulty"]
            harder = "" if hard["value"] else " (or harder)"
            x = hard["value"] or hard["low"]
            if point["method"] == names[0]:
                axes.annotate(
                    point["problem"] + harder, (x, 1.0), xytext=(-4, 2),
                    textcoords="offset points", rotation=90, fontsize=7, va="bottom", ha="right",
                )  # fmt: skip
            colour = colours[point["method"]]
            # Side by side, not on top of each other.
            x *= 1.1 ** names.index(point["method"])
            if ratio["value"] is not None:
                errors(axes, x, ratio, colour)
            elif ratio["low"]:
                axes.plot([x], [ratio["low"]], "^", color=colour)
        for name, colour in colours.items():
            axes.plot([], [], "o", color=colour, label=name)
        ends = [end for point in shown for end in (point["difficulty"]["low"],) if end]
        if ends:
            axes.set_xlim(min(ends) / 3, max(ends) * 10)
        axes.set_xlabel("difficulty: programs of random search for one that is acceptable")
        axes.set_ylabel("success rate relative to random search")
        if names:
            figure.legend(loc="outside upper center", ncols=len(names))


EXPERIMENT = Figure4()


def _settings(problem: Problem, method: str, overrides: Iterable[str]) -> Settings:
    common = [*_PAPER, *_TASKS, *problem.overrides()]
    given = tuple(overrides)
    own: tuple[str, ...] = ()
    sizes: list[str] = []
    if method == PAPERS:
        own = (f"restart={{programs={problem.programs}}}",)
    elif method in _OWN:
        own = (f"search.method={method}", *_OURS, *_OWN[method])
    elif method != RANDOM:
        sizes = growing(derived(problem.preset, common, given))
        own = (f"search.method={method}", *_OURS)
        if method == "niches":
            own = _niches(problem)
    elif problem.given:
        # A population that starts from a given program has no random ones. Two members, of which
        # the older goes and the other has a child with a Learn drawn anew, are random search.
        own = (
            "search.population=2", "search.tournament=1", "search.mutate_prob=1.0",
            "search.mutations=['randomize-function']",
        )  # fmt: skip
    else:
        own = (f"search.method={RANDOM}",)
    return derived(problem.preset, common, own, given, sizes)


def _niches(problem: Problem) -> tuple[str, ...]:
    """How the preset of that kind searches, in the problem's space and on its tasks."""
    name = NICHES[problem.preset.removesuffix("-learning")]
    tables = tomllib.loads(presets.text(name))
    ours = [
        f"{table}.{key}={json.dumps(value)}"
        for table in ("search", "niches", "constants", "restart", "fec")
        for key, value in tables.get(table, {}).items()
        if (table, key) != ("search", "stop")
    ]
    for place, hurdle in enumerate(tables["hurdles"]):
        ours += [f"hurdles[{place}].{key}={value}" for key, value in hurdle.items()]
    return (*ours, *(() if problem.given else ("space.start=empty",)))


def _point(labels: Mapping[str, str], trials: Sequence[Trial]) -> dict[str, Any]:
    """What an arm's trials add up to."""
    documents = [trial.document for trial in trials]

    def total(key: str) -> float:
        return sum(float(document[key]) for document in documents)

    return {
        **labels,
        "successes": int(total("solved")),
        **{key: int(total(key)) for key in ("populations", "programs", "filtered")},
        "cpu_seconds": total("cpu_seconds"),
    }


def _compared(point: dict[str, Any], chance: dict[str, Any] | None) -> dict[str, Any]:
    """The point with its rate, and its relation to random search on the same problem."""
    row = {**point, "rate": event_rate(point["successes"], point["programs"])}
    if chance is None:
        return row
    rarity = event_rate(chance["successes"], chance["programs"])
    values = (rarity.value, rarity.high, rarity.low)
    row["difficulty"] = Estimate(*(1.0 / value if value > 0 else math.inf for value in values))
    if point is chance:
        return row
    for key, exposure in (("relative", "programs"), ("relative_cpu", "cpu_seconds")):
        ratio, p = rate_ratio(
            (point["successes"], point[exposure]), (chance["successes"], chance[exposure])
        )
        row |= {key: ratio, f"{key}_p": p}
    return row


def _counts_table(points: Sequence[dict[str, Any]]) -> Table:
    rows = []
    for point in points:
        counts = (point[key] for key in ("successes", "populations", "programs", "filtered"))
        rate = point["rate"]
        millions = Estimate(*(1e6 * value for value in (rate.value, rate.low, rate.high)))
        rows.append(
            (
                point["problem"],
                point["method"],
                *(f"{count:,}" for count in counts),
                number(point["cpu_seconds"]),
                interval(millions),
            )
        )
    columns = (
        *("problem", "method", "acceptable", "populations", "programs", "filtered", "CPU s"),
        "per million programs",
    )
    return Table("Acceptable programs found", columns, rows, 2)


def _relative_table(points: Sequence[dict[str, Any]]) -> Table:
    rows = []
    for point in points:
        if "relative" not in point:
            continue
        hard = point["difficulty"]
        shown = number(hard.value) if math.isfinite(hard.value) else f"> {number(hard.low)}"
        rows.append(
            (
                point["problem"],
                shown,
                point["method"],
                interval(point["relative"]),
                probability(point["relative_p"]),
                interval(point["relative_cpu"]),
            )
        )
    columns = ("problem", "difficulty", "method", "by programs", "p", "by CPU time")
    return Table("Success rate relative to random search", columns, rows, 3)


def _plain(point: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: plain(value) if isinstance(value, Estimate) else value for key, value in point.items()
    }
