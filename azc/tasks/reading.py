"""Reading files that may be truncated, mistaken or hostile: bounded, and never unpickling.

Nothing is extracted to disk. A decompressed stream gives at most what its reader asked for, so a
small file that unpacks to terabytes is refused after the bytes that a genuine one would have.
"""

from __future__ import annotations

import gzip
import io
import lzma
import os
import re
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from azc.errors import TaskError, expected

__all__ = [
    *("Bounded", "decompressed", "memory_limit", "read_exactly", "read_npz", "reading"),
    "refuse_page",
]

_XZ_MEMORY = 256 << 20
_CHUNK = 1 << 20
# What a damaged file of any format makes its reader raise.
_DAMAGE = (
    *(OSError, EOFError, ValueError, LookupError, ArithmeticError, RuntimeError, struct.error),
    *(zlib.error, lzma.LZMAError, tarfile.TarError, zipfile.BadZipFile),
)


def memory_limit() -> int:
    """Bytes that one data set may take: the machine's memory, at most 8 GiB."""
    try:
        physical = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        physical = 0
    return min(8 << 30, physical) if physical > 0 else 8 << 30


@contextmanager
def reading(path: Path, what: str, do: str = "get the file again") -> Iterator[None]:
    """Turn what damaged files raise into a `TaskError` that names `path` and what it should be."""
    try:
        yield
    except TaskError:
        raise
    except FileNotFoundError:
        raise TaskError(expected(f"{what} at {path}", "no such file")) from None
    except (IsADirectoryError, PermissionError) as error:
        raise TaskError(expected(f"{path} to be {what}", error.strerror)) from None
    except _DAMAGE as error:
        reason = str(error).split("\n")[0][:200] or type(error).__name__
        got = f"a damaged file ({reason})"
        raise TaskError(expected(f"{path} to be {what}", got, do)) from error
    except MemoryError as error:
        do = "free memory or use fewer examples"
        raise TaskError(expected(f"memory to read {path}", "too little", do)) from error


class _Unxz(io.RawIOBase):
    """An xz stream read as it unpacks, with a limit on the memory that its header may ask for."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._decoder = self._new()

    @staticmethod
    def _new() -> lzma.LZMADecompressor:
        return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while True:
            more = b""
            if self._decoder.eof:
                # Several streams may follow each other, padded with zeros.
                more = (self._decoder.unused_data or self._file.read(_CHUNK)).lstrip(b"\0")
                if not more:
                    return 0
                self._decoder = self._new()
            elif self._decoder.needs_input:
                more = self._file.read(_CHUNK)
                if not more:
                    raise EOFError("the xz stream ends too early")
            data = self._decoder.decompress(more, max_length=len(buffer))
            if data:
                buffer[: len(data)] = data
                return len(data)


class Bounded(io.RawIOBase):
    """`stream`, refused with a `TaskError` once it has given more than `limit` bytes."""

    def __init__(
        self, stream: IO[bytes], limit: int, path: Path, do: str = "get the official file"
    ) -> None:
        self._stream, self._limit, self._path, self._given = stream, limit, path, 0
        self._do = do

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._stream.read(len(buffer))
        self._given += len(data)
        if self._given > self._limit:
            what = f"{self._path} to unpack to at most {self._limit:,} bytes"
            raise TaskError(expected(what, "more", self._do))
        buffer[: len(data)] = data
        return len(data)


@contextmanager
def decompressed(
    path: Path, limit: int, do: str = "get the official file"
) -> Iterator[io.BufferedReader[Any]]:
    """The bytes of `path`, unpacked if it is gzip or xz by its first bytes; at most `limit`, or
    there is a `TaskError` that ends with `do`."""
    with path.open("rb") as file:
        magic = file.read(6)
        file.seek(0)
        stream: Any = file
        if magic.startswith(b"\x1f\x8b"):
            stream = gzip.GzipFile(fileobj=file)
        elif magic == b"\xfd7zXZ\0":
            stream = _Unxz(file)
        reader: io.BufferedReader[Any] = io.BufferedReader(Bounded(stream, limit, path, do), _CHUNK)
        refuse_page(path, reader.peek(_SNIFFED))
        yield reader


_SNIFFED = 512
_PAGE = re.compile(rb"(\xef\xbb\xbf)?\s*<(!doctype html|html|head|\?xml|!--|error>)", re.IGNORECASE)


def refuse_page(path: Path, start: bytes) -> None:
    """Raise if a file starts as what servers send instead of what was asked for."""
    if _PAGE.match(start):
        got = "an HTML or XML page saved under this name"
        do = "open it in a browser to see what the server says, then get the file again"
    elif start.startswith(b"version https://git-lfs"):
        got, do = "a pointer of Git LFS", "run git lfs pull where it comes from"
    else:
        return
    raise TaskError(expected(f"the data in {path}", got, do))


def read_exactly(stream: IO[bytes], count: int, path: Path, what: str) -> bytes:
    """`count` bytes; `TaskError` that says `what` they are if there are fewer."""
    data = stream.read(count)
    if len(data) != count:
        got = f"{len(data):,} before the end"
        raise TaskError(expected(f"{count:,} bytes of {what} in {path}", got, "get it again"))
    return data


def read_npz(
    file: Path | IO[bytes],
    path: Path,
    names: Mapping[str, int],
    limit: int,
    optional: frozenset[str] = frozenset(),
) -> dict[str, npt.NDArray[Any]]:
    """The arrays `names` (name -> number of dimensions) of an .npz archive.

    Numeric arrays only: one that holds Python objects is a pickle and is refused unread. `limit`
    is on the bytes of all these arrays together as float64. Other members are left alone.
    """
    if isinstance(file, Path):
        with reading(path, "an .npz archive"), file.open("rb") as stream:
            refuse_page(path, stream.read(_SNIFFED))
    with reading(path, "an .npz archive"), zipfile.ZipFile(file) as archive:
        members = {info.filename: info for info in archive.infolist()}
        present = [name for name in names if f"{name}.npy" in members]
        missing = [name for name in names if name not in present and name not in optional]
        if missing:
            others = sorted(name.removesuffix(".npy") for name in members)
            listed = ", ".join(others[:20]) + (", …" if len(others) > 20 else "")
            what = f"arrays {', '.join(missing)} in {path}"
            raise TaskError(expected(what, f"only {listed}" if others else "an empty archive"))
        arrays: dict[str, npt.NDArray[Any]] = {}
        for name in present:
            arrays[name] = _read_member(archive, members[f"{name}.npy"], path, names[name], limit)
            limit -= 8 * arrays[name].size
    return arrays


def _read_member(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path, dimensions: int, limit: int
) -> npt.NDArray[Any]:
    where = f"{info.filename} in {path}"
    if info.flag_bits & 1:
        raise TaskError(expected(f"{where} readable", "an encrypted member"))
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        do = "save it with numpy.savez or savez_compressed"
        raise TaskError(expected(f"{where} stored or deflated", "another compression", do))
    with archive.open(info) as stream:
        shape, fortran, dtype = _header(stream, where)
        size = dtype.itemsize
        for length in shape:
            size *= length
        if len(shape) != dimensions:
            raise TaskError(expected(f"{where} with {dimensions} dimension(s)", f"shape {shape}"))
        if size // dtype.itemsize * 8 > limit:
            do = "use fewer rows"
            raise TaskError(expected(f"{where} to fit in memory", f"shape {shape}", do))
        start = stream.tell()
        if info.file_size != start + size:
            got = f"{info.file_size - start:,}"
            raise TaskError(expected(f"{size:,} bytes of data for shape {shape} of {where}", got))
        flat = np.empty(size, dtype=np.uint8)
        view, filled = flat.data, 0
        while filled < size:
            data = stream.read(min(_CHUNK, size - filled))
            if not data:
                raise EOFError("it ends too early")
            view[filled : filled + len(data)] = data
            filled += len(data)
        stream.read(1)  # at the end of a member its checksum is verified
    values = flat.view(dtype)
    return values.reshape(shape[::-1]).T if fortran else values.reshape(shape)


def _header(stream: IO[bytes], where: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """(shape, Fortran order, dtype) of an .npy member; `stream` is left at its data."""
    try:
        version = np.lib.format.read_magic(stream)
        if version == (1, 0):
            shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
        elif version == (2, 0):
            shape, fortran, dtype = np.lib.format.read_array_header_2_0(stream)
        else:
            raise ValueError(f".npy version {version[0]}.{version[1]}")
    except Exception as error:  # NumPy evaluates the text of a header: many things can go wrong
        got = str(error).split("\n")[0] or type(error).__name__
        raise TaskError(expected(f"{where} to be an .npy array", got)) from None
    if dtype.hasobject:
        do = "an array of objects is a pickle and is never loaded; save numbers"
        raise TaskError(expected(f"{where} of a numeric dtype", "Python objects", do))
    if dtype.kind not in "biuf" or dtype.itemsize == 0 or dtype.subdtype is not None:
        raise TaskError(expected(f"{where} of a real numeric dtype", f"dtype {dtype}"))
    if any(length < 0 for length in shape):
        raise TaskError(expected(f"{where} of a sensible shape", shape))
    return shape, fortran, dtype
