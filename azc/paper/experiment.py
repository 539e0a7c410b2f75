"""What an experiment of the paper is: arms to compare, trials, and what comes of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from azc.paper.plan import Arm, Options, Plan
from azc.paper.record import Record, Trial
from azc.paper.tables import Findings
from azc.program import FUNCTIONS
from azc.report.lineage import steps_of
from azc.report.runs import best_so_far
from azc.search.report import Outcome
from azc.search.search import Search
from azc.search.settings import Settings

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "PLAIN",
    "Context",
    "Experiment",
    "InterruptedTrialError",
    "course_of",
    "derived",
    "growing",
    "row_of",
    "searched",
]

#: Overrides that leave regularized evolution with its defaults, whatever a preset adds to it.
PLAIN = (
    "search.method=regularized-evolution",
    *(f"search.{key}=" for key in ("children", "mutations", "filter", "repeat", "drop_dead")),
    *("search.islands=1", "search.workers=1"),
    *(f"{table}=" for table in ("restart", "budget", "hurdles", "migration", "islands", "niches")),
    "constants=",
)
#: Points of a course that are kept; more are more than a picture shows.
_MOST_POINTS = 500


class InterruptedTrialError(Exception):
    """The user ended a trial before its time; it goes on the next time."""


@dataclass(frozen=True, slots=True)
class Context:
    """Where an experiment runs. `base`: its folder; `record`: None in a worker, which hands over
    what came of a trial; `data`: the folder of image sets; `tell` is called with what is going
    on."""

    record: Record | None
    base: Path
    plan: Plan
    data: str | None = None
    tell: Callable[[str], None] = lambda text: None

    def folder(self, arm: str, seed: int) -> Path:
        """Where a trial keeps its search."""
        name = "".join(char if char.isalnum() else "-" for char in arm)
        return self.base / "searches" / f"{name}-{seed}"


class Experiment:
    """One experiment; each has a module, with an instance as `EXPERIMENT`.

    `title` says in one line what it shows; `hours`, `seeds`: its scale where none is asked for;
    `repeats`: trials that end early are followed by more; `keeps`: the folders of its searches stay
    when they have ended; `variants`: what `Options.variant` may be; `alone`: its trials build on
    each other, and run one after the other.
    """

    name: str
    title: str
    hours: float = 1.0
    seeds: int = 10
    repeats: bool = False
    keeps: bool = True
    first_seed: int = 1
    variants: tuple[str, ...] = ()
    takes_program: bool = False
    alone: bool = False

    def arms(self, options: Options) -> list[Arm]:
        """What is compared, in the order of the paper. Raises `ConfigError`."""
        raise NotImplementedError

    def trial(self, context: Context, arm: Arm, seed: int) -> dict[str, Any]:
        """What came of a trial (JSON), with at least ``seconds`` that it took.

        Raises `InterruptedTrialError`.
        """
        return searched(context, arm, seed, course=self.keeps)

    def conclude(self, context: Context, trials: Sequence[Trial]) -> Findings:
        """What the trials so far show."""
        raise NotImplementedError

    def draw(self, data: Mapping[str, Any], figure: Figure) -> None:
        """Draw the data of `Findings` on an empty figure."""
        raise NotImplementedError


def derived(preset: str, *changes: Sequence[str]) -> Settings:
    """The settings of a preset with overrides, those that come later winning."""
    return Settings.from_toml(preset, [change for each in changes for change in each])


def row_of(trial: Trial, labels: Mapping[str, str], *keys: str) -> dict[str, Any]:
    """A trial as a row of the data: `labels`, its seed, `keys` of its document, counts and times,
    fitness."""
    document = trial.document
    common = ("solved", "populations", "programs", "filtered", "cpu_seconds", "seconds")
    counts = {key: document[key] for key in (*keys, *common)}
    return {**labels, "seed": trial.seed, **counts, **document["fitness"]}


def growing(settings: Settings) -> list[str]:
    """Overrides that let functions have any number of instructions up to what they have now, for
    methods that keep live instructions only."""
    sizes = {name: settings.space.function(name).max for name in FUNCTIONS}
    return [
        change
        for name, size in sizes.items()
        if settings.space.searched(name)
        for change in (f"space.{name}.size=", f"space.{name}.min=0", f"space.{name}.max={size}")
    ]


def searched(context: Context, arm: Arm, seed: int, *, course: bool) -> dict[str, Any]:
    """Search as the arm's settings say, or go on with it where it has begun, up to the plan's
    limit; what came of it, with its `course` if asked for."""
    assert arm.settings is not None
    folder = context.folder(arm.name, seed)
    rest: dict[str, Any] = {
        "seconds": context.plan.limit,
        "workers": 1,  # trials run side by side instead
        "data": context.data,
        "messages": context.tell,
    }
    if (folder / "run.sqlite").is_file():
        outcome = Search.resume(folder).run(**rest)
    else:
        outcome = Search(arm.settings).run(seed=seed, out=folder, **rest)
    if outcome.reason == "interrupted":
        raise InterruptedTrialError
    return {**_summary(outcome), **(course_of(outcome) if course else {})}


def _summary(outcome: Outcome) -> dict[str, Any]:
    report, program = outcome.report, outcome.program
    counts = ("programs", "evaluated", "level1", "level2", "filtered", "over_budget", "hurdled")
    return {
        "solved": outcome.solved,
        "reason": outcome.reason,
        "seconds": report.seconds,
        "cpu_seconds": report.cpu_seconds,
        "populations": report.experiments,
        **{name: report.total(name) for name in counts},
        "steps": report.total("steps"),
        "fitness": outcome.fitness,
        "program": None if program is None else str(program),
    }


def course_of(outcome: Outcome) -> dict[str, Any]:
    """How the search went: programs and the best fitness on T_search so far, report by report; and
    the lineage of the best program, where programs are counted over all islands."""
    points = [list(point) for point in best_so_far(outcome.history)]
    report = outcome.report
    if report.best is not None:
        best = max([report.best.search, *(fitness for _, fitness in points[-1:])])
        points.append([report.total("programs"), best])
    kept = [
        point
        for index, point in enumerate(points)
        if index in (0, len(points) - 1) or point[1] > points[index - 1][1]
    ]
    step = -(-len(kept) // _MOST_POINTS) or 1
    islands = max(1, len(report.islands))
    return {
        "course": kept[::step] + (kept[-1:] if kept[::step] != kept else []),
        "lineage": steps_of(outcome.lineage, islands),
    }
