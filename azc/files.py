"""Files that are written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile

__all__ = ["write_file"]


def write_file(path: str, data: bytes) -> None:
    """Put `data` in the file at `path`, at once: who reads it finds the old content or the new.

    A file that is replaced keeps its permissions, and its owner where the system allows it; a
    symbolic link keeps pointing where it does.
    """
    target = os.path.realpath(path)
    folder, name = os.path.split(target)
    # Beside the target, because a file can be moved in one step only within a file system.
    handle, temporary = tempfile.mkstemp(prefix=f".{name[:100]}.", suffix=".tmp", dir=folder)
    try:
        with open(handle, "wb") as file:
            file.write(data)
            file.flush()
            _copy_permissions(target, file.fileno())
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        if isinstance(error, OSError):
            # Say which file of the user's it was for.
            raise OSError(error.errno, error.strerror, path) from error
        raise


def _copy_permissions(source: str, handle: int) -> None:
    try:
        before = os.stat(source)
    except FileNotFoundError:
        # What open() would have given a new file.
        umask = os.umask(0o077)
        os.umask(umask)
        os.fchmod(handle, 0o666 & ~umask)
        return
    with contextlib.suppress(OSError):
        os.fchown(handle, before.st_uid, before.st_gid)
    os.fchmod(handle, stat.S_IMODE(before.st_mode))
