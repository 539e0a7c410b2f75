"""To Markdown: the program's words, its equations, its text, and its data flow for Mermaid."""

from __future__ import annotations

import re

from azc.ops import Op
from azc.program import FUNCTIONS
from azc.use.dataflow import Place, flow_of
from azc.use.export.latex import covers as covers_latex
from azc.use.export.latex import equations
from azc.use.export.subject import Subject

__all__ = ["covers", "write"]

#: Beyond this, a picture shows nothing to anyone.
_MOST = 150


def covers(op: Op) -> bool:
    """Whether an instruction of that op can be written."""
    return covers_latex(op)


def write(subject: Subject) -> str:
    """The page."""
    parts = [f"# {subject.title}\n"]
    if subject.program.doc.strip():
        parts.append(_fenced(subject.program.doc.strip(), "text"))
    parts.append("## Equations\n")
    for name, lines in equations(subject):
        rows = " \\\\\n".join(f"{left} &{relation} {right}" for left, relation, right in lines)
        parts.append(f"**{name}**\n\n$$\n\\begin{{aligned}}\n{rows}\n\\end{{aligned}}\n$$\n")
    parts += ["## Program\n", _fenced(subject.listing.rstrip("\n"), "python")]
    parts += ["## Data flow\n", _fenced(_mermaid(subject).rstrip("\n"), "mermaid")]
    return "\n".join(parts)


def _fenced(text: str, kind: str) -> str:
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{kind}\n{text}\n{fence}\n"


def _mermaid(subject: Subject) -> str:
    """A box for each instruction, an arrow for each value; dashed from the step before."""
    flow = flow_of(subject.live, subject.classes)
    features, label, _ = subject.interface
    places = flow.live[:_MOST]
    shown = set(places)
    lines = ["flowchart TD", '    X(["features"])']
    if any(flow.makers[p].get(label, [p]) == [] for p in places):
        lines.append('    Y(["label"])')
    for function in FUNCTIONS:
        inside = [place for place in places if place[0] == function]
        if inside:
            lines.append(f"    subgraph {function.capitalize()}")
            lines += [f'        {_key(p)}["{_escaped(str(flow.at(p)))}"]' for p in inside]
            lines.append("    end")
    for place in places:
        for address, makers in flow.makers[place].items():
            if not makers and address in (features, label):
                lines.append(f"    {'X' if address == features else 'Y'} --> {_key(place)}")
            for maker in makers:
                if maker in shown:
                    order = [(FUNCTIONS.index(p[0]), p[1]) for p in (maker, place)]
                    arrow = "-->" if order[0] < order[1] else "-.->"
                    lines.append(f"    {_key(maker)} {arrow} {_key(place)}")
    return "\n".join(lines) + "\n"


def _key(place: Place) -> str:
    return f"{place[0][0]}{place[1]}"


def _escaped(words: str) -> str:
    return words.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
