"""Columns of texts as numbers: a column of 0 and 1 for each of the values that there are."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from azc.errors import TaskError, expected, warn
from azc.tasks.declared import MAX_FEATURES
from azc.tasks.tables import MISSING, Columns, Encoded, refuse_entry
from azc.tasks.task import Array

__all__ = ["assembled"]

#: Values in a message at most.
_SHOWN = 3


def assembled(
    path: Path,
    names: Sequence[str],
    columns: Columns,
    numbers: Array,
    texts: Mapping[int, Sequence[str]],
    gaps: bool,
) -> tuple[tuple[str, ...], Array, Encoded]:
    """The names of a table's features, what they are (n, F), and which value of which column each
    that was encoded stands for: in the place of the column, in the order of its values.

    `numbers`: the features that are numbers; `texts`: by position those to be encoded. Where an
    entry is missing, all of its columns are NaN if there may be `gaps`.
    """
    made: dict[int, tuple[list[str], Array]] = {}
    encoded: dict[str, tuple[str, str]] = {}
    for position, entries in texts.items():
        name = names[position]
        values, X = _columns(path, name, entries, columns.encode[position], gaps)
        titles = [f"{name}={value}" for value in values]
        for title, value in zip(titles, values, strict=True):
            if title in names:
                do = f"rename it, or do not encode {name!r}"
                raise TaskError(expected(f"no column {title!r} in {path}", "one", do))
            encoded[title] = name, value
        made[position] = titles, X
    for column, position in enumerate(columns.features):
        made[position] = [names[position]], numbers[:, column : column + 1]
    ordered = [made[position] for position in sorted(made)]
    features = tuple(title for titles, _ in ordered for title in titles)
    if len(features) > MAX_FEATURES:
        most = max(made.values(), key=lambda one: len(one[0]))[0]
        drop = shlex.quote(encoded[most[0]][0] if most[0] in encoded else most[0])
        got = f"{len(features):,}, {len(most):,} of them of {drop}"
        do = f"leave it out (--drop {drop})"
        raise TaskError(expected(f"at most {MAX_FEATURES:,} features of {path}", got, do))
    return features, np.concatenate([X for _, X in ordered], axis=1), encoded


def _columns(
    path: Path, name: str, entries: Sequence[str], known: Sequence[str] | None, gaps: bool
) -> tuple[Sequence[str], Array]:
    """The values of a column, and (n, values) where they stand; those that are `known`, or all."""
    missing = np.array([entry.lower() in MISSING for entry in entries])
    if missing.any() and not gaps:
        row = int(np.argmax(missing))
        refuse_entry(path, name, row, entries[row], "a text", missing=True)
    there = np.array(entries, dtype=str)
    found, numbers = np.unique(there[~missing], return_inverse=True)
    values = found.tolist() if known is None else list(known)
    if known is None and len(entries) > 2 and len(values) == len(entries):
        do = f"it names rows; leave it out (--drop {shlex.quote(name)})"
        got = "another one in every row"
        raise TaskError(expected(f"values of column {name!r} of {path} that recur", got, do))
    if known is not None:
        _say_unknown(path, name, [value for value in found.tolist() if value not in set(known)])
    places = {value: place for place, value in enumerate(values)}
    column_of = np.array([places.get(value, -1) for value in found.tolist()], dtype=np.intp)
    X = np.zeros((len(entries), len(values)))
    rows, chosen = np.flatnonzero(~missing), column_of[numbers]
    X[rows[chosen >= 0], chosen[chosen >= 0]] = 1.0
    X[missing] = np.nan
    return values, X


def _say_unknown(path: Path, name: str, values: Sequence[str]) -> None:
    if values:
        shown = ", ".join(map(repr, values[:_SHOWN])) + (", …" if len(values) > _SHOWN else "")
        warn(
            f"column {name!r} of {path} has values that there were none of in training ({shown}): "
            "such rows have 0 in all columns made of it"
        )
