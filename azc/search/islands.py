"""Islands: what one population draws from, is evaluated on and is limited by; several in a process.

What an island does depends on the settings, the tasks, the seed and its number, never on how its
work is cut into slices or on the process that it lives in.
"""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from azc.compiler import natives
from azc.compiler.structure import ENTRIES, LANES, Arguments, structure_of
from azc.packing import Block, blocks, native_blocks, pack
from azc.program import Program
from azc.runtime import _core
from azc.search.report import Counts
from azc.search.runtime_settings import settings_of, space_of
from azc.search.settings import Settings
from azc.tasks import Task

__all__ = ["Found", "Host", "Packed", "Slice", "Step"]

Packed = tuple[bytes, bytes, bytes]
#: An ancestor: birth, number of its mutation in `runtime_settings.ORIGINS`, fitness, program.
Step = tuple[int, int, float, Packed]

# Why a slice ended, in the order of `runtime/island.h`.
_AT_COUNT, _AT_TIME, _AT_TARGET, _AT_END = range(4)


@dataclass(frozen=True, slots=True)
class Found:
    """A program that an island offers: the best of its population `run`. `lineage`: its ancestors,
    the first of them first, and itself."""

    island: int
    run: int
    birth: int
    fitness: float
    packed: Packed
    lineage: tuple[Step, ...] = ()

    @property
    def program(self) -> Program:
        return Program.unpacked(self.packed)

    def to_json(self) -> dict[str, Any]:
        """As JSON can hold it."""
        lineage = [[*numbers, _hexadecimal(packed)] for *numbers, packed in self.lineage]
        return {**asdict(self), "packed": _hexadecimal(self.packed), "lineage": lineage}

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Found:
        lineage = tuple(
            (birth, origin, fitness, _packed(texts))
            for birth, origin, fitness, texts in fields["lineage"]
        )
        return cls(**{**fields, "packed": _packed(fields["packed"]), "lineage": lineage})


def _hexadecimal(packed: Packed) -> list[str]:
    return [body.hex() for body in packed]


def _packed(texts: Sequence[str]) -> Packed:
    setup, predict, learn = map(bytes.fromhex, texts)
    return setup, predict, learn


@dataclass(frozen=True, slots=True)
class Slice:
    """What came of running an island for a while. `done`: it was run as far as was asked, or up to
    a program that reached the target. `offers`: the best of populations that ended, and programs
    that reached the target. `steps_run`: training steps executed in this process and the part of
    them that ran natively."""

    island: int
    counts: Counts
    done: bool
    offers: tuple[Found, ...]
    best: Found | None
    steps_run: tuple[int, int]


@dataclass
class Host:
    """The islands `numbers` of a search, in this process."""

    settings: Settings
    tasks: list[Task]
    seed: int
    numbers: tuple[int, ...]
    vector: int | None  # doubles in a register of compiled code; None: nothing is compiled
    islands: dict[int, _core.Island] = field(init=False)
    compiled: list[tuple[Block, _core.Batch]] = field(init=False)
    interpreted: list[tuple[Block, _core.Batch]] = field(init=False)

    def __post_init__(self) -> None:
        matrices = self.settings.space.matrices > 0
        self.interpreted = self._packed(list(blocks(self.tasks, matrices)))
        self.compiled = []
        if self.vector is not None:
            found = native_blocks(self.tasks, matrices, self.vector, rest_alone=False)
            placed = list(found)
            # One layout, so that a structure is built once for each number of features.
            if len({block.chunk for block in placed}) == 1:
                self.compiled = self._packed(placed)
        space = space_of(self.settings)
        common = settings_of(self.settings, self.tasks, self.seed, hot=bool(self.compiled))
        seeds = [program.packed() for program in self.settings.space.start_programs()]
        self.islands = {
            number: _core.Island(
                space,
                {**common, "island": number},
                [(batch, block.chunk, block.positions) for block, batch in self.interpreted],
                [(batch, block.chunk, block.positions) for block, batch in self.compiled],
                seeds,
            )
            for number in self.numbers
        }

    def _packed(self, placed: Sequence[Block]) -> list[tuple[Block, _core.Batch]]:
        return [
            (block, pack([self.tasks[p] for p in block.positions], block.lanes, block.chunk))
            for block in placed
        ]

    def run(self, islands: Collection[int], until: int, seconds: float) -> list[Slice]:
        """Runs each of `islands` until it has drawn `until` programs, or an equal share of about
        `seconds` is over, or it has a program that reaches the target."""
        each = seconds / max(1, len(islands))
        return [self._run(number, until, each) for number in islands]

    def _run(self, number: int, until: int, seconds: float) -> Slice:
        island = self.islands[number]
        deadline = time.monotonic() + seconds
        offers: list[Found] = []
        while True:
            why = island.run(until, max(0.0, deadline - time.monotonic()))
            best = self.best(number)
            if why == _AT_END:
                if best:
                    offers.append(best)
                island.restart()
                continue
            if why == _AT_TARGET and best:
                offers.append(best)
            done = why in (_AT_COUNT, _AT_TARGET)
            counts = self.counts(number)
            return Slice(number, counts, done, tuple(offers), best, island.steps_run())

    def counts(self, number: int) -> Counts:
        return Counts(island=number, **self.islands[number].counts())

    def best(self, number: int) -> Found | None:
        """The best of the island's present population."""
        island = self.islands[number]
        best = island.best()
        if best is None:
            return None
        packed, fitness, birth = best
        # Now, because the island forgets it with the population.
        lineage = tuple(island.ancestors())
        return Found(number, island.counts()["run"], birth, fitness, packed, lineage)

    def emigrants(self, number: int, places: Sequence[int]) -> list[tuple[Packed, float, int]]:
        """The members at places that are taken modulo how many there are."""
        island = self.islands[number]
        return [island.member(place % island.members) for place in places if island.members]

    def receive(self, number: int, members: Mapping[int, tuple[Packed, float, int]]) -> None:
        """Programs of other islands, by the places that they take; only those there are."""
        island = self.islands[number]
        for place, (packed, fitness, birth) in members.items():
            if place < island.members:
                island.receive(place, packed, fitness, birth)

    # ---- hot structures ----

    def layouts(self) -> list[tuple[int, int, str]]:
        """(features, classes, layout) of each compiled block."""
        found = []
        for block, _ in self.compiled:
            task = self.tasks[block.positions[0]]
            layout = ENTRIES if block.chunk == 1 else LANES
            found.append((task.features, task.classes, layout))
        return found

    def hottest(self, count: int) -> list[tuple[int, int, int, Packed]]:
        """The structures that took most training steps, over the islands here: (key, steps,
        evaluations, a program that has it)."""
        found: dict[int, tuple[int, int, Packed]] = {}
        for island in self.islands.values():
            for key, steps, runs, packed in island.hottest(count):
                before = found.get(key, (0, 0, packed))
                found[key] = (before[0] + steps, before[1] + runs, before[2])
        return [(key, *rest) for key, rest in found.items()]

    def cool(self) -> None:
        """Count what is hot from now on twice as much as what was before."""
        for island in self.islands.values():
            island.cool()

    def use_native(self, key: int, packed: Packed, least: float) -> tuple[float, bool] | None:
        """Tries the compiled functions of the structure that `packed` has, which are in the cache:
        how many times faster than the interpreter they are, and whether they are used from now on,
        for which that must be at least `least`. None where there is nothing to try."""
        program = Program.unpacked(packed)
        made = [
            structure_of(program, classes=classes, features=features, layout=layout)
            for features, classes, layout in self.layouts()
        ]
        found = natives.find({structure for structure, _ in made})
        if any(structure not in found for structure, _ in made):
            return None
        functions = [found[structure].native for structure, _ in made]
        arguments = [argument for _, argument in made]
        gain = self._gain(program, functions, arguments)
        if gain < least:
            return gain, False
        used = [island.use_native(key, functions) for island in self.islands.values()]
        return gain, any(used)

    def _gain(
        self, program: Program, functions: list[_core.Native], arguments: list[Arguments]
    ) -> float:
        """How many times faster compiled code is; the better of two tries each, in turn."""
        code, machine = _core.Code(program.packed()), _core.Machine()
        settings: dict[str, Any] = {
            "epochs": 1,  # each takes as long as the next
            "seed": self.settings.evaluation.seed,
            "max_abs_error": self.settings.evaluation.max_abs_error,
        }

        def interpret() -> None:
            for block, batch in self.interpreted:
                machine.run(code, batch, np.empty(block.lanes), np.empty(block.lanes), **settings)

        def run_compiled() -> None:
            for (block, batch), native, given in zip(
                self.compiled, functions, arguments, strict=True
            ):
                machine.run(
                    code,
                    batch,
                    np.empty(block.lanes),
                    np.empty(block.lanes),
                    native=native,
                    constants=given.for_lanes(block.lanes, block.chunk),
                    places=given.places,
                    **settings,
                )

        best = {interpret: math.inf, run_compiled: math.inf}
        for run in (interpret, run_compiled) * 2:
            started = time.perf_counter()
            run()
            best[run] = min(best[run], time.perf_counter() - started)
        return best[interpret] / max(best[run_compiled], 1e-9)

    # ---- state ----

    def save(self) -> dict[int, bytes]:
        return {number: island.save() for number, island in self.islands.items()}

    def load(self, snapshots: Mapping[int, bytes]) -> None:
        for number, island in self.islands.items():
            island.load(snapshots[number])

    def restart(self, number: int) -> None:
        self.islands[number].restart()
