"""The digits bundled with scikit-learn: 1,797 images of 8 x 8 pixels from 0 to 16.

Its file is read directly, because importing scikit-learn costs about a second.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from azc.errors import TaskError, expected
from azc.tasks.images.layout import Images, as_images
from azc.tasks.reading import decompressed, reading

__all__ = ["load", "locate"]

_MOST = 1 << 20


def locate(folders: Sequence[Path], test: bool = False) -> list[Path]:
    """[the file], or [the package's folder] if the file has moved; empty without scikit-learn."""
    if test:
        return []
    spec = importlib.util.find_spec("sklearn")
    if spec is None or spec.origin is None:
        return []
    package = Path(spec.origin).parent
    path = package / "datasets" / "data" / "digits.csv.gz"
    return [path if path.is_file() else package]


def load(
    name: str, paths: Sequence[Path], wanted: frozenset[int] | None, test: bool = False
) -> Iterator[Images]:
    """One block: (1797, 64) uint8 and (1797,) int64."""
    path = paths[0]
    if path.is_dir():
        from sklearn.datasets import load_digits

        images, labels = load_digits(return_X_y=True)
        yield as_images(images, labels)
        return
    with reading(path, "the digits of scikit-learn"), decompressed(path, _MOST) as stream:
        text = stream.read().decode("ascii", errors="replace")
    try:
        table = np.array([line.split(",") for line in text.split()], dtype=np.uint8)
    except (ValueError, OverflowError) as error:
        raise TaskError(expected(f"numbers in {path}", error, "reinstall it")) from None
    if table.ndim != 2 or table.shape[1] != 65 or table[:, -1].max() > 9:
        raise TaskError(expected(f"65 columns in {path}", f"shape {table.shape}"))
    yield as_images(table[:, :-1], table[:, -1])
