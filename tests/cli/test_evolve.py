"""`azc evolve` for real: what it prints, what it leaves, and the exit code."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from search_files import SMALL, left, near, save
from search_processes import finish, next_report, start

from azc import presets
from azc.errors import StateError
from azc.search.store import Store, read_hall

#: Search files that come with azc and whose data do, too.
AT_HAND = [name for name in presets.names() if '"cifar10:' not in presets.text(name)]
COUNTS = {
    *("island", "run", "programs", "evaluated", "level1", "level2", "filtered", "over_budget"),
    *("hurdled", "steps", "received", "niches", "best", "mean"),
}
WAYS = ("evaluated", "level1", "level2", "over_budget", "hurdled")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The current folder, with small.toml in it."""
    save(tmp_path, SMALL, "small.toml")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def solvable(folder):
    """A search that ends well, as solvable.toml."""
    goal = ("search.stop={fitness=0.9,programs=100000}", "search.seed=4")
    examples = ("tasks.search.train=100", "tasks.select.train=100")
    save(folder, near(folder, *goal, *examples).settings.to_toml(), "solvable.toml")
    return folder


def documents(out: str) -> list[dict]:
    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is not JSON")

    return [json.loads(line, parse_constant=refuse) for line in out.splitlines()]


# ---- what it prints -----------------------------------------------------------------------------


def test_json_lines(azc, solvable):
    outcome = azc("evolve", "solvable.toml", "--json")
    assert (outcome.code, outcome.err) == (0, "")
    *reports, last = documents(outcome.out)
    assert reports
    for report in reports:
        assert report["done"] is False
        assert report["seed"] == 4
        assert [set(island) for island in report["islands"]] == [COUNTS, COUNTS]
        assert report["programs"] == sum(report[way] for way in WAYS)
        for name in (*WAYS, "programs", "filtered", "steps"):
            assert report[name] == sum(island[name] for island in report["islands"])
    assert set(last) == {
        *("done", "solved", "reason", "seed", "experiments", "programs", "seconds", "cpu_seconds"),
        *("programs_per_second", "fitness", "program", "out", "hot"),
        *("nodes", "repeatable"),
        *("saved", "unsaved_reports"),
    }
    assert (last["saved"], last["unsaved_reports"]) == (True, 0)
    assert (last["done"], last["solved"], last["reason"], last["seed"]) == (True, True, "solved", 4)
    assert last["out"] == os.path.join("runs", "solvable-4")
    assert last["programs"] == reports[-1]["programs"]
    assert last["experiments"] == sum(island["run"] for island in reports[-1]["islands"])
    assert set(last["fitness"]) == {"search", "select", "final"}
    assert min(last["fitness"]["search"], last["fitness"]["select"]) >= 0.9
    assert Path(last["out"], "best.az").read_text().endswith(f"\n{last['program']}")
    assert last["seconds"] > 0.0
    assert last["programs_per_second"] == pytest.approx(
        last["programs"] / last["cpu_seconds"], abs=1
    )


def test_reports_are_the_history(azc, folder):
    *reports, _ = documents(azc("evolve", "small.toml", "--json").out)
    rows = azc("history", "runs/small-1", "--json").json
    assert [[row for row in rows if row["report"] == number] for number in range(1, 8)] == [
        [{"report": number, **island} for island in report["islands"]]
        for number, report in enumerate(reports, 1)
    ]
    table = azc("history", "runs/small-1").out.splitlines()
    assert len(table) == len(rows) + 1
    assert len(azc("history", "runs/small-1", "--csv").out.splitlines()) == len(rows) + 1


def test_plain(azc, solvable):
    outcome = azc("evolve", "solvable.toml")
    assert (outcome.code, outcome.err) == (0, "")
    lines = outcome.out.splitlines()
    assert re.match(r"[\d.]+ s  [\d,]+ programs  .* best 0\.\d+  mean 0\.\d+", lines[0])
    assert "solved: the fitness asked for is reached" in lines
    assert lines[-2:] == [
        "saved in runs/solvable-4",
        "score it on other tasks: azc run runs/solvable-4/best.az --task …",
    ]


def test_a_goal_that_is_reached_but_not_saved(azc, solvable, monkeypatch):
    def fail(store, **content):
        raise StateError("expected room, got none", full=True)

    monkeypatch.setattr(Store, "save", fail)
    outcome = azc("evolve", "solvable.toml", "--json")
    assert outcome.code == 1
    last = documents(outcome.out)[-1]
    assert (last["solved"], last["saved"]) == (True, False)
    assert last["program"]
    assert "are not saved in runs/solvable-4" in outcome.err


def test_a_budget_that_ends(azc, folder):
    endless = ["--seconds", "0.5", "--set", "search.stop.programs=1_000_000_000"]
    for options, said in (
        ([], "the budget of programs is used up"), (endless, "the time is up"),
    ):  # fmt: skip
        outcome = azc("evolve", "small.toml", *options)
        assert (outcome.code, outcome.err) == (1, "")
        assert f"{said}\nbest fitness" in outcome.out
        assert "not solved" not in outcome.out
        goal = azc("evolve", "small.toml", *options, "--set", "search.stop.fitness=0.999999")
        assert goal.code == 1
        assert f"not solved: {said}" in goal.out
        assert "saved in" in outcome.out


def test_what_is_not_configured_is_null(azc, folder):
    unset = ("--set", "tasks.select=", "--set", "tasks.final=")
    last = documents(azc("evolve", "small.toml", *unset, "--json").out)[-1]
    assert last["fitness"] == {"search": last["fitness"]["search"], "select": None, "final": None}
    assert last["fitness"]["search"] > 0.0


# ---- what it leaves -----------------------------------------------------------------------------


def test_what_is_left(azc, folder):
    azc("evolve", "small.toml", "--out", "a/b", "--seed", "9")
    assert sorted(os.listdir("a/b")) == [
        *("best.az", "hall_of_fame", "lock", "run.sqlite", "search.toml")
    ]  # fmt: skip
    hall = read_hall(Path("a/b"))
    # The best can be scored, and its score is what the file says.
    options = ("--task", "linear", "--tasks", "2", "--features", "4", "--train", "40")
    run = azc("run", "a/b/best.az", *options, "--valid", "10", "--seed", "2", "--json").json
    assert run["fitness"] == hall[0].final
    assert f"final {hall[0].final}" in Path("a/b/best.az").read_text()
    assert azc("check", "a/b/best.az").code == 0
    # And what was run can be run again.
    again = azc("evolve", "a/b/search.toml", "--out", "again")
    assert again.code == 1
    assert left(Path("again")) == left(Path("a/b"))


def test_folders_are_numbered(azc, folder):
    few = ("--set", "search.stop={programs=100}")
    for expected in ("small-1", "small-1-2", "small-1-3"):
        assert documents(azc("evolve", "small.toml", *few, "--json").out)[-1]["out"] == (
            f"runs/{expected}"
        )
    assert documents(azc("evolve", "small.toml", "--seed", "7", *few, "--json").out)[-1]["out"] == (
        "runs/small-7"
    )


def test_searches_that_begin_together(folder):
    """Each has a folder of its own."""
    few = ("--set", "search.stop={programs=100}", "--json")
    begun = [start("evolve", "small.toml", *few) for _ in range(3)]
    ended = [finish(process) for process in begun]
    assert [(code, err) for code, _, err in ended] == [(1, "")] * 3
    outs = {documents(out)[-1]["out"] for _, out, _ in ended}
    assert outs == {"runs/small-1", "runs/small-1-2", "runs/small-1-3"}


def test_what_cannot_be_saved(folder, monkeypatch, azc):
    """Is said, in the exit code too, however well it ended."""
    real, calls = Store.save, []

    def fail(store, **content):
        calls.append(content)
        if len(calls) > 2:
            raise StateError("expected room, got none", full=True)
        real(store, **content)

    monkeypatch.setattr(Store, "save", fail)
    outcome = azc("evolve", "small.toml", "--set", "search.interval=200")
    assert outcome.code == 1
    count = len(calls) - 3  # but for the last, which has no report
    assert f"the last {count} reports and this result are not saved in runs/small-1" in outcome.out
    assert "azc run" not in outcome.out
    assert "saved in runs" not in outcome.out.replace("not saved in", "")
    assert len(azc("history", "runs/small-1", "--json").json) == 4


def test_options_go_before_the_file(azc, folder):
    outcome = azc(
        "evolve", "small.toml", "--seed", "5", "--seconds", "500", "--workers", "2", "--json",
        "--set", "search.population=11", "--set", "search.stop.programs=1000",
    )  # fmt: skip
    last = documents(outcome.out)[-1]
    assert (last["seed"], last["programs"]) == (5, 1000)
    text = Path("runs/small-5/search.toml").read_text()
    for line in (
        "seed = 5",
        "seconds = 500.0",
        "workers = 2",
        "population = 11",
        "programs = 1000",
    ):
        assert line in text.splitlines()


def test_resume(azc, folder):
    assert azc("evolve", "small.toml", "--set", "search.stop={programs=1200}").code == 1
    assert azc("evolve", "small.toml", "--out", "whole").code == 1
    more = ("--set", "search.stop.programs=4000")
    outcome = azc("evolve", "small.toml", "--resume", *more, "--json")
    assert (outcome.code, outcome.err) == (1, "")
    assert left(Path("runs/small-1")) == left(Path("whole"))
    said = azc("evolve", "small.toml", "--resume", "--out", "whole", "--json")
    assert said.code == 1
    assert said.err.startswith("the settings are those saved in 'whole', not those of 'small.toml'")
    assert documents(said.out) == documents(said.out)[-1:]


def test_fewer_islands_and_workers(azc, folder):
    """Neither fits the file without the other."""
    path = Path("small.toml")
    path.write_text(path.read_text().replace("[search]", "[search]\nworkers = 2"))
    fewer = ("--set", "search.islands=1", "--set", "migration=")
    assert azc("evolve", "small.toml", *fewer).code == 2
    outcome = azc("evolve", "small.toml", *fewer, "--workers", "1", "--json")
    assert (outcome.code, outcome.err) == (1, "")
    assert len(documents(outcome.out)[-1]["nodes"]) == 1
    assert documents(outcome.out)[-1]["nodes"][0]["islands"] == 1


def test_programs_beside_the_file_are_found(azc, solvable, monkeypatch):
    """From wherever it is run."""
    text = Path("solvable.toml").read_text()
    path = re.search(r'start = "(.*)"', text)
    assert path
    Path("solvable.toml").write_text(text.replace(path[1], "near.az"))
    (solvable / "below").mkdir()
    monkeypatch.chdir(solvable / "below")
    assert azc("evolve", "../solvable.toml").code == 0


@pytest.mark.parametrize("name", AT_HAND)
def test_presets(azc, folder, name):
    """Each can be searched for a moment, with what it starts from and all its tasks."""
    short = ("search.stop={programs=30}", "compile.hot=false")
    # Their hurdles let few pass.
    least = ("niches.least=0",)
    lets = {"linear-fast": ("hurdles=",), "digits-fast": least, "digits-baseline": least}
    changes = [word for one in (*short, *lets.get(name, ())) for word in ("--set", one)]
    outcome = azc("evolve", name, *changes, "--json")
    assert (outcome.code, outcome.err) == (1, "")
    last = documents(outcome.out)[-1]
    assert (last["programs"], last["out"]) == (30, f"runs/{name}-1")
    assert last["fitness"]["select"] is not None
    assert last["program"].startswith("def Setup():")


# ---- what is wrong ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing.toml"], "expected a search file or the name of a preset, got 'nothing.toml'"),
        (["dmo"], "did you mean 'demo'?"),
        (["."], "expected a search file, got the folder '.'"),
        (["broken.toml"], "broken.toml:2:"),
        (["small.toml", "--set", "search.populaton=3"], "search: expected known keys"),
        (["small.toml", "--set", "stop.programs=3"], "did you mean 'search.stop.programs'?"),
        (["small.toml", "--set", "population=3"], "did you mean 'search.population'?"),
        (["small.toml", "--set", "serch.seed=3"], "did you mean 'search'?"),
        (["small.toml", "--set", "search.population=0"], "search.population: expected "),
        (["small.toml", "--set", "tasks.select.seed=0"], "tasks.select: expected tasks that"),
        (["small.toml", "--set", "space.ops=['dott']"], "did you mean 'dot'?"),
        (["small.toml", "--set", "space.start='nothing.az'"], "nothing.az"),
        (["small.toml", "--set", "search.stop="], "search: expected the key 'stop', got none"),
        (["small.toml", "--workers", "3"], "search.workers: expected at most search.islands (2)"),
        (["cifar10-fast", "--data", "."], "tasks.search: expected "),
        (["small.toml", "--out", "small.toml"], "small.toml"),
        (["small.toml", "--out", "taken"], "expected a folder without a run, got one"),
        (["--resume", "--out", "nothing"], "expected the folder of a search"),
        (["--resume", "--out", "taken", "--set", "search.population=7"], "population: expected 30"),
        (["--resume", "--out", "taken", "--seed", "7"], "seed: expected 1, as the search began"),
        (["--resume", "--out", "damaged"], "expected run.sqlite as azc wrote it"),
        (["--resume", "--out", "other"], "expected run.sqlite as azc wrote it"),
        (["small.toml", "--resume"], "expected one saved search, got no folder runs/small-1"),
    ],
)  # fmt: skip
def test_wrong_input(azc, folder, arguments, message):
    Path("broken.toml").write_text("[search]\nstop = {\n")
    azc("evolve", "small.toml", "--out", "taken", "--set", "search.stop={programs=50}")
    for name, data in (("damaged", Path("taken/run.sqlite").read_bytes()[:9000]), ("other", b"?")):
        Path(name).mkdir()
        Path(name, "run.sqlite").write_bytes(data)
    before = sorted(os.listdir())
    outcome = azc("evolve", *arguments)
    assert outcome.code == 2
    assert outcome.out == ""
    assert message in outcome.err
    assert re.match(r"(error: |\S+: |the settings )", outcome.err)
    # Nothing is left of what could not begin.
    assert sorted(os.listdir()) == before


def test_compiling_that_is_asked_for_but_cannot_be(azc, folder, monkeypatch):
    monkeypatch.setenv("CC", "no-such-compiler")
    outcome = azc("evolve", "small.toml", "--set", "compile.hot=true")
    assert outcome.code == 1
    assert "no-such-compiler" in outcome.err


def test_in_use(azc, folder):
    process = start("evolve", "small.toml", "--set", "search.stop={seconds=1000}", "--json")
    assert next_report(process)
    outcome = azc("evolve", "--resume", "--out", "runs/small-1")
    assert outcome.code == 2
    assert f"got process {process.pid}, which does" in outcome.err
    assert azc("history", "runs/small-1").code == 0
    process.terminate()
    finish(process)


def test_a_closed_pipe_ends_it(folder):
    """As with `| head -1`; it can be gone on with."""
    process = start("evolve", "small.toml", "--set", "search.stop={seconds=1000}", "--json")
    assert next_report(process)
    assert process.stdout
    process.stdout.close()
    assert process.wait(120) == 1
    assert process.stderr
    assert process.stderr.read() == ""
    process.stderr.close()
    assert left(folder / "runs" / "small-1")


def test_a_plan(azc, folder):
    """Measured and told, for the search as it is and with an island for every core."""
    told = json.loads(azc("evolve", "small.toml", "--plan", "--json").out)
    assert told["measured"]["rate"] > 0.0
    assert told["measured"]["exchange_bytes"] > 0
    plans = told["plans"]
    assert {one["nodes"] for one in plans} == {1, 2, 4, 8, 16}
    assert {one["programs"] for one in plans} == {4000}
    for one in plans:
        assert one["workers"] <= one["islands"]
        assert one["seconds"] > 0.0
        assert one["rate"] * one["seconds"] == pytest.approx(4000)
    assert not (folder / "runs").exists()
