"""What was tried, on disk: JSON lines, one per evaluation, after one that says of what.

    {"azc": 1, "of": {…}}
    {"values": [0.03, 1.2], "train": 1.0, "fitness": [0.81, 0.79]}

A record can be read at any moment, and a tuning that was stopped goes on from it: methods propose
the same vectors again, and those that are recorded are not evaluated again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from azc.errors import ConfigError, StateError, expected

__all__ = ["Record"]

Array = NDArray[np.float64]

_VERSION = 1


class Record:
    """The evaluations in the file at `path`, which are `of` a program, tasks and settings.

    Without `resume` the file begins anew. A context manager.
    """

    def __init__(self, path: str | os.PathLike[str], of: dict[str, Any], resume: bool) -> None:
        self._path = Path(path)
        self._known: dict[tuple[bytes, float], Array] = {}
        head = json.dumps({"azc": _VERSION, "of": of})
        try:
            if resume and self._path.exists():
                end = self._read(head)
                self._file: TextIO = self._path.open("r+", encoding="utf-8")
                self._file.truncate(end)
                self._file.seek(end)
            else:
                self._file = self._path.open("w", encoding="utf-8")
                self._file.write(f"{head}\n")
                self._file.flush()
        except OSError as error:
            raise StateError(f"cannot write {path}: {error.strerror or error}") from None

    def __enter__(self) -> Record:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def find(self, values: Array, train: float) -> Array | None:
        """The fitness per task of a vector trained on that share of the examples, if known."""
        return self._known.get((values.tobytes(), train))

    def add(self, vectors: Sequence[Array], train: float, fitness: Array) -> None:
        """Write down evaluations."""
        lines = [
            json.dumps({"values": values.tolist(), "train": train, "fitness": scores.tolist()})
            for values, scores in zip(vectors, fitness, strict=True)
        ]
        self._file.write("".join(f"{line}\n" for line in lines))
        self._file.flush()

    def _read(self, head: str) -> int:
        """Read the file; returns where its last whole line ends."""
        data = self._path.read_bytes()
        end = data.rfind(b"\n") + 1
        lines = data[:end].splitlines()
        if not lines or lines[0].decode("utf-8", "replace") != head:
            what = f"trials of this program, these tasks and settings in {self._path}"
            do = "give the same arguments as before, or another file"
            raise ConfigError(expected(what, "trials of others", do))
        for number, line in enumerate(lines[1:], 2):
            try:
                entry = json.loads(line)
                values = np.array(entry["values"], dtype=np.float64)
                fitness = np.array(entry["fitness"], dtype=np.float64)
                self._known[values.tobytes(), float(entry["train"])] = fitness
            except (ValueError, KeyError, TypeError):
                got = f"{line[:60]!r}"
                do = "remove the file to begin anew"
                raise StateError(
                    f"{self._path}:{number}: " + expected("an evaluation", got, do)
                ) from None
        return end
