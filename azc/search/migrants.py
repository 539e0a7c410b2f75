"""Programs that islands exchange, many at a time: arrays, which are drawn from, sent and kept
without a look at any of them.

    heads    fitness, birth, and sizes of Setup, Predict and Learn, of each program
    code     the instructions of all of them, one program after the other

The runtime writes and reads them (`runtime/_search.pxi`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from azc.program.instruction import PACKED

__all__ = ["CODE", "HEAD", "Given", "Migrants"]

HEAD = np.dtype([("fitness", "<f8"), ("birth", "<i8"), ("sizes", "<i4", 3)], align=True)
CODE = np.dtype(f"V{PACKED}")


@dataclass(frozen=True, slots=True, eq=False)
class Migrants:
    """Programs. `heads`: of dtype `HEAD`; fitness nan where they come from other tasks; `code`: of
    dtype `CODE`."""

    heads: NDArray[Any]
    code: NDArray[Any]

    @classmethod
    def of(cls, heads: bytes | memoryview, code: bytes | memoryview) -> Migrants:
        return cls(np.frombuffer(heads, HEAD), np.frombuffer(code, CODE))

    @classmethod
    def joined(cls, parts: Sequence[Migrants]) -> Migrants:
        """All of them, in this order."""
        if not parts:
            return cls.of(b"", b"")
        return cls(
            np.concatenate([part.heads for part in parts]),
            np.concatenate([part.code for part in parts]),
        )

    def __len__(self) -> int:
        return len(self.heads)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Migrants) and self.bytes() == other.bytes()

    def bytes(self) -> tuple[bytes, bytes]:
        return self.heads.tobytes(), self.code.tobytes()

    def ends(self) -> NDArray[np.int64]:
        """Where the code of each ends."""
        return np.cumsum(self.heads["sizes"].sum(axis=1), dtype=np.int64)

    def chosen(self, which: NDArray[np.int64], ends: NDArray[np.int64] | None = None) -> Migrants:
        """Those of these numbers, in this order, as a copy; `ends`, where they are known, save
        time."""
        ends = self.ends() if ends is None else ends
        heads = self.heads[which]
        lengths = heads["sizes"].sum(axis=1)
        # Where each comes from, less where it comes to.
        shifts = ends[which] - np.cumsum(lengths)
        return Migrants(heads, self.code[np.arange(lengths.sum()) + np.repeat(shifts, lengths)])


@dataclass(frozen=True, slots=True, eq=False)
class Given:
    """What an island is given: programs, and the positions in its population that they take."""

    positions: NDArray[np.int64]
    members: Migrants
