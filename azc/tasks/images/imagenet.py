"""ImageNet downsampled to 32 x 32, npz format: ten batches, and one of the validation images, which
serve as test images, packed in a zip archive each time or not.

A batch has data (n, 3072) uint8 and labels (n,) from 1 to 1000; class k here is label k + 1.
"""

from __future__ import annotations

import io
import posixpath
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO

import numpy as np

from azc.errors import TaskError, expected
from azc.tasks.images.layout import Images, as_images, first_file, members
from azc.tasks.reading import read_npz, reading, refuse_page

__all__ = ["load", "locate"]

_ARCHIVE = "Imagenet32_train_npz.zip"
_BATCHES = tuple(f"train_data_batch_{number}.npz" for number in range(1, 11))
_TEST_ARCHIVE, _TEST = "Imagenet32_val_npz.zip", ("val_data.npz",)
_PICKLED = ("Imagenet32_train.zip", "train_data_batch_1")
_CLASSES, _PIXELS, _MOST = 1000, 3072, 130_000
_BATCH_BYTES = _MOST * (_PIXELS + 8 + 8)


def locate(folders: Sequence[Path], test: bool = False) -> list[Path]:
    """The ten batches or that of the test images, or the archive alone; empty if there is
    neither."""
    names, packed = (_TEST, _TEST_ARCHIVE) if test else (_BATCHES, _ARCHIVE)
    for folder in folders:
        for inner in (folder, folder / packed.removesuffix(".zip")):
            there, missing = members(inner, names)
            if not missing:
                return there
            if there:
                raise TaskError(expected(f"{', '.join(missing)} in {inner}", "only the others"))
        archive = first_file([folder], [packed])
        if archive:
            return [archive]
    pickled = first_file(folders, () if test else _PICKLED)
    if pickled:
        do = "it holds Python pickles, which are never loaded; take the npz format"
        raise TaskError(expected(_ARCHIVE, pickled, do))
    return []


def load(
    name: str, paths: Sequence[Path], wanted: frozenset[int] | None, test: bool = False
) -> Iterator[Images]:
    """Ten blocks, or the one of the test images, with the images of the `wanted` classes:
    (n, 3072) uint8 and (n,) int64."""
    for path, file in _batches(paths, _TEST if test else _BATCHES):
        limit = 8 * _MOST * (_PIXELS + 1)
        arrays = read_npz(file, path, {"labels": 1, "data": 2}, limit)
        data, numbers = arrays["data"], arrays["labels"]
        if data.shape[1] != _PIXELS or data.dtype != np.uint8:
            what = f"data of shape (n, {_PIXELS}) and type uint8 in {path}"
            raise TaskError(expected(what, f"shape {data.shape} of {data.dtype}"))
        if len(data) != len(numbers):
            raise TaskError(expected(f"{len(data):,} labels in {path}", f"{len(numbers):,}"))
        if numbers.dtype.kind not in "iu" or not len(numbers):
            raise TaskError(expected(f"integer labels in {path}", f"{numbers.dtype}"))
        if numbers.min() < 1 or numbers.max() > _CLASSES:
            got = f"{numbers.min()} to {numbers.max()}"
            raise TaskError(expected(f"labels 1 to {_CLASSES} in {path}", got))
        numbers = numbers.astype(np.int64) - 1
        if wanted is not None:
            keep = np.isin(numbers, list(wanted))
            data, numbers = data[keep], numbers[keep]
        yield as_images(data, numbers)


def _batches(
    paths: Sequence[Path], names: Sequence[str]
) -> Iterator[tuple[Path, Path | IO[bytes]]]:
    """(path for messages, file or stream to read) of each batch in order."""
    if paths[0].suffix != ".zip":
        yield from ((path, path) for path in paths)
        return
    path = paths[0]
    with reading(path, "a zip archive"), path.open("rb") as file:
        refuse_page(path, file.read(512))
    with ExitStack() as stack:
        stack.enter_context(reading(path, f"a zip archive of {names[0]} and its like"))
        archive = stack.enter_context(zipfile.ZipFile(path))
        members = {posixpath.basename(info.filename): info for info in archive.infolist()}
        missing = [name for name in names if name not in members]
        if missing:
            raise TaskError(expected(f"{', '.join(missing)} in {path}", "no such members"))
        for name in names:
            info = members[name]
            stored = info.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
            if info.flag_bits & 1 or not stored:
                raise TaskError(expected(f"{name} in {path} stored or deflated", "another form"))
            # Held in memory: a zip within a zip is read from its end, which a stream is not.
            with archive.open(info) as stream:
                content = stream.read(_BATCH_BYTES + 1)
            if len(content) > _BATCH_BYTES:
                what = f"{name} in {path} of at most {_BATCH_BYTES:,} bytes"
                raise TaskError(expected(what, "more", "get the official file"))
            yield path / name, io.BytesIO(content)
