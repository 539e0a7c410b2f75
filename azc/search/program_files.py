"""The best programs of a search in files of their own, in its folder.

They are made from the database, from which they can be made again.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any

from azc.search.database import Row
from azc.search.report import Best

__all__ = ["BEST", "HALL", "export", "put"]

BEST, HALL = "best.az", "hall_of_fame"
_HALL_FILE = re.compile(r"[0-9]{2,}\.az")


def export(folder: Path, hall: Sequence[Row]) -> None:
    """Write the programs in `hall`, rows of that table, to files of their own."""
    files = {f"{rank:02d}.az": _file_text(row) for rank, *row in hall}
    best, others = folder / BEST, folder / HALL
    if files:
        put(best, next(iter(files.values())))
    else:
        best.unlink(missing_ok=True)
    others.mkdir(exist_ok=True)
    for name, text in files.items():
        put(others / name, text)
    for name in os.listdir(others):
        if _HALL_FILE.fullmatch(name) and name not in files:
            os.unlink(others / name)


def put(path: Path, text: str) -> None:
    """Write the file at `path` at once, unless it says `text` already."""
    data = text.encode()
    with suppress(FileNotFoundError):
        if path.read_bytes() == data:
            return
    # One name for all, so that a killed search leaves no more than one.
    temporary = path.with_name(".writing")
    try:
        temporary.write_bytes(data)
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


def _file_text(row: Sequence[Any]) -> str:
    """What is in the file of a program: `row` is the fields of a `Best`, as they are kept."""
    best = dict(zip([field.name for field in fields(Best)], row, strict=True))
    tasks = [name for name in ("search", "select", "final") if best[name] is not None]
    scores = ", ".join(f"{name} {best[name]}" for name in tasks)
    origin = f"island {best['island']}, run {best['run']}, birth {best['birth']}"
    return f"# fitness: {scores}\n# found: {origin}\n{best['program']}"
