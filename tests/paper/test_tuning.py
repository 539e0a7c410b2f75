"""Constants fitted by random search."""

from __future__ import annotations

from azc import lang
from azc.paper.tuning import constants_of, scaled, tuned
from azc.tasks import make_set

PROGRAM = lang.parse(
    "def Setup():\n    s2 = 0.0001\n    v2[0.5] = 2.0\ndef Predict():\n    s1 = dot(v0, v1)\n"
    "def Learn():\n    s3 = s0 - s1\n    s3 = s3 * s2\n    v3 = s3 * v0\n    v1 = v1 + v3\n"
)


def test_constants_are_all_but_indices():
    assert constants_of(PROGRAM) == [("setup", 0, 0), ("setup", 1, 1)]


def test_scaled():
    text = str(scaled(PROGRAM, [10.0, 0.5]))
    assert "s2 = 0.001" in text
    assert "v2[0.5] = 1.0" in text
    assert str(scaled(PROGRAM, [1.0, 1.0])) == str(PROGRAM)


def test_a_rate_that_is_too_small_is_found():
    tasks = make_set("linear", count=2, features=4, train=100, valid=20)
    found = tuned(PROGRAM, tasks, seed=1, trials=40)
    assert found["trials"] == 40
    assert found["before"] < 0.4
    assert found["best"] > 0.9


def test_goes_on_where_it_was():
    tasks = make_set("linear", count=2, features=4, train=50, valid=20)
    kept: list[dict] = []
    whole = tuned(PROGRAM, tasks, seed=1, trials=12, keep=lambda state: kept.append(dict(state)))
    rest = tuned(PROGRAM, tasks, seed=1, trials=12, state=kept[4])
    assert {**rest, "seconds": 0} == {**whole, "seconds": 0}


def test_seconds_end_it_after_one_trial_at_least():
    tasks = make_set("linear", count=1, train=50, valid=20)
    assert tuned(PROGRAM, tasks, seed=1, seconds=1e-9)["trials"] == 1


def test_without_constants_there_is_one_trial():
    tasks = make_set("linear", count=1, train=50, valid=20)
    bare = lang.parse("def Predict():\n    s1 = dot(v0, v1)\ndef Learn():\n    v1 = s0 * v0\n")
    assert tuned(bare, tasks, seed=1, trials=5)["trials"] == 1
