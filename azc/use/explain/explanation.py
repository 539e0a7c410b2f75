"""An explanation: what was measured, as a page of text, and as tables for notebooks."""

from __future__ import annotations

import html as escaping
from dataclasses import dataclass

from azc.program import Address, Program

__all__ = [
    "GRADIENT",
    "IN_SHORT",
    "NEAR",
    "Cell",
    "Direction",
    "Explanation",
    "Line",
    "loss",
    "remark",
]

#: From this cosine on a direction is called the gradient's.
GRADIENT = 0.95
#: From this cosine on a direction is called near the gradient's.
NEAR = 0.6
#: What `short` is.
IN_SHORT = "in short, from the second step on, but for rounding"
#: A line whose loss is surely below this had no effect that could be measured.
_NO_EFFECT = 0.001


@dataclass(frozen=True, slots=True)
class Line:
    """One instruction.

    `function`, `index` (from 0) and `text` say which; `named` is the text with the names that the
    author gave. `live`: it can reach a prediction. `without`: the mean fitness of the program
    without it. `loss`: how much fitness that costs, over tasks and seeds, from `low` to `high` with
    95 % confidence. `core`: it is part of the simpler program that does most of the work;
    `knock_in`: what the line adds to that program, or, in it already, what it loses without it.
    `role`: what it does, in words. `fails`: of how many tasks more training fails without it.
    """

    function: str
    index: int
    text: str
    named: str
    live: bool
    without: float
    loss: float
    low: float
    high: float
    core: bool
    knock_in: float
    role: str
    fails: int = 0

    @property
    def matters(self) -> bool:
        """Whether fitness may fall without it: whether its loss is not surely next to nothing."""
        return self.live and (self.high >= _NO_EFFECT or self.loss >= _NO_EFFECT or self.fails > 0)


@dataclass(frozen=True, slots=True)
class Cell:
    """One address: `kind` is ``"learned"`` (carried from step to step, and changing),
    ``"constant"`` or ``"scratch"`` (made anew in each step); `low` and `high`, the least and
    greatest entry it held in training."""

    address: Address
    name: str
    kind: str
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Direction:
    """How the change of the learned address called `name` lies to the direction in which an
    example's loss falls fastest in the address called `of`, mostly itself: the mean `cosine` over
    training steps. `late`: with the direction of the step before, for programs that take each step
    one example later."""

    address: Address
    name: str
    of: str
    cosine: float
    late: float


@dataclass(frozen=True)
class Explanation:
    """What was measured of `program`: its mean `fitness`, each of its `lines`, its memory, and how
    what it learns follows the gradient. `core`: the simpler program that does most of the work.
    `short`: the program in short, as `formulas` tells it. `picture`: its data flow, for Mermaid.
    ``str()`` is a page of text; notebooks show a table."""

    program: Program
    fitness: float
    tasks: list[str]
    seeds: list[int]
    lines: list[Line]
    addresses: list[Cell]
    gradients: list[Direction]
    core: Program
    core_fitness: float
    picture: str
    steps: int
    interface: str = ""
    short: str = ""

    def __str__(self) -> str:
        return _text(self)

    def _repr_html_(self) -> str:
        return _html(self)


def _summary(told: Explanation) -> str:
    count = sum(line.live for line in told.lines)
    core = sum(line.core for line in told.lines)
    tasks = f"{len(told.tasks)} tasks" if len(told.tasks) > 1 else "1 task"
    seeds = f", {len(told.seeds)} seeds" if len(told.seeds) > 1 else ""
    alone = f"{core} of them alone reach" if core else "an empty program reaches"
    return (
        f"fitness {told.fitness:.4f} on {tasks}{seeds}; {len(told.lines)} lines, {count} live; "
        f"{alone} {told.core_fitness:.4f}"
    )


def _short(told: Explanation) -> str:
    """In a sentence or two, what is learned, and how."""
    ways = {}
    for direction in told.gradients:
        late = direction.late > direction.cosine
        cosine = direction.late if late else direction.cosine
        if cosine >= NEAR:
            way = "gradient step" if direction.of == direction.name else "gradient"
            of = "" if direction.of == direction.name else f" by {direction.of}"
            way = way if cosine >= GRADIENT else f"about the {way}"
            ways[direction.name] = f"({way}{of}{', one step late' if late else ''})"
    learned = [cell.name for cell in told.addresses if cell.kind == "learned"]
    said = ", ".join(f"{name} {ways[name]}" if name in ways else name for name in learned)
    parts = [f"learned: {said or 'nothing'}"]
    useless = sum(line.live and not line.matters for line in told.lines)
    if useless:
        lines = "1 live line" if useless == 1 else f"{useless} live lines"
        parts.append(f"{lines} without an effect that was measured")
    return "; ".join(parts)


def loss(line: Line) -> str:
    """What leaving the line out costs."""
    if not line.live:
        return ""
    if line.low == line.high:
        return _fixed(line.loss)
    return f"{_fixed(line.loss)} ({_fixed(line.low)} to {_fixed(line.high)})"


def _fixed(value: float) -> str:
    """Four places, without the sign of a zero."""
    return f"{round(value, 4) + 0.0:.4f}"


def remark(line: Line) -> str:
    """The role, and that no effect was seen where none was."""
    if line.live and not line.matters:
        return f"{line.role}; no effect measured here"
    if line.fails:
        failing = "1 task fails" if line.fails == 1 else f"{line.fails} tasks fail"
        return f"{line.role}; without it {failing}"
    return line.role


def _range(low: float, high: float) -> str:
    return f"{low:.4g}" if low == high else f"{low:.4g} to {high:.4g}"


def _text(told: Explanation) -> str:
    """A page of text."""
    parts = [_summary(told), *([told.interface] if told.interface else []), _short(told), ""]
    if told.short:
        parts += [f"{IN_SHORT}:", *(f"  {line}" for line in told.short.splitlines()), ""]
    rows = [["line", "loss without it (95 %)", "core", "what it does"]]
    for function in ("setup", "predict", "learn"):
        inside = [line for line in told.lines if line.function == function]
        if inside:
            rows.append([f"{function.capitalize()}:", "", "", ""])
        for line in inside:
            core = "yes" if line.core else ""
            rows.append([f"  {line.named}", loss(line), core, remark(line)])
    parts += _aligned(rows)
    rows = [["memory", "kind", "range in training"]]
    rows += [[cell.name, cell.kind, _range(cell.low, cell.high)] for cell in told.addresses]
    parts += ["", *_aligned(rows)]
    if told.gradients:
        rows = [["learned", "gradient by", "cosine", "one step late"]]
        rows += [[d.name, d.of, f"{d.cosine:.3f}", f"{d.late:.3f}"] for d in told.gradients]
        parts += ["", *_aligned(rows)]
    return "\n".join(parts)


def _aligned(rows: list[list[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _html(told: Explanation) -> str:
    """Tables; a bar shows how much fitness each line is worth."""
    most = max((line.loss for line in told.lines), default=0.0) or 1.0
    rows = []
    for line in told.lines:
        width = 100.0 * max(line.loss, 0.0) / most
        bar = f'<div style="width:{width:.0f}%;height:0.6em;background:#4878a8"></div>'
        faded = "" if line.matters else ' style="opacity:0.5"'
        cells = [line.function.capitalize(), f"<code>{escaping.escape(line.named)}</code>",
                 loss(line), bar, escaping.escape(remark(line))]  # fmt: skip
        rows.append(f"<tr{faded}>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    heads = ("function", "line", "loss without it (95 %)", "", "what it does")
    said = "<br>".join(
        escaping.escape(line) for line in (_summary(told), told.interface, _short(told)) if line
    )
    parts = [f"<p>{said}</p>"]
    if told.short:
        parts.append(f"<p>{IN_SHORT}:</p><pre>{escaping.escape(told.short)}</pre>")
    parts.append(_table(heads, rows))
    cells_of = [
        f"<tr><td><code>{escaping.escape(c.name)}</code></td><td>{c.kind}</td>"
        f"<td>{_range(c.low, c.high)}</td></tr>"
        for c in told.addresses
    ]
    parts.append(_table(("memory", "kind", "range in training"), cells_of))
    cosines = [
        f"<tr><td><code>{escaping.escape(d.name)}</code></td><td><code>{escaping.escape(d.of)}"
        f"</code></td><td>{d.cosine:.3f}</td><td>{d.late:.3f}</td></tr>"
        for d in told.gradients
    ]
    if cosines:
        parts.append(_table(("learned", "gradient by", "cosine", "one step late"), cosines))
    return "\n".join(parts)


def _table(heads: tuple[str, ...], rows: list[str]) -> str:
    head = "".join(f"<th>{title}</th>" for title in heads)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
