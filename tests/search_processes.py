"""`azc` in a process of its own, to be interrupted and killed, and its workers."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from counts import FULL

from azc.search.hosts import Slice
from azc.search.rounds import Round, run_round
from azc.search.workers import Workers

MAIN = "import sys; from azc.cli.main import main; sys.exit(main())"
#: Longer than anything here may take on the slowest machine; `make verify` runs longer searches.
PATIENCE = 1200.0 if FULL else 120.0


def start(*arguments: object, code: str = MAIN, **settings: Any) -> subprocess.Popen[str]:
    """The command line, its output to be read; `code` is what Python runs."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **settings,
    )  # fmt: skip


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Its exit code, and what it has written that was not read."""
    out, err = process.communicate(timeout=PATIENCE)
    assert "Traceback" not in err, err
    return process.returncode, out, err


def last_document(out: str) -> dict[str, Any]:
    """The last of the JSON lines."""
    document: dict[str, Any] = json.loads(out.splitlines()[-1])
    return document


def next_report(process: subprocess.Popen[str]) -> dict[str, Any] | None:
    """The next of the JSON lines; None at their end."""
    assert process.stdout
    line = process.stdout.readline()
    return json.loads(line) if line else None


def parent_of(process: int) -> int | None:
    """None of one that has ended, waited for or not."""
    with suppress(OSError):
        state, parent = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[:2]
        return None if state == "Z" else int(parent)
    return None


def children(process: int) -> list[int]:
    """Processes that it has started and that run."""
    numbers = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
    return [number for number in numbers if parent_of(number) == process]


def wait_until_gone(processes: list[int]) -> None:
    end = time.monotonic() + PATIENCE
    while any(parent_of(process) is not None for process in processes):
        assert time.monotonic() < end, "a process has not ended"
        time.sleep(0.02)


def slices(there: Workers, islands: Iterable[int], until: int) -> list[Slice]:
    """One of each of `islands`, to its end, in the order of their numbers."""
    made = run_round(there, Round(until, pending=set(islands)), lambda: 100.0, lambda: False)
    return sorted((one for several in made for one in several), key=lambda one: one.island)
