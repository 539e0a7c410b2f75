"""Figure 7: what evolution adds to a network for one kind of task, and whether it does so in
controls.

Section 4.3 of the paper: populations begin with the network of figure 5 and evolve on tasks with a
difficulty. An adaptation is told by a stated rule over the best program of a search
(`azc.paper.traits`); the same searches without the difficulty are the control.

    few-examples     80 examples, 100 epochs; control 800 examples     noise that reaches a ReLU
    fast-training    800 examples, 10 epochs; control 100 epochs       a rate that decays
    multi-class      ten classes; control pairs of classes             the mean weight as a rate
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from azc import lang
from azc.paper.experiment import Context, Experiment, derived, row_of, searched
from azc.paper.plan import Arm, Options
from azc.paper.record import Trial
from azc.paper.reference import with_data
from azc.paper.statistics import exact_share, fisher, mean_of, wilson_share, z_of_shares
from azc.paper.tables import Findings, Table, interval, number, plain, probability
from azc.paper.traits import has_mean_rate, has_noisy_activation, has_rate_decay
from azc.program import Program
from azc.search.settings import Settings
from azc.tasks import Task

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["EXPERIMENT", "VARIANTS"]


@dataclass(frozen=True, slots=True)
class Variant:
    """A kind of task. `trait`: the adaptation in words, and `has` its rule; `control`: overrides
    that take the difficulty away; `paper`: with and without it, how many of 30 searches had it."""

    trait: str
    has: Callable[[Program, Settings, Callable[[], Task]], bool]
    control: tuple[str, ...]
    paper: tuple[int, int]


def _sets(text: str) -> tuple[str, ...]:
    return tuple(f"tasks.{which}.{text}" for which in ("search", "select", "final"))


def _classes(settings: Settings) -> int:
    return settings.tasks.search.facts().classes or 0


VARIANTS = {
    "few-examples": Variant(
        "noisy ReLU",
        lambda program, settings, task: has_noisy_activation(program, _classes(settings)),
        _sets("train=800"),
        (8, 0),
    ),
    "fast-training": Variant(
        "learning-rate decay",
        lambda program, settings, task: has_rate_decay(program, task()),
        ("evaluation.epochs=100",),
        (30, 3),
    ),
    "multi-class": Variant(
        "mean weight as rate",
        lambda program, settings, task: has_mean_rate(program, _classes(settings)),
        (
            *("tasks.search.task=cifar10:search", "tasks.select.task=cifar10:select"),
            *("tasks.final.task=cifar10:select", "space.start=paper_figure5"),
            "budget.baseline=network",
        ),
        (24, 0),
    ),
}
_OF_PAPER = 30
_CASE, _CONTROL = "case", "control"


class Figure7(Experiment):
    name = "figure7"
    title = "An adaptation of a network to its tasks"
    hours = 12.0
    seeds = 30
    variants = tuple(VARIANTS)

    def arms(self, options: Options) -> list[Arm]:
        name = options.variant or self.variants[0]
        about = {"variant": name}
        return [
            Arm(arm, {"arm": arm}, derived(name, changes, options.overrides), about)
            for arm, changes in ((_CASE, ()), (_CONTROL, VARIANTS[name].control))
        ]

    def trial(self, context: Context, arm: Arm, seed: int) -> dict[str, Any]:
        document = searched(context, arm, seed, course=True)
        variant, settings = VARIANTS[arm.about["variant"]], arm.settings
        assert settings is not None

        def task() -> Task:
            overrides = ["tasks.search.count=1"]
            return with_data(settings.changed(overrides), context.data).make_tasks("search")[0]

        program = document["program"]
        adapted = program is not None and variant.has(lang.parse(program), settings, task)
        return {**document, "adapted": adapted}

    def conclude(self, context: Context, trials: Sequence[Trial]) -> Findings:
        name = context.plan.arms[0].about["variant"]
        variant = VARIANTS[name]
        counts = {
            arm: _count([trial.document for trial in trials if trial.arm == arm])
            for arm in (_CASE, _CONTROL)
        }
        pairs = [(counts[arm]["adapted"], counts[arm]["trials"]) for arm in counts]
        tests = {}
        if all(total for _, total in pairs):
            tests = {"fisher": fisher(*pairs), "z": z_of_shares(*pairs)}
        case, control = ((wins, _OF_PAPER) for wins in variant.paper)
        adapted = [trial for trial in trials if trial.document["adapted"]]
        example = max(adapted, key=_merit, default=None)
        texts = []
        if example is not None:
            title = f"The best program with it ({example.arm}, seed {example.seed})"
            texts.append((title, example.document["program"]))
        p = "; ".join(f"{test} {probability(value)}" for test, value in tests.items()) or "none yet"
        return Findings(
            title=f"Figure 7. {self.title}: {name}",
            data={"variant": name, "trait": variant.trait, "counts": counts, "tests": tests}
            if trials
            else {},
            tables=[_table(variant, counts)],
            rows=[row_of(trial, {"arm": trial.arm}, "adapted") for trial in trials],
            notes=[
                f"{variant.trait}, as azc.paper.traits finds it in the best program of a search",
                f"p, one-sided, that it is no commoner in the case than in the control: {p}",
                f"the paper's: case {case[0]} of {case[1]}, control {control[0]} of {control[1]}; "
                f"by the same tests fisher {probability(fisher(case, control))}; "
                f"z {probability(z_of_shares(case, control))}",
                "intervals of 95 %: Wilson's, and in brackets that of Clopper and Pearson",
            ],
            texts=texts,
        )

    def draw(self, data: Mapping[str, Any], figure: Figure) -> None:
        from azc.paper.drawing import COLOURS, SHARES, errors

        axes = figure.add_subplot()
        paper = VARIANTS[data["variant"]].paper
        for x, (arm, wins) in enumerate(zip((_CASE, _CONTROL), paper, strict=True)):
            errors(axes, x, data["counts"][arm]["wilson"], COLOURS[0], "here")
            theirs = plain(wilson_share(wins, _OF_PAPER))
            errors(axes, x + 0.15, theirs, COLOURS[1], "paper")
        axes.set_xticks([0, 1], [_CASE, _CONTROL])
        axes.set(xlim=(-0.5, 1.65), ylim=SHARES, ylabel=f"share of searches with {data['trait']}")
        handles = dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
        axes.legend(handles.values(), handles.keys())


EXPERIMENT = Figure7()


def _merit(trial: Trial) -> float:
    fitness = trial.document["fitness"]
    return float(fitness["select"] or fitness["search"] or 0.0)


def _count(documents: Sequence[dict[str, Any]]) -> dict[str, Any]:
    trials, adapted = len(documents), sum(document["adapted"] for document in documents)
    select = [document["fitness"]["select"] or 0.0 for document in documents]
    with_it = [d["fitness"]["select"] or 0.0 for d in documents if d["adapted"]]
    return {
        "trials": trials,
        "adapted": adapted,
        "wilson": plain(wilson_share(adapted, trials)),
        "exact": plain(exact_share(adapted, trials)),
        "select": plain(mean_of(select)),
        "select_adapted": plain(mean_of(with_it)),
        "programs": sum(document["programs"] for document in documents),
    }


def _table(variant: Variant, counts: Mapping[str, Mapping[str, Any]]) -> Table:
    rows = []
    for (arm, count), paper in zip(counts.items(), variant.paper, strict=True):
        adapted, trials = count["adapted"], count["trials"]
        exact = exact_share(adapted, trials)
        share = interval(wilson_share(adapted, trials))
        rows.append(
            (
                arm, f"{adapted} of {trials}",
                f"{share} [{number(exact.low)}–{number(exact.high)}]",
                f"{paper} of {_OF_PAPER}", number(count["select"]["value"], 4),
                number(count["select_adapted"]["value"], 4), f"{count['programs']:,}",
            )
        )  # fmt: skip
    columns = ("arm", "with it", "share", "paper", "T_select", "of those with it", "programs")
    return Table(f"Searches of which the best program has it: {variant.trait}", columns, rows)
