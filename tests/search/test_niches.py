"""The method `niches`: its course is that of the model, however it is cut up."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from counts import FULL
from search.reference_drawing import Spec
from search.reference_search import AMPLE, AT_END, AT_TIME, Model, island, state, tasks_of

import azc
from azc.errors import ConfigError
from azc.search import Search
from azc.search.settings import MUTATIONS, Settings

_OPS = (
    ("scalar_const", "vector_gaussian", "matrix_gaussian"),
    ("dot", "matrix_vector_dot", "vector_max", "scalar_mul"),
    ("scalar_sub", "scalar_mul", "scalar_vector_mul", "vector_add", "vector_mul", "outer",
     "matrix_add"),
)  # fmt: skip
_OPS_OF_CLASSES = (
    ("scalar_const", "matrix_gaussian", "vector_set"),
    ("matrix_vector_dot", "vector_add"),
    ("vector_sub", "scalar_vector_mul", "outer", "matrix_add", "matrix_sub"),
)
_LEARNER = (
    "def Setup():\n    s2 = 0.1\ndef Predict():\n    s1 = dot(v0, v1)\n"
    "def Learn():\n    s1 = s0 - s1\n    s1 = s1 * s2\n    v2 = s1 * v0\n    v1 = v1 + v2\n"
)


def any_niches(number: int) -> tuple[Spec, list[Any], dict[str, Any]]:
    """Settings of some search, so that over a few dozen numbers every option meets every other."""
    rng = np.random.default_rng(number)

    def one_of(*choices: Any) -> Any:
        return choices[rng.integers(len(choices))]

    classes = one_of(0, 0, 0, 2, 3)
    ops = _OPS_OF_CLASSES if classes > 2 else _OPS
    known = {op.name for op in azc.ops.OPS}
    spec = Spec(
        ops=tuple(tuple(name for name in names if name in known) for names in ops),
        addresses=(3, 4, 2) if classes <= 2 else (2, 5, 2),
        least=(0, 0, 0), most=(3, 3, 7), first=(1, 1, 3), classes=classes,
        mutations=one_of(MUTATIONS, MUTATIONS[-7:], (*MUTATIONS[:2], *MUTATIONS[-7:])),
        repeat=one_of(0.0, 0.3), decades=one_of(0.0, 3.0),
        near_one=one_of(0.0, 0.0, 0.5),
    )  # fmt: skip
    count = one_of(2, 3)
    tasks = tasks_of(number, count, classes=classes, train=12, valid=5)
    changes: dict[str, Any] = {
        "method": "niches", "population": one_of(3, 8, 40), "elites": one_of(1, 2, 4),
        "even": one_of(0.0, 0.3), "grown": one_of(1, 5), "parsimony": one_of(0.0, 0.01),
        "confirm": one_of(0, 1, 1), "fit": one_of(0, 0, 3),
        "filter": one_of(1, 2, 2) if classes <= 2 else 2, "drop_dead": 1,
        "empty": one_of(1, 1, 1, 0) if classes <= 2 else 1,
        "seed": number * 10**15 + 1, "island": one_of(0, 77), "classes": classes,
        "median": one_of(0, 0, 1), "level1": one_of(0, 1, 1), "level2": one_of(0, 1, 1),
        "fec_train": one_of(1, 3), "cache_size": one_of(2, 1000),
        "rounding": one_of(0, 2**20 - 1), "epochs": one_of(1, 1, 2),
        "max_abs_error": one_of(3.0, 100.0), "patience": one_of(0, 40),
        "growth": one_of(1.0, 1.5), "gain": one_of(0.0, 0.01),
    }  # fmt: skip
    hurdles = one_of((), (6,), (4, 8), (5, 9, 11))
    changes["hurdles"] = len(hurdles)
    changes["hurdle_at"] = [*hurdles, 0, 0, 0, 0][:4]
    changes["behaviour"] = bool(hurdles) and one_of(False, True)
    changes["hurdle_quantile"] = [one_of(0.25, 0.75)] * 4
    if classes <= 2 and one_of(0, 0, 1):
        changes["seeds"] = [azc.parse(_LEARNER).packed()]
    changes["from_best"] = one_of(0, 1, 2)
    changes["hurdle_apart"] = [one_of(0.0, 0.0, 0.0, 0.001, 0.1) for _ in range(4)]
    return spec, tasks, changes


def run(made: Any, until: int, seconds: float = AMPLE) -> int:
    while (why := made.run(until, *([seconds] if made.__class__ is not Model else []))) == AT_END:
        made.restart()
    return why


@pytest.mark.parametrize("first", range(0, 200 if FULL else 4, 4))
def test_the_course_is_that_of_the_model(first: int) -> None:
    met: Counter[str] = Counter()
    for number in range(first, first + 4):
        spec, tasks, changes = any_niches(number)
        made, model = island(spec, tasks, **changes), Model(spec, tasks, **changes)
        for until in (1, 20, 60):
            run(made, until)
            run(model, until)
            assert state(made) == state(model), number
        met.update({name: value for name, value in made.counts().items() if value == value})
        met["ancestors"] += len(made.ancestors()) > 1
        met["alike"] += model.niches.alike
        met["unconfirmed"] += model.niches.unconfirmed
        met["from best"] += model.from_best() is not None
    if first:  # all is met in the sample
        return
    for name in (
        *("level1", "level2", "filtered", "hurdled", "niches", "ancestors", "alike", "from best"),
        "unconfirmed",
    ):
        assert met[name], name


@pytest.mark.parametrize("every", [1, 7])
def test_going_on_from_snapshots_changes_nothing(every: int) -> None:
    for number in range(8):
        spec, tasks, changes = any_niches(number)
        whole, made = (island(spec, tasks, **changes) for _ in range(2))
        run(whole, 150)
        calls = 0
        while run(made, 150, 0.0) == AT_TIME:
            calls += 1
            if calls % every == 0:
                saved = made.save()
                made = island(spec, tasks, **changes)
                made.load(saved)
                assert made.save() == saved
        assert calls >= 149
        assert state(made) == state(whole), number


def test_workers_and_interruptions_change_nothing(tmp_path: Path) -> None:
    """With islands that exchange programs, each of which enters its niche."""
    small = [
        "search.stop={programs=900}", "search.islands=2", "migration={every=200,share=0.2}",
        "search.interval=300", "search.population=60", "niches={elites=4,grown=3,confirm=2}",
        "tasks.search.count=6", "tasks.search.train=60", "tasks.search.valid=20", "tasks.select=",
        "tasks.final=", "hurdles=[{train=20,quantile=0.5},{train=40}]",
    ]  # fmt: skip

    def course(search: Search, **options: Any) -> Any:
        outcome = search.run(**options)
        return outcome.fitness, str(outcome.program), repr(search.history)

    whole = course(Search.from_toml("teacher-nn", small))
    assert course(Search.from_toml("teacher-nn", [*small, "search.workers=2"])) == whole
    short = Search.from_toml("teacher-nn", [*small, "search.stop={programs=600}"])
    short.run(out=tmp_path / "run")
    resumed = Search.resume(tmp_path / "run", ["search.stop={programs=900}"])
    assert course(resumed)[:2] == whole[:2]
    assert sum(counts.received for counts in resumed.history[-1]) > 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("search.drop_dead=false", "search.drop_dead: expected true with 'niches', got false"),
        ("search.method=mgg", "hurdles.apart: expected no apart with method 'mgg', got 0.0001"),
        ("hurdles=[{train=20},{train=20}]", "expected more examples than before it"),
        ("hurdles=[{train=8}]", "expected more examples than before it"),
        (
            "hurdles={train=20,window=3}",
            "hurdles.window: expected no window with method",
        ),
        ("space.predict.min=1", "space.predict.min: expected min 0 where dead instructions"),
        ("space.vectors=70", "space: expected at most 64 addresses where data flow counts"),
    ],
)
def test_refused(change: str, message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        Settings.from_toml("teacher-nn", [change])


def test_niches_are_of_one_method() -> None:
    with pytest.raises(ConfigError, match="niches: expected method 'niches', got 'mgg'"):
        Settings.from_toml("demo", ["search.method=mgg"])
