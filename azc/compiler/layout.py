"""Where a compiled function keeps the values that one example leaves to the next."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

from azc.analysis import canonical_names
from azc.compiler.function import Function
from azc.compiler.structure import Structure
from azc.compiler.toolchain import find_toolchain
from azc.program import Address, Program

__all__ = ["cells_of", "state_offsets"]


@lru_cache(maxsize=256)
def state_offsets(structure: Structure, vector: int) -> Mapping[Address, int]:
    """The offset, in doubles, of each address of the structure that carries a value from one
    example to the next, within the memory of one chunk of lanes; for a machine whose registers
    hold `vector` doubles.

    The emitter's text follows from the structure and `vector`, and so do the offsets: nothing of
    them need be kept with what was built.
    """
    memory = Function(structure, 0, vector).memory
    offsets = memory.offsets()
    return MappingProxyType({a: offsets[a] for a in memory.state if a in offsets})


def cells_of(
    program: Program, classes: int, structure: Structure, cpu: str
) -> Mapping[Address, int]:
    """The same offsets by the addresses of a program of that structure, compiled for `cpu`."""
    offsets = state_offsets(structure, find_toolchain(cpu).vector)
    names = canonical_names(program, classes)
    return {address: offsets[name] for address, name in names.items() if name in offsets}
