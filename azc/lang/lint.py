"""Warnings: what is no error, but hardly what the author meant."""

from __future__ import annotations

from azc.analysis import live_mask, predicts_vector
from azc.lang.lower import Lowered
from azc.lang.source import Place
from azc.ops import Type
from azc.program import FUNCTIONS, Address

__all__ = ["lint"]

_FEATURES = Address(Type.VECTOR, 0)
_LABEL = Address(Type.SCALAR, 0)
_PREDICTION = Address(Type.SCALAR, 1)
_VECTOR_LABEL = Address(Type.VECTOR, 1)
_VECTOR_PREDICTION = Address(Type.VECTOR, 2)


def lint(lowered: Lowered) -> list[tuple[Place, str]]:
    """Warnings with their places, in the order of the text."""
    useless = [*_unused_names(lowered), *_overwritten(lowered)]
    warnings = [
        *useless,
        *_dead(lowered, {place.line for place, _ in useless}),
        *_never_written(lowered),
        *_too_early(lowered),
        *_no_prediction(lowered),
    ]
    return sorted(dict.fromkeys(warnings))


def _unused_names(lowered: Lowered) -> list[tuple[Place, str]]:
    names = lowered.names
    read = {use.name.text for use in lowered.uses if not use.written}
    own = {name: names.origins[name] for name in lowered.program.names.values()}
    kinds = {name: "param" if name in names.params else "name" for name in own}
    return [
        (place, f"{kinds[name]} {name!r} is never read")
        for name, place in own.items()
        if name not in read
    ]


def _dead(lowered: Lowered, known: set[int]) -> list[tuple[Place, str]]:
    """Statements none of whose instructions can reach the prediction."""
    alive: dict[Place, bool] = {}
    for name, mask in zip(FUNCTIONS, live_mask(lowered.program), strict=True):
        for place, live in zip(lowered.places[name], mask, strict=True):
            if place is not None:
                alive[place] = alive.get(place, False) or live
    return [
        (place, "this has no effect on any prediction")
        for place, live in alive.items()
        if not live and place.line not in known
    ]


def _is_multiclass(lowered: Lowered) -> bool:
    """Whether label and prediction look like vectors: v2 is what is stored, not s1."""
    return lowered.names.vector_prediction or predicts_vector(lowered.program)


def _never_written(lowered: Lowered) -> list[tuple[Place, str]]:
    program = lowered.program
    written = {instruction.output for instruction in program.instructions()}
    given = {_FEATURES, _LABEL, _PREDICTION}
    if _is_multiclass(lowered):
        given |= {_VECTOR_LABEL, _VECTOR_PREDICTION}
    first: dict[Address, tuple[Place, str]] = {}
    for use in lowered.uses:
        if not use.written and use.address not in written | given:
            what = f"{use.name.text} is read, but never written: it is always zero"
            first.setdefault(use.address, (use.name.place, what))
    return [*first.values()]


def _overwritten(lowered: Lowered) -> list[tuple[Place, str]]:
    return [
        (use.name.place, f"{use.name.text} is written, but set again before the next call")
        for use in lowered.uses
        if use.written and use.address in (_FEATURES, _LABEL)
    ]


def _too_early(lowered: Lowered) -> list[tuple[Place, str]]:
    """Reads of what the function cannot know, unless it wrote it itself."""
    absent = {"setup": (_FEATURES, _LABEL), "predict": (_LABEL,), "learn": ()}
    kinds = {_FEATURES: "the features", _LABEL: "the label"}
    own = {(use.function, use.address) for use in lowered.uses if use.written}
    return [
        (use.name.place, f"{use.name.text} is zero here: {use.function.capitalize()} does not know "
                         f"{kinds[use.address]}")
        for use in lowered.uses
        if not use.written
        and use.address in absent[use.function]
        and (use.function, use.address) not in own
    ]  # fmt: skip


def _no_prediction(lowered: Lowered) -> list[tuple[Place, str]]:
    written = {instruction.output for instruction in lowered.program.instructions()}
    if written & {_PREDICTION, _VECTOR_PREDICTION}:
        return []
    functions = lowered.names.functions
    place = functions["predict"].place if "predict" in functions else Place(1, 1)
    return [(place, "no function stores a prediction (s1, or v2 for more than two classes)")]
