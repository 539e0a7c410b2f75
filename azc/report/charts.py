"""A figure as plain data: what is computed once, and drawn by `svg` into pages, by `plotting` into
files, and written as a table for those who do not see it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

__all__ = ["Axis", "Chart", "Mark", "Rule", "Series", "limits", "shown", "ticks"]

#: Colours there are; series take them by number.
COLOURS = 7
#: Of numbers larger than these a few digits and a letter are shown.
_LETTERS = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


@dataclass(frozen=True, slots=True)
class Axis:
    """What an axis shows. `low`, `high`: how far it goes at least; `percent`: shares."""

    label: str
    log: bool = False
    low: float | None = None
    high: float | None = None
    percent: bool = False


@dataclass(frozen=True, slots=True)
class Series:
    """Points that belong together. `low`: an area from there to `y`, and no line; `step`: each
    value holds up to the next; `faint`: one of many, in the background; an empty `label` is not in
    the legend."""

    label: str
    x: Sequence[float]
    y: Sequence[float]
    colour: int = 0
    low: Sequence[float] | None = None
    step: bool = False
    faint: bool = False


@dataclass(frozen=True, slots=True)
class Mark:
    """A numbered point, with a few words where there is room."""

    number: int
    x: float
    y: float
    text: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """A level to compare with."""

    y: float
    label: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A figure. `caption` says what is seen in it, and how it was come by; `columns`, `rows`: the
    same as a table."""

    name: str
    title: str
    caption: str
    x: Axis
    y: Axis
    series: list[Series]
    marks: list[Mark] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()

    @property
    def legend(self) -> list[Series]:
        """What a legend has to tell apart."""
        named = [one for one in self.series if one.label]
        return named if len(named) > 1 else []


def limits(axis: Axis, values: Sequence[float]) -> tuple[float, float]:
    """From where to where an axis goes that has to show `values`."""
    usable = [v for v in values if math.isfinite(v) and (v > 0.0 or not axis.log)]
    usable += [v for v in (axis.low, axis.high) if v is not None]
    low, high = (min(usable), max(usable)) if usable else (1.0, 10.0)
    if axis.log:
        return (low, high) if high > low * 1.01 else (low / 2.0, low * 2.0)
    room = (high - low) * 0.05 or max(abs(low), 1.0) * 0.05
    return (
        low if axis.low == low else low - room,
        high if axis.high == high else high + room,
    )


def ticks(axis: Axis, low: float, high: float, most: int) -> list[float]:
    """At most about `most` round values between the ends."""
    if axis.log:
        first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
        if last > first:
            stride = -(-(last - first + 1) // most)
            return [10.0**power for power in range(first, last + 1, stride)]
        below = 10.0 ** math.floor(math.log10(low))
        near = [value for k in (1, 2, 5, 10, 20, 50) if low <= (value := below * k) <= high]
        if len(near) > 1:
            return near
        # Between two of these: as on any other axis.
    rough = (high - low) / most
    unit = 10.0 ** math.floor(math.log10(rough))
    spacing = next(unit * k for k in (1, 2, 5, 10) if unit * k >= rough * 0.999)
    count = math.ceil(low / spacing - 1e-9)
    ticks = []
    while count * spacing <= high + 1e-9 * spacing:
        ticks.append(count * spacing)
        count += 1
    return ticks


def shown(value: float, percent: bool = False) -> str:
    """A number of an axis or a table, briefly."""
    if not math.isfinite(value):
        return ""
    if percent:
        return f"{100.0 * value:.3g} %"
    for size, letter in _LETTERS:
        if abs(value) >= 0.9995 * size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.4g}"
