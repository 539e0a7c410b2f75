"""Charts as SVG inside a page, whose style gives the colours: of the classes ``c0`` to ``c6``."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from html import escape

from azc.report.charts import COLOURS, Axis, Chart, Mark, Series, limits, shown, ticks

__all__ = ["svg"]

#: Width of a character of the small text in pixels, about.
_CHARACTER = 6.6
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 14, 14, 44

Scale = Callable[[float], float]


def svg(chart: Chart, width: int, height: int, kind: str) -> str:
    """The chart on so many pixels; `kind` is the picture's class."""
    inner = (_LEFT, _TOP, width - _RIGHT, height - _BOTTOM)
    xs = [x for one in chart.series for x in one.x] + [mark.x for mark in chart.marks]
    ys = [y for one in chart.series for y in one.y] + [mark.y for mark in chart.marks]
    ys += [y for one in chart.series for y in one.low or ()] + [rule.y for rule in chart.rules]
    x_ends, y_ends = _ends_of_x(chart.x, xs), limits(chart.y, ys)
    at_x = _scale(chart.x, *x_ends, inner[0], inner[2])
    at_y = _scale(chart.y, *y_ends, inner[3], inner[1])
    parts = [
        f'<svg class="{kind}" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" aria-label="{escape(chart.title)}">'
    ]
    for value in ticks(chart.y, *y_ends, most=6):
        y = at_y(value)
        parts.append(f'<path class="grid" d="M{inner[0]} {y:.1f}H{inner[2]}"/>')
        label = shown(value, chart.y.percent)
        parts.append(f'<text x="{inner[0] - 6}" y="{y + 4:.1f}" class="end">{label}</text>')
    for value in ticks(chart.x, *x_ends, most=max(3, width // 90)):
        x = at_x(value)
        parts.append(f'<path class="grid" d="M{x:.1f} {inner[1]}V{inner[3]}"/>')
        label = shown(value, chart.x.percent)
        parts.append(f'<text x="{x:.1f}" y="{inner[3] + 16}" class="mid">{label}</text>')
    parts.append(f'<path class="axis" d="M{inner[0]} {inner[3]}H{inner[2]}"/>')
    middle = (inner[0] + inner[2]) / 2
    parts.append(
        f'<text x="{middle:.0f}" y="{height - 8}" class="mid">{escape(chart.x.label)}</text>'
    )
    high = (inner[1] + inner[3]) / 2
    parts.append(
        f'<text transform="translate(13 {high:.0f}) rotate(-90)" class="mid">'
        f"{escape(chart.y.label)}</text>"
    )
    for rule in chart.rules:
        y = at_y(rule.y)
        parts.append(f'<path class="rule" d="M{inner[0]} {y:.1f}H{inner[2]}"/>')
        parts.append(
            f'<text x="{inner[0] + 6}" y="{y - 4:.1f}" class="quiet">{escape(rule.label)}</text>'
        )
    parts += [_series(one, at_x, at_y) for one in chart.series]
    parts += _marks(chart.marks, at_x, at_y, inner)
    parts.append("</svg>")
    return "".join(parts)


def _ends_of_x(axis: Axis, values: Sequence[float]) -> tuple[float, float]:
    """Curves go from side to side, but where one may begin with a mark there is room for that."""
    low, high = limits(axis, values)
    if axis.log:
        return low / (high / low) ** 0.02, high * (high / low) ** 0.02
    least, most = min(values, default=0.0), max(values, default=0.0)
    return (least, most) if most > least else (low, high)


def _scale(axis: Axis, low: float, high: float, start: float, end: float) -> Scale:
    if axis.log:
        first, last = math.log(low), math.log(high)
        return lambda v: start + (end - start) * (math.log(max(v, low)) - first) / (last - first)
    return lambda v: start + (end - start) * (v - low) / (high - low)


def _series(one: Series, at_x: Scale, at_y: Scale) -> str:
    points = [(at_x(x), at_y(y)) for x, y in zip(one.x, one.y, strict=True)]
    colour = f"c{one.colour % COLOURS}"
    if one.low is None:
        faint = " faint" if one.faint else ""
        return f'<path class="line {colour}{faint}" d="{_path(points, one.step)}"/>'
    under = [(at_x(x), at_y(y)) for x, y in zip(one.x, one.low, strict=True)]
    if one.step:
        points, under = _stepped(points), _stepped(under)
    back = "L".join(f"{x:.1f} {y:.1f}" for x, y in reversed(under))
    return f'<path class="area {colour}" d="{_path(points, False)}L{back}Z"/>'


def _path(points: Sequence[tuple[float, float]], step: bool) -> str:
    if not points:
        return ""
    (x, y), *rest = points
    path = [f"M{x:.1f} {y:.1f}"]
    for x, y in rest:
        path.append(f"H{x:.1f}V{y:.1f}" if step else f"L{x:.1f} {y:.1f}")
    return "".join(path)


def _stepped(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    steps = list(points[:1])
    for x, y in points[1:]:
        steps += [(x, steps[-1][1]), (x, y)]
    return steps


def _marks(
    marks: Sequence[Mark], at_x: Scale, at_y: Scale, inner: tuple[int, int, int, int]
) -> list[str]:
    """Numbers in circles, and words beside them where they cover nothing."""
    left, top, right, bottom = inner
    points = [(at_x(mark.x), at_y(mark.y)) for mark in marks]
    spots = _apart(points, bottom)
    taken = [(x - 9, y - 9, x + 9, y + 9) for x, y in spots]
    parts = [
        f'<path class="leader" d="M{x:.1f} {y:.1f}V{lower:.1f}"/>'
        for (x, y), (_, lower) in zip(points, spots, strict=True)
        if lower > y
    ]
    for mark, (x, y) in zip(marks, spots, strict=True):
        parts.append(f'<circle class="mark" cx="{x:.1f}" cy="{y:.1f}" r="8.5"/>')
        parts.append(f'<text x="{x:.1f}" y="{y + 4:.1f}" class="number">{mark.number}</text>')
        words = mark.text if len(mark.text) <= 44 else f"{mark.text[:43]}…"
        if right - left < 500 or not words:
            continue
        wide = len(words) * _CHARACTER
        # Under the curve, which rises to the right, there is most room.
        for box_x, box_y in ((x + 12, y + 15), (x + 12, y + 30), (x - 12 - wide, y - 12),
                             (x + 12, y - 20), (x - 12 - wide, y - 28),
                             (x - 12 - wide, y + 4)):  # fmt: skip
            box = (box_x, box_y - 10, box_x + wide, box_y + 4)
            inside = left <= box[0] and box[2] <= right and top <= box[1] and box[3] <= bottom
            if inside and not any(_overlap(box, other) for other in taken):
                taken.append(box)
                text = escape(words)
                parts.append(f'<text x="{box_x:.1f}" y="{box_y:.1f}" class="code">{text}</text>')
                break
    return parts


def _apart(points: Sequence[tuple[float, float]], bottom: float) -> list[tuple[float, float]]:
    """Where numbers stand: at their points, or below where others stand there already."""
    spots: list[tuple[float, float]] = []
    for x, y in points:
        label_y = y
        while label_y < bottom - 24 and any(
            abs(x - other_x) < 18 and abs(label_y - other_y) < 18 for other_x, other_y in spots
        ):
            label_y += 6
        spots.append((x, label_y))
    return spots


def _overlap(
    one: tuple[float, float, float, float], other: tuple[float, float, float, float]
) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
