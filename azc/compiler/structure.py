"""What a compiled function depends on, and the numbers that are given to it when it runs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import xxhash
from numpy.typing import NDArray

from azc.ops import TABLE_VERSION
from azc.program import Program
from azc.runtime import _core

__all__ = ["ENTRIES", "LANES", "LAYOUTS", "Arguments", "Structure", "structure_of"]

#: The two layouts of memory: tasks side by side, or the entries of one task.
LANES, ENTRIES = "lanes", "entries"
LAYOUTS = (LANES, ENTRIES)

#: Raised whenever the emitter writes other code for the same structure.
_EMITTER_VERSION = 1


@dataclass(frozen=True, eq=False)
class Structure:
    """A program without its constants, for one number of features and one layout.

    `program` is canonical, all its constants zero: programs that differ in constants, dead
    instructions or names of addresses have equal structures and share one compiled function.
    `many_classes`: the prediction is the vector v2 and the label v1 (more than two classes).
    """

    program: Program
    many_classes: bool
    features: int
    layout: str

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Structure) and self.fingerprint == other.fingerprint

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    @cached_property
    def fingerprint(self) -> bytes:
        """16 bytes: equal for structures that share a function, under this version of azc."""
        versions = (TABLE_VERSION, _core.NATIVE_VERSION, _EMITTER_VERSION)
        head = repr((versions, self.many_classes, self.features, self.layout))
        bodies = self.program.packed()
        sizes = repr([len(body) for body in bodies])
        return xxhash.xxh3_128_digest(f"{head}{sizes}".encode() + b"".join(bodies))

    def key(self, identity: str) -> str:
        """32 hexadecimal digits that name the function as the toolchain `identity` builds it."""
        return xxhash.xxh3_128_hexdigest(self.fingerprint + identity.encode())


@dataclass(frozen=True, slots=True)
class Arguments:
    """What a compiled function is given of one program: `constants` (n,) float64 in the order of
    its live instructions, and `places` (k,) int64, the entries that instructions set."""

    constants: NDArray[np.float64]
    places: NDArray[np.int64]

    def for_lanes(self, lanes: int, chunk: int) -> NDArray[np.float64]:
        """The constants for that many lanes in chunks of `chunk`, the same in every lane, as
        `runtime/native.h` lays them out: (lanes / chunk * n, chunk)."""
        return np.tile(self.constants[:, None], (lanes // chunk, chunk))


def structure_of(
    program: Program, *, classes: int, features: int, layout: str
) -> tuple[Structure, Arguments]:
    """The structure of `program` for tasks of `classes` classes (0: regression) and `features`
    features, and the arguments that make the structure this program again."""
    form = _core.Canonical(program.code, classes)
    constants, places = form.arguments(features)
    arguments = Arguments(np.array(constants, dtype=np.float64), np.array(places, dtype=np.int64))
    return Structure(Program.unpacked(form.bare), classes > 2, features, layout), arguments
