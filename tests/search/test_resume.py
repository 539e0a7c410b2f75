"""A search that is interrupted, is killed or cannot save goes on to the result that it would have
had.

Run as a program, this file is a command line whose searches cannot end once they are interrupted.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
import tomllib
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from counts import FULL
from search_files import NEAR, SMALL, left, save, small, told
from search_processes import MAIN, finish, last_document, next_report, start

from azc.cli.main import main
from azc.errors import ConfigError, StateError
from azc.search import Report, Search, course, engines
from azc.search.store import Store, read_history

METHODS = {
    "regularized-evolution": {"hurdles": "{ train = 10, window = 100 }"},
    "mgg": {"search.method": "'mgg'", "search.children": "4", "search.filter": "true"},
}
#: A second of search, in which it saves some fifty times.
LONG = {
    "search.islands": "4", "search.stop": "{ programs = 120_000 }", "search.interval": "1000",
    "migration.every": "2500", "restart.programs": "7000", "fec.size": "2000",
}  # fmt: skip
#: And which goes on until it is ended.
ENDLESS = {**LONG, "search.stop": "{ seconds = 1000 }"}
#: Of the last JSON line, what does not depend on the clock.
TOLD = ("solved", "reason", "seed", "experiments", "programs", "fitness", "program")


def options(changes: dict[str, str]) -> list[str]:
    return [word for key, value in changes.items() for word in ("--set", f"{key}={value}")]


def settings(method: str, changes: dict[str, str]) -> tuple[str, ...]:
    return tuple(f"{key}={value}" for key, value in {**METHODS[method], **changes}.items())


def begin(folder: Path, changes: dict[str, str], *more: object, **other: Any) -> Any:
    """The command line that searches in `folder`/run, as a process."""
    path = save(folder, SMALL)
    words = ("--out", folder / "run", "--seed", 11, "--json", *more)
    return start("evolve", path, *options(changes), *words, **other)


def resume(folder: Path, *more: object, **other: Any) -> Any:
    return start("evolve", "--resume", "--out", folder / "run", "--json", *more, **other)


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> dict[str, tuple[dict[str, Any], dict[str, Any]]]:
    """By method, what a search that nobody disturbs says last, and what it leaves."""
    found = {}
    for method, changes in METHODS.items():
        folder = tmp_path_factory.mktemp("whole")
        code, out, err = finish(begin(folder, {**LONG, **changes}))
        assert (code, err) == (1, "")
        document = last_document(out)
        assert document["reason"] == "programs"
        found[method] = ({name: document[name] for name in TOLD}, left(folder / "run"))
    return found


def assert_whole(folder: Path, out: str, expected: Any) -> None:
    document = last_document(out)
    assert {name: document[name] for name in TOLD} == expected[0]
    assert left(folder / "run") == expected[1]


# ---- killed -------------------------------------------------------------------------------------


def kill_until_done(
    folder: Path, changes: dict[str, str], chance: random.Random
) -> tuple[int, str]:
    """Kills a search at random moments, goes on with it, with one worker or two, and so on until it
    ends; returns how often that was, and what it said last."""
    kills = 0
    process = begin(folder, changes)
    while True:
        for _ in range(chance.randrange(1, 25)):
            if next_report(process) is None:
                break
        time.sleep(chance.choice([0.0, chance.random() * 0.05]))
        process.kill()
        code, out, _ = finish(process)
        if code == 1:
            return kills, out
        assert code == -signal.SIGKILL
        kills += 1
        # At any moment it can be read.
        assert read_history(folder / "run")
        process = resume(folder, "--workers", chance.choice([1, 1, 1, 2]))


def test_killed_and_resumed(tmp_path, whole, full):
    """Bit for bit: the history, the best program, the hall of fame, the lineage."""
    chance = random.Random(20)
    kills, number = 0, 0
    while kills < (50 if full else 4):
        method = list(METHODS)[number % 2]
        folder = tmp_path / str(number)
        folder.mkdir()
        times, out = kill_until_done(folder, {**LONG, **METHODS[method]}, chance)
        # The end may have been read from the pipe before the process was to be killed.
        if out:
            assert_whole(folder, out, whole[method])
        else:
            assert left(folder / "run") == whole[method][1]
        kills, number = kills + times, number + 1


def test_killed_before_the_first_save(tmp_path):
    """There is nothing to lose then; it begins."""
    search = small(*settings("mgg", {}))
    text = search.settings.to_toml()
    Store.create(tmp_path / "run", text, seed=5).close()
    resumed = Search.resume(tmp_path / "run").run()
    assert told(resumed) == told(search.run(seed=5, out=tmp_path / "whole"))
    assert left(tmp_path / "run") == left(tmp_path / "whole")


@pytest.mark.parametrize("method", METHODS)
def test_killed_at_every_save(tmp_path, monkeypatch, method):
    """In this process: what each save leaves is copied, and gone on with."""
    search = small(*settings(method, {}))
    copies: list[Path] = []
    real = Store.save

    def save_and_copy(store: Store, **content: Any) -> None:
        real(store, **content)
        copies.append(tmp_path / f"copy{len(copies)}")
        shutil.copytree(store.folder, copies[-1])

    with monkeypatch.context() as patch:
        patch.setattr(Store, "save", save_and_copy)
        expected = search.run(seed=4, out=tmp_path / "whole")
    assert len(copies) == len(expected.history) + 1
    for copy in copies:
        (copy / "lock").unlink()
        assert told(Search.resume(copy).run()) == told(expected)
        assert left(copy) == left(tmp_path / "whole")


# ---- ended --------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS if FULL else ["mgg"])
def test_ctrl_c(tmp_path, whole, method):
    """Ends it, saves, and says so; it goes on from there, in the middle of a round or not."""
    process = begin(tmp_path, {**ENDLESS, **METHODS[method]})
    for _ in range(3):
        assert next_report(process)
    process.send_signal(signal.SIGINT)
    code, out, err = finish(process)
    assert (code, err) == (1, "")
    document = last_document(out)
    assert (document["done"], document["reason"]) == (True, "interrupted")
    assert document["out"] == str(tmp_path / "run")
    stop = ("--set", "search.stop={ programs = 120_000 }")
    again = resume(tmp_path, *stop)
    next_report(again)
    again.send_signal(signal.SIGINT)
    assert finish(again)[0] == 1
    code, out, err = finish(resume(tmp_path, *stop))
    assert (code, err) == (1, "")
    assert_whole(tmp_path, out, whole[method])


def test_ctrl_c_twice(tmp_path):
    """The second time it does not wait for anything; what was saved is whole."""
    path = save(tmp_path, SMALL)
    words = ("evolve", path, *options(ENDLESS), "--out", tmp_path / "run", "--json")
    process = subprocess.Popen(
        [sys.executable, __file__, *map(str, words)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
    )  # fmt: skip
    assert next_report(process)
    process.send_signal(signal.SIGINT)
    while next_report(process) != "ending":
        pass
    process.send_signal(signal.SIGINT)
    code, _, err = finish(process)
    assert (code, err.strip()) == (130, "error: interrupted")
    history = read_history(tmp_path / "run")
    assert history
    resumed = Search.resume(tmp_path / "run", ["search.stop={programs=1}"]).run()
    assert list(map(list, resumed.history)) == history


def never_end() -> None:
    """The command line with searches that hang where they should end."""

    def hang(course: object, reason: str) -> None:
        print(json.dumps("ending"), flush=True)
        time.sleep(1000)

    course.Course._end = hang  # type: ignore[assignment, method-assign]
    sys.exit(main())


@pytest.mark.parametrize("method", METHODS)
def test_ended_anywhere(tmp_path, monkeypatch, method):
    """Again and again, in the middle of rounds: the course is the same."""
    longer = {"search.interval": "7000", "migration.every": "5000"}
    search = small(*settings(method, {**longer, "search.stop": "{ programs = 50_000 }"}))
    expected = search.run(seed=6, out=tmp_path / "whole")
    monkeypatch.setattr(engines, "_SLICE", 0.003)
    pieces = in_rounds = 0

    def interrupt(report: Report) -> None:
        nonlocal left_to_see
        left_to_see -= 1
        if left_to_see == 0:
            os.kill(os.getpid(), signal.SIGINT)

    while True:
        left_to_see = 1 + pieces % 7
        outcome = search.run(seed=6, out=tmp_path / "run", resume=pieces > 0, report=interrupt)
        if outcome.reason == "programs":
            break
        assert outcome.reason == "interrupted"
        pieces += 1
        last = outcome.history[-1] if outcome.history else ()
        in_rounds += outcome.report.islands != last
    assert min(pieces, in_rounds) >= 2
    assert told(outcome) == told(expected)
    assert left(tmp_path / "run") == left(tmp_path / "whole")


def test_a_search_that_has_ended_says_so_again(tmp_path):
    expected = small().run(out=tmp_path / "run")
    before = left(tmp_path / "run")
    for _ in range(2):
        again = Search.resume(tmp_path / "run").run()
        assert told(again) == told(expected)
        assert left(tmp_path / "run") == before


def test_more_programs(tmp_path):
    """The course goes on as if there had been no end, but for the report that was made there."""
    small("search.stop={programs=1700}").run(seed=2, out=tmp_path / "run")
    longer = Search.resume(tmp_path / "run", ["search.stop.programs=4000"]).run()
    expected = small().run(seed=2)
    (extra,) = (rows for rows in longer.history if rows not in expected.history)
    assert [row.programs for row in extra] == [850, 850]
    assert tuple(rows for rows in longer.history if rows != extra) == expected.history
    assert (longer.best, longer.lineage) == (expected.best, expected.lineage)


# ---- what may be changed ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        "search.workers=2", "compile.hot='auto'", "search.stop.seconds=1000",
        "search.stop.fitness=1.0", "search.stop={programs=4000,seconds=1000}",
    ],
)  # fmt: skip
def test_what_the_course_does_not_depend_on(tmp_path, change):
    expected = small().run(seed=2, out=tmp_path / "whole")
    small("search.stop={programs=1200}").run(seed=2, out=tmp_path / "run")
    going_on = Search.resume(tmp_path / "run", ["search.stop.programs=4000", change])
    outcome = going_on.run()
    assert outcome.best == expected.best
    assert outcome.history == expected.history


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("search.population=31", "search.population: expected 30, as the search began, got 31"),
        ("search.mutate_prob=1.0", "search.mutate_prob: expected 0.9, as the search began, got 1"),
        ("search.seed=3", "search.seed: expected 2, as the search began, got 3"),
        ("search.interval=10", "search.interval: expected 400"),
        ("migration=", 'migration: expected {"every": 600, "share": 0.5, "synchronous": true}, '
         "as the search began, got none; leave it so, or begin another search with another --out"),
        ("hurdles.train=3", "hurdles: expected none"),
        ("tasks.search.count=4", "tasks.search.count: expected 3"),
        ("space.ops=['dot']", "space.ops: expected "),
        ("search.no=1", "search: expected known keys, got 'no'"),
    ],
)  # fmt: skip
def test_what_it_does_depend_on(tmp_path, change, message):
    small("search.stop={programs=1200}").run(seed=2, out=tmp_path / "run")
    before = left(tmp_path / "run")
    with pytest.raises(ConfigError) as caught:
        Search.resume(tmp_path / "run", [change])
    assert str(caught.value).startswith(f"{tmp_path}/run/search.toml: {message}")
    assert left(tmp_path / "run") == before


def test_the_seed_is_that_of_the_run(tmp_path):
    small("search.stop={programs=1200}").run(seed=2, out=tmp_path / "run")
    going_on = Search.resume(tmp_path / "run")
    assert going_on.seed == 2
    with pytest.raises(ConfigError, match="seed: expected 2, as the search began, got 3"):
        going_on.run(seed=3)
    with pytest.raises(ConfigError, match=r"out: expected .*/run, to go on there, got elsewhere"):
        going_on.run(out="elsewhere")
    assert going_on.run(seed=2, out=tmp_path / "run", resume=True).seed == 2
    # A search made otherwise goes on with what is there, and its settings.
    other = small("search.population=5")
    assert other.run(out=tmp_path / "run", resume=True).seed == 2
    assert other.history == going_on.history
    with pytest.raises(ConfigError, match="expected out, the folder to go on in, got none"):
        other.run(resume=True)


def test_settings_that_no_longer_hold(tmp_path):
    """A program to start from, which lies elsewhere, is gone."""
    path = tmp_path / "start.az"
    path.write_text("def Learn():\n" + "    NoOp()\n" * 5)
    sizes = ("space.setup={min=0,max=3}", "space.predict={min=0,max=3}")
    small(*sizes, f"space.start={path}").run(out=tmp_path / "run")
    path.unlink()
    with pytest.raises(ConfigError, match=r"search.toml: space.start: .*start\.az"):
        Search.resume(tmp_path / "run")


# ---- moved, and changed -------------------------------------------------------------------------


def project(folder: Path, rows: int = 60) -> Path:
    """A folder with a table, a program to start from, and a search file that names them."""
    folder.mkdir(parents=True)
    table = ["a,b,c,d,y", *(f"{k or 1},{k * k % 7},{k % 5},{k % 3},{k / 9}" for k in range(rows))]
    (folder / "data.csv").write_text("\n".join(table) + "\n")
    (folder / "near.az").write_text(NEAR)
    given = (
        "space.setup={size=1,ops=[]}", "space.predict={size=1,ops=[]}", "space.learn.size=4",
        "tasks.search={task='data.csv',target='y',metric='rmse',count=1,train=40,valid=15}",
        "search.stop={programs=1200}", "space.start='near.az'", "tasks.select=", "tasks.final=",
        "budget={baseline='./near.az',factor=9.0}",
    )  # fmt: skip
    tables = tomllib.loads(SMALL)
    for change in given:
        key, _, value = change.partition("=")
        *path, last = key.split(".")
        table_ = tables
        for part in path:
            table_ = table_[part]
        table_.pop(last, None)
        if value:
            table_[last] = tomllib.loads(f"value = {value}")["value"]
    return save(folder, tomli_w.dumps(tables))


MORE = ["search.stop={programs=3000}"]


def test_a_project_that_is_moved(tmp_path):
    """Paths are as the run's folder sees them; where nothing is there, as they were."""
    file = project(tmp_path / "one")
    out = tmp_path / "one" / "runs" / "first"
    whole = Search.from_toml(file, MORE).run(out=tmp_path / "whole")
    Search.from_toml(file).run(out=out)
    text = (out / "search.toml").read_text()
    for path in ('"../../data.csv"', '"../../near.az"'):
        assert path in text
    shutil.copytree(tmp_path / "one", tmp_path / "two" / "deep")
    shutil.copytree(out, tmp_path / "alone")
    (tmp_path / "one").rename(tmp_path / "three")
    assert told(Search.resume(tmp_path / "two/deep/runs/first", MORE).run()).count("Best")
    assert left(tmp_path / "two/deep/runs/first")["hall"]
    (tmp_path / "three").rename(tmp_path / "one")
    for folder in (tmp_path / "alone", out):
        outcome = Search.resume(folder, MORE).run()
        assert outcome.best == whole.best
    # The search file that is left is one that can be run.
    again = Search.from_toml(out / "search.toml").run()
    assert again.seed == whole.seed


def test_paths_may_be_changed(tmp_path):
    file = project(tmp_path / "one")
    Search.from_toml(file).run(out=tmp_path / "run")
    (tmp_path / "one").rename(tmp_path / "two")
    with pytest.raises(ConfigError, match=r"near\.az"):
        Search.resume(tmp_path / "run", MORE)
    there = tmp_path / "two"
    moves = [f"tasks.search.task={there}/data.csv", f"space.start={there}/near.az",
             f"budget.baseline={there}/near.az"]  # fmt: skip
    outcome = Search.resume(tmp_path / "run", [*moves, *MORE]).run()
    assert outcome.best == Search.from_toml(there / file.name, MORE).run().best
    # To what is the same, that is.
    text = (there / "data.csv").read_text()
    (there / "other.csv").write_text(text.replace("7,0,2,1", "7,0,2,2"))
    other = f"tasks.search.task={there}/other.csv"
    with pytest.raises(StateError, match=r"tasks\.search: expected data\.csv\[0\] as it was when"):
        Search.resume(tmp_path / "run", [*moves[1:], other]).run()


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("data.csv", lambda text: text.replace("7,0,2,1", "7,0,2,2"),
         r"tasks\.search: expected data\.csv\[0\] as it was when the search began "
         r"\(40\+15 examples, 4 features\), got other data of that size"),
        ("data.csv", lambda text: "\n".join(line + ",1" for line in text.splitlines()),
         "examples, 4 features"),
        ("near.az", lambda text: text.replace("0.05", "0.06"),
         r"space\.start: expected a program as it was when the search began"),
    ],
    ids=["a value", "a column", "a program"],
)  # fmt: skip
def test_what_changed_is_named(tmp_path, name, change, message):
    file = project(tmp_path / "one")
    Search.from_toml(file).run(out=tmp_path / "run")
    path = tmp_path / "one" / name
    text = path.read_text()
    path.write_text(change(text))
    with pytest.raises((StateError, ConfigError), match=message):
        Search.resume(tmp_path / "run", MORE).run()
    path.write_text(text)
    assert Search.resume(tmp_path / "run", MORE).run().history


# ---- folders that cannot be used ----------------------------------------------------------------


def test_one_at_a_time(tmp_path):
    """A folder in which a search runs is refused, and nothing happens to that."""
    process = begin(tmp_path, ENDLESS)
    assert next_report(process)
    code, _, err = finish(resume(tmp_path))
    assert code == 2
    assert f"expected no other process to write here, got process {process.pid}" in err
    assert next_report(process)
    process.send_signal(signal.SIGINT)
    assert finish(process)[0] == 1


def test_damage_is_found(tmp_path):
    small().run(out=tmp_path / "run")
    file = tmp_path / "run" / "run.sqlite"
    sound = file.read_bytes()
    file.write_bytes(sound[: len(sound) // 2])
    with pytest.raises(StateError, match=r"expected run\.sqlite as azc wrote it"):
        Search.resume(tmp_path / "run").run()
    file.write_bytes(sound)
    with closing(sqlite3.connect(file)) as connection:
        # Sound in itself, but not what the settings make.
        (state,) = connection.execute("SELECT state FROM islands WHERE island = 0").fetchone()
        connection.execute("DELETE FROM islands WHERE island = 1")
        connection.commit()
        assert state
    with pytest.raises(StateError, match="expected islands as the settings have them, got others"):
        Search.resume(tmp_path / "run").run()


def test_nothing_to_go_on_with(tmp_path):
    with pytest.raises(StateError, match="expected the folder of a search"):
        Search.resume(tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()


# ---- saving that fails --------------------------------------------------------------------------


@pytest.mark.parametrize("last", [False, True], ids=["for a while", "to the end"])
def test_saving_fails(tmp_path, monkeypatch, last):
    """It is said once, and nothing is lost as soon as there is room again."""
    expected = small().run(seed=3, out=tmp_path / "whole")
    real, calls, messages = Store.save, [], []

    def fail(store: Store, **content: Any) -> None:
        calls.append(content)
        if 3 <= len(calls) <= 5 or (last and len(calls) > 5):
            raise StateError("expected room, got none")
        real(store, **content)

    with monkeypatch.context() as patch:
        patch.setattr(Store, "save", fail)
        outcome = small().run(seed=3, out=tmp_path / "run", messages=messages.append)
    assert told(outcome) == told(expected)
    told_once = ["not saved, trying again at the next report: expected room, got none"]
    if last:
        assert (outcome.saved, messages) == (False, told_once)
        assert len(read_history(tmp_path / "run")) == 2
        outcome = Search.resume(tmp_path / "run").run()
        assert told(outcome) == told(expected)
    else:
        assert (outcome.saved, messages) == (True, [*told_once, "saved again"])
    assert left(tmp_path / "run") == left(tmp_path / "whole")


def test_a_full_disk(tmp_path, whole):
    """Files may not grow beyond some size, so that saving fails from some moment on."""

    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))"
    process = begin(tmp_path, {**LONG, **METHODS["mgg"]}, code=f"{limit}; {MAIN}")
    code, out, err = finish(process)
    assert code == 1
    assert err.count("not saved, trying again") == err.count("result are not saved in") == 1
    assert "and go on with --resume" in err
    document = last_document(out)
    assert {name: document[name] for name in TOLD} == whole["mgg"][0]
    # What was saved can be read, and gone on with.
    read_history(tmp_path / "run")
    code, out, err = finish(resume(tmp_path))
    assert (code, err) == (1, "")
    assert_whole(tmp_path, out, whole["mgg"])


def test_a_folder_that_is_gone(tmp_path):
    messages: list[str] = []

    def remove(report: Any) -> None:
        if report.settled and len(report.islands) == 2:
            shutil.rmtree(tmp_path / "run", ignore_errors=True)

    outcome = small().run(seed=3, out=tmp_path / "run", report=remove, messages=messages.append)
    assert told(outcome) == told(small().run(seed=3))
    assert not outcome.saved
    assert len(messages) == 1
    assert "start anew with another --out" in messages[0]


if __name__ == "__main__":
    never_end()
