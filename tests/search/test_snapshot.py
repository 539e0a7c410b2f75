"""The course of a search does not depend on how it is cut into calls, nor on being saved and going
on; what is no snapshot is refused."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from search.reference_drawing import SMALL, Spec
from search.reference_search import AMPLE, AT_END, AT_TIME, any_search, island, state, tasks_of

TESTS = Path(__file__).parents[1]


def run(made: Any, until: int, seconds: float = AMPLE) -> int:
    while (why := made.run(until, seconds)) == AT_END:
        made.restart()
    return why


# ---- slices --------------------------------------------------------------------------------------


def test_slices_change_nothing(full: bool) -> None:
    """One program a call, because time is over at once; or as far as the next number of some."""
    for number in range(500 if full else 60):
        spec, tasks, changes = any_search(number)
        whole, single, sliced = (island(spec, tasks, **changes) for _ in range(3))
        run(whole, 300)
        while run(single, 300, 0.0) == AT_TIME:
            pass
        rng, until = np.random.default_rng(number), 0
        while until < 300:
            until = min(300, until + int(rng.integers(0, 40)))
            run(sliced, until)
        assert state(single) == state(whole), number
        assert state(sliced) == state(whole), number


# ---- going on ------------------------------------------------------------------------------------


def test_going_on_from_snapshots_changes_nothing(full: bool) -> None:
    """Of every method, with hurdles, caches and restarts, saved wherever it comes."""
    for number in range(500 if full else 60):
        spec, tasks, changes = any_search(number)
        whole, made = (island(spec, tasks, **changes) for _ in range(2))
        rng, until = np.random.default_rng(number), 0
        while until < 300:
            until = min(300, until + int(rng.integers(1, 80)))
            run(whole, until)
            run(made, until)
            saved = made.save()
            made = island(spec, tasks, **changes)
            made.load(saved)
            assert made.save() == saved
            assert state(made) == state(whole), number
            if changes["per_task"]:
                both = ([one.per_task(i) for i in range(one.members)] for one in (made, whole))
                assert next(both) == next(both)


@pytest.mark.parametrize("every", [1, 7])
def test_a_family_is_gone_on_with_where_it_was(every: int) -> None:
    """Saved within families of 20 children, the best of which may be among those bred."""
    given = {"method": "mgg", "children": 20, "population": 6, "level1": 1, "patience": 150}
    whole, made = (island(SMALL, tasks_of(4), **given) for _ in range(2))
    run(whole, 500)
    calls = within = 0
    while run(made, 500, 0.0) == AT_TIME:
        calls += 1
        within += (made.counts()["programs"] - 6) % 20 > 0
        if calls % every == 0:
            saved = made.save()
            made = island(SMALL, tasks_of(4), **given)
            made.load(saved)
            assert made.save() == saved
    assert within > 400
    assert state(made) == state(whole)


def test_an_island_that_has_not_begun_is_saved_too() -> None:
    made, other = (island(Spec(), tasks_of(1), seed=3) for _ in range(2))
    other.load(made.save())
    run(other, 50)
    run(made, 50)
    assert state(other) == state(made)


def test_a_snapshot_says_nothing_but_the_course() -> None:
    """Whatever lay in memory before."""
    saved = set()
    for number in range(50):
        junk = [np.full(1000, number + 1.0) for _ in range(50)]
        del junk
        made = island(SMALL, tasks_of(1), hurdle_train=2, hurdle_valid=2, window=1000)
        run(made, 20)
        saved.add(made.save())
    assert len(saved) == 1


MGG = {"method": "mgg", "children": 8, "population": 20, "seed": 3}


def test_going_on_again_and_again_costs_no_memory() -> None:
    tasks = tasks_of(4, 1)
    whole = island(SMALL, tasks, **MGG)
    run(whole, 3000)
    made = island(SMALL, tasks, **MGG)
    for until in range(5, 3001, 5):
        run(made, until)
        saved = made.save()
        made = island(SMALL, tasks, **MGG)
        made.load(saved)
    assert len(saved) < 2 * len(whole.save())


def test_an_island_that_has_run_goes_on_as_a_fresh_one_does() -> None:
    make, tasks = {"population": 20, "seed": 3}, tasks_of(4, 1)
    used = island(SMALL, tasks, **make)
    run(used, 60)
    saved = used.save()
    for further in range(70, 200, 10):
        fresh = island(SMALL, tasks, **make)
        run(used, further)
        for made in (used, fresh):
            made.load(saved)
            run(made, 61)
        assert used.save() == fresh.save()


# ---- refusal -------------------------------------------------------------------------------------


def small(number: int = 1, until: int = 40) -> tuple[Any, bytes]:
    """How to make an island, and a snapshot of one."""
    spec, tasks, changes = any_search(number)
    changes |= {"cache_size": 8, "level1": True, "level2": True}
    made = island(spec, tasks, **changes)
    run(made, until)
    return lambda: island(spec, tasks, **changes), made.save()


def refuses(made: Any, snapshot: bytes) -> bool:
    try:
        made.load(snapshot)
    except ValueError as error:
        return "same settings" in str(error)
    return False


@pytest.mark.parametrize("number", [1, 2, 3])
def test_parts_of_snapshots_are_refused(number: int, full: bool) -> None:
    make, saved = small(number)
    made = make()  # may be asked again: it is not run
    step = 1 if full else 7
    for length in [*range(0, len(saved), step), len(saved) - 1]:
        assert refuses(made, saved[:length]), length
    assert refuses(made, saved + b"\0")
    assert refuses(made, saved[:-8] + saved)
    assert refuses(made, saved[8:])
    made = make()
    made.load(saved)
    assert made.save() == saved


def test_garbage_is_refused() -> None:
    make, saved = small()
    made, rng = make(), np.random.default_rng(1)
    for length in (0, 1, 7, 95, 96, 97, 1000, len(saved), 10 * len(saved)):
        for garbage in (rng.bytes(length), bytes(length), b"\xff" * length):
            assert refuses(made, garbage)
            # Where the head is right, what follows is still seen to be none.
            assert refuses(made, saved[:96] + garbage)


OTHERS = [
    {"population": 11}, {"tournament": 4}, {"method": "mgg", "children": 2}, {"children": 1},
    {"mutate_prob": 0.5},
    {"filter": True}, {"seed": 2}, {"island": 1}, {"median": True}, {"epochs": 2}, {"patience": 9},
    {"evaluation_seed": 1}, {"max_abs_error": 5.0}, {"cache_size": 7}, {"level1": False},
    {"level2": False}, {"forget": 9}, {"rounding": 255}, {"fec_train": 2}, {"most_cost": 900.0},
    {"hurdle_train": 2, "hurdle_valid": 2, "window": 5}, {"most": (4, 5, 7)}, {"most": (5, 4, 6)},
    {"least": (1, 1, 0)}, {"first": (1, 3, 4)}, {"addresses": (3, 2, 1)}, {"task": 1},
    {"ops": (("scalar_const",), ("dot",), ())}, {"mutations": ("insert", "remove")},
    {"seeds": [(b"", b"", b"")]},
]  # fmt: skip


@pytest.mark.parametrize("other", OTHERS, ids=str)
def test_snapshots_of_other_settings_are_refused(other: dict[str, Any]) -> None:
    """Of all that the course depends on; what may be changed is no part of it."""
    caches = {"level1": True, "level2": True, "cache_size": 8}
    made = island(SMALL, tasks_of(1), **caches)
    run(made, 50)
    space = {key: value for key, value in other.items() if key in vars(SMALL)}
    rest = {key: value for key, value in other.items() if key not in (*space, "task")}
    tasks = tasks_of(1 + other.get("task", 0))
    fresh = island(Spec(**{**vars(SMALL), **space}), tasks, **caches | rest)
    assert refuses(fresh, made.save())
    same = island(SMALL, tasks_of(1), target=0.75, **caches)
    same.load(made.save())


def in_a_process(text: str, megabytes: int, *arguments: object) -> str:
    """What Python prints, if it may take so much more memory."""
    before = (
        "import resource, sys\n"
        f"sys.path.insert(0, {str(TESTS)!r})\n"
        "from search.test_snapshot import *\n"
        "used = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()\n"
        f"resource.setrlimit(resource.RLIMIT_AS, (used + ({megabytes} << 20),) * 2)\n"
    )
    command = [sys.executable, "-c", before + text, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, (done.returncode, done.stderr)
    return done.stdout


FLIPS = """
make, saved = small(int(sys.argv[1]))
rng = np.random.default_rng(1)
found = {True: 0, False: 0}
for _ in range(int(sys.argv[2])):
    damaged = bytearray(saved)
    for place in rng.integers(0, len(saved), int(rng.integers(1, 4))):
        damaged[place] ^= 1 << int(rng.integers(8))
    try:
        found[refuses(make(), bytes(damaged))] += 1
    except MemoryError:
        found[True] += 1
print(*found.values())
"""


@pytest.mark.parametrize("number", [1, 2])
def test_damaged_snapshots_crash_nothing(number: int, full: bool) -> None:
    """They may be loaded or refused; that they are not used is seen to elsewhere."""
    flips = 20_000 if full else 400
    refused, loaded = map(int, in_a_process(FLIPS, 700, number, flips).split())
    assert refused + loaded == flips
    assert refused > 0


LENGTHS = """
def peak():  # of this process: what `resource` says begins with that of the one that started it
    (line,) = [s for s in open("/proc/self/status") if s.startswith("VmHWM")]
    return int(line.split()[1])

make, saved = small()
before = peak()
for place in range(0, len(saved), 4):
    damaged = bytearray(saved)
    damaged[place : place + 4] = (1 << 22).to_bytes(4, "little")
    refuses(make(), bytes(damaged))
print((peak() - before) // 1024)
"""


def test_a_wrong_length_takes_no_memory() -> None:
    most = 500 if "libasan" in os.environ.get("LD_PRELOAD", "") else 50  # its shadow is memory too
    assert int(in_a_process(LENGTHS, 8000)) < most  # MB


NEGATIVE = """
tasks = tasks_of(1)
options = {"hurdle_train": 2, "hurdle_valid": 2, "window": 1, "level1": True}
made = island(SMALL, tasks, **options)
run(made, 20_000)
saved = made.save()
for place in range(7, 320, 8):
    damaged = bytearray(saved)
    damaged[place] ^= 0x80
    refuses(island(SMALL, tasks, **options), bytes(damaged))
print("fine")
"""


def test_a_count_below_zero_crashes_nothing() -> None:
    assert in_a_process(NEGATIVE, 700) == "fine\n"
