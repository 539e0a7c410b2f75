"""The course of a tuning: ask for vectors, score them, tell, until the budget ends."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xxhash
from numpy.typing import NDArray

from azc.errors import CompileError, ConfigError, expected, warn
from azc.evaluation import check
from azc.program import Program
from azc.tasks import Task
from azc.tasks.task import arrays_of
from azc.training import test_scores as scores_on_test
from azc.use.tune.constants import Constant, constants_of, positions_of, with_constants
from azc.use.tune.decouple import Decoupled, decouple
from azc.use.tune.lanes import Lanes
from azc.use.tune.methods import METHODS, make_method
from azc.use.tune.record import Record

__all__ = ["Progress", "Settings", "Trial", "Tuned", "tune"]

Array = NDArray[np.float64]
#: Called with (trials, of how many at most, best mean fitness).
Progress = Callable[[int, int, float], None]

#: Vectors that are scored at first between two looks at the clock, and at most; and how far apart
#: two looks should be, in seconds.
_PORTION, _MOST_PORTION, _LOOK = 16, 1024, 0.2
#: The hurdle: who is not among the better share of a batch after this share of the training
#: examples is given up. Fewer examples than these tell too little of the rest.
_PREFIX, _KEPT, _LEAST_EXAMPLES = 0.125, 0.25, 50
#: How much faster than the interpreter compiled code is taken to be.
_GAIN = 1.5
_MOST_TRIALS = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Settings:
    """How to tune; the fields are the arguments of `tune`."""

    trials: int | None = None
    method: str = "random"
    seed: int = 0
    seconds: float | None = None
    epochs: int = 1
    max_abs_error: float = 100.0
    workers: int = 1
    hurdles: bool = True
    tier: str = "auto"

    @property
    def most(self) -> int:
        """Trials at most."""
        if self.trials is not None:
            return self.trials
        return 100 if self.seconds is None else _MOST_TRIALS

    @property
    def running(self) -> dict[str, Any]:
        """What an evaluation depends on."""
        return {"epochs": self.epochs, "seed": self.seed, "max_abs_error": self.max_abs_error}


@dataclass(frozen=True, slots=True)
class Trial:
    """One constant vector: its `values`, the mean `fitness` on validation, and on which share of
    the training examples that was reached (below 1: given up at a hurdle)."""

    number: int
    values: tuple[float, ...]
    fitness: float
    train: float = 1.0


@dataclass(frozen=True, slots=True)
class Tuned:
    """What came of it: the `program` with the best constants, their mean validation `fitness`, and
    that of the program as it was, `before`; on the tasks' test parts `test` and `test_before`,
    None where they have none. `constants` as they were, `values` as they are; `trials`, the first
    of them the program's own."""

    program: Program
    fitness: float
    before: float
    test: float | None
    test_before: float | None
    constants: list[Constant]
    values: tuple[float, ...]
    trials: list[Trial]
    decoupled: Decoupled | None
    tier: str
    seconds: float

    def __str__(self) -> str:
        lines = [f"fitness {self.before:.6f} -> {self.fitness:.6f} in {len(self.trials)} trials"]
        width = max(len(constant.name) for constant in self.constants)
        for constant, value in zip(self.constants, self.values, strict=True):
            lines.append(f"{constant.name:{width}}  {constant.value:.6g} -> {value:.6g}")
        return "\n".join(lines)


def tune(
    program: Program,
    tasks: Sequence[Task],
    *,
    trials: int | None = None,
    method: str = "random",
    seed: int = 0,
    seconds: float | None = None,
    epochs: int = 1,
    max_abs_error: float = 100.0,
    workers: int = 1,
    hurdles: bool = True,
    tier: str = "auto",
    decouple: bool = False,
    record: str | None = None,
    resume: bool = False,
    progress: Progress | None = None,
) -> Tuned:
    """Search for the constants of `program` that reach the highest mean fitness on `tasks`.

    Its params move in their declared ranges; without params, every constant that matters moves by
    up to a factor of 100 either way, keeping its sign. Validation decides; test parts are scored
    at the end, once.

    Parameters
    ----------
    trials : constant vectors tried, the program's own included. Default 100; no limit where
        `seconds` are given.
    method : ``"random"``, all at once and independent, or Optuna's ``"tpe"``, ``"cmaes"``,
        ``"gp"`` (the extra ``azc[tune]``).
    seed : of the method, and of what is drawn in evaluations.
    seconds : of wall time, after which no more are tried.
    epochs, max_abs_error : as `azc.evaluate` has them.
    workers : threads. The result does not depend on them.
    hurdles : give up vectors that are behind after an eighth of the training examples (random).
    tier : ``"auto"``, ``"interpreter"`` or ``"compiled"``.
    decouple : first make constants of what the program computes although it is always the same.
    record : path of a file of JSON lines that keeps each evaluation; `resume` goes on from it.
    progress : called with (trials, trials at most, best fitness).
    """
    settings = Settings(
        trials, method, seed, seconds, epochs, max_abs_error, workers, hurdles, tier
    )
    tasks = list(tasks)
    _check(program, tasks, settings)
    return _Tuning(program, tasks, settings, decouple, record, resume, progress).run()


def _check(program: Program, tasks: list[Task], settings: Settings) -> None:
    tiers = ("auto", "interpreter", "compiled")
    if settings.tier not in tiers:
        raise ConfigError("tier: " + expected(f"one of {', '.join(tiers)}", repr(settings.tier)))
    if settings.method not in METHODS:
        make_method(settings.method, 1, 0, np.zeros(1))
    for name in ("trials", "workers"):
        value = getattr(settings, name)
        if value is not None and (not isinstance(value, int) or value < 1):
            raise ConfigError(f"{name}: " + expected("a whole number from 1", repr(value)))
    if settings.seconds is not None and not settings.seconds > 0:
        raise ConfigError("seconds: " + expected("a number above 0", repr(settings.seconds)))
    check(program, tasks, "auto", settings.epochs, settings.seed, settings.max_abs_error)


class _Tuning:
    """One tuning at work."""

    def __init__(
        self,
        program: Program,
        tasks: list[Task],
        settings: Settings,
        decoupling: bool,
        record: str | None,
        resume: bool,
        progress: Progress | None,
    ) -> None:
        self._started = time.monotonic()
        self._settings, self._tasks, self._progress = settings, tasks, progress
        classes = tasks[0].classes
        self._decoupled = None
        if decoupling:
            self._decoupled = decouple(
                program, tasks, seed=settings.seed, max_abs_error=settings.max_abs_error
            )
            program = self._decoupled.program
        self._program = program
        self._constants = constants_of(program, classes)
        if self._decoupled and program.params:
            self._constants += self._decoupled.constants
        if not self._constants:
            do = "add a param, or try --decouple (decouple=True)" if not decoupling else ""
            raise ConfigError(expected("a program with constants that matter", "none", do))
        self._positions = positions_of(program, self._constants, classes)
        self._own = np.array([constant.value for constant in self._constants])
        self._trials: list[Trial] = []
        self._best = Trial(-1, (), -1.0)
        self._scored, self._spent, self._weighed = 0.0, 0.0, False
        self._portion = _PORTION * settings.workers
        self._record = Record(record, self._identity(), resume) if record is not None else None
        start = np.full(len(self._constants), 0.5)
        for k, constant in enumerate(self._constants):
            start[k] = _share(constant)
        self._method = make_method(settings.method, len(start), settings.seed, start)

    def run(self) -> Tuned:
        settings = self._settings
        lanes = Lanes(self._program, self._tasks, settings.running, workers=settings.workers)
        with lanes, self._record or contextlib.nullcontext():
            if settings.tier == "compiled":
                lanes.compile()
            self._lanes = lanes
            self._batch(self._own[None, :])
            while len(self._trials) < settings.most and not self._late():
                count = min(self._method.batch, settings.most - len(self._trials))
                shares = self._method.ask(count)
                columns = [c.at(shares[:, k]) for k, c in enumerate(self._constants)]
                first = len(self._trials)
                self._batch(np.stack(columns, axis=1))
                if len(self._trials) < first + count:
                    break  # out of time
                self._method.tell([trial.fitness for trial in self._trials[first:]])
        return self._result()

    # ---- scoring --------------------------------------------------------------------------------

    def _batch(self, vectors: Array) -> None:
        """Score vectors, and enter them as trials in their order, as far as time allows."""
        kept = np.arange(len(vectors))
        early: Array | None = None
        if self._has_hurdle(len(vectors)):
            early = self._score(vectors, _PREFIX)
            if len(early) < len(vectors):
                return
            better = np.argsort(-early, kind="stable")[: round(_KEPT * len(vectors))]
            kept = np.sort(better)
        full = dict(zip(kept.tolist(), self._score(vectors[kept], 1.0).tolist(), strict=False))
        for k, values in enumerate(vectors.tolist()):
            number = len(self._trials)
            if k in full:
                trial = Trial(number, tuple(values), full[k])
                if trial.fitness > self._best.fitness:
                    self._best = trial
            elif early is not None:
                trial = Trial(number, tuple(values), float(early[k]), _PREFIX)
            else:
                break  # out of time
            self._trials.append(trial)
        self._report()

    def _has_hurdle(self, vectors: int) -> bool:
        fewest = min(len(task.y_train) for task in self._tasks)
        wanted = self._settings.hurdles and self._method.hurdles
        return wanted and _KEPT * vectors >= 1 and _PREFIX * fewest >= _LEAST_EXAMPLES

    def _score(self, vectors: Array, train: float) -> Array:
        """Mean fitness of each vector; of fewer, if time is up."""
        means: list[float] = []
        while len(means) < len(vectors):
            # The program's own constants are scored whatever the time.
            if self._trials and self._late():
                break
            part = vectors[len(means) : len(means) + self._portion]
            means += self._fitness(part, train).mean(axis=1).tolist()
            self._report(len(means) if train == 1.0 else 0)
        return np.array(means)

    def _fitness(self, vectors: Array, train: float) -> Array:
        """(k, D), from the record as far as it goes."""
        record = self._record
        known = [record.find(values, train) if record else None for values in vectors]
        fitness = np.zeros((len(vectors), len(self._tasks)))
        missing = [k for k, scores in enumerate(known) if scores is None]
        for k, scores in enumerate(known):
            if scores is not None:
                fitness[k] = scores
        if missing:
            started = time.monotonic()
            fitness[missing] = self._lanes.score(self._positions, vectors[missing], train)
            if record:
                record.add(list(vectors[missing]), train, fitness[missing])
            self._measure(time.monotonic() - started, len(missing) * train)
        return fitness

    def _measure(self, seconds: float, vectors: float) -> None:
        """How fast it goes says how many vectors go between two looks at the clock, and whether
        compiled code would be done sooner."""
        if seconds < _LOOK / 2 and self._portion < _MOST_PORTION:
            self._portion *= 2
        elif seconds > 2 * _LOOK:
            self._portion = max(self._settings.workers, self._portion // 2)
        self._scored, self._spent = self._scored + vectors, self._spent + seconds
        if self._weighed or self._settings.tier != "auto" or self._spent < _LOOK:
            return
        self._weighed = True
        left = (self._settings.most - len(self._trials)) * self._spent / self._scored
        if self._settings.seconds is not None:
            left = min(left, self._settings.seconds - (time.monotonic() - self._started))
        if left < 2 * _LOOK or self._lanes.build_seconds() + left / _GAIN >= left:
            return
        try:
            self._lanes.compile()
        except CompileError as error:
            warn(f"compiling failed, so that the interpreter runs the programs: {error}")

    def _late(self) -> bool:
        limit = self._settings.seconds
        return limit is not None and time.monotonic() - self._started >= limit

    def _report(self, more: int = 0) -> None:
        if self._progress:
            done = len(self._trials) + more
            self._progress(done, self._settings.most, self._best.fitness)

    # ---- the end --------------------------------------------------------------------------------

    def _identity(self) -> dict[str, Any]:
        """What recorded evaluations are of."""
        digest = xxhash.xxh3_128()
        for task in self._tasks:
            for array in arrays_of(task):
                digest.update(array.data.cast("B"))
            digest.update(repr((task.key, task.classes)).encode())
        return {
            "program": str(self._program),
            "constants": [constant.to_json() for constant in self._constants],
            "tasks": digest.hexdigest(),
            **self._settings.running,
        }

    def _result(self) -> Tuned:
        program = with_constants(self._program, self._constants, self._best.values)
        test = self._test(program)
        before = self._test(self._program) if self._best.number != 0 else test
        return Tuned(
            program=program,
            fitness=self._best.fitness,
            before=self._trials[0].fitness,
            test=test,
            test_before=before,
            constants=self._constants,
            values=self._best.values,
            trials=self._trials,
            decoupled=self._decoupled,
            tier=self._lanes.tier,
            seconds=time.monotonic() - self._started,
        )

    def _test(self, program: Program) -> float | None:
        """Mean fitness on the tasks' test parts; None if one has none."""
        if any(task.X_test is None for task in self._tasks):
            return None
        scores = scores_on_test(program, self._tasks, **self._settings.running)
        return float(np.mean([fitness for fitness, _ in scores]))


def _share(constant: Constant) -> float:
    """Where in its range a constant's own value lies."""
    if constant.scale == "linear":
        span = constant.high - constant.low
        return (constant.value - constant.low) / span if span else 0.5
    small, large = sorted((abs(constant.low), abs(constant.high)))
    return math.log(abs(constant.value) / small) / math.log(large / small)
