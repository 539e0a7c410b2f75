"""Exchanges by way of storage: the same as those by way of the driver, whatever becomes of whom."""

from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from search_files import SMALL, changed, left, small, told
from search_losses import Beside
from search_migrants import given
from search_processes import slices

from azc.errors import ResourceError, StateError
from azc.search import Search, engines, snapshots, storage, workers
from azc.search.hosts import Exchange
from azc.search.islands import Islands
from azc.search.journal import Journal
from azc.search.migration import migrate
from azc.search.packets import read_given
from azc.search.settings_islands import own_tasks
from azc.search.snapshots import Place, Shelf
from azc.search.workers import Workers

FOUR = ("search.islands=4", "search.stop={programs=9600}", "migration.every=400")
HERE = "search.snapshots='snapshots'"
UNLIKE = "islands=[{count=1},{count=3,search.population=20,tasks.search.seed=9}]"

pytestmark = pytest.mark.usefixtures("no_pauses")


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*exchange-*"))


# ---- the same exchange --------------------------------------------------------------------------


@pytest.mark.parametrize("unlike", [(), (UNLIKE,)], ids=["alike", "unlike"])
@pytest.mark.parametrize("vacant", [(), (2,), (0, 1, 2, 3)])
def test_what_is_received(tmp_path, unlike, vacant):
    """From hosts that have others of the islands than they are read by; some may have nobody."""
    settings = changed(*FOUR, *unlike, text=SMALL)
    plans = settings.plans()
    sets = {"search": settings.make_tasks("search")}
    own = own_tasks(plans, sets)
    Shelf(tmp_path, "there", "key", ())
    place = Place(str(tmp_path / "there"), "")

    def host(numbers: tuple[int, ...], place: Place | None) -> Islands:
        made = Islands(settings, sets["search"], 1, numbers, None, sets, own)
        made.place = place
        made.run([n for n in numbers if n not in vacant], 100, 100.0)
        return made

    here = host((0, 1, 2, 3), None)
    sizes, measures = [plan.population for plan in plans], [plan.measure for plan in plans]
    migrate(here, sizes, 0.5, settings.search.seed, 7, measures)
    hosts = [host(numbers, place) for numbers in ((1,), (0, 2, 3))]
    names = [one.give(7, vacant, 3) for one in hosts]
    exchange = Exchange(7, 3, place.address, tuple(map(str, names)))
    assert sorted(set(exchange.files)) == files(tmp_path)
    for one in hosts:
        one.take(exchange)
        one.place = None
        assert one.save(one.numbers).items() <= here.save(range(4)).items()
    assert [here.counts(n).received > 0 for n in range(4)] == [
        bool(here.islands[n].members) and len(vacant) < 4 for n in range(4)
    ]


@pytest.mark.parametrize(
    ("place", "count"), [("snapshots", 2), ("{}/common", 3), ("local://{}/common", 3)]
)
def test_the_way_changes_nothing(tmp_path, monkeypatch, whole, place, count):
    """No program passes through the driver, and no file is left."""

    def never(*given: Any) -> Any:
        raise AssertionError("programs in the driver")

    for name in ("emigrants", "receive"):
        monkeypatch.setattr(workers.Workers, name, never)
    there = f"search.snapshots={place.format(tmp_path)!r}"
    outcome = small(*FOUR, there).run(seed=5, workers=count, out=tmp_path / "run")
    assert (told(outcome), left(tmp_path / "run")) == whole
    assert outcome.report.total("received") > 0
    assert files(tmp_path) == []


def test_hosts_that_do_not_wait_exchange_as_before(tmp_path):
    asynchronous = "migration={every=600,synchronous=false}"
    outcome = small(*FOUR, HERE, asynchronous).run(workers=2, out=tmp_path / "run")
    assert all(row.received > 0 for row in outcome.history[-1])


# ---- hosts that are lost ------------------------------------------------------------------------


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("method", ["give", "take", "run"])
@pytest.mark.parametrize("islands", [FOUR, (*FOUR, "search.stop={programs=40_000}")])
def test_hosts_that_are_lost_in_an_exchange(tmp_path, monkeypatch, method, when, islands):
    """Who gave, or received: before or after it did so. Who is lost after that reads again."""
    search = small(*islands, HERE)
    whole = told(search.run(seed=5, out=tmp_path / "whole"))
    moments = [(method, number, when) for number in (1, 2, 5, 9, 12)]
    engine = Beside(moments=moments)
    monkeypatch.setitem(engines.ENGINES, "processes", lambda count, address: engine)
    read, real = list[str](), Islands._from_storage

    def from_storage(there: Islands, pasts: Any) -> Any:
        found = real(there, pasts)
        read.extend(name for exchange in found for name in exchange.files)
        return found

    monkeypatch.setattr(Islands, "_from_storage", from_storage)
    outcome = search.run(seed=5, workers=3, out=tmp_path / "run")
    assert told(outcome) == whole
    assert left(tmp_path / "run") == left(tmp_path / "whole")
    assert len(engine.links) == 3 + len(moments)
    assert bool(read) == (method == "run")
    assert files(tmp_path) == []


def made(folder: Path, engine: Any, count: int) -> tuple[Workers, Shelf]:
    settings = changed(*FOUR, text=SMALL)
    shelf = Shelf(folder, "snapshots", "key", ())
    given = {
        "settings": settings,
        "tasks": settings.make_tasks("search"),
        "seed": 1,
        "vector": None,
        "place": shelf.place,
    }

    def arguments(numbers: tuple[int, ...]) -> dict[str, Any]:
        return {**given, "numbers": numbers}

    return Workers(engine, arguments, 4, count, shelf=shelf), shelf


def test_what_was_exchanged_stays_until_nobody_needs_it(tmp_path):
    """Islands that were handed over, or whose snapshot could not be put there, hold the others up;
    then it goes with the next save."""
    there, shelf = made(tmp_path, Beside(), 2)
    with closing(there):
        for number in range(1, 4):
            slices(there, range(4), 20 * number)
            assert there.exchange(number)
            assert len(files(tmp_path)) == 2 * number
        slices(there, [0, 2], 500)
        there._journal.pace = dict.fromkeys(range(4), 1.0)
        there.relieve([0], [1], {0, 2}, 900)
        assert sorted(map(len, there.shares)) == [1, 3]
        assert there.exchange(4)
        assert shelf.waste() == []
        # All islands are lost, and are made anew from before the four exchanges.
        expected = there.save().values()
        assert len(files(tmp_path)) == 8
        shelf.end_save(dict(enumerate(expected)), saved=True)
        slices(there, range(4), 1000)
        there.save()
        assert files(tmp_path) == []


def test_many_exchanges_are_caught_up_with(tmp_path):
    """By all hosts at once, which were lost one after the other."""
    engine = Beside()
    there, _ = made(tmp_path, engine, 3)
    alone, _ = made(tmp_path / "alone", engines.Here(), 1)
    with closing(there), closing(alone):
        for number in range(1, 5):
            for one in (there, alone):
                slices(one, range(4), 30 * number)
            assert there.exchange(number)
            assert not alone.exchange(number)
            migrate(alone, [30] * 4, 0.5, changed(text=SMALL).search.seed, number, [0] * 4)
        for link in engine.links:
            link.lost = True
        states, expected = there.save(), alone.save()
        assert len(engine.links) == 6
        read = snapshots.fetched
        assert {n: read(one) for n, one in states.items()} == {
            n: read(one) for n, one in expected.items()
        }


def test_only_who_may_be_lost_has_a_journal():
    gift = given({3: ((b"", b"", b""), 0.5, 1)})
    for keeps in (True, False):
        journal = Journal(2, keeps=keeps)
        journal.received({0: gift})
        assert len(journal.pasts[0].exchanges) == keeps


# ---- what goes wrong ----------------------------------------------------------------------------


def failing(monkeypatch: Any, which: Any) -> None:
    real, calls = storage._Folder.write, list[str]()

    def write(there: Any, name: str, data: bytes, *, lasting: bool = True) -> None:
        if name.startswith("exchange"):
            calls.append(name)
            if which(len(calls)):
                raise StateError("expected room, got none")
        real(there, name, data, lasting=lasting)

    monkeypatch.setattr(storage._Folder, "write", write)


@pytest.mark.parametrize("which", [lambda call: call == 2, lambda call: True])
def test_a_place_that_is_full(tmp_path, monkeypatch, whole, which):
    """Then programs take the other way, and nothing is left of what was written."""
    failing(monkeypatch, which)
    outcome = small(*FOUR, HERE).run(seed=5, workers=2, out=tmp_path / "run")
    assert (told(outcome), left(tmp_path / "run")) == whole
    assert files(tmp_path) == []


def test_what_cannot_be_read(tmp_path, monkeypatch, whole):
    """The search ends with an error that says so, and goes on from what was saved."""
    real, calls = storage._Folder.read_parts, list[int]()

    def read_parts(there: Any, parts: Any) -> Any:
        calls.append(1)
        if len(calls) > 4:
            raise StateError("expected a file, got none")
        return real(there, parts)

    with monkeypatch.context() as patch:
        patch.setattr(storage._Folder, "read_parts", read_parts)
        patch.setitem(engines.ENGINES, "processes", lambda count, address: Beside())
        with pytest.raises(ResourceError) as caught:
            small(*FOUR, HERE).run(seed=5, workers=2, out=tmp_path / "run")
    assert str(caught.value) == (
        "what islands exchanged cannot be read: expected a file, got none; once that is mended, go "
        "on with --resume"
    )
    outcome = Search.resume(tmp_path / "run").run()
    assert (told(outcome), left(tmp_path / "run")) == whole
    assert files(tmp_path) == []


@pytest.mark.parametrize("cut", [False, True])
def test_a_file_that_was_changed(tmp_path, cut):
    there, shelf = made(tmp_path, Beside(), 2)
    with closing(there):
        slices(there, range(4), 50)
        assert there.exchange(1)
        (path, *_) = (tmp_path / "snapshots").glob("exchange-*")
        data = bytearray(path.read_bytes())
        data[-1] ^= 1
        path.write_bytes(data[:-1] if cut else data)
        exchange = Exchange(1, 2, shelf.place.address, (path.name,))
        what = "expected [0-9]+ bytes of" if cut else "expected what was exchanged, in"
        with pytest.raises(StateError, match=f"{what} {re.escape(path.name)}"):
            read_given(exchange, 4, range(4))
