"""The data flow of a program as a picture: text for Mermaid."""

from __future__ import annotations

from azc.analysis import interface_addresses
from azc.program import FUNCTIONS
from azc.use.dataflow import Flow, Place
from azc.use.explain.roles import Teller

__all__ = ["mermaid"]

#: Beyond this, a picture shows nothing to anyone.
_MOST = 150


def mermaid(flow: Flow, tell: Teller) -> str:
    """A flowchart: a box per live instruction in its function, an arrow per value, dashed where it
    comes from the step before."""
    features, label, _ = interface_addresses(tell.classes)
    places = flow.live[:_MOST]
    shown = set(places)
    lines = ["flowchart TD", f'    X(["{tell.name(features)}: features"])']
    if any(label in flow.makers[p] and not flow.makers[p][label] for p in places):
        lines.append(f'    Y(["{tell.name(label)}: label"])')
    for function in FUNCTIONS:
        inside = [place for place in places if place[0] == function]
        if not inside:
            continue
        lines.append(f"    subgraph {function.capitalize()}")
        lines += [f'        {_key(place)}["{_escaped(tell.named(place))}"]' for place in inside]
        lines.append("    end")
    for place in places:
        for address, makers in flow.makers[place].items():
            if not makers and address in (features, label):
                lines.append(f"    {'X' if address == features else 'Y'} --> {_key(place)}")
            for maker in makers:
                if maker in shown:
                    before = not _runs_before(maker, place)
                    name = tell.name(address)
                    arrow = f'-. "{name}" .->' if before else "-->"
                    lines.append(f"    {_key(maker)} {arrow} {_key(place)}")
    return "\n".join(lines) + "\n"


def _runs_before(maker: Place, place: Place) -> bool:
    """Whether `maker` runs before `place` in one step."""
    order = FUNCTIONS.index(maker[0]), FUNCTIONS.index(place[0])
    return order[0] < order[1] or (order[0] == order[1] and maker[1] < place[1])


def _key(place: Place) -> str:
    return f"{place[0][0]}{place[1]}"


def _escaped(words: str) -> str:
    return words.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
