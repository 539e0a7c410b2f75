"""Pictures of findings as SVG, by matplotlib, where that is installed."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from azc.paper.experiment import Experiment

__all__ = ["COLOURS", "errors", "svg"]

#: In the order in which things are drawn; told apart by people who see few colours too.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")

#: Text stays text, and the same data give the same file.
_STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "azc",
    "font.size": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
}


def svg(experiment: Experiment, data: Mapping[str, Any]) -> bytes | None:
    """The experiment's picture of `data`; None without matplotlib, or without data."""
    try:
        import matplotlib as mpl
        from matplotlib.backends.backend_svg import FigureCanvasSVG
        from matplotlib.figure import Figure
    except ImportError:
        return None
    if not data:
        return None
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(7.0, 4.2))
        FigureCanvasSVG(figure)
        experiment.draw(data, figure)
        stream = io.BytesIO()
        figure.savefig(stream, format="svg", metadata={"Date": None})
    return stream.getvalue()


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
