"""`azc predict`: what a trained model predicts for new data."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from azc.cli.base import Command
from azc.cli.saving import check_writable, write_file
from azc.errors import TaskError, expected

if TYPE_CHECKING:
    from azc.training import Array, Model

_EXAMPLES = """
azc predict model.npz new.csv
azc predict model.npz features.npy -o predicted.csv
"""


@click.command("predict", cls=Command, examples=_EXAMPLES)
@click.argument("model_file", metavar="MODEL.npz")
@click.argument("data", metavar="DATA")
@click.option("-o", "output", metavar="OUT.csv", help="Write there.  [default: standard output]")
def command(model_file: str, data: str, output: str | None) -> None:
    """Predict for new examples.

    MODEL.npz is what 'azc run --save' kept. DATA is a .csv table with the columns of the features,
    which are standardised as the training rows were; or an .npz file with an array X, or a .npy
    file, whose features are used as they are. A line for each example: the prediction, or the
    class, and what the program itself predicted.
    """
    from azc.training import Model

    if output is not None:
        check_writable(output, "-o")
    model = Model.load(model_file)
    text = _table(model, model.predict(_features(model, Path(data))))
    if output is None:
        click.echo(text, nl=False)
    else:
        write_file(output, text.encode())


def _features(model: Model, path: Path) -> Array:
    import numpy as np

    from azc.tasks.reading import memory_limit, read_npz, reading

    kind = path.suffix.lower()
    if kind == ".npz":
        return np.asarray(read_npz(path, path, {"X": 2}, memory_limit())["X"], dtype=np.float64)
    if kind == ".npy":
        with reading(path, "an .npy array"):
            try:
                return np.asarray(np.load(path, allow_pickle=False), dtype=np.float64)
            except (ValueError, EOFError, TypeError) as error:
                got = str(error).split("\n")[0]
                raise TaskError(expected(f"{path} to be an .npy array", got)) from None
    if kind == ".csv":
        with reading(path, "a CSV file"):
            try:
                with path.open(encoding="utf-8-sig", newline="") as file:
                    return _columns(model, path, list(csv.reader(file, strict=True)))
            except (UnicodeDecodeError, csv.Error) as error:
                raise TaskError(expected(f"{path} to be a CSV file", error)) from None
    raise TaskError(expected("a .csv, .npz or .npy file", repr(str(path))))


def _columns(model: Model, path: Path, lines: list[list[str]]) -> Array:
    """The features that the model was trained on, by their names."""
    import numpy as np

    from azc.tasks.tables import MISSING, number

    if not lines:
        raise TaskError(expected(f"a header line in {path}", "an empty file"))
    names, preparation = lines[0], model.preparation
    wanted = preparation.columns if preparation else tuple(names)
    for name in wanted:
        if name not in names:
            raise TaskError(expected(f"a column {name!r} in {path}", "none of that name"))
    places = [names.index(name) for name in wanted]
    gaps = preparation is not None and preparation.gaps is not None
    rows = [line for line in lines[1:] if line]
    X = np.empty((len(rows), len(places)))
    for row, line in enumerate(rows):
        for column, place in enumerate(places):
            text = line[place].strip() if place < len(line) else ""
            value = float("nan") if gaps and text.lower() in MISSING else number(text)
            if value is None or (value != value and not gaps):
                where = f"a number in column {names[place]!r}, row {row} of {path}"
                raise TaskError(expected(where, repr(text), "rows count from 0 after the header"))
            X[row, column] = value
    return preparation.features(X) if preparation else X


def _table(model: Model, raw: Array) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    preparation = model.preparation
    if model.classes:
        named = preparation.classes if preparation and preparation.classes else range(model.classes)
        names: list[Any] = list(named)
        width = [f"raw_{c}" for c in range(model.classes)] if model.classes > 2 else ["raw"]
        writer.writerow(["class", *width])
        for place, values in zip(model.classes_of(raw), raw.reshape(len(raw), -1), strict=True):
            writer.writerow([names[place], *(repr(float(value)) for value in values)])
    else:
        labels = preparation.labels(raw) if preparation else raw
        writer.writerow(["prediction"])
        writer.writerows([repr(float(value))] for value in labels)
    return buffer.getvalue()
