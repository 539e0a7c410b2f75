"""A folder on disk from which code may be loaded: only its user can write in it.

What is put there appears whole or not at all, by `Folder.write`, and says itself whether it is
still what was put there, by `sealed`. Locks are the kernel's: they go with the process.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import xxhash

from azc.errors import expected

__all__ = [
    "HEX",
    "WRITING",
    "Folder",
    "Identity",
    "RefusedError",
    "UnsoundError",
    "identity",
    "listing",
    "read",
    "sealed",
    "unsealed",
]

#: Names of keys, of locks and of temporary files.
HEX = re.compile(r"[0-9a-f]{32}")
#: The lock of whoever writes anything; the others are named by hashes of keys.
WRITING = "0" * 32

#: What changes when a file does: device, inode, bytes, times of modification and of change.
Identity = tuple[int, int, int, int, int]


class RefusedError(OSError):
    """The directory is not trusted, or a module not kept; the message is for the user."""


class UnsoundError(Exception):
    """A file here is not what was written here. `stem`: of the module to remove, if one is."""

    def __init__(self, stem: str = "") -> None:
        super().__init__(stem)
        self.stem = stem


def _head(body: bytes) -> bytes:
    return b'{"check":"%b",' % xxhash.xxh3_128_hexdigest(body).encode()


def sealed(kind: str, fields: dict[str, Any]) -> bytes:
    """`fields` as JSON that begins with the hash of its rest."""
    body = json.dumps({"format": kind, **fields}, separators=(",", ":"))[1:].encode()
    return _head(body) + body


def unsealed(kind: str, content: bytes) -> dict[str, Any]:
    """What `sealed` was given, and "check"; `UnsoundError` if it gave anything else."""
    body = content[len(_head(b"")) :]
    if content != _head(body) + body or (fields := json.loads(content))["format"] != kind:
        raise UnsoundError
    return fields  # type: ignore[no-any-return]


def _check_folder(path: str, status: os.stat_result) -> None:
    if not stat.S_ISDIR(status.st_mode) or not _private(status):
        what = "a folder of yours that only you can write in, to load compiled programs from"
        got = f"{path} ({stat.filemode(status.st_mode)}, of user {status.st_uid})"
        raise RefusedError(expected(what, got, "put that right, or set AZC_CACHE_DIR"))


def _private(status: os.stat_result) -> bool:
    return status.st_uid == os.geteuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def identity(status: os.stat_result) -> Identity:
    """Of a file, by its status; `UnsoundError` unless it is plain and only we can write it."""
    if not stat.S_ISREG(status.st_mode) or not _private(status):
        raise UnsoundError
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def read(path: str) -> tuple[Identity, bytes]:
    # Without O_NONBLOCK, a pipe put here would hold us up for ever.
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with open(handle, "rb") as file:
        return identity(os.fstat(handle)), file.read()


def listing(
    folder: str, names: re.Pattern[str]
) -> Iterator[tuple[re.Match[str], os.DirEntry[str]]]:
    """The files in `folder`, if there is one, that have names of ours."""
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            if (match := names.fullmatch(entry.name)) and not entry.is_dir(follow_symlinks=False):
                yield match, entry


class Folder:
    """The folder `path`, absolute, and those of `names` in it; also tmp/ and locks/.

    Attribute: `problem`, why it could not be used, if it could not.
    """

    def __init__(self, path: Path, names: tuple[str, ...]) -> None:
        self.path = path
        self.problem: str | None = None
        self._locks, self._tmp = f"{path}/locks", f"{path}/tmp"
        self._folders = [f"{path}/{name}" for name in (*names, "locks", "tmp")]

    @contextmanager
    def trying(self) -> Iterator[None]:
        """What goes wrong on disk becomes `problem`."""
        try:
            yield
        except RefusedError as error:
            self.problem = str(error)
        except OSError as error:
            what = f"to be able to keep compiled programs in {self.path}"
            do = "set AZC_CACHE_DIR to a folder of yours with room in it"
            self.problem = expected(what, error.strerror or error, do)

    def check(self) -> bool:
        """Whether the directory is there; `OSError` unless only we can write in it."""
        if not self.path.is_absolute():
            do = "set AZC_CACHE_DIR or HOME"
            raise RefusedError(expected("a home folder to keep compiled programs in", "none", do))
        try:
            # The directory itself may be reached by a link of the user's.
            _check_folder(str(self.path), os.stat(self.path))
        except FileNotFoundError:
            return False
        for path in self._folders:
            with suppress(FileNotFoundError):
                _check_folder(path, os.lstat(path))
        return True

    def check_runs(self) -> None:
        """`OSError` where the file system runs no code: what is kept there could not be loaded."""
        if os.statvfs(self.path).f_flag & getattr(os, "ST_NOEXEC", 0):
            do = "set AZC_CACHE_DIR to a folder on another, or mount it without noexec"
            what = "a file system from which compiled programs may be run"
            raise RefusedError(expected(what, f"{self.path}, mounted with noexec", do))

    def _prepare(self) -> None:
        if self.path.is_absolute():
            self.path.mkdir(0o700, parents=True, exist_ok=True)
        self.check()
        for path in self._folders:
            with suppress(FileExistsError):
                os.mkdir(path, 0o700)

    def _acquire(self, path: str, wait: bool) -> int:
        self._prepare()
        while True:
            with ExitStack() as stack:
                handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
                stack.callback(os.close, handle)
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
                except OSError as error:
                    # Without locks in the file system work is done twice, but nothing is unsound.
                    if isinstance(error, BlockingIOError):
                        raise
                # The file goes with its holder: what we have now may be one that nobody else sees.
                with suppress(FileNotFoundError):
                    if os.path.samestat(os.fstat(handle), os.lstat(path)):
                        stack.pop_all()
                        return handle

    @contextmanager
    def locked(self, name: str, wait: bool = True) -> Iterator[None]:
        path = f"{self._locks}/{name}"
        handle = self._acquire(path, wait)
        try:
            yield
        finally:
            with suppress(OSError):
                os.unlink(path)
            with suppress(OSError):
                # Closing alone would leave it to a child that was forked meanwhile.
                fcntl.flock(handle, fcntl.LOCK_UN)
            os.close(handle)

    def write(self, path: str, data: bytes) -> None:
        temporary = f"{self._tmp}/{secrets.token_hex(16)}"
        try:
            handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(handle, "wb") as file:
                file.write(data)
            os.replace(temporary, path)
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary)
            raise

    def link(self, source: str, target: str) -> None:
        """`target` is the same file as `source`; `OSError` where there are no hard links."""
        temporary = f"{self._tmp}/{secrets.token_hex(16)}"
        os.link(source, temporary)
        os.replace(temporary, target)

    def sweep(self) -> None:
        """Remove what killed writers left: who has the lock is the only one writing."""
        for _, entry in listing(self._tmp, HEX):
            with suppress(OSError):
                os.unlink(entry.path)
        for _, entry in listing(self._locks, HEX):
            with suppress(OSError), self.locked(entry.name, wait=False):
                pass
