"""Sections of a page about one run: how its best came to be, what that does, how it compares, and
how to have all of it again."""

from __future__ import annotations

import platform
import shlex
import sys
from collections.abc import Mapping
from html import escape
from typing import Any

import numpy as np

from azc.report import parts
from azc.report.charts import Chart, shown
from azc.report.lineage import callouts, marked, stages, steps_of
from azc.report.runs import Run, total
from azc.report.scores import Interval, Measured
from azc.search.report import Best
from azc.use.explain import Explanation
from azc.use.explain.explanation import IN_SHORT, loss, remark
from azc.use.tune.constants import constants_of
from azc.version import VERSION

__all__ = [
    "comparison",
    "duration",
    "explanation",
    "nodes",
    "progress",
    "repeating",
    "statistics",
    "summary",
    "task_of",
]

#: Lines of change that a step shows.
_LINES = 5
_SETS = {"search": "T_search", "select": "T_select", "final": "T_final"}
_NOT_REPEATABLE = "not repeatable: islands did not wait for each other"
_TITLES = ("function", "line", "loss without it (95 %)", "core", "what it does")
_STAGES = ("First ancestor", "Half-way", "The best")


def duration(seconds: float) -> str:
    """Seconds, minutes or hours, whichever reads best."""
    if seconds < 120.0:
        return f"{seconds:.3g} s"
    return f"{seconds / 60.0:.1f} min" if seconds < 7200.0 else f"{seconds / 3600.0:.1f} h"


def task_of(run: Run) -> str:
    return run.folder.name if run.settings is None else run.settings.tasks.search.task


def summary(run: Run) -> str:
    """What there is to know first."""
    pairs = [
        (f"fitness on {_SETS[which]}", f"{value:.4f}")
        for which, value in _fitness(run.best).items()
    ]
    if run.goal is not None:
        pairs.append(("search.stop.fitness", f"{run.goal:g}{', reached' if run.solved else ''}"))
    rows = run.history[-1] if run.history else []
    pairs += [
        ("programs", f"{run.programs:,}"),
        ("CPU time", duration(run.cpu_seconds)),
        ("clock time", duration(run.seconds)),
        ("islands", str(run.islands)),
        ("populations begun", f"{total(rows, 'run'):,}" if rows else "–"),
        ("seed", str(run.seed)),
    ]
    if not run.repeatable:
        pairs.append(("course", _NOT_REPEATABLE))
    return parts.facts(pairs)


def nodes(run: Run) -> str:
    """Where it ran, if that was on several machines or did not go smoothly."""
    if len(run.nodes) < 2 and not any(node.restarts for node in run.nodes):
        return ""
    rows = [
        (n.name, f"{n.islands}", f"{n.programs:,}", _rate(n.programs, run.nodes_seconds),
         f"{n.restarts}", f"{n.lag:,}")
        for n in run.nodes
    ]  # fmt: skip
    titles = ("machine", "islands", "programs", "per second", "workers lost", "programs behind")
    lead = "Since the search was begun, or last gone on with."
    return parts.section(
        "machines", "Machines", parts.paragraph(lead), parts.table("Machines", titles, rows)
    )


def _rate(programs: int, seconds: float) -> str:
    return f"{programs / seconds:,.0f}" if seconds > 0.0 else ""


def _fitness(best: Best | None) -> dict[str, float]:
    if best is None:
        return {}
    values: Mapping[str, float | None] = {which: getattr(best, which) for which in _SETS}
    return {which: value for which, value in values.items() if value is not None}


def classes_of(run: Run) -> int | None:
    return None if run.settings is None else run.settings.tasks.search.facts().classes


def progress(run: Run, charts: Mapping[str, Chart]) -> str:
    """Figure 6 for this run."""
    figures = [parts.figure(charts[n]) for n in ("progress", "progress-time") if n in charts]
    if not figures:
        return parts.section("progress", "Progress", parts.paragraph("Nothing on record yet."))
    note = ""
    if not run.clocks:
        note = parts.paragraph("This run did not keep the times of its reports.", "quiet")
    return parts.section("progress", "Progress", *figures, note, _steps(run), _ancestors(run))


def _steps(run: Run) -> str:
    steps = callouts(steps_of(run.lineage, run.islands), classes_of(run))
    if not steps:
        return ""
    items = [_step(number, step) for number, step in enumerate(steps, 1)]
    return (
        "<h3>Where the lineage of the best improved</h3>"
        + parts.paragraph(
            f"Of its {len(run.lineage)} ancestors on record, with the live lines that changed "
            "since the last better one.", "quiet",
        )
        + f'<ol class="steps">{"".join(items)}</ol>'
    )  # fmt: skip


def _step(number: int, step: Mapping[str, Any]) -> str:
    change = step["change"]
    lines = "".join(
        f'<span class="{"plus" if line[0] == "+" else "minus"}">{escape(line)}</span>\n'
        for line in change[:_LINES]
    )
    more = len(change) - _LINES
    rest = f"and {more} more {'lines' if more > 1 else 'line'}" if more > 0 else ""
    origin = f"{step['mutation']}, after {step['programs']:,} programs"
    return (
        f'<li><span class="badge">{number}</span>{step["before"]:.4f} → '
        f'<strong>{step["fitness"]:.4f}</strong><br><span class="quiet">{escape(origin)}</span>'
        f"<pre><code>{lines}{rest}</code></pre></li>"
    )


def _ancestors(run: Run) -> str:
    if run.best is None or not run.lineage:
        return ""
    steps = stages(steps_of(run.lineage, run.islands), run.best.search, classes_of(run))
    texts = [*(step["program"] for step in steps), str(run.best.program)]
    notes = [f"fitness {step['fitness']:.4f}, {step['programs']:,} programs" for step in steps]
    notes.append(f"fitness {run.best.search:.4f}")
    first, half, last = texts
    if first == last:
        return ""
    kept = [0, 2] if half in (first, last) else [0, 1, 2]
    lines = marked([texts[k] for k in kept])
    columns = [
        f"<div><h3>{_STAGES[k]}</h3>{parts.paragraph(notes[k], 'quiet')}"
        f"{parts.listing(code, _STAGES[k])}</div>"
        for k, code in zip(kept, lines, strict=True)
    ]
    return (
        parts.paragraph("Programs of the lineage, their live lines: + was not in the one before, "
                        "− is not in the next, ± neither.")
        + f'<div class="ancestors">{"".join(columns)}</div>'
    )  # fmt: skip


def statistics(charts: Mapping[str, Chart]) -> str:
    """How the search went about it."""
    names = ("decisions", "rates", "populations", "niches")
    figures = [parts.figure(charts[name], small=True) for name in names if name in charts]
    if not figures:
        few = "There are too few reports on record to show a course."
        return parts.section("statistics", "The search over time", parts.paragraph(few))
    return parts.section(
        "statistics", "The search over time", f'<div class="grid2">{"".join(figures)}</div>'
    )


def explanation(run: Run, measured: Measured | None) -> str:
    """What the best program does."""
    if run.best is None:
        return ""
    inside = [parts.code(str(run.best.program), "the best program")]
    if measured is not None and measured.explanation is not None:
        inside.append(_explained(measured.explanation, measured.counts["search"]))
    elif measured is None:
        inside.append(parts.paragraph("Nothing was measured for this page.", "quiet"))
    inside.append(_constants(run))
    return parts.section("best", "What the best program does", *inside)


def _explained(told: Explanation, counts: tuple[int, int]) -> str:
    live = [line for line in told.lines if line.live]
    lines = [
        (
            line.function.capitalize(),
            line.named,
            loss(line),
            "yes" if line.core else "",
            remark(line),
        )
        for line in live
    ]
    core = sum(line.core for line in live)
    alone = (
        f"{core} of its {len(live)} lines alone, the core, reach"
        if core
        else "An empty program reaches"
    )
    made = [
        parts.paragraph(
            f"Fitness {told.fitness:.4f} on the first {counts[0]} of {counts[1]} tasks of "
            f"T_search. {alone} {told.core_fitness:.4f}."
        ),
        parts.paragraph(f"{IN_SHORT[0].upper()}{IN_SHORT[1:]}:"),
        parts.code(told.short, "the program in short"),
        parts.table("What each line is worth, and what it does", _TITLES, lines, 5),
        parts.table("Memory", ("memory", "kind", "least in training", "greatest"),
                    [(c.name, c.kind, shown(c.low), shown(c.high)) for c in told.addresses], 2),
    ]  # fmt: skip
    if told.gradients:
        rows = [(d.name, d.of, f"{d.cosine:.3f}", f"{d.late:.3f}") for d in told.gradients]
        made.append(
            parts.table("How what is learned follows the gradient of the loss",
                        ("learned", "gradient by", "cosine", "one step late"), rows, 2)
        )  # fmt: skip
    made.append(
        parts.folded("Its data flow, as text for Mermaid", parts.code(told.picture, "data flow"))
    )
    return "\n".join(made)


def _constants(run: Run) -> str:
    assert run.best is not None
    constants = constants_of(run.best.program, classes_of(run))
    if not constants:
        return ""
    rows = [(one.name, one.function.capitalize(), repr(one.value)) for one in constants]
    return parts.table("Constants", ("name", "function", "value"), rows, 2)


def comparison(run: Run, measured: Measured | None) -> str:
    """The best beside programs by hand."""
    if measured is None:
        return ""
    made = [parts.paragraph(problem, "warning") for problem in measured.problems]
    for which, (used, of) in measured.counts.items():
        rows = [
            (one.program, _interval(one.fitness), _interval(one.lead, signed=True))
            for one in measured.scores
            if one.which == which
        ]
        tasks = f"all {of} tasks" if used == of else f"the first {used} of {of} tasks"
        columns = ("program", "mean fitness (95 %)", "lead of the best (95 %)")
        made.append(parts.table(f"{_SETS[which]}, {tasks}", columns, rows))
    if measured.scores:
        made.append(
            parts.paragraph(
                "Programs of the library have their own constants, which were not fitted to these "
                "tasks. Intervals are Student's over tasks; a lead is paired, task by task. The "
                "best was chosen by its fitness on T_search and T_select, which flatters it there; "
                "T_final had no part in the search.", "quiet",
            )
        )  # fmt: skip
    return parts.section("scores", "Against programs by hand", *made)


def _interval(interval: Interval | None, signed: bool = False) -> str:
    if interval is None:
        return ""
    form = "+.4f" if signed else ".4f"
    mean, low, high = (f"{value:{form}}" for value in interval)
    return mean if low == high else f"{mean} ({low} to {high})"


def repeating(run: Run) -> str:
    """Settings, and where it ran."""
    command = f"azc evolve search.toml --seed {run.seed} --out {shlex.quote(run.name + '-again')}"
    here = [
        ("azc that began the run", run.about.get("azc", "")),
        ("its op table", run.about.get("ops", "")),
        ("azc of this page", VERSION),
        ("Python", platform.python_version()),
        ("NumPy", np.__version__),
        ("machine of this page", f"{sys.platform}, {platform.machine()}"),
    ]
    end = "The same seed, settings and number of programs give the same result, to the bit, on any "
    same = f"{end}machine. A search that its time ended may go further or less far."
    if not run.repeatable:
        same = "Islands did not wait for each other (migration.synchronous is false): another run "
        same += "with the same seed does not do the same."
    return parts.section(
        "repeat", "To repeat it",
        parts.paragraph(same),
        parts.code(command, "command"),
        parts.folded("search.toml, as run", parts.code(run.text, "settings")),
        parts.facts(here),
        parts.paragraph(run.problem, "warning") if run.problem else "",
    )  # fmt: skip
