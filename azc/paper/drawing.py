"""Pictures of findings as SVG, by matplotlib, where that is installed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from azc.report.plotting import COLOURS, rendered

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from azc.paper.experiment import Experiment

__all__ = ["COLOURS", "SHARES", "by_hand", "errors", "svg", "write"]

#: The limits of an axis of shares, within which points at 0 and 1 are whole.
SHARES = (-0.03, 1.03)


def svg(experiment: Experiment, data: Mapping[str, Any]) -> bytes | None:
    """The experiment's picture of `data`; None without matplotlib, or without data."""
    return rendered(lambda figure: experiment.draw(data, figure)) if data else None


def errors(
    axes: Axes,
    x: float,
    estimate: Mapping[str, float | None],
    colour: str,
    label: str | None = None,
) -> None:
    """A point with its interval; an end that is infinite is left open."""
    value, low, high = (estimate[key] for key in ("value", "low", "high"))
    if value is None:
        return
    axes.plot([x], [value], "o", color=colour, label=label)
    if low is not None and high is not None:
        axes.vlines(x, low, high, color=colour)


def by_hand(axes: Axes, fitness: float) -> None:
    """A line for what the network that is written by hand reaches."""
    axes.axhline(fitness, color="grey", ls="--", lw=1)
    axes.annotate(
        "network by hand", (0.01, fitness), xycoords=("axes fraction", "data"), ha="left",
        va="bottom", color="grey",
    )  # fmt: skip


def write(axes: Axes, text: str) -> None:
    """Lines of text, programs among them, in place of axes."""
    axes.axis("off")
    kept = text.replace("    ", "\u00a0\u00a0")  # others are dropped from SVG
    axes.text(0.0, 1.0, kept, family="monospace", fontsize=7, va="top", ha="left")
