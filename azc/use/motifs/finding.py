"""What reappears over independent runs: fragments in more halls of fame than chance explains."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from azc.analysis import live, predicts_vector
from azc.errors import ConfigError, expected
from azc.program import Program
from azc.search.moving import settings_as_run
from azc.search.runtime_settings import filter_of
from azc.search.settings_plan import IslandSettings
from azc.search.store import read_saved
from azc.use.compare import holm
from azc.use.motifs.chance import Chance, at_least
from azc.use.motifs.fragments import Fragments, Piece

__all__ = ["Hall", "Motif", "Motifs", "find", "motifs", "read_halls"]

#: More nodes are too many fragments, each in one run alone.
_MOST_NODES = 6


@dataclass(frozen=True)
class Hall:
    """What a run has found: programs, the best first, each with the settings of its island."""

    name: str
    programs: Sequence[tuple[Program, IslandSettings]]


@dataclass(frozen=True)
class Motif:
    """A fragment that two or more runs have.

    `runs`: which; `programs`: how many of their programs; `expected`: in how many runs chance would
    put it. `p`: how probable it is that chance puts it in as many; `p_holm` and `q`: corrected for
    the number of fragments by Holm (the chance of any false motif), and by Benjamini and Hochberg
    (the share of false ones). `within`: the id of a larger motif that is in the same runs.
    """

    id: str
    nodes: int
    piece: Piece
    runs: tuple[str, ...]
    programs: int
    expected: float
    p: float
    p_holm: float
    q: float
    significant: bool
    within: str | None


@dataclass(frozen=True)
class Motifs:
    """All fragments that two or more of `runs` have, the surest first. `fragments`: how many there
    are in all, which is what p is corrected for; `random`: programs that each program was compared
    with. `live`, `live_random`: live instructions of a program of the halls, and of those, on
    average. `weaker_filter`: hardly any random program passed the filter of a search, so that a
    weaker one was used."""

    all: list[Motif]
    runs: list[str]
    fragments: int
    random: int
    live: float
    live_random: float
    level: float
    weaker_filter: bool

    @property
    def significant(self) -> list[Motif]:
        return [motif for motif in self.all if motif.significant]

    @property
    def largest(self) -> list[Motif]:
        """Those that are significant, but for those within a larger one of the same runs."""
        return [motif for motif in self.significant if motif.within is None]


def motifs(
    folders: Iterable[str | os.PathLike[str]],
    *,
    nodes: int = 4,
    top: int = 10,
    random: int = 1000,
    level: float = 0.05,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Motifs:
    """Look for what reappears over the runs of searches in `folders`, which must be independent:
    of other seeds, or other settings.

    `nodes`: how large fragments are, from two on; `top`: how many of the best programs of a run are
    looked at; `random`: how many random programs each of them is compared with, drawn by `seed`.
    Raises `StateError` where there is no run, and `ConfigError`.
    """
    return find(
        read_halls(folders),
        nodes=nodes,
        top=top,
        random=random,
        level=level,
        seed=seed,
        progress=progress,
    )


def read_halls(folders: Iterable[str | os.PathLike[str]]) -> list[Hall]:
    """The halls of fame of the runs in `folders`."""
    halls, known = [], dict[tuple[str, str], Path]()
    for folder in map(Path, folders):
        saved = read_saved(folder)
        same = known.setdefault((saved.about["settings"], saved.about["seed"]), folder)
        if same is not folder:
            what = expected("runs that are independent", f"the same search as in {same}")
            raise ConfigError(f"{folder}: {what}")
        plans = settings_as_run(saved.about, folder).plans()
        programs = [(best.program, plans[best.island].settings) for best in saved.hall]
        halls.append(Hall(str(folder), programs))
    return halls


def find(
    halls: Sequence[Hall],
    *,
    nodes: int,
    top: int,
    random: int,
    level: float,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Motifs:
    """What `motifs` does, of halls that have been read."""
    if len(halls) < 2:
        raise ConfigError(expected("at least two runs", len(halls), "five or more tell something"))
    if not 2 <= nodes <= _MOST_NODES:
        raise ConfigError(f"nodes: {expected(f'from 2 to {_MOST_NODES}', nodes)}")
    fragments = Fragments(2, nodes)
    chances: dict[tuple[str, int, int], Chance] = {}
    by_hall: list[list[tuple[Program, int, set[int], Chance]]] = []
    looked_at = sum(len(hall.programs[:top]) for hall in halls)
    if progress:
        progress(0, looked_at)
    for hall in halls:
        by_hall.append([])
        for program, settings in hall.programs[:top]:
            classes = _classes(settings, program)
            # Runs of one space are compared with the same random programs.
            key = (repr((settings.space, settings.constants)), filter_of(settings), classes)
            if key not in chances:
                chances[key] = Chance(
                    settings,
                    fragments,
                    classes=classes,
                    count=random,
                    seed=seed,
                    halls=[each for each, other in hall.programs if other == settings],
                )
            bare = live(program, classes)
            by_hall[-1].append((bare, classes, fragments.of(bare, classes), chances[key]))
    runs_of: dict[int, list[int]] = {}
    for run, programs in enumerate(by_hall):
        for number in set[int]().union(*(those for _, _, those, _ in programs)):
            runs_of.setdefault(number, []).append(run)
    several = sorted(number for number, runs in runs_of.items() if len(runs) > 1)
    total = len(runs_of)
    by_run, done = [], 0
    for programs in by_hall:
        none = np.ones(len(several))
        for each in programs:
            none *= 1.0 - _chance_of(several, each, random)
            done += 1
            if progress:
                progress(done, looked_at)
        by_run.append(np.asarray(1.0 - none))
    p = [
        at_least(len(runs_of[number]), [float(one[k]) for one in by_run])
        for k, number in enumerate(several)
    ]
    # Fragments of a single run are never motifs, but it was looked for them too.
    alone = [1.0] * (total - len(several))
    p_holm, q = holm([*p, *alone]), _benjamini_hochberg([*p, *alone])
    significant = {number for number, value in zip(several, p_holm, strict=False) if value <= level}
    within = _within(fragments, significant, runs_of)
    everyone = [each for programs in by_hall for each in programs]
    made = []
    for k, number in enumerate(several):
        owners = [each for each in everyone if number in each[2]]
        larger = within.get(number)
        made.append(
            Motif(
                id=fragments.id(number),
                nodes=fragments.size(number),
                piece=fragments.piece(number, owners[0][0], owners[0][1]),
                runs=tuple(halls[run].name for run in runs_of[number]),
                programs=len(owners),
                expected=float(sum(one[k] for one in by_run)),
                p=p[k],
                p_holm=p_holm[k],
                q=q[k],
                significant=number in significant,
                within=None if larger is None else fragments.id(larger),
            )
        )
    made.sort(key=lambda m: (not m.significant, -len(m.runs), m.p_holm, m.p, -m.nodes, m.id))
    sizes = [sum(1 for _ in program.instructions()) for program, *_ in everyone]
    return Motifs(
        all=made,
        runs=[hall.name for hall in halls],
        fragments=total,
        random=random,
        live=_mean(sizes),
        live_random=_mean([chance.live(program) for program, _, _, chance in everyone]),
        level=level,
        weaker_filter=any(chance.weaker for chance in chances.values()),
    )


def _chance_of(
    numbers: Sequence[int], program: tuple[Program, int, set[int], Chance], random: int
) -> NDArray[np.float64]:
    """For each of these fragments, how probable it is that a random program, like this one, has it.

    That any of a run's has it is taken as if they were independent, which random programs are and
    those of a run are not: so it is not too low.
    """
    counts = np.zeros(max(numbers, default=0) + 1)
    known = program[3].counts(program[0])[: len(counts)]
    counts[: len(known)] = known
    # One more than were seen, since what was not seen in so many is not impossible.
    return np.asarray((counts[list(numbers)] + 1.0) / (random + 1.0))


def _benjamini_hochberg(p: Sequence[float]) -> list[float]:
    from scipy.stats import false_discovery_control

    return [float(q) for q in false_discovery_control(p)] if p else []


def _within(
    fragments: Fragments, significant: set[int], runs_of: dict[int, list[int]]
) -> dict[int, int]:
    """Of each significant fragment that is a part of a larger one, in the same runs, one such."""
    within = {}
    for number in sorted(significant, key=lambda k: (fragments.size(k), k)):
        for part in fragments.parts(number) & significant:
            if runs_of[part] == runs_of[number]:
                within[part] = number
    return within


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else math.nan


def _classes(settings: IslandSettings, program: Program) -> int:
    """Of the tasks; where only their data tells, 3 stands for more than two."""
    known = settings.tasks.search.facts().classes
    return known if known is not None else 3 if predicts_vector(program) else 0
