"""Tasks side by side: the layouts' shapes, and that a set makes each of them once."""

from __future__ import annotations

import numpy as np
import pytest

import azc
from azc import library, packing
from azc.packing import batch_of, blocks, native_blocks
from azc.runtime import _core
from azc.tasks import TaskSet, make_set


@pytest.mark.parametrize("chunk", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("entries", [1, 7, 8, 20])
def test_packing_is_a_transposition(chunk: int, entries: int) -> None:
    for lanes in (16, 8, 4, 2, 1):
        if lanes % chunk:
            continue
        rng = np.random.default_rng(lanes)
        arrays = [rng.normal(size=(5, entries)) for _ in range(lanes)]
        packed = np.empty(lanes * 5 * entries)
        _core.pack(arrays, chunk, packed)
        chunks = packed.reshape(5, lanes // chunk, entries, chunk)
        for lane, array in enumerate(arrays):
            assert (chunks[:, lane // chunk, :, lane % chunk] == array).all()


def test_packing_checks_its_arrays() -> None:
    one, other = np.zeros((3, 2)), np.zeros((2, 2))
    with pytest.raises(ValueError, match="one shape"):
        _core.pack([one, other], 2, np.zeros(12))
    with pytest.raises(ValueError, match="room"):
        _core.pack([one, one], 2, np.zeros(11))
    with pytest.raises(ValueError, match="chunks"):
        _core.pack([one] * 3, 2, np.zeros(18))


def test_a_set_keeps_its_layouts_and_a_list_does_not() -> None:
    tasks = make_set("linear", count=20, features=3, train=5, valid=4)
    (first, second) = blocks(tasks, matrices=False)
    assert (len(first.positions), first.lanes) == (16, 16)
    assert (len(second.positions), second.lanes) == (4, 4)
    assert blocks(tasks, matrices=False) is blocks(tasks, matrices=False)
    assert batch_of(tasks, first) is batch_of(tasks, first)
    assert batch_of(tasks, first, keep=False) is not batch_of(tasks, first)
    assert batch_of(list(tasks), first) is not batch_of(list(tasks), first)


def test_layouts_for_both_tiers_are_shared_where_they_are_alike() -> None:
    tasks = make_set("linear", count=4, features=3, train=5, valid=4)
    assert blocks(tasks, matrices=False) == native_blocks(tasks, matrices=False, vector=4)


def count_packs(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    made: list[int] = []
    pack = packing.pack
    monkeypatch.setattr(packing, "pack", lambda *a: made.append(1) or pack(*a))
    return made


def test_programs_on_the_same_set_pay_for_packing_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made = count_packs(monkeypatch)
    tasks = make_set("linear", count=8, features=3, train=5, valid=4)
    program = library.load("linear")
    results = [azc.evaluate(program, tasks) for _ in range(3)]
    assert len(made) == 1
    listed = azc.evaluate(program, list(tasks))
    assert len(made) == 2
    assert all((result.fitness == listed.fitness).all() for result in results)


def test_layouts_that_would_fill_the_memory_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    made = count_packs(monkeypatch)
    tasks = TaskSet(make_set("linear", count=32, features=8, train=200, valid=50))
    block = 16 * 250 * 9 * 8
    monkeypatch.setenv("AZC_MEMORY_LIMIT", str(2 * block))
    for _ in range(2):
        azc.evaluate(library.load("linear"), tasks)
    assert len(made) == 4
