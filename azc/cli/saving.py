"""Files that commands write: whole or not at all."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile

from azc.errors import ConfigError, expected

__all__ = ["check_writable", "write_file"]


def check_writable(path: str, what: str) -> None:
    """Raise `ConfigError`, beginning with `what`, if `write_file` could not write to `path`."""
    try:
        target = os.path.realpath(path)
        found: os.stat_result | None = os.stat(target)
    except FileNotFoundError:
        found = None
    except (OSError, ValueError) as error:
        got = f"{path!r} ({getattr(error, 'strerror', None) or error})"
        raise ConfigError(f"{what}: {expected('the name of a file', got)}") from None
    folder = os.path.dirname(target)
    if found is not None and not stat.S_ISREG(found.st_mode):
        kind = "a folder" if stat.S_ISDIR(found.st_mode) else "not an ordinary file"
        problem = expected("the name of a file", f"{path!r}, which is {kind}")
    elif not os.path.isdir(folder):
        problem = expected("a file in a folder that exists", repr(path), f"create {folder}")
    elif not os.access(folder, os.W_OK) or (found is not None and not os.access(target, os.W_OK)):
        problem = expected("a file that can be written", repr(path), "check its permissions")
    else:
        return
    raise ConfigError(f"{what}: {problem}")


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
        found = os.stat(source)
    except FileNotFoundError:
        # What open() would have given a new file.
        umask = os.umask(0o077)
        os.umask(umask)
        os.fchmod(handle, 0o666 & ~umask)
        return
    with contextlib.suppress(OSError):
        os.fchown(handle, found.st_uid, found.st_gid)
    os.fchmod(handle, stat.S_IMODE(found.st_mode))
