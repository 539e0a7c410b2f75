"""Figure 8: what each upgrade of the search method is worth.

Section 5 and table S2 of the paper: from a plain baseline on, each column adds one upgrade to those
before: migration, functional equivalence checking, half of the data from another set of images,
hurdles. Beside them stand upgrades that the paper does not have, each added to the last column.
A search succeeds when its best program is better on T_select than a network of two layers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from azc.paper.experiment import PLAIN, Context, Experiment, derived, growing, row_of
from azc.paper.plan import Arm, Options, methods
from azc.paper.record import Trial
from azc.paper.reference import network_on
from azc.paper.statistics import greater, mean_of, wilson_share
from azc.paper.tables import Findings, Table, interval, number, plain, probability
from azc.search.settings import Settings

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["EXPERIMENT"]

_ISLANDS = 4
#: The paper's ops and sizes of a search for networks, without any of the upgrades.
_BASELINE = (*PLAIN, f"search.islands={_ISLANDS}", "fec.level1=false", "fec.level2=false")
_MIGRATION = ("migration={every=2000,share=0.5}",)
_FEC = ("fec.level1=true", "fec.level2=true")
_DIVERSITY = (f"islands=[{{count={_ISLANDS // 2},tasks={{search={{task='mnist:search'}}}}}}]",)
_HURDLES = ("hurdles={train=1000,quantile=0.5}",)
_FILTER = ("search.filter=true",)
#: Best accuracy and share of successes in the paper's table S2, of 30 searches each.
_PAPER = {
    "baseline": (0.703, 0.00),
    "+ migration": (0.707, 0.00),
    "+ FEC": (0.724, 0.13),
    "+ half MNIST": (0.729, 0.27),
    "+ hurdles": (0.738, 0.53),
}


class Figure8(Experiment):
    name = "figure8"
    title = "What each upgrade of the search method is worth"
    hours = 12.0
    seeds = 10

    def arms(self, options: Options) -> list[Arm]:
        steps = {"+ migration": _MIGRATION, "+ FEC": _FEC}
        if "islands" in Settings.model_fields:
            steps["+ half MNIST"] = _DIVERSITY
        steps["+ hurdles"] = _HURDLES
        changes: tuple[str, ...] = _BASELINE
        columns = {"baseline": changes}
        for name, upgrade in steps.items():
            changes = (*changes, *upgrade)
            columns[name] = changes
        beside = {"filter": _FILTER, "mgg": ("search.method=mgg", *_FILTER)}
        # Whatever else there is, with its own defaults.
        known = ("random", "regularized-evolution", "mgg")
        others = [name for name in methods() if name not in known]
        sizes = growing(derived("cifar10-baseline"))
        beside |= {name: (f"search.method={name}", *_FILTER, *sizes) for name in others}
        columns |= {f"and {name}": (*changes, *upgrade) for name, upgrade in beside.items()}
        return [
            Arm(name, {"column": name}, derived("cifar10-baseline", changes, options.overrides))
            for name, changes in columns.items()
        ]

    def conclude(self, context: Context, trials: Sequence[Trial]) -> Findings:
        network = network_on(context, context.plan.arms[0])
        columns: list[dict[str, Any]] = []
        for name in context.plan.names():
            documents = [trial.document for trial in trials if trial.arm == name]
            columns.append(_column(name, network["select"], documents))
        table = [_cells(column, _before(columns, column), columns[0]) for column in columns]
        titles = (
            *("column", "T_select", "better than network", "share", "p to before"),
            *("p to first", "paper", "programs", "CPU s"),
        )
        return Findings(
            title=f"Figure 8. {self.title}",
            data={"columns": columns, "network": network["select"]} if trials else {},
            tables=[Table("Best programs of searches on T_select", titles, table)],
            rows=[row_of(trial, {"column": trial.arm}, "evaluated", "hurdled") for trial in trials],
            notes=[
                f"the network's fitness on T_select, with the constants that are best on T_search: "
                f"{network['select']:.4f}",
                "intervals of 95 %: Student's, and Wilson's; p: one-sided test of Mann and "
                "Whitney, not corrected for the number of columns",
                "columns that begin with 'and' are added to the last of the others, each alone",
                "paper: best accuracy and share of successes of 30 searches (table S2)",
            ],
        )

    def draw(self, data: Mapping[str, Any], figure: Figure) -> None:
        from azc.paper.drawing import COLOURS, by_hand, errors

        axes = figure.add_subplot()
        for x, column in enumerate(data["columns"]):
            values = column["values"]
            axes.plot([x + 0.15] * len(values), values, ".", color="grey", alpha=0.5)
            if column["select"]["value"] is not None:
                errors(axes, x, column["select"], COLOURS[0])
        by_hand(axes, data["network"])
        names = [column["name"] for column in data["columns"]]
        axes.set_xticks(range(len(names)), names, rotation=20, ha="right")
        shown = [data["network"], *(v for column in data["columns"] for v in column["values"])]
        margin = 0.1 * (max(shown) - min(shown)) + 1e-3
        # Intervals of few searches are wider than what there is to see.
        axes.set_ylim(min(shown) - margin, max(shown) + margin)
        axes.set_ylabel("best fitness on T_select")


EXPERIMENT = Figure8()


def _column(name: str, network: float, documents: Sequence[dict[str, Any]]) -> dict[str, Any]:
    values = [document["fitness"]["select"] or 0.0 for document in documents]
    return {
        "name": name,
        "values": values,
        "select": plain(mean_of(values)),
        "wins": sum(value > network for value in values),
        "programs": sum(document["programs"] for document in documents),
        "cpu_seconds": sum(document["cpu_seconds"] for document in documents),
    }


def _before(columns: Sequence[dict[str, Any]], column: dict[str, Any]) -> dict[str, Any] | None:
    """The column that this one adds something to."""
    index = columns.index(column)
    if index == 0:
        return None
    if not column["name"].startswith("and "):
        return columns[index - 1]
    return [one for one in columns if not one["name"].startswith("and ")][-1]


def _cells(
    column: dict[str, Any], before: dict[str, Any] | None, first: dict[str, Any]
) -> tuple[str, ...]:
    values, wins = column["values"], column["wins"]
    paper = _PAPER.get(column["name"])
    return (
        column["name"],
        interval(mean_of(values), 4),
        f"{wins} of {len(values)}",
        interval(wilson_share(wins, len(values))),
        probability(greater(values, before["values"])) if before else "",
        probability(greater(values, first["values"])) if column is not first else "",
        f"{paper[0]:.3f}, {paper[1]:.2f}" if paper else "",
        f"{column['programs']:,}",
        number(column["cpu_seconds"]),
    )
