"""How an experiment's time is shared out."""

from __future__ import annotations

from azc.paper.plan import Arm, Plan, methods
from azc.paper.record import Trial
from azc.search.settings import Settings

ARMS = (Arm("a", {}), Arm("b", {}))


def trial(arm: str, seed: int, seconds: float) -> Trial:
    return Trial(arm, seed, {"seconds": seconds})


def test_scaled():
    plan = Plan.scaled(ARMS, 1.0, 9, repeats=False)
    assert (plan.limit, plan.seeds, plan.seconds) == (200.0, 9, 3600.0)


def test_arms_take_turns():
    plan = Plan.scaled(ARMS, 1.0, 2, repeats=False)
    done: list[Trial] = []
    order = []
    while (following := plan.next(done)) is not None:
        arm, seed = following
        order.append((arm.name, seed))
        done.append(trial(arm.name, seed, 10.0))
    assert order == [("a", 1), ("b", 1), ("a", 2), ("b", 2)]


def test_the_arm_that_had_less_time_is_next():
    plan = Plan.scaled(ARMS, 1.0, 10, repeats=True)
    done = [trial("a", 1, 100.0), trial("b", 1, 1.0), trial("b", 2, 1.0)]
    arm, seed = plan.next(done) or (None, 0)
    assert (arm and arm.name, seed) == ("b", 3)


def test_side_by_side():
    plan = Plan.scaled(ARMS, 1.0, 2, repeats=False, workers=2)
    assert (plan.limit, plan.seconds) == (1800.0, 7200.0)
    assert plan.next([], [("a", 1)]) == (ARMS[1], 1)
    assert plan.next([trial("b", 2, 1.0)], [("a", 1)]) == (ARMS[1], 1)
    done = [trial("a", 1, 1.0), trial("b", 1, 1.0)]
    assert plan.next(done, [("a", 2), ("b", 2)]) is None


def test_trials_repeat_until_the_time_is_up():
    plan = Plan.scaled(ARMS, 1.0, 1, repeats=True)
    assert plan.next([trial("a", 1, 1800.0), trial("b", 1, 1799.0)]) is not None
    assert plan.next([trial("a", 1, 1800.0), trial("b", 1, 1800.0)]) is None


def test_more_hours_are_more_trials_of_the_same_length():
    plan = Plan.scaled(ARMS, 1.0, 9, repeats=False)
    longer = plan.rescaled(3.0, None)
    assert (longer.limit, longer.seeds, longer.seconds) == (200.0, 27, 10_800.0)
    assert plan.rescaled(None, 4).seeds == 4
    assert plan.rescaled(0.001, None).seeds == 1


def test_json():
    arm = Arm("linear", {"problem": "linear"}, Settings.from_toml("linear"), {"goal": 1.0})
    plan = Plan.scaled([arm, *ARMS], 2.0, 3, repeats=True, first=0)
    assert Plan.from_json(plan.to_json()) == plan


def test_methods():
    assert {"random", "regularized-evolution", "mgg"} <= set(methods())
