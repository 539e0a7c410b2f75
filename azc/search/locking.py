"""The lock of the folder of a search, which one process has at a time.

It goes with the process, however that ends.
"""

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import ExitStack, suppress
from pathlib import Path

from azc.errors import StateError
from azc.search.database import error

__all__ = ["acquire", "held", "release", "which"]

_LOCK = "lock"
#: What flock fails with where the file system has no such locks.
_NO_LOCKS = frozenset({errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK, errno.EINVAL})

#: The locks of this process: descriptors, with what tells the files apart.
_locks: dict[int, tuple[int, int]] = {}


def _leave_locks() -> None:
    # A forked worker that outlives its killed search would keep the folder locked.
    for handle in _locks:
        os.close(handle)
    _locks.clear()


os.register_at_fork(after_in_child=_leave_locks)


def acquire(folder: Path) -> int:
    """Take the lock of `folder`; its descriptor. Raises `StateError`."""
    path = folder / _LOCK
    with suppress(OSError):
        # A record lock would not keep this process out, and would be lost with another descriptor.
        if which(os.stat(path)) in _locks.values():
            raise _taken(folder, str(os.getpid()))
    with ExitStack() as stack:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        stack.callback(os.close, handle)
        try:
            _lock(handle)
        except BlockingIOError:
            number = os.pread(handle, 20, 0).decode("ascii", "replace").strip()
            raise _taken(folder, number) from None
        except OSError as problem:
            if problem.errno not in _NO_LOCKS:
                raise
            what, do = "a file system that can lock files", "use another --out"
            raise error(folder, what, problem.strerror, do) from None
        with suppress(OSError):
            # Only for that message.
            os.ftruncate(handle, 0)
            os.pwrite(handle, b"%d\n" % os.getpid(), 0)
        _locks[handle] = which(os.fstat(handle))
        stack.pop_all()
    return handle


def _lock(handle: int) -> None:
    """Raises BlockingIOError where another process has it."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as problem:
        if problem.errno not in _NO_LOCKS:
            raise
        try:
            # The other kind, which network file systems rather have.
            fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except PermissionError as held:
            raise BlockingIOError(*held.args) from None


def _taken(folder: Path, number: str) -> StateError:
    got = f"process {number}, which does" if number.isdigit() else "another that does"
    do = "wait until it has ended, or use another --out"
    return error(folder, "no other process to write here", got, do)


def which(status: os.stat_result) -> tuple[int, int]:
    """What tells a file from others."""
    return status.st_dev, status.st_ino


def held(handle: int) -> bool:
    """Whether `handle` is a lock that this process has."""
    return handle in _locks


def release(handle: int) -> None:
    """Give the lock back."""
    del _locks[handle]
    with suppress(OSError):
        # Closing alone would leave it to a child between its fork and its exec.
        fcntl.flock(handle, fcntl.LOCK_UN)
    os.close(handle)
