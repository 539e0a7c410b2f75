"""`azc predict`: what a trained model predicts for new data."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from azc.cli.base import Command
from azc.cli.evaluating import encoding_option, separator_option
from azc.cli.saving import check_writable, write_file
from azc.errors import ConfigError, TaskError, expected

if TYPE_CHECKING:
    from azc.model import Array, Model

_EXAMPLES = """
azc predict model.npz new.csv
azc predict model.npz new.csv.gz --separator ';' --encoding latin-1
azc predict model.npz features.npy -o predicted.csv
"""


@click.command("predict", cls=Command, examples=_EXAMPLES)
@click.argument("model_file", metavar="MODEL.npz")
@click.argument("data", metavar="DATA")
@separator_option
@encoding_option
@click.option("-o", "output", metavar="OUT.csv", help="Write there.  [default: standard output]")
def command(
    model_file: str, data: str, separator: str | None, encoding: str | None, output: str | None
) -> None:
    """Predict for new examples.

    MODEL.npz is what 'azc run --save' kept. DATA is a table (.csv, .tsv, either with .gz, or
    .parquet) with the columns of the features, which are standardised as the training rows were; or
    an .npz file with an array X, or a .npy file, whose features are used as they are. A line for
    each example: the prediction, or the class, and what the program itself predicted.
    """
    from azc.model import Model

    if output is not None:
        check_writable(output, "-o")
    model = Model.load(model_file)
    text = _table(model, model.predict(_features(model, Path(data), separator, encoding)))
    if output is None:
        click.echo(text, nl=False)
    else:
        write_file(output, text.encode())


def _features(model: Model, path: Path, separator: str | None, encoding: str | None) -> Array:
    import numpy as np

    from azc.tasks.reading import memory_limit, read_npz, reading
    from azc.tasks.spec import FILE_SUFFIXES
    from azc.tasks.table_files import read_features

    kind = path.suffix.lower()
    if path.name.lower().endswith(FILE_SUFFIXES) and kind != ".npz":
        preparation = model.preparation
        columns = preparation.columns if preparation else None
        gaps = preparation is not None and preparation.gaps is not None
        encoded = preparation.encoded if preparation else None
        X = read_features(
            path, columns, encoded=encoded, gaps=gaps, separator=separator, encoding=encoding
        )
        return preparation.features(X) if preparation else X
    for option, given in (("--separator", separator), ("--encoding", encoding)):
        if given is not None:
            raise ConfigError(f"{option}: {expected('a .csv or .tsv file', repr(str(path)))}")
    if kind == ".npz":
        return np.asarray(read_npz(path, path, {"X": 2}, memory_limit())["X"], dtype=np.float64)
    if kind == ".npy":
        with reading(path, "an .npy array"):
            try:
                return np.asarray(np.load(path, allow_pickle=False), dtype=np.float64)
            except (ValueError, EOFError, TypeError) as error:
                got = str(error).split("\n")[0]
                raise TaskError(expected(f"{path} to be an .npy array", got)) from None
    raise TaskError(expected("a table (.csv, .tsv, .parquet), .npz or .npy file", repr(str(path))))


def _table(model: Model, raw: Array) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    preparation = model.preparation
    if model.classes:
        named = preparation.classes if preparation and preparation.classes else range(model.classes)
        names: list[Any] = list(named)
        width = [f"raw_{c}" for c in range(model.classes)] if model.classes > 2 else ["raw"]
        writer.writerow(["class", *width])
        for number, values in zip(model.classes_of(raw), raw.reshape(len(raw), -1), strict=True):
            writer.writerow([names[number], *(repr(float(value)) for value in values)])
    else:
        labels = preparation.labels(raw) if preparation else raw
        writer.writerow(["prediction"])
        writer.writerows([repr(float(value))] for value in labels)
    return buffer.getvalue()
