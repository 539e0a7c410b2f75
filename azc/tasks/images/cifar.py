"""CIFAR-10, binary version: five files of 10,000 records, and one of the test images, packed in a
tar archive or not. The versions for Python and MATLAB are pickles and not read.

record   label, 1 byte | 1024 red | 1024 green | 1024 blue
"""

from __future__ import annotations

import posixpath
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt

from azc.errors import TaskError, expected
from azc.tasks.images.layout import Images, as_images, first_file, members
from azc.tasks.reading import decompressed, reading, refuse_page

__all__ = ["load", "locate"]

_BATCHES = tuple(f"data_batch_{number}.bin" for number in range(1, 6))
_TEST = ("test_batch.bin",)
_INNER = "cifar-10-batches-bin"
_ARCHIVES = tuple(f"cifar-10-binary.{end}" for end in ("tar.gz", "tgz", "tar.xz", "tar"))
_PICKLED = ("cifar-10-python.tar.gz", "cifar-10-batches-py/data_batch_1", "data_batch_1")
_RECORD, _MOST = 3073, 10_000
# The official archive unpacks to 184 MB in 9 members.
_UNPACKED, _MEMBERS = 256 << 20, 1000


def locate(folders: Sequence[Path], test: bool = False) -> list[Path]:
    """The five batches or that of the test images, or the archive alone; empty if there is
    neither."""
    names = _TEST if test else _BATCHES
    incomplete: list[tuple[Path, list[str]]] = []
    for folder in folders:
        for inner in (folder, folder / _INNER):
            there, missing = members(inner, names)
            if not missing:
                return there
            if there:
                incomplete.append((inner, missing))
        archive = first_file([folder], _ARCHIVES)
        if archive:
            return [archive]
    for inner, missing in incomplete:
        raise TaskError(expected(f"{', '.join(missing)} in {inner}", "only the other batches"))
    pickled = first_file(folders, _PICKLED)
    if pickled:
        do = "it holds Python pickles, which are never loaded; take the binary version"
        raise TaskError(expected(f"{_ARCHIVES[0]}", pickled, do))
    return []


def load(
    name: str, paths: Sequence[Path], wanted: frozenset[int] | None, test: bool = False
) -> Iterator[Images]:
    """Five blocks, one of the test images: (n, 3072) uint8 and (n,) int64."""
    names = _TEST if test else _BATCHES
    packed = paths[0].name in _ARCHIVES
    batches = _from_archive(paths[0], names) if packed else map(_from_file, paths)
    for records in batches:
        yield as_images(records[:, 1:], records[:, 0])


def _from_file(path: Path) -> npt.NDArray[np.uint8]:
    with reading(path, "a CIFAR-10 batch"), path.open("rb") as stream:
        return _batch(stream, path)


def _from_archive(path: Path, names: Sequence[str]) -> list[npt.NDArray[np.uint8]]:
    batches: dict[str, npt.NDArray[np.uint8]] = {}
    with (
        reading(path, "a tar archive of CIFAR-10, binary version"),
        decompressed(path, _UNPACKED) as stream,
        tarfile.open(fileobj=stream, mode="r|") as archive,
    ):
        for number, member in enumerate(archive):
            base = posixpath.basename(member.name)
            if base in names and base not in batches and member.isreg():
                content = archive.extractfile(member)
                if content is not None:
                    batches[base] = _batch(content, path / base)
            if len(batches) == len(names) or number > _MEMBERS:
                break
        missing = [base for base in names if base not in batches]
        if missing:
            raise TaskError(expected(f"{', '.join(missing)} in {path}", "no such members"))
        # The checksum of a packed archive comes last.
        while stream.read(1 << 20):
            pass
    return [batches[base] for base in names]


def _batch(stream: IO[bytes], path: Path) -> npt.NDArray[np.uint8]:
    """(n, 3073) uint8 records of one batch file."""
    data = stream.read(_MOST * _RECORD + 1)
    refuse_page(path, data)
    count, rest = divmod(len(data), _RECORD)
    if rest or not 1 <= count <= _MOST:
        what = f"1 to {_MOST:,} records of {_RECORD} bytes in {path}"
        got = f"{len(data):,} bytes" if len(data) <= _MOST * _RECORD else "more"
        raise TaskError(expected(what, got, "get the file again"))
    records = np.frombuffer(data, dtype=np.uint8).reshape(count, _RECORD)
    if (top := int(records[:, 0].max())) > 9:
        raise TaskError(expected(f"labels 0 to 9 in {path}", top))
    return records
