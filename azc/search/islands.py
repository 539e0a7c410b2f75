"""Islands: what one population draws from, is evaluated on and is limited by; several in a process.

What an island does depends on the settings, the tasks, the seed and its number, never on how its
work is cut into slices or on the process that it lives in. `azc.search.hosts` says what is asked.
"""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from azc.compiler import natives
from azc.compiler.structure import ENTRIES, LANES, Arguments, Structure, structure_of
from azc.errors import StateError
from azc.packing import Block, batch_of, blocks, native_blocks
from azc.program import Program
from azc.runtime import _core
from azc.search.hosts import Exchange, Job, Offer, Packed, Past, Slice
from azc.search.migrants import Given, Migrants
from azc.search.migration import Draws
from azc.search.packets import packets_of, read_given
from azc.search.report import Counts
from azc.search.runtime_settings import settings_of, space_of
from azc.search.scoring import Scorer
from azc.search.settings import Plan, Settings
from azc.search.settings_plan import IslandSettings
from azc.search.settings_tasks import Which
from azc.search.snapshots import Kept, Place, fetched
from azc.tasks import Task

__all__ = ["Islands"]

# Why a slice ended, in the order of `runtime/island.h`.
_AT_COUNT, _AT_TIME, _AT_TARGET, _AT_END = range(4)


def _arrangement(settings: IslandSettings) -> tuple[bool, int]:
    """What it depends on how tasks lie in lanes: matrices, and tasks that only confirm."""
    return settings.space.matrices > 0, settings.niches.confirm if settings.niches else 0


@dataclass
class Islands:
    """The islands `numbers` of a search, in this process: a `Host`. `others`: the sets of tasks
    beside `tasks` that have been made; `own`: those that islands have instead of `tasks`, in the
    order of `Settings.task_tables`; `place`: where snapshots are put. Code is compiled for islands
    on `tasks` only."""

    settings: Settings
    tasks: Sequence[Task]
    seed: int
    numbers: tuple[int, ...]
    vector: int | None  # doubles in a register of compiled code; None: nothing is compiled
    others: Mapping[Which, Sequence[Task]] = field(default_factory=dict)
    own: Sequence[Sequence[Task]] = ()
    place: Place | None = None
    islands: dict[int, _core.Island] = field(init=False)
    compiled: list[tuple[Block, _core.Batch]] = field(init=False)
    interpreted: list[tuple[Block, _core.Batch]] = field(init=False)

    def __post_init__(self) -> None:
        if self.place:
            self.place.check()
        matrices = self.settings.space.matrices > 0
        self.interpreted = self._interpreted(self.tasks, self.settings)
        self.compiled = []
        if self.vector is not None:
            wanted = native_blocks(self.tasks, matrices, self.vector, rest_alone=False)
            native = list(wanted)
            # One layout, so that a structure is built once for each number of features.
            if len({block.chunk for block in native}) == 1:
                self.compiled = self._packed(self.tasks, native)
        self._plans = self.settings.plans()
        # Compiled functions that are used, by the key of their structure.
        self._natives: dict[int, list[_core.Native]] = {}
        self.islands = {number: self._made(self._plans[number]) for number in self.numbers}
        self._scorer = Scorer(self.settings, self.others)
        # What was told of islands last, to tell only of what is new.
        self._told: dict[int, tuple[int, float]] = {}
        self._pace: dict[int, float] = {}  # seconds a program, of late
        # Offers of islands that were recovered, which were not told of.
        self._untold: dict[int, list[Offer]] = {}

    def _is_hot(self, plan: Plan) -> bool:
        """Whether the island's structures may be compiled."""
        return bool(self.compiled) and plan.may_be_hot

    def _made(self, plan: Plan) -> _core.Island:
        hot = self._is_hot(plan)
        tasks = self.own[plan.tasks - 1] if plan.tasks else self.tasks
        packed = self.interpreted
        if plan.tasks or _arrangement(plan.settings) != _arrangement(self.settings):
            packed = self._interpreted(tasks, plan.settings)
        common = settings_of(plan.settings, tasks, self.seed, hot=hot)
        return _core.Island(
            space_of(plan.settings),
            {**common, "island": plan.island},
            [(batch, block.chunk, list(block.positions)) for block, batch in packed],
            [(batch, block.chunk, list(block.positions)) for block, batch in self.compiled if hot],
            [program.packed() for program in plan.settings.space.start_programs()],
        )

    def _interpreted(
        self, tasks: Sequence[Task], settings: IslandSettings
    ) -> list[tuple[Block, _core.Batch]]:
        """Tasks that only confirm are not mixed with the others."""
        matrices, confirm = _arrangement(settings)
        first = len(tasks) - confirm
        in_blocks = list(blocks(tasks[:first], matrices))
        for block in blocks(tasks[first:], matrices):
            positions = tuple(first + position for position in block.positions)
            in_blocks.append(replace(block, positions=positions))
        return self._packed(tasks, in_blocks)

    def _packed(
        self, tasks: Sequence[Task], in_blocks: Sequence[Block]
    ) -> list[tuple[Block, _core.Batch]]:
        return [(block, batch_of(tasks, block)) for block in in_blocks]

    def run(self, islands: Collection[int], until: int, seconds: float) -> list[Slice]:
        shares = self._shares(islands, until)
        return [self._run(number, until, seconds * shares[number]) for number in islands]

    def _shares(self, islands: Collection[int], until: int) -> dict[int, float]:
        """Of the time: by what each has left to run, so that a slow one is not alone at the end."""
        left = {
            number: max(0, until - self.counts(number).programs) * self._pace.get(number, 0.0)
            for number in islands
        }
        if not all(left.values()):
            return dict.fromkeys(islands, 1 / len(left))
        total = sum(left.values())
        return {number: one / total for number, one in left.items()}

    def _run(self, number: int, until: int, seconds: float) -> Slice:
        started, before = time.thread_time(), self.counts(number).programs
        offers = self._untold.pop(number, [])
        why = self._draw(number, until, seconds, offers)
        counts = self.counts(number)
        at = (counts.run, counts.best)
        # Fitness tells the bests of one population apart; nan is no best, and is not equal to it.
        best = None if self._told.get(number) == at else self.best(number)
        self._told[number] = at
        done, has_best = why in (_AT_COUNT, _AT_TARGET), not math.isnan(counts.best)
        if counts.programs > before:
            self._pace[number] = (time.thread_time() - started) / (counts.programs - before)
        return Slice(
            number,
            counts,
            done,
            tuple(offers),
            best,
            has_best,
            self.islands[number].steps_run(),
            self._pace.get(number, 0.0),
            vacant=not self.islands[number].members,
        )

    def _draw(self, number: int, until: int, seconds: float, offers: list[Offer]) -> int:
        """Runs one island, population after population, adds to `offers`, and returns why it
        ended."""
        island = self.islands[number]
        deadline = time.monotonic() + seconds
        while True:
            why = island.run(until, max(0.0, deadline - time.monotonic()))
            if why in (_AT_END, _AT_TARGET) and (best := self.best(number)):
                offers.append(best)
            if why != _AT_END:
                return why
            island.restart()

    def counts(self, number: int) -> Counts:
        return Counts(island=number, **self.islands[number].counts())

    def best(self, number: int) -> Offer | None:
        """The best of the island's present population."""
        island = self.islands[number]
        best = island.best()
        if best is None:
            return None
        packed, fitness, birth = best
        # Now, because the island forgets it with the population.
        lineage = tuple(island.ancestors())
        return Offer(number, island.counts()["run"], birth, fitness, packed, lineage)

    def emigrants(self, positions: Mapping[int, NDArray[np.int64]]) -> dict[int, Migrants]:
        return {
            number: Migrants.of(*self.islands[number].emigrants(asked))
            for number, asked in positions.items()
        }

    def receive(self, given: Mapping[int, Given]) -> None:
        for number, one in given.items():
            self.islands[number].receive(one.positions, *one.members.bytes())

    def give(self, number: int, vacant: Collection[int], hosts: int) -> str | StateError:
        migration, plans = self.settings.migration, self._plans
        assert migration
        assert self.place
        sizes = [plan.population for plan in plans]
        draws = Draws(sizes, migration.share, self.settings.search.seed, number)
        measures = [plan.measure for plan in plans]
        try:
            data = packets_of(draws, vacant, hosts, measures, self.numbers, self.emigrants)
            return self.place.put_packets(number, data)
        except StateError as failed:
            return failed

    def take(self, exchange: Exchange) -> None:
        self.receive(read_given(exchange, len(self._plans), self.numbers))

    def score(self, jobs: Sequence[Job]) -> list[list[float]]:
        return [self._scorer(job) for job in jobs]

    # ---- hot structures ----

    def layouts(self) -> list[tuple[int, int, str]]:
        shapes = []
        for block, _ in self.compiled:
            task = self.tasks[block.positions[0]]
            layout = ENTRIES if block.chunk == 1 else LANES
            shapes.append((task.features, task.classes, layout))
        return shapes

    def hottest(self, count: int) -> list[tuple[int, int, int, Packed]]:
        by_key: dict[int, tuple[int, int, Packed]] = {}
        for island in self.islands.values():
            for key, steps, runs, packed in island.hottest(count):
                before = by_key.get(key, (0, 0, packed))
                by_key[key] = (before[0] + steps, before[1] + runs, before[2])
        return [(key, *rest) for key, rest in by_key.items()]

    def cool(self) -> None:
        for island in self.islands.values():
            island.cool()

    def structures(self, packed: Packed) -> list[Structure]:
        """What has to be compiled for `use_native`."""
        return [structure for structure, _ in self._structures(Program.unpacked(packed))]

    def _structures(self, program: Program) -> list[tuple[Structure, Arguments]]:
        return [
            structure_of(program, classes=classes, features=features, layout=layout)
            for features, classes, layout in self.layouts()
        ]

    def use_native(self, key: int, packed: Packed, least: float) -> tuple[float, bool] | None:
        program = Program.unpacked(packed)
        made = self._structures(program)
        there = natives.find({structure for structure, _ in made})
        if any(structure not in there for structure, _ in made):
            return None
        functions = [there[structure].native for structure, _ in made]
        arguments = [argument for _, argument in made]
        gain = self._gain(program, functions, arguments)
        if gain < least:
            return gain, False
        self._natives[key] = functions
        used = [self._use(number, key, functions) for number in self.islands]
        return gain, any(used)

    def _use(self, number: int, key: int, functions: list[_core.Native]) -> bool:
        hot = self._is_hot(self._plans[number])
        return hot and self.islands[number].use_native(key, functions)

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

    def save(
        self, islands: Collection[int], waste: Sequence[str] = ()
    ) -> Mapping[int, bytes | Kept | StateError]:
        if self.place is None:
            return {number: self.islands[number].save() for number in islands}
        self.place.remove(waste)
        return self.place.put(
            islands, lambda number: (self.counts(number).programs, self.islands[number].save())
        )

    def recover(self, pasts: Mapping[int, Past]) -> None:
        from_storage = self._from_storage(pasts)
        for number, past in pasts.items():
            offers: list[Offer] = []
            if past.snapshot is not None:
                self.islands[number].load(fetched(past.snapshot))
            for at, received in past.exchanges:
                self._draw_all(number, at, offers)
                if isinstance(received, Exchange):
                    received = from_storage[received][number]
                self.receive({number: received})
            self._draw_all(number, past.programs, offers)
            self._untold[number] = offers[past.offers :]

    def _from_storage(self, pasts: Mapping[int, Past]) -> dict[Exchange, dict[int, Given]]:
        """What these islands were given in exchanges, read of all of them at once."""
        took_part: dict[Exchange, list[int]] = {}
        for number, past in pasts.items():
            for _, received in past.exchanges:
                if isinstance(received, Exchange):
                    took_part.setdefault(received, []).append(number)
        return {one: read_given(one, len(self._plans), ours) for one, ours in took_part.items()}

    def hold(self, numbers: tuple[int, ...], pasts: Mapping[int, Past]) -> None:
        before, self.numbers = self.islands, numbers
        self.islands = {n: before.get(n) or self._made(self._plans[n]) for n in numbers}
        for gone in before.keys() - self.islands.keys():
            self._told.pop(gone, None)
        new = [number for number in numbers if number not in before]
        self.recover({number: pasts[number] for number in new})
        for key, functions in self._natives.items():
            for number in new:
                self._use(number, key, functions)

    def _draw_all(self, number: int, until: int, offers: list[Offer]) -> None:
        while self._draw(number, until, math.inf, offers) != _AT_COUNT:
            pass
