"""How the best program of a search came to be: where its lineage improved, and what changed there.

Steps are plain data (JSON): "programs" drawn by then, "fitness" on T_search, "mutation", "program".
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from azc import lang
from azc.analysis import live
from azc.search.report import Ancestor

__all__ = ["callouts", "marked", "shortened", "stages", "steps_of", "words"]

Step = Mapping[str, Any]

#: Steps of the lineage that are shown.
_CALLOUTS = 8
_INSTRUCTION = re.compile(r"[+-]    (?!pass$)")


def steps_of(lineage: Sequence[Ancestor], islands: int) -> list[dict[str, Any]]:
    """The steps of a lineage. Births count the programs of one island, side by side with as many of
    each other one; steps count those of all islands."""
    return [
        {
            "programs": (one.birth + 1) * islands,
            "fitness": one.fitness,
            "mutation": one.mutation,
            "program": str(one.program),
        }
        for one in lineage
    ]


def callouts(lineage: Sequence[Step], classes: int | None = None) -> list[dict[str, Any]]:
    """The steps of a lineage that raised its fitness most above all before, in order: programs at
    that time, fitness and what was before, the mutation, and the live lines that it changed."""
    steps: list[dict[str, Any]] = []
    best, shown = 0.0, ""
    for ancestor in lineage:
        if ancestor["fitness"] > best:
            text = _live(ancestor["program"], classes)
            step = {key: ancestor[key] for key in ("programs", "fitness", "mutation")}
            steps.append({**step, "before": best, "change": _change(shown, text)})
            best, shown = ancestor["fitness"], text
    steps.sort(key=lambda step: step["before"] - step["fitness"])
    return sorted(steps[:_CALLOUTS], key=lambda step: int(step["programs"]))


def words(step: Step) -> str:
    """Of a callout the first line that came; where none did, the first that went."""
    change: list[str] = step["change"]
    came = [line for line in change if line.startswith("+")]
    return shortened(str([*came, *change, step["mutation"]][0]))


def shortened(text: str) -> str:
    """Long numbers with four digits, so that there is room."""
    return re.sub(r"\d+\.\d{5,}(e[+-]?\d+)?", lambda long: f"{float(long[0]):.4g}", text)


def stages(lineage: Sequence[Step], fitness: float, classes: int | None = None) -> list[Step]:
    """What a program of that fitness came from: the first of its ancestors, and one half-way to its
    fitness, both as their live lines."""
    if not lineage:
        return []
    first = lineage[0]
    half = (first["fitness"] + fitness) / 2
    middle = next((one for one in lineage if one["fitness"] >= half), first)
    return [{**one, "program": _live(one["program"], classes)} for one in (first, middle)]


def marked(texts: Sequence[str]) -> list[list[tuple[str, str]]]:
    """The lines of programs that came of one another, each with a mark: "+" is not in the text
    before, "-" is not in the next, "±" is in neither, and " " is in both."""
    lines = [text.rstrip().splitlines() for text in texts]
    kept = [[[True, True] for _ in text] for text in lines]
    for version, (before, after) in enumerate(pairwise(lines)):
        same = difflib.SequenceMatcher(None, before, after, autojunk=False).get_matching_blocks()
        matched = {(b.a + k, b.b + k) for b in same for k in range(b.size)}
        for number in range(len(before)):
            kept[version][number][1] = number in {a for a, _ in matched}
        for number in range(len(after)):
            kept[version + 1][number][0] = number in {b for _, b in matched}
    marks = {(True, True): " ", (False, True): "+", (True, False): "-", (False, False): "±"}
    return [
        [(marks[old, new], line) for (old, new), line in zip(ways, text, strict=True)]
        for ways, text in zip(kept, lines, strict=True)
    ]


def _live(text: str, classes: int | None) -> str:
    program = lang.parse(text)
    return str(live(program) if classes is None else live(program, classes))


def _change(before: str, after: str) -> list[str]:
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=0)
    # Instructions are indented, and nothing else is.
    return [f"{line[0]} {line[1:].strip()}" for line in lines if _INSTRUCTION.match(line)]
