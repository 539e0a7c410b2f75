"""Where files may lie that several machines write and read: a folder that they share, or whatever
fsspec reaches by a URL.

A file is there as a whole or not at all: a folder has it written under another name first, object
stores do so by themselves. Where a URL leads to neither, a writer that is killed may leave half of
one; so readers are to know what should be there, and one of the right size is not written again.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any, Protocol

from azc.errors import ConfigError, StateError, expected
from azc.search.database import error, explaining

__all__ = ["Part", "Storage", "is_url", "storage_at"]

_FILE = "file://"


@dataclass(frozen=True, slots=True)
class Part:
    """So many bytes of a file, from the one numbered `start` on."""

    name: str
    start: int
    size: int


class Storage(Protocol):
    """Files by names. All raise `StateError`, which says where that was."""

    def make(self) -> None:
        """Have the place itself, if it is not there yet."""

    def write(self, name: str, data: bytes, *, lasting: bool = True) -> None:
        """What lies under a name that is there already, and has the size, is the same. `lasting`:
        its content is to outlast a loss of power."""

    def settle(self) -> None:
        """So are the names of what was written."""

    def read(self, name: str) -> bytes:
        """The file of that name."""

    def read_parts(self, parts: Sequence[Part]) -> list[bytes]:
        """Of files, which are to be so long."""

    def has(self, name: str) -> bool:
        """Whether there is one."""

    def remove(self, names: Iterable[str]) -> None:
        """Those that are there."""

    def names(self) -> list[str]:
        """Of all files, none where there is no such place."""


def storage_at(place: str) -> Storage:
    """`place`: a folder's path, or a URL. Raises `ConfigError` for a URL that leads nowhere."""
    if place.startswith(_FILE):
        return _Folder(place.removeprefix(_FILE))
    return _Remote(place) if is_url(place) else _Folder(place)


def is_url(place: str) -> bool:
    return "://" in place


class _Folder:
    def __init__(self, path: str) -> None:
        self._path = Path(path)

    def make(self) -> None:
        with explaining(self._path):
            self._path.mkdir(parents=True, exist_ok=True)

    def write(self, name: str, data: bytes, *, lasting: bool = True) -> None:
        path = self._path / name
        temporary = self._path / f".{name}.{secrets.token_hex(4)}"
        with explaining(self._path):
            with suppress(FileNotFoundError):
                if path.stat().st_size == len(data):
                    return
            try:
                with open(temporary, "xb") as file:
                    file.write(data)
                    file.flush()
                    if lasting:
                        # Before its name: what is named is not to be empty after a loss of power.
                        os.fsync(file.fileno())
                os.replace(temporary, path)
            except BaseException:
                with suppress(OSError):
                    temporary.unlink()
                raise

    def settle(self) -> None:
        # Names too are lost otherwise; file systems that cannot do this do it by themselves.
        with suppress(OSError):
            handle = os.open(self._path, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)

    def read(self, name: str) -> bytes:
        with explaining(self._path):
            return (self._path / name).read_bytes()

    def read_parts(self, parts: Sequence[Part]) -> list[bytes]:
        read = []
        with explaining(self._path):
            for name, of_file in groupby(parts, attrgetter("name")):
                with open(self._path / name, "rb") as file:
                    for part in of_file:
                        file.seek(part.start)
                        read.append(file.read(part.size))
        return _all_whole(str(self._path), parts, read)

    def has(self, name: str) -> bool:
        with explaining(self._path):
            return (self._path / name).exists()

    def remove(self, names: Iterable[str]) -> None:
        with explaining(self._path):
            for name in names:
                (self._path / name).unlink(missing_ok=True)

    def names(self) -> list[str]:
        with explaining(self._path), suppress(FileNotFoundError):
            return os.listdir(self._path)
        return []


class _Remote:
    def __init__(self, url: str) -> None:
        try:
            import fsspec
        except ImportError:
            do = "pip install 'azc[ray]', or name a folder"
            raise _refused(expected(f"fsspec for {url!r}", "none", do)) from None
        self._url = url
        with self._explained():  # some connect at once
            try:
                self._files, self._root = fsspec.core.url_to_fs(url)
            except (ValueError, ImportError) as problem:
                do = "see the protocols that fsspec has, and what each of them needs"
                raise _refused(expected("a URL that fsspec knows", problem, do)) from None

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """There is no end to what the many that fsspec calls may raise."""
        try:
            yield
        except (MemoryError, ConfigError):
            raise
        except OSError as problem:
            with explaining(self._url):
                raise problem
        except Exception as problem:
            what = "storage that can be read and written"
            raise error(self._url, what, problem, "check its address and permissions") from problem

    def _at(self, name: str) -> str:
        return f"{self._root.rstrip('/')}/{name}"

    def make(self) -> None:
        with self._explained():
            self._files.makedirs(self._root, exist_ok=True)

    def write(self, name: str, data: bytes, *, lasting: bool = True) -> None:
        with self._explained():
            with suppress(FileNotFoundError):
                if self._files.info(self._at(name))["size"] == len(data):
                    return
            self._files.pipe_file(self._at(name), data)

    def settle(self) -> None:
        pass

    def read(self, name: str) -> bytes:
        with self._explained():
            return bytes(self._files.cat_file(self._at(name)))

    def read_parts(self, parts: Sequence[Part]) -> list[bytes]:
        names = [self._at(part.name) for part in parts]
        starts, ends = ([p.start for p in parts], [p.start + p.size for p in parts])
        with self._explained():  # at the same time, where it can do so
            read = self._files.cat_ranges(names, starts, ends, on_error="raise")
        return _all_whole(self._url, parts, [bytes(data) for data in read])

    def has(self, name: str) -> bool:
        with self._explained():
            return bool(self._files.exists(self._at(name)))

    def remove(self, names: Iterable[str]) -> None:
        with self._explained():
            for name in names:
                with suppress(FileNotFoundError):
                    self._files.rm_file(self._at(name))

    def names(self) -> list[str]:
        with self._explained(), suppress(FileNotFoundError):
            self._files.invalidate_cache()
            found: list[Any] = self._files.ls(self._root, detail=False)
            return [str(path).rstrip("/").rpartition("/")[2] for path in found]
        return []


def _all_whole(where: str, parts: Sequence[Part], read: list[bytes]) -> list[bytes]:
    for part, data in zip(parts, read, strict=True):
        if len(data) != part.size:
            what = f"{part.size} bytes of {part.name} from {part.start} on"
            raise StateError(f"{where}: {expected(what, len(data), 'restore a copy of it')}")
    return read


def _refused(message: str) -> ConfigError:
    return ConfigError(f"search.snapshots: {message}")
