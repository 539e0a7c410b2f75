"""Hot compiling: structures that a search spends most of its training steps on are built as native
code in the background, and replace the interpreter when they are ready.

Compiled code gives the same bits, so nothing that the search does depends on this, or on when a
build ends.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

from azc.compiler import natives
from azc.compiler.structure import Structure, structure_of
from azc.compiler.toolchain import find_toolchain
from azc.errors import AzcError, CompileError, warn
from azc.program import Program
from azc.search.hosts import Packed
from azc.search.report import HotCounts
from azc.search.settings import Settings
from azc.search.workers import Workers

__all__ = ["Hot", "native_vector"]

#: Seconds between two looks at what is hot; and, of the time until then, the share after which
#: hosts even wait for each other so that there is one.
_EVERY, _SHARE = 1.0, 0.2
#: Structures of one batch at most: a build should end while they are still hot.
_MOST_IN_BATCH = 16
#: How much faster compiled code is expected to be before any was tried on these tasks.
_FIRST_GAIN = 1.3
#: What it must be at least, where it was tried, to be used.
_LEAST_GAIN = 1.03


def native_vector(settings: Settings) -> int | None:
    """Doubles in a register of the code to be built; None where nothing is to be. Raises
    `CompileError` where building was asked for but there is no compiler."""
    if settings.compile.hot is False or not settings.may_be_hot:
        return None
    try:
        return find_toolchain().vector
    except CompileError:
        if settings.compile.hot is True:
            raise
        return None


@dataclass(frozen=True, slots=True)
class _Wanted:
    key: int
    packed: Packed
    structures: tuple[Structure, ...]  # one for each number of features


class Hot:
    """Decides what to build, builds it in a thread, and hands it to the workers.

    A structure is worth a build if the steps that it took so far, taken again, would take longer
    than the build and as many steps of compiled code: what has been hot for long is expected to
    stay so for as long again.
    """

    def __init__(
        self, workers: Workers, layouts: list[tuple[int, int, str]], examples: int, always: bool
    ) -> None:
        """`layouts`: (features, classes, layout) of each compiled block; `examples`: of one
        evaluation, over all tasks; `always`: build whatever is hottest, worth it or not."""
        self._workers, self._layouts, self._always = workers, layouts, always
        # Short evaluations gain less, or nothing.
        kinds = ", ".join(f"{features} {layout}" for features, _, layout in layouts)
        self._gain_name = f"gain in search, {len(str(examples))} digits of examples, {kinds}"
        self._thread: threading.Thread | None = None
        self._batch: list[_Wanted] = []
        self._problem: Exception | None = None
        self._done: set[int] = set()
        self._built, self._seconds = 0, 0.0
        self._started = self._looked = time.monotonic()
        self._off = not layouts

    def counts(self, steps: tuple[int, int]) -> HotCounts:
        """`steps`: training steps that were executed, and natively."""
        building = len(self._batch) if self._thread else 0
        share = steps[1] / steps[0] if steps[0] else 0.0
        return HotCounts(self._built, self._seconds, building, share)

    @property
    def is_due(self) -> bool:
        """Whether a look is worth it that hosts have to wait for."""
        return self._is_next(max(_EVERY, _SHARE * (self._looked - self._started)))

    def _is_next(self, seconds: float) -> bool:
        return not self._off and time.monotonic() >= self._looked + seconds

    def look(self, seconds_per_step: float) -> None:
        """To be called now and then, while no island is running."""
        if not self._is_next(_EVERY):
            return
        self._looked = time.monotonic()
        if self._thread:
            if not self._thread.is_alive():
                self._take()
            return
        self._batch = self._choose(seconds_per_step)
        if self._batch:
            self._thread = threading.Thread(target=self._build, daemon=True)
            self._thread.start()
            # What is hot later should not have to outdo what was hot before.
            self._workers.cool()

    def finish(self) -> None:
        """Wait for a build that is under way, so that it does not outlive the search."""
        if self._thread:
            self._thread.join()

    # ---- choosing ----

    def _choose(self, seconds_per_step: float) -> list[_Wanted]:
        steps_of: dict[int, tuple[int, Packed]] = {}
        for host in self._workers.hottest(4 * _MOST_IN_BATCH):
            for key, steps, runs, packed in host:
                if key not in self._done and runs > 1:
                    before = steps_of.get(key, (0, packed))[0]
                    steps_of[key] = (before + steps, packed)
        ranked = sorted(steps_of.items(), key=lambda item: (-item[1][0], item[0]))
        gain = natives.recorded(self._gain_name, _FIRST_GAIN)
        batch: list[_Wanted] = []
        structures: list[Structure] = []
        saved = 0.0
        best: list[_Wanted] = []
        margin = 0.0
        for key, (steps, packed) in ranked[:_MOST_IN_BATCH]:
            wanted = self._wanted(key, packed)
            batch.append(wanted)
            structures.extend(wanted.structures)
            saved += steps * seconds_per_step * (1.0 - 1.0 / gain)
            over = saved - natives.build_seconds(structures)
            if over > margin or self._always:
                best, margin = list(batch), over
        return best

    def _wanted(self, key: int, packed: Packed) -> _Wanted:
        program = Program.unpacked(packed)
        structures = tuple(
            structure_of(program, classes=classes, features=features, layout=layout)[0]
            for features, classes, layout in self._layouts
        )
        return _Wanted(key, packed, structures)

    # ---- building ----

    def _build(self) -> None:
        started = time.perf_counter()
        try:
            wanted = list(dict.fromkeys(s for one in self._batch for s in one.structures))
            # One module: the other cores are the islands'.
            natives.obtain(wanted, workers=1)
        except (AzcError, OSError, MemoryError) as error:
            self._problem = error
        self._seconds += time.perf_counter() - started

    def _take(self) -> None:
        """Hands what was built to every host, each of which tries it first."""
        batch, self._batch, self._thread = self._batch, [], None
        if self._problem:
            self._off = True
            warn(f"hot structures are no longer built: {self._problem}")
            return
        least = 0.0 if self._always else _LEAST_GAIN
        for wanted in batch:
            tries = self._workers.use_native(wanted.key, wanted.packed, least)
            self._done.add(wanted.key)
            if gains := [gain for gain, _ in filter(None, tries)]:
                # What is too slow counts too, or it would be built again and again.
                natives.record(self._gain_name, min(max(*gains, 0.01), 50.0))
                self._built += any(used for _, used in filter(None, tries))
