"""To Markdown: the program's words, its equations, its text, and its data flow for Mermaid."""

from __future__ import annotations

import re

from azc.ops import Op
from azc.use.dataflow import flow_of
from azc.use.export.latex import covers as covers_latex
from azc.use.export.latex import equations
from azc.use.export.subject import Subject
from azc.use.picture import mermaid

__all__ = ["covers", "write"]


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
    flow = flow_of(subject.live, subject.classes)
    features, label, _ = subject.interface
    return mermaid(flow, features, label, lambda position: str(flow.at(position)))
