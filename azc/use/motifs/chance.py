"""What chance does: fragments in random programs of a search's space, and how probable it is that
so many independent runs have one."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from azc.ops import by_name
from azc.program import FUNCTIONS, Instruction, Program
from azc.program.instruction import PACKED
from azc.runtime import _core
from azc.search.runtime_settings import filter_of, space_of
from azc.search.settings_plan import IslandSettings
from azc.use.motifs.fragments import Fragments

__all__ = ["Chance", "at_least"]

Sizes = tuple[int, int, int]

#: Random programs that are drawn for each that a program is compared with, so that there are some
#: of its size.
_POOL: Final = 4
#: Draws in all, before a filter that hardly any program passes is made weaker.
_MOST_DRAWS: Final = 20_000_000
#: Sizes of functions whose size varies: these parts of the way from the least to the most.
_PARTS: Final = (0.0, 0.25, 0.5, 0.75, 1.0)
#: Random programs that walks begin from, draws for all of them, and how many are too few.
_STARTS: Final = 200
_START_DRAWS: Final = 2_000_000
_FEW: Final = 20
#: Steps of a walk for each instruction of a program, at least; at most three times as many.
_STEPS: Final = 30


class Chance:
    """Random programs of a search's space, drawn as the search draws them, with its filter.

    A program is compared with the `count` of them that have the most nearly as many live
    instructions as it has in Setup, Predict and Learn: what a search keeps is longer than most of
    what is drawn, and the longer a program, the more fragments are in it by chance.

    Hardly any program passes the strict filter, and what does is short. There they come by walks
    of their own (`Space.walk`) to the very sizes wanted, from random programs that pass or, where
    none is found, from those of `halls`: draw an instruction anew, and stay where the filter stops
    what came of it.
    """

    def __init__(
        self,
        settings: IslandSettings,
        fragments: Fragments,
        *,
        classes: int,
        count: int,
        seed: int,
        halls: Sequence[Program] = (),
    ) -> None:
        self._fragments, self._classes, self._count = fragments, classes, count
        self._settings, self._seed = settings, seed
        level = filter_of(settings)
        #: Whether hardly any random program passed the filter, so that it was made weaker.
        self.weaker = False
        self._fragments_of: dict[tuple[bytes, bytes, bytes], NDArray[np.int64]] = {}
        self._compared: dict[Sizes, tuple[NDArray[np.int64], float]] = {}
        self._pool: list[tuple[bytes, bytes, bytes]] = []
        if settings.search.filter == "strict":
            self._starts = self._starting(halls)
        else:
            self._starts = []
            self._pool = self._drawn(settings, level, seed)
            self.weaker = len(self._pool) < count
        while len(self._pool) < count and level and not self._starts:
            level -= 1
            self._pool = self._drawn(settings, level, seed)
        self._sizes = np.array([_sizes_of(packed) for packed in self._pool]).reshape(-1, 3)

    def _starting(self, halls: Sequence[Program]) -> list[tuple[bytes, bytes, bytes]]:
        """Where walks begin: programs that pass, as long as the space allows."""
        functions = [self._settings.space.function(name) for name in FUNCTIONS]
        space = space_of(self._settings, [function.max for function in functions])
        held = [program.packed() for program in self._settings.space.start_programs()]
        starts, left = list[tuple[bytes, bytes, bytes]](), _START_DRAWS
        for candidate in range(_STARTS):
            start = held[candidate % len(held)] if held else None
            drawn = space.passing(self._seed, candidate, filter_of(self._settings), left, start)
            if drawn is None:
                break
            starts.append(drawn[0])
            left = max(left - drawn[1], 1)
        if len(starts) >= _FEW:
            return starts
        chance = random.Random(self._seed)
        return [self._padded(program, chance) for program in halls]

    def _padded(self, program: Program, chance: random.Random) -> tuple[bytes, bytes, bytes]:
        """With instructions without effect in between, as many as the space allows."""
        bodies = dict[str, Any]()
        for name, body in program.functions():
            room = list(body)
            if self._settings.space.searched(name):
                for _ in range(self._settings.space.function(name).max - len(body)):
                    room.insert(chance.randrange(len(room) + 1), Instruction(by_name("noop")))
            bodies[name] = tuple(room)
        return Program(**bodies).packed()

    def _walked(self, sizes: Sizes) -> list[tuple[bytes, bytes, bytes]]:
        """Random programs that pass the strict filter, of these sizes."""
        space = space_of(self._settings, walking=True)
        level = filter_of(self._settings)
        least = _STEPS * sum(self._settings.space.function(name).max for name in FUNCTIONS)
        walked = []
        for candidate in range(self._count):
            start = self._starts[candidate % len(self._starts)]
            made = space.walk(start, self._seed, candidate, level, sizes, least, 3 * least)
            walked.append(_core.Canonical(_core.Code(made), self._classes).packed)
        return walked

    def _drawn(
        self, settings: IslandSettings, level: int, seed: int
    ) -> list[tuple[bytes, bytes, bytes]]:
        functions = [settings.space.function(name) for name in FUNCTIONS]
        held = [program.packed() for program in settings.space.start_programs()]
        sizes = {tuple(round(f.min + part * (f.max - f.min)) for f in functions) for part in _PARTS}
        spaces = [space_of(settings, first) for first in sorted(sizes)]
        wanted, left = _POOL * self._count, _MOST_DRAWS
        passed = []
        for candidate in range(wanted):
            space = spaces[candidate % len(spaces)]
            # Some sizes may let nothing pass.
            tries = max(1, min(left, 4 * _MOST_DRAWS // wanted))
            start = held[candidate % len(held)] if held else None
            drawn = space.passing(seed, candidate, level, tries, start)
            left -= drawn[1] if drawn else tries
            if drawn:
                code = _core.Code(drawn[0])
                passed.append(_core.Canonical(code, self._classes).packed)
            if left <= 0:
                break
        return passed

    def counts(self, program: Program) -> NDArray[np.int64]:
        """In how many of the random programs that `program`, without dead instructions, is compared
        with each fragment is; by number, as far as any has it."""
        return self._at(_sizes_of(program.packed()))[0]

    def live(self, program: Program) -> float:
        """How many live instructions those have, on average."""
        return self._at(_sizes_of(program.packed()))[1]

    def _at(self, sizes: Sizes) -> tuple[NDArray[np.int64], float]:
        if sizes not in self._compared:
            if self._starts:
                nearest = self._walked(sizes)
            else:
                distance = np.abs(self._sizes - np.array(sizes)).sum(axis=1)
                order = np.argsort(distance, kind="stable")[: self._count]
                nearest = [self._pool[int(k)] for k in order]
            counts = np.bincount(np.concatenate([self._in(packed) for packed in nearest]))
            live = float(np.mean([sum(_sizes_of(packed)) for packed in nearest]))
            self._compared[sizes] = counts.astype(np.int64), live
        return self._compared[sizes]

    def _in(self, packed: tuple[bytes, bytes, bytes]) -> NDArray[np.int64]:
        if packed not in self._fragments_of:
            numbers = self._fragments.of(Program.unpacked(packed), self._classes)
            self._fragments_of[packed] = np.fromiter(numbers, dtype=np.int64, count=len(numbers))
        return self._fragments_of[packed]


def _sizes_of(packed: tuple[bytes, bytes, bytes]) -> Sizes:
    setup, predict, learn = (len(body) // PACKED for body in packed)
    return setup, predict, learn


def at_least(count: int, chances: Sequence[float]) -> float:
    """How probable it is that `count` or more of independent events happen, which have these
    probabilities (Poisson's binomial distribution)."""
    exactly = np.zeros(len(chances) + 1)
    exactly[0] = 1.0
    for chance in chances:
        exactly[1:] = exactly[1:] * (1.0 - chance) + exactly[:-1] * chance
        exactly[0] *= 1.0 - chance
    return float(min(1.0, exactly[count:].sum()))
