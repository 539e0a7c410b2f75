"""CPU time of this process."""

from __future__ import annotations

import resource
import time

__all__ = ["cpu_seconds"]


def cpu_seconds() -> float:
    """Of this process and its finished children, so that builds count."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime
