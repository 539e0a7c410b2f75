"""The figures of searches: each a function from runs to a `Chart`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from azc.report.charts import Axis, Chart, Mark, Rule, Series, shown
from azc.report.lineage import callouts, steps_of, words
from azc.report.runs import Points, Run, total

__all__ = ["FIGURES", "made", "names_for"]

Array = NDArray[np.float64]

#: Points of a curve, and rows of a table; more are more than can be seen.
_MOST_POINTS = 400
_MOST_ROWS = 12
_FITNESS = "best fitness on T_search"
#: How programs are decided, in the order in which areas are stacked.
_DECIDED = {
    "level1": "known by their form",
    "level2": "known by what they predict",
    "over_budget": "too costly",
    "hurdled": "stopped at a hurdle",
    "evaluated": "evaluated in full",
}
#: Where quantiles of several runs are computed.
_GRID = 120
_QUANTILES = (0.0, 0.25, 0.5, 0.75, 1.0)


def thinned(points: Sequence[tuple[float, ...]], most: int) -> list[tuple[float, ...]]:
    """At most about `most` of the points, the first and the last among them."""
    stride = max(1, -(-len(points) // most))
    return [*points[:-1:stride], *points[-1:]]


# ---- one run ------------------------------------------------------------------------------------


def progress(runs: Sequence[Run]) -> Chart | None:
    """Best fitness over programs."""
    return _progress(runs, over_time=False)


def progress_over_time(runs: Sequence[Run]) -> Chart | None:
    """Best fitness over CPU time."""
    return _progress(runs, over_time=True)


def _progress(runs: Sequence[Run], *, over_time: bool) -> Chart | None:
    if over_time:
        runs = [run for run in runs if run.clocks]
    courses = [(run, course) for run in runs if (course := run.course())]
    if not courses:
        return None
    axis = Axis("CPU seconds" if over_time else "programs", log=True)
    name = "progress-time" if over_time else "progress"
    title = f"Best fitness over {axis.label}"
    timed = [(run, _timed(run, points) if over_time else points) for run, points in courses]
    if len(timed) > 1:
        return _bands(name, title, axis, timed)
    run, points = timed[0]
    points = _until_risen(points)
    marks = _marks(run, over_time)
    goal = _near_goal(run, points)
    rules = [] if goal is None else [Rule(goal, "search.stop.fitness")]
    xs, ys = _columns(points)
    caption = (
        "The best fitness on T_search so far, over all islands, as the lineage of the best program "
        "and the reports tell it."
    )
    if marks:
        caption += " Numbers are the steps of that lineage that improved most, told below."
    if over_time:
        caption += " Times between two readings of the clock are in proportion to programs."
    return Chart(
        name=name,
        title=title,
        caption=caption,
        x=axis,
        y=Axis(_FITNESS),
        series=[Series("", xs, ys, step=True)],
        marks=marks,
        rules=rules,
        columns=(axis.label, _FITNESS),
        rows=[(_count(x), f"{y:.4f}") for x, y in thinned(_rises(points), _MOST_ROWS)],
    )


def _marks(run: Run, over_time: bool) -> list[Mark]:
    steps = callouts(steps_of(run.lineage, run.islands))
    at = [float(step["programs"]) for step in steps]
    xs = run.cpu_at(at) if over_time else at
    return [
        Mark(number, x, step["fitness"], words(step))
        for number, (x, step) in enumerate(zip(xs, steps, strict=True), 1)
    ]


def _near_goal(run: Run, points: Points) -> float | None:
    """The goal, unless it is so far above what was reached that it would press the curve flat."""
    if run.goal is None:
        return None
    low, high = points[0][1], points[-1][1]
    return run.goal if run.goal - high <= max(high - low, 0.01) else None


def _timed(run: Run, points: Points) -> Points:
    xs, ys = _columns(points)
    return list(zip(run.cpu_at(xs), ys, strict=True))


def _columns(points: Points) -> tuple[list[float], list[float]]:
    return [x for x, _ in points], [y for _, y in points]


def _rises(points: Points) -> Points:
    """Where a course rises, and its end."""
    risen = [here for before, here in pairwise(points) if here[1] > before[1]]
    kept = [points[0], *risen]
    return kept if kept[-1] == points[-1] else [*kept, points[-1]]


def _until_risen(points: Points) -> Points:
    return [(x, y) for x, y in thinned(_rises(points), _MOST_POINTS)]


def _count(value: float) -> str:
    return f"{value:,.0f}" if value >= 100.0 else f"{value:.3g}"


def decisions(runs: Sequence[Run]) -> Chart | None:
    """How programs were decided, report by report."""
    (run,) = runs
    points = []
    for before, rows in pairwise([[], *run.history]):
        drawn = total(rows, "programs") - total(before, "programs")
        if drawn > 0:
            shares = [(total(rows, key) - total(before, key)) / drawn for key in _DECIDED]
            points.append((float(total(rows, "programs")), *shares))
    if len(points) < 2:
        return None
    points = thinned(points, _MOST_POINTS)
    xs = [point[0] for point in points]
    series, below = [], [0.0] * len(points)
    for number, label in enumerate(_DECIDED.values()):
        top = [low + point[1 + number] for low, point in zip(below, points, strict=True)]
        if any(point[1 + number] > 0.0 for point in points):
            series.append(Series(label, xs, top, number, low=below))
        below = top
    return Chart(
        name="decisions",
        title="How programs were decided",
        caption="Shares of the programs drawn since the report before, over all islands.",
        x=Axis("programs"),
        y=Axis("share of programs", low=0.0, high=1.0, percent=True),
        series=series,
        columns=("programs", *_DECIDED.values()),
        rows=[
            (_count(x), *(shown(share, percent=True) for share in rest))
            for x, *rest in thinned(points, _MOST_ROWS)
        ],
    )


def rates(runs: Sequence[Run]) -> Chart | None:
    """Programs per CPU second."""
    (run,) = runs
    points = [
        (float(later.programs), (later.programs - first.programs) / spent)
        for first, later in pairwise(run.clocks)
        if (spent := later.cpu_seconds - first.cpu_seconds) > 0.0
    ]
    if len(points) < 2:
        return None
    xs, ys = _columns([(x, y) for x, y in thinned(points, _MOST_POINTS)])
    return Chart(
        name="rates",
        title="Programs per CPU second",
        caption="Programs drawn and decided since the reading before, for each CPU second of all "
        "workers; scoring on T_select is part of it. It depends on the machine.",
        x=Axis("programs"),
        y=Axis("programs per CPU second", low=0.0),
        series=[Series("", xs, ys)],
        columns=("programs", "per CPU second"),
        rows=[(_count(x), _count(y)) for x, y in thinned(points, _MOST_ROWS)],
    )


def populations(runs: Sequence[Run]) -> Chart | None:
    """Best and mean fitness of the populations."""
    (run,) = runs
    points = []
    for rows in run.history:
        bests = [row.best for row in rows if math.isfinite(row.best)]
        means = [row.mean for row in rows if math.isfinite(row.mean)]
        if bests and means:
            programs = float(total(rows, "programs"))
            middle = [float(np.median(bests)), float(np.median(means))]
            points.append((programs, min(bests), max(bests), *middle, float(total(rows, "run"))))
    if len(points) < 2:
        return None
    points = thinned(points, _MOST_POINTS)
    xs, lows, highs, bests, means, _ = (list(column) for column in zip(*points, strict=True))
    several = run.islands > 1
    series = [Series("best: all islands", xs, highs, 0, low=lows)] if several else []
    series.append(Series("best: median island" if several else "best", xs, bests, 0))
    series.append(Series("mean: median island" if several else "mean", xs, means, 1))
    return Chart(
        name="populations",
        title="Fitness within populations",
        caption="Of the populations at each report: fitness on T_search of their best so far, and "
        "the mean of their members. A wide gap is diversity, or many children that fail; a fall is "
        "a restart.",
        x=Axis("programs"),
        y=Axis("fitness on T_search"),
        series=series,
        columns=("programs", "lowest best", "highest best", "median best", "median mean",
                 "populations begun"),
        rows=[
            (_count(x), *(f"{value:.4f}" for value in rest), _count(begun))
            for x, *rest, begun in thinned(points, _MOST_ROWS)
        ],
    )  # fmt: skip


def niches(runs: Sequence[Run]) -> Chart | None:
    """Niches that hold programs."""
    (run,) = runs
    held = [(float(total(rows, "programs")), float(total(rows, "niches"))) for rows in run.history]
    if len(held) < 2 or not any(count for _, count in held):
        return None
    xs, ys = _columns([(x, y) for x, y in thinned(held, _MOST_POINTS)])
    return Chart(
        name="niches",
        title="Niches that hold programs",
        caption="At each report, over all islands: how many different kinds of programs are kept.",
        x=Axis("programs"),
        y=Axis("niches", low=0.0),
        series=[Series("", xs, ys)],
        columns=("programs", "niches"),
        rows=[(_count(x), f"{y:,.0f}") for x, y in thinned(held, _MOST_ROWS)],
    )


# ---- several runs -------------------------------------------------------------------------------


def _bands(
    name: str, title: str, axis: Axis, courses: Sequence[tuple[Run, Points]]
) -> Chart | None:
    start = min(points[0][0] for _, points in courses)
    end = max(points[-1][0] for _, points in courses)
    if not 0.0 < start < end:
        return None
    grid = np.geomspace(start, end, _GRID)
    grid[-1] = end
    reached = np.array([_held(points, grid) for _, points in courses])
    # Between one of which nothing is known and another there is no number.
    with np.errstate(invalid="ignore"):
        quantiles = np.quantile(reached, _QUANTILES, axis=0)
    least, lower, middle, upper, most = quantiles

    def drawn(label: str, colour: int, values: Array, low: Array | None = None) -> Series:
        known = np.isfinite(values if low is None else low)
        below = None if low is None else low[known].tolist()
        return Series(label, grid[known].tolist(), values[known].tolist(), colour, low=below)

    faint = [
        Series("", *_columns(_until_risen(points)), colour=6, step=True, faint=True)
        for _, points in courses
    ]
    return Chart(
        name=name,
        title=title,
        caption=f"{len(courses)} runs; median, middle half and all of them, each from where enough "
        "runs have told of a program. A run that has ended keeps its best.",
        x=axis,
        y=Axis(_FITNESS),
        series=[
            drawn("all", 5, most, least),
            drawn("middle half", 0, upper, lower),
            *faint,
            drawn("median", 0, middle),
        ],
        columns=(axis.label, "least", "lower quartile", "median", "upper quartile", "most"),
        rows=[
            (_count(x), *(f"{value:.4f}" if math.isfinite(value) else "" for value in values))
            for x, *values in thinned(
                [tuple(row) for row in np.vstack([grid, quantiles]).T.tolist()], _MOST_ROWS
            )
        ],
    )


def _held(points: Points, grid: Array) -> list[float]:
    """A course at each x of `grid`, each value held up to the next; before the first, less than
    any."""
    xs, ys = _columns(points)
    indices = np.searchsorted(xs, grid * (1.0 + 1e-12), side="right") - 1
    return [ys[index] if index >= 0 else -math.inf for index in indices]


def success(runs: Sequence[Run]) -> Chart | None:
    """The share of runs that have reached their goal, over programs."""
    tried = [run for run in runs if run.goal is not None and run.programs > 0]
    if len(tried) < 2:
        return None
    from scipy import stats

    ended = [run.programs for run in tried if run.solved]
    others = [run.programs for run in tried if not run.solved]
    if not ended:
        return None
    data = stats.CensoredData(uncensored=ended, right=others)
    estimate = stats.ecdf(data)
    ends = estimate.cdf.confidence_interval(method="log-log")
    last = float(max(*ended, *others)) if others else float(max(ended))
    at = [*estimate.cdf.quantiles.tolist(), last]
    share = [*estimate.cdf.probabilities.tolist(), float(estimate.cdf.probabilities[-1])]

    def bounds(row: Sequence[float], unknown: float) -> list[float]:
        values = [value if math.isfinite(value) else unknown for value in row]
        return [*values, values[-1]]

    low = bounds(ends.low.probabilities.tolist(), 0.0)
    high = bounds(ends.high.probabilities.tolist(), 1.0)
    return Chart(
        name="success",
        title="Runs that reached their goal, over programs",
        caption=f"{len(ended)} of {len(tried)} runs reached search.stop.fitness. Those that ended "
        "before count as long as they ran (Kaplan and Meier), with 95 % intervals.",
        x=Axis("programs", log=True),
        y=Axis("share of runs", low=0.0, high=1.0, percent=True),
        series=[
            Series("95 %", at, high, 0, low=low, step=True),
            Series("reached their goal", at, share, 0, step=True),
        ],
        columns=("programs", "share", "low", "high"),
        rows=[
            (_count(x), *(shown(value, percent=True) for value in rest))
            for x, *rest in thinned(list(zip(at, share, low, high, strict=True)), _MOST_ROWS)
        ],
    )


#: By name: what computes it, and whether it is of one run, of several or of either.
FIGURES: dict[str, tuple[Callable[[Sequence[Run]], Chart | None], str]] = {
    "progress": (progress, "either"),
    "progress-time": (progress_over_time, "either"),
    "decisions": (decisions, "one"),
    "rates": (rates, "one"),
    "populations": (populations, "one"),
    "niches": (niches, "one"),
    "success": (success, "several"),
}


def names_for(runs: int) -> list[str]:
    """The figures that there can be of so many runs."""
    kind = "one" if runs == 1 else "several"
    return [name for name, (_, of) in FIGURES.items() if of in (kind, "either")]


def made(runs: Sequence[Run]) -> dict[str, Chart]:
    """All figures of `runs` for which there is enough on record."""
    charts = {name: FIGURES[name][0](runs) for name in names_for(len(runs))}
    return {name: chart for name, chart in charts.items() if chart is not None}
