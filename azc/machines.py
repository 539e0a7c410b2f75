"""Machines to run programs with, and what stands in their memory."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from azc.prepared import state_of, structure_for
from azc.program import Address, Program
from azc.runtime import _core

__all__ = [
    *("BUILDING", "Native", "compiled_alone", "machine_of_thread", "read_memory"),
    "write_memory",
]

Array = NDArray[np.float64]

#: Builds are processes of their own, and modules are loaded one by one.
BUILDING = threading.Lock()


@dataclass(frozen=True, slots=True)
class Native:
    """A compiled function, and its arguments for a block: what a machine takes."""

    native: _core.Native
    constants: Array
    places: NDArray[np.int64]
    #: Where memory is, of the addresses of the program; empty where nobody asks.
    cells: Mapping[Address, int] = field(default_factory=dict)

    @property
    def arguments(self) -> dict[str, Any]:
        return {"native": self.native, "constants": self.constants, "places": self.places}


def compiled_alone(program: Program, classes: int, features: int) -> Native:
    """The program compiled for one task by itself. Raises `CompileError`."""
    from azc.compiler.layout import cells_of
    from azc.compiler.natives import obtain
    from azc.compiler.structure import ENTRIES

    structure, arguments = structure_for(
        program, classes=classes, features=features, layout=ENTRIES
    )
    with BUILDING:
        function = obtain([structure])[structure]
    cells = cells_of(program, classes, structure, "native")
    return Native(function.native, arguments.for_lanes(1, 1), arguments.places, cells)


#: Machines that nothing uses now, of each thread: their memory is there already.
_idle = threading.local()
_MOST_IDLE, _MOST_HELD = 2, 4 * 2**20


class machine_of_thread:  # noqa: N801
    """A machine of this thread that is idle, or a new one; kept for the next run unless it holds
    much memory."""

    __slots__ = ("_machine",)

    def __enter__(self) -> _core.Machine:
        waiting: list[_core.Machine] = _idle.__dict__.setdefault("machines", [])
        self._machine = waiting.pop() if waiting else _core.Machine()
        return self._machine

    def __exit__(self, *_: object) -> None:
        machine, waiting = self._machine, _idle.machines
        machine.close()
        if machine.held <= _MOST_HELD and len(waiting) < _MOST_IDLE:
            waiting.append(machine)


def read_memory(
    machine: _core.Machine,
    lane: int,
    program: Program,
    classes: int,
    features: int,
    cells: Mapping[Address, int],
) -> dict[str, Array]:
    """One lane's values that one example leaves to the next, by address; `cells` says where a
    compiled program has them."""
    memory = {}
    for address in state_of(program, classes):
        rank = address.type.rank
        values = np.zeros(features**rank)
        machine.cell(rank + 1, address.number, lane, values, offset=cells.get(address))
        memory[str(address)] = values.reshape((features,) * rank)
    return memory


def write_memory(
    machine: _core.Machine,
    lane: int,
    program: Program,
    classes: int,
    memory: Mapping[str, Array],
    cells: Mapping[Address, int],
) -> None:
    """Puts there what `read_memory` returned."""
    for address in state_of(program, classes):
        # A copy, for memory that was unpickled may be mapped read-only.
        values = memory[str(address)].flatten()
        rank, offset = address.type.rank, cells.get(address)
        machine.cell(rank + 1, address.number, lane, values, write=True, offset=offset)
