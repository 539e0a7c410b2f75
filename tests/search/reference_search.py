"""The search once more, in plain Python: what `docs/semantics.md` and the comments of the runtime's
headers say of its methods; and ways to set up both.

Slow and obvious. It shares with the runtime only the elementary functions (`_core.apply`), the
answer of the dependency filter, and whether epochs may be left out (`_core.analyse`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import programs
from reference_analysis import canonical, canonical_hash
from search.reference_drawing import SMALL, Drawing, Draws, Spec
from search.reference_flow import dropped, learns_strictly
from search.reference_niches import Niches
from search.reference_trial import Trial

import azc
from azc.ops import OPS
from azc.packing import blocks, pack
from azc.program import Instruction, Program
from azc.runtime import _core
from azc.runtime.tables import SETTINGS
from azc.search.runtime_settings import ORIGINS
from azc.search.settings import METHODS

AT_COUNT, AT_TIME, AT_TARGET, AT_END = range(4)
AMPLE = 3600.0  # seconds that no test takes

# In an order of their own, since what `any_search` gives depends on it.
_METHODS = ("random", "regularized-evolution", "mgg")

Packed = tuple[bytes, bytes, bytes]
Bodies = list[list[Instruction]]

# How often a candidate is drawn again (`runtime/island.c`).
_TRIES, _TRIES_AT_START = 100, 200_000


_SEVERAL_CLASSES = Spec(
    ops=(
        ("scalar_const", "matrix_gaussian"),
        ("matrix_vector_dot", "scalar_vector_mul", "vector_add", "vector_mul"),
        ("outer", "matrix_add", "vector_sub", "scalar_matrix_mul", "vector_reciprocal"),
    ),
    addresses=(2, 4, 2),
)


#: That fit the spaces.
_LEARNERS = (
    "def Setup():\n    s2 = 0.1\ndef Predict():\n    s1 = dot(v0, v1)\n"
    "def Learn():\n    s1 = s0 - s1\n    s1 = s1 * s2\n    v2 = s1 * v0\n    v1 = v1 + v2\n",
    "def Predict():\n    v2 = dot(m0, v0)\n"
    "def Learn():\n    v1 = v1 - v2\n    m1 = outer(v1, v0)\n    m0 = m0 + m1\n",
)


def tasks_of(
    seed: int,
    count: int = 2,
    *,
    train: int = 8,
    valid: int = 6,
    features: int = 3,
    classes: int = 0,
) -> list[Any]:
    """Tasks of a few examples; a linear rule is to be found in those of regression."""
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        task = programs.random_task(rng, features, train=train, valid=valid, classes=classes)
        if not classes:
            weights = rng.normal(size=features)
            task.y_train, task.y_valid = task.X_train @ weights, task.X_valid @ weights
        made.append(task)
    return made


def settings(tasks: Sequence[Any], **changes: Any) -> dict[str, Any]:
    """Of a small regularized evolution without caches, hurdle, budget or end."""
    made = {each.name: each.default for each in SETTINGS} | {
        "method": "regularized-evolution", "population": 10, "tournament": 3, "seed": 1,
        "classes": tasks[0].classes, "tasks": len(tasks), "train": len(tasks[0].y_train),
        "valid": len(tasks[0].y_valid), "fec_train": 3, "fec_valid": 3, "cache_size": 1000,
        "op_cost": [op.cost(tasks[0].features) for op in OPS],
    }  # fmt: skip
    unknown = changes.keys() - made.keys()
    assert not unknown, unknown
    made |= changes
    made["population"] = min(made["population"], METHODS[made["method"]].most)
    return made


def island(
    spec: Spec, tasks: Sequence[Any], *, seeds: Sequence[Packed] = (), **changes: Any
) -> _core.Island:
    given = settings(tasks, **changes)
    given["method"] = list(METHODS).index(given["method"])
    first = len(tasks) - given["confirm"]
    placed = [
        (pack([part[p] for p in block.positions], block.lanes), block.lanes,
         [p + start for p in block.positions])
        for start, part in ((0, list(tasks[:first])), (first, list(tasks[first:])))
        for block in blocks(part, spec.addresses[2] > 0)
    ]  # fmt: skip
    return _core.Island(spec.core(), given, placed, [], list(seeds))


def any_search(number: int) -> tuple[Spec, list[Any], dict[str, Any]]:
    """Settings of some search, so that over a few dozen numbers every option meets every other."""
    rng = np.random.default_rng(number)

    def one_of(*choices: Any) -> Any:
        return choices[rng.integers(len(choices))]

    classes = one_of(0, 0, 2, 3)
    spec = replace(one_of(_SEVERAL_CLASSES if classes > 2 else SMALL, Spec()), classes=classes)
    tasks = tasks_of(number, one_of(1, 2, 3), classes=classes, train=one_of(5, 8), valid=5)
    changes: dict[str, Any] = {
        "method": _METHODS[number % 3], "population": one_of(2, 3, 7, 12),
        "tournament": one_of(1, 2, 5), "children": one_of(1, 2, 5), "filter": number % 3 == 2,
        "mutate_prob": one_of(0.3, 0.9, 1.0), "empty": number % 8 == 1, "seed": number * 10**15 + 1,
        "island": one_of(0, 1, 77), "median": one_of(0, 1), "level1": one_of(0, 1),
        "level2": one_of(0, 1), "fec_train": one_of(1, 4), "fec_valid": one_of(1, 4),
        "forget": one_of(2, 3, 100), "cache_size": one_of(1, 2, 8, 1000),
        "rounding": one_of(0, 2**20 - 1, 2**40 - 1), "epochs": one_of(1, 1, 3),
        "evaluation_seed": one_of(0, 5), "max_abs_error": one_of(2.0, 100.0, 100.0),
        "per_task": number % 5 == 4,
    }  # fmt: skip
    if one_of(0, 1):
        hurdle = {"hurdle_train": one_of(2, 4), "hurdle_valid": one_of(1, 4)}
        changes |= hurdle | {"window": one_of(1, 5, 10, 40), "quantile": one_of(0.25, 0.5, 0.75)}
    if one_of(0, 0, 1):
        changes["most_cost"] = one_of(500.0, 800.0)
    if one_of(0, 1):
        changes |= {"patience": 40} | one_of({"by": 30, "by_fitness": 0.5}, {"most_steps": 1500})
    if changes["filter"]:  # which random programs would hardly pass
        learner = azc.parse(_LEARNERS[classes > 2]).packed()
        changes["seeds"] = [learner, spec.core().random(number, 0)]
    changes["from_best"] = one_of(0, 1, 2)
    return spec, tasks, changes


def members(made: Any) -> list[tuple[Packed, float, int]]:
    """Those of an island, or of its model, from the oldest on."""
    return sorted((made.member(i) for i in range(made.members)), key=lambda m: (m[2], m[0]))


def state(made: Any) -> dict[str, Any]:
    """All that there is to see of an island, or of its model."""
    return {
        "counts": {k: None if v != v else v for k, v in made.counts().items() if k != "mean"},
        "members": members(made),
        "best": made.best(),
        "ancestors": made.ancestors(),
    }


# ---- the model -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ancestor:
    birth: int
    mutation: int
    fitness: float
    packed: Packed
    before: Ancestor | None


@dataclass(frozen=True)
class Member:
    bodies: Bodies
    packed: Packed
    hash: str
    fitness: float
    birth: int
    ancestor: Ancestor
    depends: bool

    def shown(self) -> tuple[Packed, float, int]:
        return self.packed, self.fitness, self.birth


class Model:
    """What `_core.Island` should do, with the same names."""

    def __init__(
        self, spec: Spec, tasks: Sequence[Any], *, seeds: Sequence[Packed] = (), **changes: Any
    ) -> None:
        self.given = settings(tasks, **changes)
        self.drawing = Drawing(spec)
        self.trial = Trial(tasks, self.given)
        self.seeds = [_bodies(packed) for packed in seeds]
        self.born = self.filtered = self.run_number = 0
        self.top: Member | None = None
        self.champion: Member | None = None
        self.restart()

    def restart(self) -> None:
        if self.top and self.top.fitness > (self.champion.fitness if self.champion else -1.0):
            self.champion = self.top
        self.ring: list[Member] = []  # by place; the oldest of a regularized evolution moves on
        self.oldest = 0
        self.top = None
        self.improved_to = -1.0
        self.niches = Niches(self)
        self.run_number += 1
        self.run_born = self.improved = self.born
        self.run_steps = self.trial.steps

    # ---- breeding ----

    def _draws(self, stream: int = 0) -> Draws:
        return Draws(self.given["seed"], self.given["island"], self.born, stream)

    def from_best(self) -> Member | None:
        """What this population begins with, if that is the best of those before it."""
        every = self.given["from_best"]
        return self.champion if every and self.run_number % every == 0 else None

    def _first(self, d: Draws) -> tuple[str, Bodies]:
        if best := self.from_best():
            return "best", best.bodies
        if self.seeds:
            return "seed", self.seeds[(self.born - self.run_born) % len(self.seeds)]
        if self.given["empty"]:
            nothing = Instruction(OPS[0])
            return "start", [[nothing] * count for count in self.drawing.spec.first]
        return "random", self.drawing.random(d)

    def _breed(
        self, d: Draws, parent: Member | None = None, family: Sequence[Member] = ()
    ) -> Member:
        given = self.given
        mutates = parent is not None and d.uniform() < given["mutate_prob"]
        best = None if parent else self.from_best()
        begun = given["empty"] or self.seeds or best
        drawn = mutates or (parent is None and not begun)
        filters = given["filter"] and (parent is None or parent.depends)
        for left in range(_TRIES if parent else _TRIES_AT_START, 0, -1):
            origin, bodies = ("identity", parent.bodies) if parent else self._first(d)
            if mutates:
                origin, bodies = self.drawing.mutate(d, bodies, [m.bodies for m in self.ring])
            if drawn and given["drop_dead"]:
                bodies = dropped(bodies, self.drawing.ops, given["classes"])
            program = Program(*map(tuple, bodies))
            packed, key = program.packed(), self.hash_of(program)
            depends = self.passes(program)
            again = (filters and not depends) or any(key == one.hash for one in family)
            if not drawn or left == 1 or not again:
                break
            self.filtered += 1
        fitness = self.trial.decide(program)
        before = source.ancestor if (source := parent or best) else None
        # A score on the first examples may be high by luck.
        proven = -1.0 if self.trial.hurdled else fitness
        if before is None or proven > before.fitness:
            before = Ancestor(self.born, ORIGINS.index(origin), proven, packed, before)
        made = Member(bodies, packed, key, fitness, self.born, before, bool(depends))
        self.born += 1
        if proven > (self.top.fitness if self.top else -1.0):
            self.note_best(made)
        return made

    def passes(self, program: Program) -> bool:
        """Whether the filter lets it pass."""
        level, classes = self.given["filter"], self.given["classes"]
        if level == 2:
            return learns_strictly(canonical(program, classes), classes)
        return not level or bool(_core.Canonical(program.code, classes).depends)

    def hash_of(self, program: Program) -> str:
        return canonical_hash(program, self.given["classes"])

    def note_best(self, member: Member) -> None:
        if member.fitness > self.improved_to + self.given["gain"]:
            self.improved_to, self.improved = member.fitness, self.born
        self.top = member

    def member_of(
        self, bodies: Bodies, fitness: float, birth: int, before: Ancestor | None, origin: str
    ) -> Member:
        """A member that its method did not breed."""
        program = Program(*map(tuple, bodies))
        packed = program.packed()
        if before is None or fitness > before.fitness:
            before = Ancestor(birth, ORIGINS.index(origin), fitness, packed, before)
        return Member(bodies, packed, self.hash_of(program), fitness, birth, before, True)

    # ---- methods ----

    def _step(self) -> None:
        if self.given["method"] == "niches":
            self.niches.step()
        elif self.given["method"] == "random":
            self.ring = [self._breed(self._draws())]
        elif len(self.ring) < self.given["population"]:
            self.ring.append(self._breed(self._draws()))
        elif self.given["method"] == "mgg":
            self._generation_gap()
        else:
            self._evolution()

    def _evolution(self) -> None:
        d = self._draws()
        others = self.ring[self.oldest + 1 :] + self.ring[: self.oldest]
        others = others or self.ring
        alone = len(self.ring) == 1
        places = [0 if alone else d.below(len(others)) for _ in range(self.given["tournament"])]
        parent = max((others[place] for place in places), key=lambda member: member.fitness)
        self.ring[self.oldest] = self._breed(d, parent)
        self.oldest = (self.oldest + 1) % len(self.ring)

    def _generation_gap(self) -> None:
        d, size = self._draws(1), len(self.ring)
        first = d.below(size)
        second = (first + 1 + d.below(size - 1)) % size
        family = [self.ring[first], self.ring[second]]
        for k in range(self.given["children"]):
            family.append(self._breed(self._draws(), family[k & 1], list(family)))
        fitness = [member.fitness for member in family]
        best = max(k for k, value in enumerate(fitness) if value == max(fitness))
        rare = [1 + sum(one.fitness == value for one in self.ring) for value in fitness]
        weights = [value / count for value, count in zip(fitness, rare, strict=True)]
        weights[best] = 0.0
        other = _by_weight(weights, d.uniform()) if any(weights) else (0 if best else 1)
        survivors = [best, other]
        if best == 1 or other == 0:  # a parent that survives stays where it is
            survivors.reverse()
        self.ring[first], self.ring[second] = (family[k] for k in survivors)

    # ---- the course ----

    def _ended(self) -> bool:
        given, born = self.given, self.born - self.run_born
        best = self.top.fitness if self.top else -1.0
        limits: list[tuple[int, Callable[[], bool]]] = [
            (given["most_programs"], lambda: born >= given["most_programs"]),
            (given["most_steps"], lambda: self.trial.steps - self.run_steps >= given["most_steps"]),
            (given["patience"], lambda: self.born - self.improved >= self._patience()),
            (given["by"], lambda: born >= given["by"] and best < given["by_fitness"]),
        ]
        return any(limit and reached() for limit, reached in limits)

    def _patience(self) -> int:
        patience = float(self.given["patience"])
        for _ in range(1, self.run_number):
            patience *= self.given["growth"]
        return int(patience)

    def run(self, until: int) -> int:
        while self.born < until:
            if self._ended():
                return AT_END
            self._step()
        return AT_COUNT

    # ---- what there is to see ----

    @property
    def members(self) -> int:
        return len(self.ring)

    def member(self, place: int) -> tuple[Packed, float, int]:
        return self.ring[place].shown()

    def best(self) -> tuple[Packed, float, int] | None:
        return self.top.shown() if self.top else None

    def ancestors(self) -> list[tuple[int, int, float, Packed]]:
        found, at = [], self.top.ancestor if self.top else None
        while at:
            if at.fitness >= 0.0:
                found.append((at.birth, at.mutation, at.fitness, at.packed))
            at = at.before
        return found[::-1]

    def counts(self) -> dict[str, Any]:
        return {
            "run": self.run_number, "programs": self.born, **self.trial.ways,
            "filtered": self.filtered, "steps": self.trial.steps, "received": 0,
            "niches": len(self.niches.ranked),
            "best": self.top.fitness if self.top else math.nan,
        }  # fmt: skip


def _bodies(packed: Packed) -> Bodies:
    return [list(body) for _, body in Program.unpacked(packed).functions()]


def _by_weight(weights: Sequence[float], share: float) -> int:
    """A place, as likely as its weight is large."""
    left = share * sum(weights)
    found = -1
    for place, weight in enumerate(weights):
        if weight > 0.0:
            found = place
            left -= weight
            if left < 0.0:
                break
    return found
