"""A search in words and numbers: the picture of its course, line by line, and how it ended."""

from __future__ import annotations

import math
import os
import shlex
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from azc.program import Program
    from azc.search.report import Counts, Outcome, Report

__all__ = [
    "NOT_REPEATABLE",
    "Rate",
    "best_fitness",
    "duration",
    "filtered_share",
    "fitness_text",
    "frame",
    "mean_fitness",
    "program_text",
    "share",
    "summary",
    "unsaved",
]

#: A rate is that of the last seconds, so that it follows a search that grows slower.
_RATE_SECONDS = 5.0

#: What there is to say of a search whose hosts do not wait for each other.
NOT_REPEATABLE = "not repeatable: migration.synchronous is false"

_LABEL = 14
_TWO_COLUMNS_FROM = 64
_GAPS_FROM = 18

_ENDS = {
    "solved": "solved: the fitness asked for is reached",
    "programs": "the budget of programs is used up",
    "seconds": "the time is up",
    "interrupted": "interrupted: the search has not come to its end",
}


class Rate:
    """Programs per second by the clock, over the last seconds."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()
        self._nodes: deque[dict[str, int]] = deque()

    def add(self, report: Report) -> None:
        self._seen.append((report.seconds, report.total("programs")))
        self._nodes.append({node.name: node.programs for node in report.nodes})
        while len(self._seen) > 2 and self._seen[1][0] <= report.seconds - _RATE_SECONDS:
            self._seen.popleft()
            self._nodes.popleft()

    def of_node(self, name: str) -> float:
        """That of one node."""
        if len(self._nodes) < 2:
            return math.nan
        seconds = self._seen[-1][0] - self._seen[0][0]
        drawn = self._nodes[-1].get(name, 0) - self._nodes[0].get(name, 0)
        return drawn / seconds if seconds > 0.0 else math.nan

    @property
    def value(self) -> float:
        """NaN while too little is known."""
        if len(self._seen) < 2:
            return math.nan
        (start, before), (end, after) = self._seen[0], self._seen[-1]
        return (after - before) / (end - start) if end > start else math.nan

    def __str__(self) -> str:
        return f"{self.value:,.0f}" if math.isfinite(self.value) else "-"


# ---- the live picture ---------------------------------------------------------------------------


def frame(report: Report, rate: Rate, program: list[str], width: int, height: int) -> list[str]:
    """At most `height` lines of at most `width` characters: the course of the search, its islands
    where there are several, and the best program, each cut to what there is room for."""
    width, height = max(width, 1), max(height, 1)
    gap = 1 if height >= _GAPS_FROM else 0
    facts = _facts(report, rate, width)
    lines = facts[: max(1, height - min(len(program), height // 3))]
    room = height - len(lines)
    if len(report.islands) > 1:
        wanted = gap + 1 + len(report.islands)
        given = min(wanted, max(room // 2, room - gap - len(program)))
        if given >= gap + 2:
            lines += [""] * gap + _island_table(report.islands, width, given - gap)
            room -= given
    if len(report.nodes) > 1 and room >= gap + 2:
        given = min(1 + len(report.nodes), room - gap)
        lines += [""] * gap + _node_table(report, rate, width, given)
        room -= gap + given
    if program and room > gap:
        lines += [""] * gap + _cut(program, room - gap, "line")
    return [_clip(line, width) for line in lines]


def _facts(report: Report, rate: Rate, width: int) -> list[str]:
    """The most important first, in two columns where they fit."""
    workers = f", {report.workers} workers" if report.workers > 1 else ""
    facts = [
        ("programs", f"{report.total('programs'):,}"),
        ("best fitness", fitness_text(best_fitness(report))),
        ("per second", str(rate)),
        ("mean fitness", fitness_text(mean_fitness(report))),
        ("per core", f"{report.programs_per_second:,.0f}/s{workers}"),
        ("experiments", f"{report.experiments:,}"),
        ("level 1 hits", share(report, "level1")),
        ("filtered", filtered_share(report)),
        ("level 2 hits", share(report, "level2")),
        ("hurdled", share(report, "hurdled")),
        ("time", duration(report.seconds)),
        ("over budget", share(report, "over_budget")),
    ]
    shown = [f"{label:<{_LABEL}}{value}" for label, value in facts]
    wide = [f"{label:<{_LABEL}}{value}" for label, value in _wide_facts(report, rate)]
    if width < _TWO_COLUMNS_FROM:
        return shown[:4] + wide + shown[4:]
    half = width // 2
    left = [_clip(line, half - 2).ljust(half) for line in shown[::2]]
    return [first + second for first, second in zip(left, shown[1::2], strict=True)] + wide


def _wide_facts(report: Report, rate: Rate) -> list[tuple[str, str]]:
    left, hot = [], report.hot
    if report.seconds_limit is not None and math.isfinite(report.seconds_limit):
        left.append(duration(max(0.0, report.seconds_limit - report.seconds)))
    if report.programs_limit is not None:
        programs = max(0, report.programs_limit - report.total("programs"))
        # False also where the rate is not known.
        takes = f" (about {duration(programs / rate.value)})" if rate.value > 0.0 else ""
        left.append(f"{programs:,} programs{takes}")
    facts = [("left", " or ".join(left))] if left else []
    if not report.repeatable:
        facts.append(("course", NOT_REPEATABLE))
    if hot.built or hot.building:
        building = f", building {hot.building}" if hot.building else ""
        made = f"{hot.built:,} built in {duration(hot.seconds)}{building}"
        facts.append(("native code", f"{made}; {hot.share:.1%} of steps"))
    return facts


def _island_table(islands: tuple[Counts, ...], width: int, height: int) -> list[str]:
    """A line of titles and a line for each island; the first columns, as many as fit."""
    columns = {
        "island": [str(counts.island) for counts in islands],
        "programs": [f"{counts.programs:,}" for counts in islands],
        "best": [fitness_text(counts.best) for counts in islands],
        "mean": [fitness_text(counts.mean) for counts in islands],
        "run": [str(counts.run) for counts in islands],
        "level 1": [_percent(counts.level1, counts.programs) for counts in islands],
        "level 2": [_percent(counts.level2, counts.programs) for counts in islands],
        "received": [f"{counts.received:,}" for counts in islands],
    }
    lines = _columns(columns, width)
    return [lines[0], *_cut(lines[1:], height - 1, "island")]


def _node_table(report: Report, rate: Rate, width: int, height: int) -> list[str]:
    """A line of titles and a line for each machine."""
    nodes = report.nodes
    rates = [rate.of_node(node.name) for node in nodes]
    columns = {
        "node": [node.name for node in nodes],
        "islands": [str(node.islands) for node in nodes],
        "per second": [f"{one:,.0f}" if math.isfinite(one) else "-" for one in rates],
        "lost workers": [str(node.restarts) for node in nodes],
        "behind": [f"{node.lag:,}" for node in nodes],
        "workers": [str(node.hosts) for node in nodes],
    }
    lines = _columns(columns, width)
    return [lines[0], *_cut(lines[1:], height - 1, "node")]


def _columns(columns: dict[str, list[str]], width: int) -> list[str]:
    """A line of titles and the lines of a table; the first columns, as many as fit."""
    lines = [""] * (len(next(iter(columns.values()))) + 1)
    for title, cells in columns.items():
        column = [title, *cells]
        size = max(map(len, column)) + (2 if lines[0] else 0)
        if lines[0] and len(lines[0]) + size > width:
            break
        lines = [line + cell.rjust(size) for line, cell in zip(lines, column, strict=True)]
    return lines


def _clip(line: str, width: int) -> str:
    return line if len(line) <= width else f"{line[: width - 1]}…"


def _cut(lines: list[str], most: int, unit: str) -> list[str]:
    if len(lines) <= most:
        return lines
    more = len(lines) - most + 1
    return [*lines[: most - 1], f"… {more} more {unit}{'s' if more > 1 else ''}"]


# ---- the end ------------------------------------------------------------------------------------


def summary(outcome: Outcome) -> str:
    """How a search ended, the best program and where that is kept."""
    report = outcome.report
    end = _ENDS.get(outcome.reason, f"ended: {outcome.reason}")
    unsolved = outcome.goal is not None and outcome.reason in ("programs", "seconds")
    lines = [f"not solved: {end}" if unsolved else end]
    known = {name: value for name, value in outcome.fitness.items() if value is not None}
    if known:
        scores = ", ".join(f"{name} {fitness_text(value)}" for name, value in known.items())
        lines.append(f"best fitness: {scores}")
    lines.append(
        f"{report.total('programs'):,} programs in {duration(report.seconds)}, "
        f"{report.programs_per_second:,.0f} per CPU second ({report.cpu_seconds:,.1f} s)"
    )
    if not report.repeatable:
        lines.append(NOT_REPEATABLE)
    if outcome.program is not None:
        lines += ["", program_text(outcome.program)]
    if outcome.out is not None:
        folder = str(outcome.out)
        lines.append(f"saved in {_for_shell(folder)}" if outcome.saved else unsaved(outcome))
        if outcome.program is not None and outcome.saved:
            best = _for_shell(os.path.join(folder, "best.az"))
            lines.append(f"score it on other tasks: azc run {best} --task …")
        if outcome.reason == "interrupted":
            lines.append(f"go on: azc evolve --resume --out {_for_shell(folder)}")
    return "\n".join(lines)


def unsaved(outcome: Outcome) -> str:
    """What is not saved, in words."""
    count = outcome.unsaved
    reports = f"the last {count} reports and " if count > 1 else "the last report and "
    what = f"{reports if count else ''}this result {'are' if count else 'is'} not saved"
    return f"{what} in {_for_shell(str(outcome.out))}: keep what is printed here"


def _for_shell(path: str) -> str:
    return shlex.quote(path) if path.isprintable() else repr(path)


# ---- numbers ------------------------------------------------------------------------------------


def best_fitness(report: Report) -> float:
    return report.best.search if report.best else math.nan


def mean_fitness(report: Report) -> float:
    """Over the islands that have a population yet."""
    means = [counts.mean for counts in report.islands if not math.isnan(counts.mean)]
    return math.fsum(means) / len(means) if means else math.nan


def share(report: Report, name: str) -> str:
    return _percent(report.total(name), report.total("programs"))


def filtered_share(report: Report) -> str:
    filtered = report.total("filtered")
    return _percent(filtered, filtered + report.total("programs"))


def _percent(part: int, whole: int) -> str:
    return f"{100.0 * part / whole:.1f}%" if whole else "-"


def fitness_text(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.6f}"


def duration(seconds: float) -> str:
    if not 99.95 <= seconds < math.inf:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"


def program_text(program: Program) -> str:
    # What the program said of itself is not true of its descendants.
    return str(replace(program, doc=""))
