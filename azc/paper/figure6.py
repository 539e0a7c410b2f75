"""Figure 6: the progress of one search on pairs of CIFAR-10 classes, with what it found on the way;
and how many of several are better than a hand-written network.

Section 4.2 of the paper. There, 13 of 20 searches found a program that is better on T_select, pairs
of classes that had no part in the search, than a network of two layers trained by gradient descent.
The network here has its constants fitted on T_search first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from azc.paper.experiment import Context, Experiment, derived, row_of
from azc.paper.plan import Arm, Options
from azc.paper.record import Trial
from azc.paper.reference import network_on
from azc.paper.statistics import mean_of, sign_test, wilson_share
from azc.paper.tables import Findings, Table, interval, number, plain, probability
from azc.report.lineage import callouts, shortened, stages, words

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["EXPERIMENT"]

#: Lines of change of a step that are shown.
_LINES = 4
#: What the paper reports.
_PAPER = (13, 20)


class Figure6(Experiment):
    name = "figure6"
    title = "Progress on pairs of CIFAR-10 classes, against a hand-written network"
    hours = 10.0
    seeds = 20

    def arms(self, options: Options) -> list[Arm]:
        presets = {"ours": "cifar10-fast", "paper": "paper-cifar10"}
        return [
            Arm(name, {"settings": name}, derived(preset, options.overrides))
            for name, preset in presets.items()
        ]

    def conclude(self, context: Context, trials: Sequence[Trial]) -> Findings:
        networks = {arm.name: network_on(context, arm) for arm in context.plan.arms}
        series = [
            _series(name, networks[name], [t.document for t in trials if t.arm == name])
            for name in context.plan.names()
        ]
        some = [trial for trial in trials if trial.document["program"]]
        best = max(some, key=_merit, default=None)
        if best is None:
            return Findings(f"Figure 6. {self.title}", {}, [_table(series)], [])
        steps = callouts(best.document["lineage"])
        rows = [_row(trial, networks[trial.arm]) for trial in trials]
        return Findings(
            title=f"Figure 6. {self.title}",
            data={
                "series": series,
                "best": {
                    "arm": best.arm,
                    "seed": best.seed,
                    "course": _whole_course(best.document),
                    "program": best.document["program"],
                },
                "network": networks[best.arm]["search"],
                "callouts": steps,
            },
            tables=[_table(series), _callouts_table(best, steps)],
            rows=rows,
            notes=[
                "better: fitness on T_select above that of the network, whose constants are the "
                "best of 100 on T_search",
                "intervals of 95 %: Wilson's, and Student's; p: one-sided sign test that it is not "
                "better in more than half of the searches",
                f"the paper: {_PAPER[0]} of {_PAPER[1]} ({interval(wilson_share(*_PAPER))})",
            ],
            texts=_stages(best.document),
        )

    def draw(self, data: Mapping[str, Any], figure: Figure) -> None:
        from azc.paper.drawing import COLOURS, by_hand, write

        figure.set_size_inches(11.0, 5.0)
        axes, told = figure.subplots(1, 2, width_ratios=(2, 1))
        for index, series in enumerate(data["series"]):
            for course in series["courses"]:
                axes.step(
                    *zip(*course, strict=True), where="post", color=COLOURS[index], alpha=0.25, lw=1
                )
        best = data["best"]["course"]
        index = [series["name"] for series in data["series"]].index(data["best"]["arm"])
        axes.step(*zip(*best, strict=True), where="post", color=COLOURS[index], lw=2)
        by_hand(axes, data["network"])
        for mark, step in enumerate(data["callouts"], 1):
            axes.plot([step["programs"]], [step["fitness"]], "ko", ms=3)
            # Those that follow each other closely have their numbers on either side.
            axes.annotate(
                str(mark), (step["programs"], step["fitness"]),
                xytext=(-5, 3) if mark % 2 else (5, -10), textcoords="offset points", fontsize=8,
                ha="right" if mark % 2 else "left",
            )  # fmt: skip
        axes.set(xscale="log", xlabel="programs", ylabel="best fitness on T_search")
        lines = [f"{mark}  {words(step)}" for mark, step in enumerate(data["callouts"], 1)]
        write(told, "\n".join([*lines, "", shortened(data["best"]["program"])]))


EXPERIMENT = Figure6()


def _whole_course(document: Mapping[str, Any]) -> list[list[float]]:
    """The course, and what the lineage of the best tells of the time between its reports."""
    lineage = [[one["programs"], one["fitness"]] for one in document["lineage"]]
    best, whole = 0.0, []
    for programs, fitness in sorted(lineage + document["course"]):
        best = max(best, fitness)
        whole.append([programs, best])
    return whole


def _stages(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What the best program came from: the first, one half-way to its fitness, and itself."""
    steps = stages(document["lineage"], document["fitness"]["search"])
    titles = ("The best program's first ancestor", "The best program's half-way ancestor")
    texts = [(title, one["program"]) for title, one in zip(titles, steps, strict=False)]
    return [*texts, ("The best program", document["program"])]


def _merit(trial: Trial) -> float:
    fitness = trial.document["fitness"]
    return float(fitness["search"] if fitness["select"] is None else fitness["select"])


def _series(
    name: str, network: Mapping[str, Any], documents: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    # A search that has found nothing has found nothing better than chance.
    select = [document["fitness"]["select"] or 0.0 for document in documents]
    finals = [document["fitness"]["final"] or 0.0 for document in documents]
    wins = sum(value > network["select"] for value in select)
    return {
        "name": name,
        "trials": len(documents),
        "wins": wins,
        "share": plain(wilson_share(wins, len(documents))),
        "p": sign_test(wins, len(documents)),
        "select": plain(mean_of(select)),
        "final": plain(mean_of(finals)),
        "network": {which: network.get(which) for which in ("search", "select", "final")},
        "programs": sum(document["programs"] for document in documents),
        "cpu_seconds": sum(document["cpu_seconds"] for document in documents),
        "courses": [document["course"] for document in documents if document["course"]],
    }


def _table(series: Sequence[dict[str, Any]]) -> Table:
    rows = [
        (
            one["name"], f"{one['wins']} of {one['trials']}",
            interval(wilson_share(one["wins"], one["trials"])), probability(one["p"]),
            _mean(one["select"]), number(one["network"]["select"], 4),
            _mean(one["final"]), number(one["network"]["final"], 4),
            f"{one['programs']:,}", number(one["cpu_seconds"]),
        )
        for one in series
    ]  # fmt: skip
    columns = (
        "settings", "better", "share", "p", "T_select", "network", "T_final", "network",
        "programs", "CPU s",
    )  # fmt: skip
    return Table("Searches, against the network", columns, rows)


def _mean(estimate: Mapping[str, float | None]) -> str:
    ends = (
        f" ({number(estimate['low'], 4)}–{number(estimate['high'], 4)})" if estimate["low"] else ""
    )
    return f"{number(estimate['value'], 4)}{ends}"


def _callouts_table(best: Trial, steps: Sequence[dict[str, Any]]) -> Table:
    rows = [
        (
            str(index), f"{step['programs']:,}", f"{step['before']:.4f}", f"{step['fitness']:.4f}",
            step["mutation"], "; ".join(step["change"][:_LINES]),
        )
        for index, step in enumerate(steps, 1)
    ]  # fmt: skip
    columns = ("step", "programs", "from", "to", "mutation", "change")
    title = f"Where the lineage of the best improved ({best.arm}, seed {best.seed})"
    return Table(title, columns, rows, len(columns))


def _row(trial: Trial, network: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **row_of(trial, {"settings": trial.arm}, "evaluated"),
        "network_select": network["select"],
        "network_final": network.get("final"),
    }
