"""Charts and other figures as files, by matplotlib, where that is installed."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from azc.report.charts import Axis, Chart, Series, shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["COLOURS", "FORMATS", "draw", "rendered"]

#: In the order in which things are drawn; told apart by people who see few colours too.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
FORMATS = ("svg", "png", "pdf")

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
#: What of a file's metadata says when it was made.
_UNDATED = {"svg": {"Date": None}, "png": {}, "pdf": {"CreationDate": None}}


def rendered(fill: Callable[[Figure], None], form: str = "svg") -> bytes | None:
    """The file of a figure that `fill` draws on; None without matplotlib. `form`: of `FORMATS`."""
    try:
        import matplotlib as mpl
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        return None
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(7.0, 4.2))
        FigureCanvasAgg(figure)
        fill(figure)
        stream = io.BytesIO()
        figure.savefig(stream, format=form, metadata=_UNDATED[form], dpi=200)
    return stream.getvalue()


def draw(chart: Chart, figure: Figure) -> None:
    """Draw a chart on an empty figure."""
    axes = figure.add_subplot()
    axes.set(title=chart.title, xlabel=chart.x.label, ylabel=chart.y.label)
    for series in chart.series:
        _series(axes, series)
    for rule in chart.rules:
        axes.axhline(rule.y, color="grey", ls="--", lw=1)
        axes.annotate(rule.label, (0.01, rule.y), xycoords=("axes fraction", "data"),
                      va="bottom", color="grey")  # fmt: skip
    for mark in chart.marks:
        axes.plot([mark.x], [mark.y], "ko", ms=3)
        axes.annotate(f"{mark.number}  {mark.text}", (mark.x, mark.y), xytext=(4, -8),
                      textcoords="offset points", fontsize=6, family="monospace")  # fmt: skip
    _scale(chart.x, axes.set_xscale, axes.set_xlim, axes.xaxis)
    _scale(chart.y, axes.set_yscale, axes.set_ylim, axes.yaxis)
    if chart.legend:
        figure.legend(loc="outside lower center", ncols=3)


def _series(axes: Axes, series: Series) -> None:
    colour = COLOURS[series.colour % len(COLOURS)]
    step: Any = "post" if series.step else None
    label = series.label or None
    if series.low is not None:
        axes.fill_between(
            series.x, series.low, series.y, step=step, color=colour, alpha=0.4, lw=0, label=label
        )
        return
    axes.plot(
        series.x, series.y, color=colour, label=label,
        drawstyle="steps-post" if series.step else "default",
        alpha=0.25 if series.faint else 1.0, lw=1 if series.faint else 2,
    )  # fmt: skip


def _scale(axis: Axis, scale: Callable[[str], Any], limit: Callable[..., Any], side: Any) -> None:
    if axis.log:
        scale("log")
    if axis.low is not None or axis.high is not None:
        limit(axis.low, axis.high)
    side.set_major_formatter(lambda value, _: shown(value, axis.percent))
