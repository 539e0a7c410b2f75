"""The method `niches` once more in plain Python: what `runtime/niches.h`, `runtime/stages.h` and
`docs/semantics.md` say of it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from reference_analysis import canonical
from search.reference_flow import Bodies, dropped, form, grown_by_one, ingredients, mutate
from search.reference_trial import Run, rounded, watch

from azc.program import Program
from azc.runtime import _core

if TYPE_CHECKING:
    from search.reference_drawing import Draws
    from search.reference_search import Model

_DRAWS, _GROWTH = 1_000_000, 12


@dataclass
class Elite:
    """A member and its numbers; `place` is its number among members."""

    place: int
    structure: Any
    size: int
    score: float
    first: float
    hurdles: list[float]


@dataclass
class Niche:
    key: Any
    elites: list[Elite] = field(default_factory=list)

    @property
    def best(self) -> float:
        return self.elites[0].score


class Niches:
    """What a population of niches is, and how the next candidate comes about."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.ranked: list[Niche] = []
        self.evaluated = 0
        self.fitted, self.fits = -1, 0
        self.alike = 0  # that went no further
        self.unconfirmed = 0  # that became members
        self.met: tuple[dict[Any, None], dict[Any, None]] = ({}, {})

    # ---- drawing ----

    def _parent(self, d: Draws) -> Any:
        count = len(self.ranked)
        if d.uniform() < self.model.given["even"]:
            elites = self.ranked[d.below(count)].elites
        else:
            elites = self._niche_at(d.uniform()).elites
        one, other = d.below(len(elites)), d.below(len(elites))
        return self.model.ring[elites[min(one, other)].place]

    def _niche_at(self, share: float) -> Niche:
        count = len(self.ranked)
        rank = int(_apply("exp", share * _apply("log", count + 1.0))) - 1
        return self.ranked[min(max(rank, 0), count - 1)]

    def _donor(self, number: int) -> Bodies:
        elites = self._niche_at((number + 0.5) / len(self.model.ring)).elites
        donor: Bodies = self.model.ring[elites[number % len(elites)].place].bodies
        return donor

    def _grow(self, d: Draws) -> Bodies:
        model = self.model
        drawing, classes = model.drawing, model.drawing.spec.classes
        if best := model.from_best():
            bodies = best.bodies
            if not self.ranked:
                return dropped(bodies, drawing.ops, classes)
        elif model.seeds:
            bodies = model.seeds[d.below(len(model.seeds))]
        elif model.given["empty"]:
            bodies = [[], [], []]
        else:
            return dropped(drawing.random(d), drawing.ops, classes)
        for _ in range(_GROWTH):
            bodies = grown_by_one(drawing, d, bodies)
            if model.passes(Program(*map(tuple, bodies))) and d.below(2):
                break
        return bodies

    def _draw(self, d: Draws) -> tuple[Any, str, Bodies]:
        model = self.model
        others = [self._donor(number) for number in range(len(model.ring))]
        fits = self.fits > 0
        self.fits -= fits
        for left in range(_DRAWS, 0, -1):
            parent = None
            begun = "seed" if model.seeds else "start" if model.given["empty"] else "random"
            origin = "best" if model.from_best() else begun
            if fits:
                parent = model.ring[self.fitted]
                origin, bodies = "alter-constant", parent.bodies
                while True:
                    bodies = mutate(model.drawing, d, origin, bodies, ())
                    if not d.uniform() < 0.5:
                        break
                bodies = dropped(bodies, model.drawing.ops, model.drawing.spec.classes)
            elif self.evaluated < model.given["grown"] or not self.ranked:
                bodies = self._grow(d)
            else:
                parent = self._parent(d)
                origin, bodies = model.drawing.mutate(d, parent.bodies, others)
                bodies = dropped(bodies, model.drawing.ops, model.drawing.spec.classes)
            program = Program(*map(tuple, bodies))
            same = parent and parent.hash == model.hash_of(program)
            if left == 1 or (model.passes(program) and not same):
                return parent, origin, bodies
            model.filtered += 1
        raise AssertionError

    # ---- running ----

    def _run(
        self, program: Program, tasks: Any, train: int, valid: int = 1, epochs: int = 1
    ) -> Run:
        given = self.model.given
        return watch(
            program, tasks, train, valid, epochs=epochs, seed=given["evaluation_seed"],
            max_abs_error=given["max_abs_error"],
        )  # fmt: skip

    def _mean(self, values: Any) -> float:
        if self.model.given["median"]:
            return sorted(values)[len(values) // 2]
        total = 0.0
        for value in values:
            total += value
        return total / len(values)

    def _hurdle(self, run: Run | None, tasks: Any, until: int) -> float:
        """The score of predictions in training, or of always 0."""
        classes, width = tasks[0].classes, max(1, tasks[0].classes if tasks[0].classes > 2 else 1)
        total = 0.0
        for number, task in enumerate(tasks):
            if run and run.stopped[number]:
                continue
            shown = np.zeros(until * width) if run is None else run.predictions[number][0]
            total += _score(np.reshape(shown, (until, width)), task.y_train, classes, until)
        return total / len(tasks)

    def _first_tasks(self) -> Any:
        tasks = self.model.trial.tasks
        return tasks[: len(tasks) - self.model.given["confirm"]]

    def _niche(self, key: Any) -> Niche | None:
        return next((one for one in self.ranked if one.key == key), None)

    def _try(self, program: Program, shape: Program, elite: Elite) -> tuple[str, Any]:
        """How it was decided, and the key of its niche as far as that is known; `shape`: its
        canonical form."""
        model, given = self.model, self.model.given
        key = None if given["behaviour"] else (form(shape, given["classes"]),)
        tasks = self._first_tasks()
        if given["level1"] and self._met(0, model.hash_of(program)):
            return "level1", key
        run = self._run(program, tasks, given["fec_train"])
        steps = run.steps
        try:
            if all(run.stopped):
                return "hurdled", key
            bits = given["rounding"].bit_length()
            shown = tuple(rounded(v, bits) for task in run.predictions for v in task[0])
            if given["level2"] and self._met(1, shown):
                return "level2", key
            for k in range(given["hurdles"]):
                until = given["hurdle_at"][k]
                run = self._run(program, tasks, until)
                steps = run.steps
                elite.hurdles.append(self._hurdle(run, tasks, until))
                if not k and given["behaviour"] and elite.hurdles[k] >= self._bar(None, tasks, k):
                    far = sum(run.nonlinearity >= bound for bound in (0.03, 0.3))
                    key = (ingredients(shape, given["classes"]), far)
                if elite.hurdles[k] < self._bar(self._niche(key), tasks, k):
                    return "hurdled", key
                alike = self._alike(self._niche(key), elite, k)
                if alike and elite.size >= alike.size:
                    self.alike += 1
                    return "hurdled", key
            run = self._run(program, tasks, given["train"], given["valid"], given["epochs"])
            steps = run.steps
            elite.first = self._mean(run.fitness)
            return "evaluated", key
        finally:
            model.trial.steps += steps

    def _met(self, level: int, key: Any) -> bool:
        met, size = self.met[level], self.model.given["cache_size"]
        known = key in met
        if known:
            del met[key]
        elif len(met) == size:
            del met[next(iter(met))]
        met[key] = None
        return known

    def _bar(self, niche: Niche | None, tasks: Any, hurdle: int) -> float:
        given = self.model.given
        least = given["least"] * self._hurdle(None, tasks, given["hurdle_at"][hurdle])
        if niche is None or len(niche.elites) < given["elites"]:
            return least
        ordered = sorted(elite.hurdles[hurdle] for elite in niche.elites)
        return max(least, ordered[int(given["hurdle_quantile"][hurdle] * given["elites"])])

    def _alike(self, niche: Niche | None, elite: Elite, hurdle: int) -> Elite | None:
        apart = self.model.given["hurdle_apart"][hurdle]
        upto = range(hurdle + 1)
        for other in niche.elites if niche else ():
            if all(abs(elite.hurdles[k] - other.hurdles[k]) < apart for k in upto):
                return other
        return None

    # ---- deciding ----

    def _same(self, niche: Niche | None, elite: Elite) -> Elite | None:
        for other in niche.elites if niche else ():
            if other.structure == elite.structure:
                return other
        alike = (self._alike(niche, elite, k) for k in range(self.model.given["hurdles"]))
        return next(filter(None, alike), None)

    def _position(self, niche: Niche, elite: Elite) -> tuple[int, bool] | None:
        count, most = len(niche.elites), self.model.given["elites"]
        position, taken = (count, False) if count < most else (most - 1, True)
        if same := self._same(niche, elite):
            position, taken = niche.elites.index(same), True
        if taken and elite.first <= niche.elites[position].first:
            return None
        return position, taken

    def _settle(self, key: Any, niche: Niche | None, elite: Elite) -> bool:
        position, taken = (niche and self._position(niche, elite)) or (0, False)
        if taken:
            assert niche
            old = niche.elites[position]
            if elite.score <= old.score:
                return False
            elite.place = old.place
            del niche.elites[position]
        elif len(self.model.ring) < self.model.given["population"]:
            elite.place = len(self.model.ring)
            self.model.ring.append(None)
        else:
            last = self.ranked[-1]
            if elite.score <= last.elites[-1].score:
                return False
            elite.place = last.elites.pop().place
            if not last.elites:
                self.ranked.pop()
                niche = None if niche is last else niche
            position = len(niche.elites) if niche else 0
        if niche is None:
            niche = Niche(key)
            self.ranked.append(niche)
            position = 0
        while position > 0 and niche.elites[position - 1].score < elite.score:
            position -= 1
        niche.elites.insert(position, elite)
        rank = next(k for k, other in enumerate(self.ranked) if other is niche)
        while rank > 0 and self.ranked[rank - 1].best < niche.best:
            self.ranked[rank] = self.ranked[rank - 1]
            rank -= 1
        self.ranked[rank] = niche
        return True

    def _confirm(self, niche: Niche | None, program: Program, elite: Elite) -> tuple[float, bool]:
        """Its fitness, and whether that is on all tasks rather than estimated; sets its score."""
        model, given = self.model, self.model.given
        cost = given["parsimony"] * elite.size
        fitness = elite.first
        if given["confirm"]:
            if niche:
                best = niche.elites[0]
                estimate = model.ring[best.place].fitness + (elite.first - best.first)
                estimate = min(max(estimate, 0.0), 1.0)
                elite.score = estimate - cost
                if elite.score <= best.score:
                    return estimate, False
            first, rest = (
                self._run(program, tasks, given["train"], given["valid"], given["epochs"])
                for tasks in (self._first_tasks(), model.trial.tasks[-given["confirm"] :])
            )
            model.trial.steps += rest.steps
            fitness = self._mean([*first.fitness, *rest.fitness])
        elite.score = fitness - cost
        return fitness, True

    def step(self) -> None:
        model = self.model
        parent, origin, bodies = self._draw(model._draws())
        source = model.from_best() if origin == "best" else parent
        birth = model.born
        model.born += 1
        model.trial.ways[self.decide(bodies, source and source.ancestor, origin, birth)] += 1

    def decide(self, bodies: Bodies, before: Any, origin: str, birth: int) -> str:
        model, given = self.model, self.model.given
        program = Program(*map(tuple, bodies))
        shape = canonical(program, given["classes"])
        size = len(program.predict) + len(program.learn)
        elite = Elite(-1, _structure(shape), size, math.nan, math.nan, [])
        how, key = self._try(program, shape, elite)
        if how != "evaluated":
            return how
        self.evaluated += 1
        niche = self._niche(key)
        if niche and not self._position(niche, elite):
            return how
        new = not self._same(niche, elite)
        fitness, confirmed = self._confirm(niche, program, elite)
        if self._settle(key, niche, elite):
            self.unconfirmed += not confirmed
            member = model.member_of(bodies, fitness, birth, before, origin)
            model.ring[elite.place] = member
            there = self._niche(key)
            if new and there and there.elites[0] is elite:
                some = any(i.constants for f in model.drawing.open for i in bodies[f])
                self.fitted, self.fits = elite.place, given["fit"] if some else 0
            if confirmed and fitness > (model.top.fitness if model.top else -1.0):
                model.note_best(member)
        return how


def _structure(shape: Program) -> Any:
    return tuple(
        tuple(replace(i, constants=(0.0,) * len(i.constants)) for i in body)
        for _, body in shape.functions()
    )


def _apply(name: str, value: float) -> float:
    values = np.array([value])
    _core.apply(name, values)
    return float(values[0])


def _score(shown: np.ndarray, y: np.ndarray, classes: int, until: int) -> float:
    total = 0.0
    for example in range(until // 2, until):
        if classes > 2:
            total += float(np.argmax(shown[example])) == y[example]
        elif classes:
            total += (shown[example, 0] > 0.5) == (y[example] > 0.5)
        else:
            error = float(y[example]) - float(shown[example, 0])
            total += error * error
    total /= until - until // 2
    if classes:
        return float(total)
    if not total < math.inf:
        return 0.0
    return 1.0 - 0.63661977236758134308 * _apply("arctan", math.sqrt(total))
