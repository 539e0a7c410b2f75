"""SVHN, format 2: ``train_32x32.mat`` and ``test_32x32.mat``, MATLAB 5 files with X (32, 32, 3, n)
and y (n, 1).

Read here rather than by SciPy's loadmat, which cannot be made safe from outside: it builds whatever
stands under a name before it can be asked what that is. Measured with SciPy 1.17 on files made for
it, with ``variable_names=["X", "y"]``: 1 MB of cells nested in each other ends the process with a
segmentation fault; 184 bytes that announce a cell array take 3 GB; 1.5 MB of packed zeros become an
array of 1.5 GB. Here no more is unpacked than the two arrays may have, and nothing but arrays of
numbers is read.

    file      128 bytes of header (the last two IM: little-endian), then elements
    element   type, 32 bits | size, 32 bits | size bytes, padded to 8
              or, for up to 4 bytes: type, 16 bits | size, 16 bits | 4 bytes
    matrix    an element of the elements  flags | dimensions | name | entries in Fortran order
              or of type 15: the same, packed with zlib
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from azc.errors import TaskError, expected
from azc.tasks.images.layout import Images, as_images, first_file
from azc.tasks.reading import read_exactly, reading, refuse_page

__all__ = ["load", "locate"]

_FILE, _TEST_FILE = "train_32x32.mat", "test_32x32.mat"
_MOST = 73_257
_MATRIX, _PACKED = 14, 15
_ENTRIES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8"}
_ENTRIES[13] = "u8"
_NUMERIC_CLASSES = range(6, 16)
_COMPLEX = 0x800
_CHUNK = 1 << 16


def locate(folders: Sequence[Path], test: bool = False) -> list[Path]:
    """[the training or the test file], or empty."""
    path = first_file(folders, [_TEST_FILE if test else _FILE])
    return [path] if path else []


def load(
    name: str, paths: Sequence[Path], wanted: frozenset[int] | None, test: bool = False
) -> Iterator[Images]:
    """One block: (n, 3072) uint8 and (n,) int64, where the file's label 10 is 0."""
    path = paths[0]
    with reading(path, "the MATLAB 5 file of SVHN"), path.open("rb") as file:
        arrays = _arrays(file, path)
    missing = [array for array in ("X", "y") if array not in arrays]
    if missing:
        raise TaskError(expected(f"arrays X and y in {path}", f"no {' and no '.join(missing)}"))
    X, y = arrays["X"], arrays["y"].ravel()
    if X.shape[:3] != (32, 32, 3) or X.ndim != 4 or X.dtype != np.uint8:
        what = f"X of shape (32, 32, 3, n) and type uint8 in {path}"
        raise TaskError(expected(what, f"shape {X.shape} of {X.dtype}"))
    if len(y) != X.shape[3]:
        raise TaskError(expected(f"{X.shape[3]:,} labels in {path}", f"{len(y):,}"))
    if not np.isin(y, np.arange(11)).all():
        raise TaskError(expected(f"labels 1 to 10 in {path}", f"others, such as {y.max()}"))
    yield as_images(X.transpose(3, 2, 0, 1).reshape(len(y), -1), y.astype(np.int64) % 10)


class _Unpacked:
    """`read` of a zlib element of `size` bytes, unpacking no more than is asked for."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self._file, self._left, self._decoder = file, size, zlib.decompressobj()

    def read(self, count: int) -> bytes:
        pieces: list[bytes] = []
        while count > 0 and not self._decoder.eof:
            packed = self._decoder.unconsumed_tail
            if not packed:
                packed = self._file.read(min(_CHUNK, self._left))
                self._left -= len(packed)
            piece = self._decoder.decompress(packed, count)
            if not packed and not piece:
                break
            pieces.append(piece)
            count -= len(piece)
        return b"".join(pieces)

    def at_end(self) -> bool:
        """Whether all was read; the checksum, which comes last, is verified by then."""
        return not self.read(1) and self._decoder.eof


def _arrays(file: IO[bytes], path: Path) -> dict[str, npt.NDArray[Any]]:
    """The arrays X and y, whichever are there."""
    header = read_exactly(file, 128, path, "header")
    mark = header[126:128]
    refuse_page(path, header)
    if not header.startswith(b"MATLAB 5.0") or mark not in (b"IM", b"MI"):
        got = f"a file that starts with {header[:10]!r}"
        raise TaskError(expected(f"{path} to be a MATLAB 5 file", got, f"get {path.name} again"))
    length = path.stat().st_size
    order = "<" if mark == b"IM" else ">"
    arrays: dict[str, npt.NDArray[Any]] = {}
    while len(arrays) < 2:
        tag = file.read(8)
        if not tag:
            break
        if len(tag) < 8:
            raise EOFError("it ends within an element")
        kind, size = struct.unpack(f"{order}II", tag)
        start = file.tell()
        if start + size > length:
            raise EOFError("it ends within an element")
        if kind == _PACKED:
            stream = _Unpacked(file, size)
            kind, _ = struct.unpack(f"{order}II", _take(stream, 8))
            named = _matrix(stream, order, path) if kind == _MATRIX else None
            if named and not stream.at_end():
                raise EOFError(f"more in the element of {named[0]} than its array")
        else:
            named = _matrix(file, order, path) if kind == _MATRIX else None
        if named:
            arrays.setdefault(*named)
        file.seek(start + size)
    return arrays


def _matrix(stream: Any, order: str, path: Path) -> tuple[str, npt.NDArray[Any]] | None:
    """(name, array) of a numeric matrix named X or y; None for any other."""
    flags = _element(stream, order, 8)[1]
    word = struct.unpack_from(f"{order}I", flags.ljust(4, b"\0"))[0]
    dimensions = _element(stream, order, 4 * 8)[1]
    shape = struct.unpack(f"{order}{len(dimensions) // 4}i", dimensions[: len(dimensions) & ~3])
    name = _element(stream, order, 64)[1].decode("latin-1")
    if name not in ("X", "y"):
        return None
    if word & 0xFF not in _NUMERIC_CLASSES or word & _COMPLEX:
        raise TaskError(expected(f"{name} in {path} to be a real numeric array", "another type"))
    most = _MOST * (3072 if name == "X" else 1)
    count = math.prod(shape)
    if not 0 < count <= most or min(shape, default=0) < 1:
        raise TaskError(expected(f"1 to {most:,} entries of {name} in {path}", f"shape {shape}"))
    kind, data = _element(stream, order, 8 * count)
    if kind not in _ENTRIES:
        raise TaskError(expected(f"numbers in {name} of {path}", f"entries of type {kind}"))
    entries = np.dtype(order + _ENTRIES[kind])
    if len(data) != count * entries.itemsize:
        what = f"{count * entries.itemsize:,} bytes of {name} in {path}"
        raise TaskError(expected(what, f"{len(data):,}"))
    return name, np.frombuffer(data, dtype=entries).reshape(shape, order="F")


def _element(stream: Any, order: str, limit: int) -> tuple[int, bytes]:
    """(type, content) of an element of at most `limit` bytes; its padding is read too."""
    tag = _take(stream, 8)
    kind, size = struct.unpack(f"{order}II", tag)
    if kind >> 16:
        return kind & 0xFFFF, tag[4 : 4 + min(kind >> 16, 4)]
    if size > limit:
        raise EOFError(f"an element of {size:,} bytes where at most {limit:,} can be")
    content = _take(stream, size)
    stream.read(-size % 8)
    return kind, content


def _take(stream: Any, count: int) -> bytes:
    data: bytes = stream.read(count)
    if len(data) != count:
        raise EOFError("it ends within an element")
    return data
