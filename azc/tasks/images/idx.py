"""MNIST and Fashion-MNIST: idx files, packed with gzip or not.

images   00 00 08 03 | n | 28 | 28 | n·784 bytes       (numbers: 32 bits, big-endian)
labels   00 00 08 01 | n | n bytes
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from azc.errors import TaskError, expected
from azc.tasks.images.layout import Images, as_images, first_file
from azc.tasks.reading import decompressed, read_exactly, reading

__all__ = ["load", "locate"]

_SIDE, _MOST = 28, 60_000
# Both sets use the same file names; the first labels of the official files tell them apart.
_FIRST_LABELS = {
    "mnist": {
        "train": bytes((5, 0, 4, 1, 9, 2, 1, 3, 1, 4, 3, 5)),
        "t10k": bytes((7, 2, 1, 0, 4, 1, 4, 9, 5, 9, 0, 6)),
    },
    "fashion-mnist": {
        "train": bytes((9, 0, 0, 3, 0, 2, 7, 2, 5, 5, 0, 9)),
        "t10k": bytes((9, 2, 1, 1, 6, 1, 4, 6, 5, 7, 4, 5)),
    },
}


def _names(side: str, part: str, dimensions: int) -> list[str]:
    stems = (f"{side}-{part}-idx{dimensions}-ubyte", f"{side}-{part}.idx{dimensions}-ubyte")
    plain = [f"{stem}{suffix}" for stem in stems for suffix in ("", ".gz")]
    # Some archives unpack to a folder for each file, which has the file's name or its like.
    return plain + [f"{folder}/{name}" for folder in stems for name in plain]


def locate(folders: Sequence[Path], test: bool = False) -> list[Path]:
    """[images, labels] of the first folder that has both; empty if none has either."""
    side = "t10k" if test else "train"
    of_images, of_labels = _names(side, "images", 3), _names(side, "labels", 1)
    alone: list[tuple[Path, str]] = []
    for folder in folders:
        images = first_file([folder], of_images)
        labels = first_file([folder], of_labels)
        if images and labels:
            return [images, labels]
        if images:
            alone.append((images, of_labels[1]))
        if labels:
            alone.append((labels, of_images[1]))
    for path, other in alone:
        raise TaskError(expected(f"{other} beside {path}", "no such file"))
    return []


def load(
    name: str, paths: Sequence[Path], wanted: frozenset[int] | None, test: bool = False
) -> Iterator[Images]:
    """One block: (n, 784) uint8 and (n,) int64."""
    images_path, labels_path = paths
    images = _read(images_path, 3)
    labels = _read(labels_path, 1)
    if len(images) != len(labels):
        what = f"as many labels in {labels_path} as images in {images_path} ({len(images):,})"
        raise TaskError(expected(what, f"{len(labels):,}"))
    if labels.max(initial=0) > 9:
        raise TaskError(expected(f"labels 0 to 9 in {labels_path}", int(labels.max())))
    for other, firsts in _FIRST_LABELS.items():
        first = firsts["t10k" if test else "train"]
        if other != name and labels[: len(first)].tobytes() == first:
            do = f"put each set into a folder of its own, {name}/ and {other}/"
            raise TaskError(expected(f"{labels_path} to belong to {name}", f"that of {other}", do))
    yield as_images(images.reshape(len(images), -1), labels)


def _read(path: Path, dimensions: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    what = f"an idx{dimensions} file"
    pixels = _SIDE * _SIDE if dimensions == 3 else 1
    header = 4 + 4 * dimensions
    with reading(path, what), decompressed(path, header + _MOST * pixels + 1) as stream:
        magic, count, *sides = struct.unpack(
            f">{1 + dimensions}I", read_exactly(stream, header, path, "header")
        )
        if magic != 0x0800 | dimensions:
            got = f"the first bytes {magic:08x}"
            raise TaskError(expected(f"{path} to be {what} ({0x0800 | dimensions:08x})", got))
        if any(side != _SIDE for side in sides):
            got = " x ".join(map(str, sides))
            raise TaskError(expected(f"images of {_SIDE} x {_SIDE} pixels in {path}", got))
        if count > _MOST:
            raise TaskError(expected(f"at most {_MOST:,} examples in {path}", f"{count:,}"))
        data = read_exactly(stream, count * pixels, path, f"the {count:,} examples")
        if stream.read(1):
            got = "more bytes after them"
            raise TaskError(expected(f"{path} to end after its {count:,} examples", got))
    return np.frombuffer(data, dtype=np.uint8).reshape(count, *sides)
