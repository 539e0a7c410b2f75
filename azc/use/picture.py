"""The data flow of a program as a picture: text for Mermaid, which Markdown and notebooks draw.

`azc.explain` and `azc export --to markdown` show it, with other words in its boxes.
"""

from __future__ import annotations

from collections.abc import Callable

from azc.program import FUNCTIONS, Address
from azc.use.dataflow import Flow, Position

__all__ = ["mermaid"]

#: Beyond this, a picture shows nothing to anyone.
_MOST = 150


def mermaid(
    flow: Flow,
    features: Address,
    label: Address,
    box: Callable[[Position], str],
    name: Callable[[Address], str] | None = None,
) -> str:
    """A flowchart: a box per live instruction in its function, an arrow per value, dashed where it
    comes from the step before. `box`: what stands in a box; `name`: what an address is called,
    where names are to be shown."""
    positions = flow.live[:_MOST]
    shown = set(positions)

    def given(address: Address, what: str) -> str:
        return f'"{name(address)}: {what}"' if name else f'"{what}"'

    lines = ["flowchart TD", f"    X([{given(features, 'features')}])"]
    if any(flow.makers[position].get(label) == [] for position in positions):
        lines.append(f"    Y([{given(label, 'label')}])")
    for function in FUNCTIONS:
        inside = [position for position in positions if position[0] == function]
        if inside:
            lines.append(f"    subgraph {function.capitalize()}")
            lines += [f'        {_key(one)}["{_escaped(box(one))}"]' for one in inside]
            lines.append("    end")
    for reader in positions:
        for address, makers in flow.makers[reader].items():
            if not makers and address in (features, label):
                lines.append(f"    {'X' if address == features else 'Y'} --> {_key(reader)}")
            for maker in makers:
                if maker in shown:
                    dashed = f'-. "{name(address)}" .->' if name else "-.->"
                    arrow = "-->" if _order(maker) < _order(reader) else dashed
                    lines.append(f"    {_key(maker)} {arrow} {_key(reader)}")
    return "\n".join(lines) + "\n"


def _order(position: Position) -> tuple[int, int]:
    """Sorts instructions as they run in one step."""
    return FUNCTIONS.index(position[0]), position[1]


def _key(position: Position) -> str:
    return f"{position[0][0]}{position[1]}"


def _escaped(words: str) -> str:
    return words.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
