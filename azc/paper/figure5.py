"""Figure 5: a network of two layers and its backpropagation, from random programs.

Section 4.1 of the paper: labels come from a network of ReLU units, and evolution finds its code and
how to train it. A trial has found it when its best program learns two layers, one over the other
(`azc.paper.traits.learns_two_layers`), and reaches the goal on T_final, tasks that had no part in
its being found. Searches stop a little above the goal on T_select, since what is chosen there
flatters itself there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from azc import lang, library
from azc.paper.experiment import PLAIN, Context, Experiment, derived, row_of, searched
from azc.paper.plan import Arm, Options
from azc.paper.record import Trial
from azc.paper.statistics import exact_share, wilson_share
from azc.paper.tables import Findings, Table, interval, number, plain
from azc.paper.traits import learns_two_layers
from azc.report.lineage import shortened

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["EXPERIMENT"]

#: By how much the fitness that a search stops at, on T_select, is above the goal on T_final.
_MARGIN = 0.04
_STOP = 0.74

_FINAL = "tasks.final={task='teacher-nn',count=100,features=4,train=1000,valid=100}"
#: Paper, S5; there 1,000 processes shared four kinds of settings, of up to 100 tasks with 100,000
#: examples.
_PAPER = (
    *PLAIN, "search.population=1000", "search.tournament=10", "search.mutate_prob=0.9",
    "space.start=random", "space.scalars=4", "space.vectors=8", "space.matrices=2",
    "space.setup={size=21,ops=['scalar_const','vector_gaussian','matrix_gaussian']}",
    "space.predict={size=3,ops=['dot','matrix_vector_dot','vector_max']}",
    "space.learn={size=9,ops=['scalar_sub','scalar_mul','vector_heaviside','scalar_vector_mul',"
    "'vector_add','vector_mul','outer','matrix_add']}",
)  # fmt: skip


class Figure5(Experiment):
    name = "figure5"
    title = "A network and its backpropagation found from random programs"
    hours = 1.0
    seeds = 20

    def arms(self, options: Options) -> list[Arm]:
        common = (f"search.stop={{fitness={_STOP}}}", _FINAL)
        kinds: dict[str, tuple[str, tuple[str, ...]]] = {
            "ours": ("teacher-nn", ()),
            "paper": ("paper-teacher-nn", _PAPER),
        }
        return [
            Arm(
                name,
                {"settings": name},
                derived(preset, common, own, options.overrides),
            )
            for name, (preset, own) in kinds.items()
        ]

    def trial(self, context: Context, arm: Arm, seed: int) -> dict[str, Any]:
        document = searched(context, arm, seed, course=True)
        assert arm.settings is not None
        program = document["program"]
        layers = program is not None and learns_two_layers(lang.parse(program))
        goal = (arm.settings.search.stop.fitness or 1.0) - _MARGIN
        reached = (document["fitness"]["final"] or 0.0) >= goal
        return {**document, "layers": layers, "goal": goal, "found": layers and reached}

    def conclude(self, context: Context, trials: Sequence[Trial]) -> Findings:
        series = [
            _series(name, [trial.document for trial in trials if trial.arm == name])
            for name in context.plan.names()
        ]
        best = max(trials, key=_merit, default=None)
        program = best.document["program"] if best else None
        paper = str(replace(library.load("paper_figure5"), doc=""))
        data = {
            "series": series,
            "limit": context.plan.limit,
            "program": program,
            "fitness": best.document["fitness"] if best else None,
        }
        texts = []
        if program:
            texts.append(("The best program found, and the paper's", _beside(program, paper)))
        return Findings(
            title=f"Figure 5. {self.title}",
            data=data if trials else {},
            tables=[_table(series)],
            rows=[row_of(trial, {"settings": trial.arm}, "found", "layers") for trial in trials],
            notes=[
                "found: the best program learns two layers (azc.paper.traits.learns_two_layers) "
                f"and reaches, on T_final, {_MARGIN} below the fitness that the search stops at",
                "intervals of 95 %: Wilson's, and in brackets that of Clopper and Pearson",
                f"a trial takes at most {context.plan.limit:.0f} s",
            ],
            texts=texts,
        )

    def draw(self, data: Mapping[str, Any], figure: Figure) -> None:
        from azc.paper.drawing import COLOURS, SHARES, write

        axes, code = figure.subplots(1, 2, width_ratios=(3, 2))
        for index, series in enumerate(data["series"]):
            times, count = series["times"], max(1, series["trials"])
            x = [0.0, *times, data["limit"]]
            shares = [index / count for index in range(len(times) + 1)]
            axes.step(
                x, [*shares, shares[-1]], where="post", color=COLOURS[index], label=series["name"]
            )
        axes.set(xlabel="CPU seconds", ylabel="share of searches that have found it", ylim=SHARES)
        axes.set_xscale("symlog", linthresh=1.0)
        axes.set_xlim(0.0, data["limit"])
        axes.legend()
        write(code, shortened(data["program"] or ""))


EXPERIMENT = Figure5()


def _merit(trial: Trial) -> tuple[bool, float]:
    return trial.document["found"], trial.document["fitness"]["final"] or 0.0


def _series(name: str, documents: Sequence[dict[str, Any]]) -> dict[str, Any]:
    successes = [document for document in documents if document["found"]]
    trials, count = len(documents), len(successes)
    finals = sorted(document["fitness"]["final"] or 0.0 for document in documents)
    times = sorted(document["cpu_seconds"] for document in documents)
    return {
        "name": name,
        "trials": trials,
        "found": count,
        "layers": sum(document["layers"] for document in documents),
        "wilson": plain(wilson_share(count, trials)),
        "exact": plain(exact_share(count, trials)),
        "times": sorted(document["cpu_seconds"] for document in successes),
        "median_cpu": times[trials // 2] if trials else None,
        "programs": sum(document["programs"] for document in documents),
        "median_final": finals[trials // 2] if trials else None,
    }


def _table(series: Sequence[dict[str, Any]]) -> Table:
    rows = []
    for one in series:
        exact = exact_share(one["found"], one["trials"])
        share = interval(wilson_share(one["found"], one["trials"]))
        rows.append(
            (
                one["name"], f"{one['found']} of {one['trials']}",
                f"{share} [{number(exact.low)}–{number(exact.high)}]", str(one["layers"]),
                number(one["median_cpu"]), f"{one['programs']:,}", number(one["median_final"]),
            )
        )  # fmt: skip
    columns = (
        "settings", "found", "share", "two layers", "median CPU s", "programs", "median T_final",
    )  # fmt: skip
    return Table("Networks found", columns, rows)


def _beside(left: str, right: str) -> str:
    """Two texts side by side."""
    pairs = list(zip_longest(left.splitlines(), right.splitlines(), fillvalue=""))
    width = max((len(line) for line, _ in pairs), default=0)
    return "\n".join(f"{one:{width}}    {other}".rstrip() for one, other in pairs)
