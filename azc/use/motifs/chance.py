"""What chance does: fragments in random programs of a search's space, and how probable it is that
so many independent runs have one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from azc.program import FUNCTIONS, Program
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


class Chance:
    """Random programs of a search's space, drawn as the search draws them, with its filter.

    A program is compared with the `count` of them that have the most nearly as many live
    instructions as it has in Setup, Predict and Learn: what a search keeps is longer than most of
    what is drawn, and the longer a program, the more fragments are in it by chance.
    """

    def __init__(
        self, settings: IslandSettings, fragments: Fragments, *, classes: int, count: int, seed: int
    ) -> None:
        self._fragments, self._classes, self._count = fragments, classes, count
        level = filter_of(settings)
        self._pool = self._drawn(settings, level, seed)
        #: Whether hardly any random program passed the filter, so that it was made weaker.
        self.weaker = len(self._pool) < count
        while len(self._pool) < count and level:
            level -= 1
            self._pool = self._drawn(settings, level, seed)
        self._sizes = np.array([_sizes_of(packed) for packed in self._pool]).reshape(-1, 3)
        self._fragments_of: dict[int, NDArray[np.int64]] = {}
        self._compared: dict[Sizes, tuple[NDArray[np.int64], float]] = {}

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
            distance = np.abs(self._sizes - np.array(sizes)).sum(axis=1)
            nearest = np.argsort(distance, kind="stable")[: self._count]
            counts = np.bincount(np.concatenate([self._in(int(k)) for k in nearest]))
            live = float(self._sizes[nearest].sum(axis=1).mean())
            self._compared[sizes] = counts.astype(np.int64), live
        return self._compared[sizes]

    def _in(self, number: int) -> NDArray[np.int64]:
        if number not in self._fragments_of:
            program = Program.unpacked(self._pool[number])
            numbers = self._fragments.of(program, self._classes)
            self._fragments_of[number] = np.fromiter(numbers, dtype=np.int64, count=len(numbers))
        return self._fragments_of[number]


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
