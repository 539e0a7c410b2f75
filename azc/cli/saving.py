"""Files that commands write."""

from __future__ import annotations

import os
import stat

from azc.errors import ConfigError, expected
from azc.files import write_file

__all__ = ["check_writable", "write_file"]


def check_writable(path: str, what: str) -> None:
    """Raise `ConfigError`, beginning with `what`, if `write_file` could not write to `path`."""
    try:
        target = os.path.realpath(path)
        status: os.stat_result | None = os.stat(target)
    except FileNotFoundError:
        status = None
    except (OSError, ValueError) as error:
        got = f"{path!r} ({getattr(error, 'strerror', None) or error})"
        raise ConfigError(f"{what}: {expected('the name of a file', got)}") from None
    folder = os.path.dirname(target)
    if status is not None and not stat.S_ISREG(status.st_mode):
        kind = "a folder" if stat.S_ISDIR(status.st_mode) else "not an ordinary file"
        problem = expected("the name of a file", f"{path!r}, which is {kind}")
    elif not os.path.isdir(folder):
        problem = expected("a file in a folder that exists", repr(path), f"create {folder}")
    elif not os.access(folder, os.W_OK) or (status is not None and not os.access(target, os.W_OK)):
        problem = expected("a file that can be written", repr(path), "check its permissions")
    else:
        return
    raise ConfigError(f"{what}: {problem}")
