"""Snapshots that hosts put in a place of their own: the same search, whatever becomes of whom."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from search_files import SMALL, changed, left, refusal, save, small, told
from search_losses import Beside
from search_processes import finish, slices, start

from azc.errors import ResourceError, StateError
from azc.search import Search, engines, snapshots, storage
from azc.search.snapshots import Kept, Place, Shelf
from azc.search.store import Store
from azc.search.workers import Workers

FOUR = ("search.islands=4", "search.stop={programs=4800}")
HERE = "search.snapshots='snapshots'"
SNAPSHOT = r"\d{5}-\d+-[0-9a-f]{32}"

pytestmark = pytest.mark.usefixtures("no_pauses")


def files(folder: Path) -> list[str]:
    """What lies below `folder` and is not hidden or of the run itself."""
    return sorted(path.name for path in folder.rglob("[0-9]*-*") if path.is_file())


def named(run: Path) -> list[str]:
    """The snapshots that are part of what was saved; no other is among them."""
    with closing(sqlite3.connect(run / "run.sqlite")) as connection:
        states = connection.execute("SELECT island, state FROM islands").fetchall()
    assert all(isinstance(state, str) for _, state in states)
    return sorted(snapshots.from_text(text, island, run).name for island, text in states)


# ---- the same search ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("place", "count"), [("snapshots", 2), ("{}/common", 1), ("local://{}/common", 1)]
)
def test_the_place_changes_nothing(tmp_path, whole, place, count):
    there = f"search.snapshots={place.format(tmp_path)!r}"
    run = tmp_path / "run"
    outcome = small(*FOUR, there).run(seed=5, workers=count, out=run)
    assert (told(outcome), left(run)) == whole
    # Of all that were made there are those of the last save, and nothing else.
    assert files(tmp_path) == named(run)
    assert len(named(run)) == 4
    where = run / "snapshots" if place == "snapshots" else next((tmp_path / "common").iterdir())
    assert sorted(os.listdir(where)) == named(run)


def test_nothing_without_a_folder_to_save_in(whole):
    assert told(small(*FOUR, HERE).run(seed=5)) == whole[0]


def test_what_the_setting_may_be():
    assert "search.snapshots" in refusal("search.snapshots=''")
    assert "search.snapshots" in refusal("search.snapshots=3")
    island = "islands=[{count=1,search.snapshots='elsewhere'}]"
    assert "search.snapshots" in refusal(island)


# ---- killed -------------------------------------------------------------------------------------


@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_at_every_save(tmp_path, monkeypatch, whole, moment):
    """Between files and the transaction that names them, or right after: nothing is lost, and what
    nobody names goes."""
    copies: list[Path] = []
    real = Store._save

    def copy(store: Store, *content: Any) -> None:
        if moment == "after":
            real(store, *content)
        copies.append(tmp_path / f"copy{len(copies)}")
        shutil.copytree(store.folder, copies[-1])
        if moment == "before":
            real(store, *content)

    with monkeypatch.context() as patch:
        patch.setattr(Store, "_save", copy)
        small(*FOUR, HERE).run(seed=5, out=tmp_path / "run")
    assert len(copies) > 4
    chance = random.Random(3)
    for one in [copies[0], copies[-1], *chance.sample(copies[1:-1], 2)]:
        (one / "lock").unlink()
        made = Search.resume(one).run()
        assert (told(made), left(one)) == whole
        assert files(one) == named(one)


def test_interrupted_right_after_a_save(tmp_path, monkeypatch, whole):
    """By a second Ctrl-C: it does not know that it has saved, and removes nothing of that."""
    real, calls = Store._save, list[int]()

    def interrupt(store: Store, *content: Any) -> None:
        real(store, *content)
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Store, "_save", interrupt)
        with pytest.raises(KeyboardInterrupt):
            small(*FOUR, HERE).run(seed=5, out=tmp_path / "run")
    assert files(tmp_path) == named(tmp_path / "run")
    assert told(Search.resume(tmp_path / "run").run()) == whole[0]


def test_a_driver_that_is_killed(tmp_path, whole):
    """With its workers, when they have put their snapshots into a place beside the folder."""
    code = (
        "import os, sys; from azc.cli.main import main; from azc.search.store import Store\n"
        "real, calls = Store._save, []\n"
        "def save(store, *content):\n"
        "    calls.append(1)\n"
        "    os._exit(9) if len(calls) == 3 else real(store, *content)\n"
        "Store._save = save; sys.exit(main())"
    )
    path, run = save(tmp_path, SMALL), tmp_path / "run"
    words = [word for one in (*FOUR, "search.snapshots=../common") for word in ("--set", one)]
    more = ("--seed", 5, "--workers", 2, "--out", run)
    assert finish(start("evolve", path, *words, *more, code=code))[0] == 9
    orphans = set(files(tmp_path)) - set(named(run))
    assert len(orphans) == 4
    # And while it was at that.
    (there,) = (tmp_path / "common").iterdir()
    half = there / f".{min(orphans)}.0011aabb"
    half.touch()
    (there / "of somebody else").touch()
    made = Search.resume(run).run()
    assert (told(made), left(run)) == whole
    assert files(tmp_path) == named(run)
    assert not half.exists()
    assert (there / "of somebody else").exists()


# ---- hosts --------------------------------------------------------------------------------------


def made(folder: Path, count: int) -> tuple[Workers, Shelf]:
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

    return Workers(Beside(), arguments, 4, count, shelf=shelf), shelf


def test_what_nobody_wants_is_removed_with_the_next_save(tmp_path):
    there, shelf = made(tmp_path, 2)
    with closing(there):
        for number in range(1, 6):
            slices(there, range(4), 20 * number)
            states = there.save()
            assert all(isinstance(state, Kept) and state.size > 1000 for state in states.values())
            # Those made now, and those of the save before, which is the last one that was saved.
            assert len(files(tmp_path)) == (4 if number == 1 else 8)
            shelf.end_save(states, saved=True)
        for number in range(6, 9):
            # Nothing can be saved: the last one that was is kept, and that it is begun anew from.
            slices(there, range(4), 20 * number)
            shelf.end_save(there.save(), saved=False)
            assert len(files(tmp_path)) == (8 if number == 6 else 12)
        held = {past.snapshot for past in there._journal.pasts.values()}
        assert {one.name for one in held if isinstance(one, Kept)} <= set(files(tmp_path))
    shelf.close(states.values())
    assert files(tmp_path) == sorted(one.name for one in states.values() if isinstance(one, Kept))


def test_islands_are_handed_over_by_what_lies_there(tmp_path):
    there, shelf = made(tmp_path, 2)
    with closing(there):
        slices(there, [1, 3], 500)
        slices(there, [0, 2], 100)
        states = there.save()
        slices(there, [0, 2], 150)
        there._journal.pace = dict.fromkeys(range(4), 1.0)
        there.relieve([0], [1], {0, 2}, 500)
        assert sorted(map(len, there.shares)) == [1, 3]
        assert len(files(tmp_path)) == 5
        # The save is still under way: what it names must be there, though one was left since.
        assert shelf.waste() == []
        shelf.end_save(states, saved=True)
        assert shelf.waste() == []
        after = {one.island: one.counts.programs for one in slices(there, range(4), 500)}
        assert after == dict.fromkeys(range(4), 500)
        shutil.rmtree(tmp_path / "snapshots")
        there._journal.pace = dict.fromkeys(range(4), 1.0)
        busy = max(range(2), key=lambda host: len(there.shares[host]))
        shares = there.shares
        there.relieve([busy], [1 - busy], set(range(4)), 900)
        assert there.shares == shares


def test_hosts_that_are_lost(tmp_path, monkeypatch, whole):
    """They are made anew from what lies there."""
    engine = Beside([2, 3, 5])
    monkeypatch.setitem(engines.ENGINES, "processes", lambda count, address: engine)
    messages: list[str] = []
    run = tmp_path / "run"
    given: dict[str, Any] = {"workers": 3, "out": run, "messages": messages.append}
    assert told(small(*FOUR, HERE).run(seed=5, **given)) == whole[0]
    assert left(run) == whole[1]
    assert messages == ["a worker was lost (gone); another takes its place"] * 3
    assert files(run) == named(run)


def test_a_place_that_not_all_share(tmp_path):
    """The memory of a process is not that of another."""
    memory = "search.snapshots='memory://of-one'"
    assert small(*FOUR, memory).run(seed=5, out=tmp_path / "alone").saved
    with pytest.raises(StateError) as caught:
        Place("memory://of-one", ".proof-of-another").check()
    assert "expected a place that all workers share, got one that a worker on " in str(caught.value)
    assert str(caught.value).endswith("every machine has under this path, or a URL")


# ---- copied and moved ---------------------------------------------------------------------------

MORE = ["search.stop.programs=8000"]


def common(tmp_path: Path) -> str:
    return f"search.snapshots={str(tmp_path / 'common')!r}"


def test_a_folder_that_is_moved_with_its_snapshots(tmp_path):
    expected = told(small(*FOUR, *MORE).run(seed=5))
    small(*FOUR, HERE).run(seed=5, out=tmp_path / "run")
    shutil.copytree(tmp_path / "run", tmp_path / "copies" / "one")
    (tmp_path / "run").rename(tmp_path / "moved")
    for folder in (tmp_path / "moved", tmp_path / "copies" / "one"):
        assert told(Search.resume(folder, MORE).run()) == expected
        assert files(folder) == named(folder)


def test_a_folder_without_its_snapshots(tmp_path):
    small(*FOUR, HERE).run(seed=5, out=tmp_path / "run")
    there = tmp_path / "run" / "snapshots"
    for got, lost in (("3 of them", min(there.iterdir()).unlink), ("0 of them", None)):
        lost() if lost else shutil.rmtree(there)
        with pytest.raises(StateError) as caught:
            Search.resume(tmp_path / "run", MORE).run()
        assert str(caught.value) == (
            f"{tmp_path}/run: expected the snapshots of 4 islands in {there}, got {got}; put them "
            "back, or name the place where they lie with --set search.snapshots=…"
        )
    assert left(tmp_path / "run")["history"]


def test_a_snapshot_that_was_changed(tmp_path):
    small(*FOUR, HERE).run(seed=5, out=tmp_path / "run")
    file = min((tmp_path / "run" / "snapshots").iterdir())
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    with pytest.raises(StateError, match="expected the snapshot of island 0 as azc wrote it"):
        Search.resume(tmp_path / "run", MORE).run()


def test_a_copy_leaves_what_is_not_its_own(tmp_path):
    """Both go on, each with files of its own beside those that they began with."""
    expected = told(small(*FOUR, *MORE).run(seed=5))
    small(*FOUR, common(tmp_path)).run(seed=5, out=tmp_path / "run")
    before = files(tmp_path)
    shutil.copytree(tmp_path / "run", tmp_path / "copy")
    assert told(Search.resume(tmp_path / "copy", MORE).run()) == expected
    assert files(tmp_path) == sorted([*before, *named(tmp_path / "copy")])
    assert told(Search.resume(tmp_path / "run", MORE).run()) == expected
    assert len(list((tmp_path / "common").iterdir())) == 2
    assert files(tmp_path) == sorted([*named(tmp_path / "copy"), *named(tmp_path / "run")])


def test_a_place_that_is_moved(tmp_path):
    """It is named anew; or there is none from now on."""
    expected = told(small(*FOUR, *MORE).run(seed=5))
    small(*FOUR, common(tmp_path)).run(seed=5, out=tmp_path / "run")
    (tmp_path / "common").rename(tmp_path / "elsewhere")
    with pytest.raises(StateError, match="expected the snapshots of 4 islands in"):
        Search.resume(tmp_path / "run", MORE).run()
    there = f"search.snapshots={str(tmp_path / 'elsewhere')!r}"
    half = ["search.stop.programs=6400"]
    Search.resume(tmp_path / "run", [there, *half]).run()
    assert files(tmp_path / "elsewhere") == named(tmp_path / "run")
    assert not (tmp_path / "common").exists()
    # What was saved last is where it was saved, whatever the settings were at the beginning.
    assert told(Search.resume(tmp_path / "run", ["search.snapshots=", *MORE]).run()) == expected


def test_a_copy_with_a_link(tmp_path):
    """What is behind it is the first one's, though it lies in the folder."""
    (tmp_path / "common").mkdir()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "snapshots").symlink_to("../common")
    small(*FOUR, HERE).run(seed=5, out=tmp_path / "run")
    before = files(tmp_path)
    shutil.copytree(tmp_path / "run", tmp_path / "copy", symlinks=True)
    Search.resume(tmp_path / "copy", MORE).run()
    assert files(tmp_path) == sorted([*before, *named(tmp_path / "copy")])


def test_going_on_with_and_without(tmp_path):
    expected = told(small(*FOUR, *MORE).run(seed=5))
    small(*FOUR).run(seed=5, out=tmp_path / "run")
    half = ["search.stop.programs=6400"]
    Search.resume(tmp_path / "run", [HERE, *half]).run()
    assert len(named(tmp_path / "run")) == 4
    # The folder's settings are without again.
    assert told(Search.resume(tmp_path / "run", MORE).run()) == expected
    with closing(sqlite3.connect(tmp_path / "run" / "run.sqlite")) as connection:
        (state,) = connection.execute("SELECT state FROM islands WHERE island = 0").fetchone()
    assert isinstance(state, bytes)


# ---- what goes wrong ----------------------------------------------------------------------------


def failing(monkeypatch: Any, which: Callable[[int], bool]) -> None:
    """Some of the writes fail, by their number."""
    real, calls = storage._Folder.write, list[str]()

    def write(there: Any, name: str, data: bytes) -> None:
        calls.append(name)
        if which(len(calls)):
            raise StateError("expected room, got none")
        real(there, name, data)

    monkeypatch.setattr(storage._Folder, "write", write)


@pytest.mark.parametrize("last", [False, True], ids=["for a while", "to the end"])
def test_saving_fails(tmp_path, monkeypatch, whole, last):
    """In the middle of a save, and after: it is said once, and what was saved stays."""
    messages: list[str] = []
    with monkeypatch.context() as patch:
        failing(patch, lambda call: call >= 8 and (last or call == 8))
        outcome = small(*FOUR, HERE).run(seed=5, out=tmp_path / "run", messages=messages.append)
    assert told(outcome) == whole[0]
    told_once = ["not saved, trying again at the next report: expected room, got none"]
    assert (outcome.saved, messages) == (
        not last,
        told_once if last else [*told_once, "saved again"],
    )
    assert files(tmp_path) == named(tmp_path / "run")
    if last:
        made = Search.resume(tmp_path / "run").run()
        assert told(made) == whole[0]
    assert left(tmp_path / "run") == whole[1]


def test_a_place_that_is_gone_when_a_host_is_lost(tmp_path, monkeypatch):
    """There is nothing to make another from; the error says so."""
    engine = Beside()
    monkeypatch.setitem(engines.ENGINES, "processes", lambda count, address: engine)
    run = tmp_path / "run"

    def lose(report: Any) -> None:
        if report.settled:
            shutil.rmtree(run / "snapshots")
            engine.links[0].lost = True

    with pytest.raises(ResourceError) as caught:
        small(*FOUR, HERE).run(seed=5, workers=2, out=run, report=lose)
    said = str(caught.value)
    assert said.startswith("no worker can take the place of one that was lost: ")
    assert said.endswith("; once that is mended, go on with --resume")


def test_a_place_that_cannot_be_used(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StateError, match="expected a folder that can be read and written"):
        small(*FOUR, "search.snapshots='../file/deep'").run(out=tmp_path / "run")
