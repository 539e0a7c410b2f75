"""How much memory an evaluation may take on this machine."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path

from azc.errors import ConfigError, ResourceError, expected

__all__ = ["Room", "available_bytes", "refuse_beyond"]


def available_bytes() -> int:
    """Bytes that can be had without swapping: what the system says is available, what the control
    group leaves, and `AZC_MEMORY_LIMIT` (bytes) if it is set; the least of them."""
    bounds = []
    if limit := os.environ.get("AZC_MEMORY_LIMIT"):
        if not limit.isdecimal():
            raise ConfigError(
                "AZC_MEMORY_LIMIT: " + expected("a number of bytes", repr(limit), "unset it")
            )
        bounds.append(int(limit))
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                bounds.append(int(line.split()[1]) * 1024)
        group = Path("/sys/fs/cgroup")
        most = (group / "memory.max").read_text().strip()
        if most != "max":
            bounds.append(int(most) - int((group / "memory.current").read_text()))
    except (OSError, ValueError, IndexError):
        pass  # not Linux, or no control group: the other bounds stand
    if not bounds:
        bounds.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    return max(0, min(bounds))


#: Bytes that any machine has.
_LITTLE = 32 * 2**20


class Room:
    """The memory that can be had, asked of the system once, when it first matters."""

    @cached_property
    def available(self) -> int:
        return available_bytes()

    @cached_property
    def _limited(self) -> bool:
        return "AZC_MEMORY_LIMIT" in os.environ

    def has(self, required: int) -> bool:
        """Whether so many bytes can be had. Asking the system takes longer than many a program
        runs, so it is spared where little is wanted and no limit is set."""
        if required <= _LITTLE and not self._limited:
            return True
        return required <= self.available

    def refuse_beyond(
        self, required: int, what: str, less: str = "features, examples or matrices"
    ) -> None:
        """Raise `ResourceError` if `required` bytes for `what` are more than can be had; fewer
        `less` would need fewer."""
        if not self.has(required):
            most = self.available
            raise ResourceError(
                f"{what} needs {required} bytes ({required / 2**30:.1f} GiB); "
                + expected(
                    f"at most {most} bytes ({most / 2**30:.1f} GiB), which can be had now",
                    f"{required}",
                    f"use fewer {less}, or raise AZC_MEMORY_LIMIT if it is set",
                ),
                required,
            )


def refuse_beyond(required: int, what: str, less: str = "features, examples or matrices") -> None:
    """As `Room` does, asking the system now."""
    Room().refuse_beyond(required, what, less)
