"""What the readers of image sets share: where files may lie, and what a reader gives.

A reader is a module with two functions. ``locate(folders, test)`` finds its files, those of the
training images or of the official `test` images; ``load(name, paths, wanted, test)`` yields their
images in official order, block by block, so that a set larger than memory can be sifted. A reader
may leave out images of classes that are not `wanted` (None: all are).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["Images", "as_images", "first_file", "members"]

# (n, pixels) uint8 and (n,) int64 labels from 0, in the order of the official files.
# Colour images are flattened channel by channel, each channel row by row.
Images: TypeAlias = tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]


def first_file(folders: Iterable[Path], names: Sequence[str]) -> Path | None:
    """The first file that exists, folder by folder."""
    for folder in folders:
        for name in names:
            path = folder / name
            try:
                if path.is_file():
                    return path
            except OSError:
                continue
    return None


def members(folder: Path, names: Sequence[str]) -> tuple[list[Path], list[str]]:
    """The files of a set that is kept as several of one folder: those that are there, in order, and
    the names of those that are missing."""
    paths = {name: first_file([folder], [name]) for name in names}
    there = [path for path in paths.values() if path is not None]
    return there, [name for name, path in paths.items() if path is None]


def as_images(flat: npt.NDArray[Any], labels: npt.NDArray[Any]) -> Images:
    """The two arrays in their agreed form."""
    return np.ascontiguousarray(flat, dtype=np.uint8), labels.astype(np.int64)
