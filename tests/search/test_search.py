"""A search as a whole: the same seed takes the same course; what ends it, what it selects, what it
tells."""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
import threading
from dataclasses import fields, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from search_files import LEARN, NEAR, PROGRAM, SMALL, changed, left, near, save, small, told

import azc
from azc.analysis import live
from azc.errors import ConfigError, ResourceError, StateError
from azc.search import Search, search
from azc.search.hosts import Job, Offer
from azc.search.islands import Islands
from azc.search.report import Counts
from azc.search.scoring import Scorer
from azc.search.selection import Selection
from azc.search.store import read_hall, read_lineage

METHODS = {
    "regularized-evolution": ("search.method='regularized-evolution'",),
    "mgg": ("search.method='mgg'", "search.children=6", "search.filter=true"),
    "random": ("search.method='random'",),
}
every_method = pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
#: Seed for which `near` is solved by its first populations.
LUCKY = 4


# ---- the same course ----------------------------------------------------------------------------


@every_method
def test_same_seed_same_course(tmp_path, method):
    first = small(*method).run(seed=7, out=tmp_path / "first")
    again = small(*method).run(seed=7, out=tmp_path / "again")
    other = small(*method).run(seed=8)
    assert told(first) == told(again) != told(other)
    assert left(tmp_path / "first") == left(tmp_path / "again")
    # And it is a course of which there is something to tell.
    assert first.report.experiments == 4
    assert len(first.history) == 7
    assert len({best.run for best in read_hall(tmp_path / "first")}) == 2


def test_nothing_depends_on_what_is_saved_or_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    alone = small().run(seed=7)
    assert os.listdir() == []
    assert alone.out is None
    reports, messages = [], []
    saved = small().run(seed=7, out="run", report=reports.append, messages=messages.append)
    assert told(alone) == told(saved)
    assert reports
    assert not messages


def test_seed_in_settings_or_in_run():
    assert told(small("search.seed=5").run()) == told(small().run(seed=5))
    most = 2**64 - 1
    assert small().run(seed=most).seed == most


@every_method
@pytest.mark.parametrize("more", [(), ("hurdles={train=10}", "fec.size=50", "fec.forget=2")])
def test_level_1_only_remembers(method, more):
    """It changes which programs are counted as known, and nothing else."""
    kinds = ("level1", "level2", "evaluated", "hurdled")
    outcomes = [small(*method, *more, f"fec.level1={on}").run(seed=2) for on in ("true", "false")]

    def course(outcome):
        rows = [[replace(row, **dict.fromkeys(kinds, 0)) for row in rows]
                for rows in outcome.history]  # fmt: skip
        return told(replace(outcome, history=tuple(map(tuple, rows))))

    assert course(outcomes[0]) == course(outcomes[1])
    known = [sum(row.level1 for row in outcome.history[-1]) for outcome in outcomes]
    assert known[0] > 0
    assert known[1] == 0


def test_interval_only_says_when_to_report():
    often, seldom = (small(f"search.interval={n}").run(seed=3) for n in (100, 400))
    rows = {row for report in often.history for row in report}
    assert rows > {row for report in seldom.history for row in report}
    assert (often.best, often.lineage) == (seldom.best, seldom.lineage)


# ---- counts -------------------------------------------------------------------------------------


def test_every_program_is_decided_in_one_way():
    outcome = small(
        "search.filter=true", "hurdles={train=10,valid=5,window=20}", "fec.train=3", "fec.valid=3",
        "budget={baseline='linear',factor=0.95}", "space.learn={min=1,max=6}",
    ).run(seed=1)  # fmt: skip
    ways = ("evaluated", "level1", "level2", "over_budget", "hurdled")
    for report in outcome.history:
        for row in report:
            assert row.programs == sum(getattr(row, way) for way in ways)
    for name in (*ways, "filtered", "steps", "received"):
        assert outcome.report.total(name) > 0, name


def test_counts_never_fall():
    outcome = small().run(seed=1)
    rising = [
        field.name for field in fields(Counts) if field.name not in ("island", "best", "mean")
    ]
    for before, after in pairwise(outcome.history):
        for row, later in zip(before, after, strict=True):
            assert row.island == later.island
            assert all(getattr(row, name) <= getattr(later, name) for name in rising)
            assert later.best >= row.best or later.run > row.run


def test_without_budget_or_hurdles_none_is_counted():
    last = small().run(seed=1).report
    assert last.total("over_budget") == last.total("hurdled") == last.total("filtered") == 0


# ---- the end ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("programs", "drawn"), [(4000, 4000), (1, 2), (401, 402), (1999, 2000)])
def test_programs_end_it(programs, drawn):
    """All islands draw equally many."""
    outcome = small(f"search.stop={{programs={programs}}}").run()
    assert (outcome.solved, outcome.reason) == (False, "programs")
    assert outcome.report.total("programs") == drawn
    assert {row.programs for row in outcome.history[-1]} == {drawn // 2}


def test_families_of_mgg_are_not_cut():
    outcome = small(*METHODS["mgg"], "search.stop={programs=1000}").run()
    drawn = [row.programs for row in outcome.history[-1]]
    assert all(500 <= count < 500 + 6 for count in drawn)


@pytest.mark.parametrize("seconds", [0.01, 0.3])
def test_seconds_end_it(tmp_path, seconds):
    outcome = small("search.stop={seconds=100}").run(seconds=seconds, out=tmp_path / "run")
    assert (outcome.solved, outcome.reason) == (False, "seconds")
    assert outcome.report.seconds >= seconds
    assert outcome.program == azc.load(tmp_path / "run" / "best.az")


def test_endless_seconds_are_no_limit():
    outcome = small("search.stop={seconds=1e-9,programs=500}").run(seconds=math.inf)
    assert outcome.reason == "programs"


@pytest.mark.parametrize("method", ["regularized-evolution", "random"])
def test_solved(tmp_path, method):
    goal = ("search.stop={fitness=0.9,programs=100000}", "tasks.search.train=100")
    more = ("tasks.select.train=100", f"search.method='{method}'")
    outcome = near(tmp_path, *goal, *more).run(seed=LUCKY)
    if method == "random":  # which does not change what it starts from
        assert not outcome.solved
        return
    assert (outcome.solved, outcome.reason) == (True, "solved")
    assert min(outcome.fitness["search"], outcome.fitness["select"]) >= 0.9
    assert outcome.best.search == outcome.report.best.search
    # The island that has it did not wait for the end of its round.
    row = outcome.history[-1][outcome.best.island]
    assert (row.best, row.programs) == (outcome.best.search, outcome.best.birth + 1)


def test_ctrl_c_ends_it_as_a_budget_does(tmp_path):
    reports = []

    def interrupt(report):
        reports.append(report)
        if len(reports) == 3:
            os.kill(os.getpid(), signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    outcome = small("search.stop={seconds=600}").run(out=tmp_path / "run", report=interrupt)
    assert (outcome.reason, outcome.solved) == ("interrupted", False)
    assert outcome.program is not None
    assert len(reports) == 4
    assert signal.getsignal(signal.SIGINT) is before


def test_the_second_ctrl_c_does_not_wait():
    calls = []
    before = signal.getsignal(signal.SIGINT)

    def interrupt_twice():
        with search._interruptible(lambda: calls.append(1)):
            os.kill(os.getpid(), signal.SIGINT)
            calls.append(2)
            os.kill(os.getpid(), signal.SIGINT)
            calls.append(3)

    with pytest.raises(KeyboardInterrupt):
        interrupt_twice()
    assert calls == [1, 2]
    assert signal.getsignal(signal.SIGINT) is before


def test_in_a_thread_of_the_users():
    found = []
    thread = threading.Thread(target=lambda: found.append(small().run(seed=7)))
    thread.start()
    thread.join()
    assert told(found[0]) == told(small().run(seed=7))


# ---- selection ----------------------------------------------------------------------------------

GOAL = "search.stop={fitness=0.9,programs=6000}"


def test_t_select_decides_what_is_solved(tmp_path):
    """What T_search is solved by is not enough: the tasks of T_select have an offset."""
    known = ("tasks.search.train=100", "tasks.select.task='affine'")
    outcome = near(tmp_path, GOAL, *known).run(seed=LUCKY)
    assert (outcome.solved, outcome.reason) == (False, "programs")
    assert max(row.best for report in outcome.history for row in report) >= 0.9
    assert outcome.fitness["select"] < 0.9
    # It was found before the end of a round, and all went on from there with equal numbers.
    ends = [400, 600, 800, 1200, 1600, 1800, 2000, 2400, 2800, 3000]
    assert [tuple(row.programs for row in rows) for rows in outcome.history] == [
        (end, end) for end in ends
    ]


def test_without_t_select_t_search_decides(tmp_path):
    search = near(tmp_path, GOAL, "tasks.search.train=100", "tasks.select=", "tasks.final=")
    outcome = search.run(seed=LUCKY)
    assert outcome.solved
    assert outcome.fitness["search"] >= 0.9
    assert (outcome.fitness["select"], outcome.fitness["final"]) == (None, None)


def test_t_select_alone_may_solve(tmp_path):
    """Too few examples to learn from in T_search, many in T_select."""
    more = ("tasks.search.train=8", "tasks.select.train=1000")
    outcome = near(tmp_path, GOAL, *more).run(seed=LUCKY)
    assert outcome.solved
    assert outcome.fitness["search"] < 0.9 <= outcome.fitness["select"]


@pytest.mark.filterwarnings("ignore:labels of ")
@pytest.mark.parametrize("aggregate", ["mean", "median"])
@pytest.mark.parametrize("hot", ["false", "'auto'"])
def test_fitness_is_that_of_evaluate(tmp_path, aggregate, hot):
    """Of best.az on the tasks that the search file describes, to the bit."""
    more = ("tasks.search.count=11", "tasks.select.count=11", "tasks.final.count=6")
    settings = ("evaluation={epochs=2,seed=9,max_abs_error=1.5}", "fec.level2=false")
    search = small(f"search.aggregate='{aggregate}'", f"compile.hot={hot}", *more, *settings)
    outcome = search.run(out=tmp_path / "run")
    best = azc.load(tmp_path / "run" / "best.az")
    assert best == outcome.program
    for which, fitness in outcome.fitness.items():
        tasks = search.settings.make_tasks(which)
        result = azc.evaluate(best, tasks, epochs=2, seed=9, max_abs_error=1.5)
        if aggregate == "median":
            assert fitness == result.median == sorted(result.fitness)[len(tasks) // 2]
        else:
            # The search adds up in the order of the tasks.
            mean = sum(result.fitness.tolist()) / len(tasks) if which == "search" else result.mean
            assert fitness == mean


def test_aggregates_differ():
    found = [small(f"search.aggregate='{kind}'").run(seed=3) for kind in ("mean", "median")]
    assert found[0].history != found[1].history


def test_hall_of_fame(tmp_path):
    outcome = small("restart.programs=150").run(out=tmp_path / "run")
    hall = read_hall(tmp_path / "run")
    assert len(hall) == 10
    assert hall[0] == outcome.best
    assert hall == sorted(hall, key=lambda best: (-best.select, -best.search))
    assert len({best.program for best in hall}) == len(hall)
    assert [best.final is None for best in hall] == [False] + [True] * 9
    names = sorted(os.listdir(tmp_path / "run" / "hall_of_fame"))
    assert names == [f"{place:02}.az" for place in range(1, 11)]
    for name, best in zip(names, hall, strict=True):
        program = azc.load(tmp_path / "run" / "hall_of_fame" / name)
        assert program == best.program == live(program, 0)


def test_selection_does_not_depend_on_who_was_first():
    """What is found twice counts as found by the first island, whichever told of it first."""
    search = small()
    tasks = search.settings.make_tasks("search")
    host = Islands(search.settings, tasks, 1, (0, 1), None)
    offers = []
    for end in (40, 200, 400):
        host.run((0, 1), end, 100.0)
        offers += [host.best(0), host.best(1)]
    offers += [replace(found, island=1 - found.island, run=2) for found in offers]
    states = []
    for order in (offers, offers[::-1]):
        selection = Selection(search.settings, 0)
        jobs = selection.wanted(order)
        assert selection.wanted(order) == []
        selection.learn(zip(jobs, host.score(jobs), strict=True))
        selection.consider(order)
        states.append(selection.to_json())
        assert {best.island for best in selection.hall()} == {0}
        again = Selection(search.settings, 0)
        again.restore(json.loads(json.dumps(states[-1])))
        assert again.to_json() == states[-1]
        assert (again.hall(), again.lineage()) == (selection.hall(), selection.lineage())
    assert states[0] == states[1]


def test_every_population_is_selected_from(tmp_path):
    """Those that ended, and the last of each island, which the budget ended."""
    outcome = small("restart.programs=500", "migration=").run(seed=5, out=tmp_path / "run")
    assert outcome.report.experiments == 8
    found = {(best.island, best.run) for best in read_hall(tmp_path / "run")}
    assert found == {(island, run) for island in (0, 1) for run in (1, 2, 3, 4)}


def test_what_is_under_way_stands_for_what_is_not_selected(tmp_path):
    """Before any population has ended, best.az is the best that there is."""
    seen = []

    def look(report):
        if report.settled:
            best = azc.load(tmp_path / "run" / "best.az")
            lineage = read_lineage(tmp_path / "run")
            seen.append(best == live(lineage[-1].program, 0) == report.best.program)

    small("restart=", "tasks.select=").run(seed=1, out=tmp_path / "run", report=look)
    assert seen
    assert all(seen)


def test_lineage(tmp_path):
    for restart in ("restart.programs=450", "restart="):
        search = small(restart, "migration=")
        outcome = search.run(seed=9, out=tmp_path / restart)
        first, *others = lineage = outcome.lineage
        assert read_lineage(tmp_path / restart) == list(lineage)
        assert (first.parent, first.mutation) == (-1, "random")
        assert others
        for before, after in zip(lineage, others, strict=False):
            assert after.parent == before.birth < after.birth
            assert after.fitness > before.fitness
            assert after.mutation in search.settings.search.mutations
            assert after.program != before.program
        assert (lineage[-1].birth, lineage[-1].fitness) == (
            *(outcome.best.birth, outcome.best.search),
        )
        assert live(lineage[-1].program, 0) == outcome.program


def test_shared_tasks_are_refused():
    with pytest.raises(ConfigError) as caught:
        small("tasks.select.seed=0", "tasks.select.train=30")
    assert str(caught.value).startswith("tasks.select: ")
    assert "'linear[0]'" in str(caught.value)


def test_shared_tasks_are_found_in_their_data(tmp_path):
    """Files of other names with the same examples in them."""
    task = azc.tasks.make("linear", features=4, seed=3, train=30, valid=10)
    arrays = {name: getattr(task, name) for name in ("X_train", "y_train", "X_valid", "y_valid")}
    for name in ("one", "two"):
        np.savez(tmp_path / f"{name}.npz", **arrays)
    files = [f"tasks.{which}={{task='{tmp_path}/{name}.npz'}}"
             for which, name in (("search", "one"), ("select", "two"))]  # fmt: skip
    search = small("tasks.final=", "fec={train=5,valid=5}", *files)
    with pytest.raises(ConfigError) as caught:
        search.run(out=tmp_path / "run")
    assert "tasks.select: expected tasks that tasks.search does not have" in str(caught.value)
    assert "'two.npz[0]', which is 'one.npz[0]' there" in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_examples_must_be_equally_many(tmp_path):
    for name, count in (("a", 30), ("b", 20)):
        x = np.random.default_rng(count).normal(size=(count, 4))
        rows = "\n".join(",".join(map(str, [*row, row[0]])) for row in x)
        (tmp_path / f"{name}.csv").write_text(f"p,q,r,s,y\n{rows}\n")
    table = "{{task='{}/{}.csv',target='y',metric='rmse',count=2}}"
    search = small(
        *(f"tasks.{which}={table.format(tmp_path, name)}"
          for which, name in (("search", "a"), ("select", "b"))),
        "tasks.final=", "fec={train=5,valid=2}", "search.stop={programs=100}",
    )  # fmt: skip
    # Sets may differ from each other, the tasks of one set may not.
    assert search.run().reason == "programs"


def test_scores_are_kept_for_what_the_tasks_see():
    """With many classes v2 is the prediction, also of a program that writes s1."""
    tasks = azc.tasks.make_set("digits:all", features=16, count=1)
    settings = changed(text=SMALL)
    scorer = Scorer(settings, {"select": tasks})
    first, second = (
        azc.parse(
            "def Predict():\n    s1 = norm(v0)\n    v3 = dot(m0, v0)\n    v2 = s1 * v3\n"
            f"def Learn():\n    m1 = outer(v1, v0)\n    m0 = m0 {sign} m1\n"
        )
        for sign in "+-"
    )
    assert first.hash == second.hash
    expected = [azc.evaluate(program, tasks).mean for program in (first, second)]
    assert expected[0] != expected[1]
    jobs = [Job("select", program.packed(), 0, 1) for program in (first, second)]
    assert [scorer(job) for job in jobs] == [[fitness] for fitness in expected]
    selection = Selection(settings, tasks[0].classes)
    found = [Offer(0, 1, birth, 0.5, job.packed) for birth, job in enumerate(jobs)]
    assert len(selection.wanted(found)) == 2


# ---- populations --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("restart", "runs"),
    [
        ("restart={programs=250}", 8), ("restart={fitness=1.0,by=250}", 8),
        ("restart={fitness=0.01,by=250}", 1), ("restart={programs=2000}", 1), ("restart=", 1),
        ("restart={programs=250,fitness=0.01,by=100}", 8),
    ],
)  # fmt: skip
def test_restarts_after_so_many_programs(restart, runs):
    outcome = small(restart).run()
    assert [row.run for row in outcome.history[-1]] == [runs, runs]
    assert outcome.report.experiments == 2 * runs


def test_restarts_after_so_many_steps():
    outcome = small("restart={steps=20_000}", "migration=").run()
    for row in outcome.history[-1]:
        assert row.run > 3
        # A population ends with the program that comes to so many, of 120 steps at most.
        most = 20_000 + 3 * (10 + 30)
        assert 20_000 * (row.run - 1) <= row.steps <= most * row.run


def test_restarts_when_nothing_improves():
    """Copies alone never do, so each population ends as soon as it may."""
    same = ("search.mutate_prob=0.0", "search.islands=1", "migration=", "search.interval=1")
    outcome = small(*same, "restart={patience=100}", "search.stop={programs=1000}").run()
    rows = [report[0] for report in outcome.history]
    began = [1 + row.programs for row, later in pairwise(rows)
             if later.run > row.run]  # fmt: skip
    assert len(began) >= 7
    for start, end in pairwise([1, *began]):
        run = [row for row in rows if start <= row.programs < end]
        improved = next(row.programs for row in run if row.best == run[-1].best)
        assert improved < start + 30
        assert end == improved + 100 + 1


def test_seeds(tmp_path):
    """Programs to start from fill the first population in turn; later ones come of them."""
    paths = []
    for number in (1, 2, 3):
        paths.append(tmp_path / f"{number}.az")
        paths[-1].write_text(PROGRAM + LEARN.replace("NoOp()", f"s3 = 0.{number}", 1))
    sizes = ("space.setup.size=2", "space.learn.size=8")
    start = f"space.start={[str(path) for path in paths]}"
    outcome = small(*sizes, start, "restart=", "migration=").run(seed=2)
    assert outcome.lineage[0].mutation == "seed"
    assert outcome.lineage[0].program in [azc.load(path) for path in paths]
    (tmp_path / "near.az").write_text(NEAR)
    alone = small("search.stop={programs=2}", "space.setup.size=1", "space.predict.size=1",
                  "space.learn.size=4", f"space.start={tmp_path}/near.az").run()  # fmt: skip
    assert [ancestor.program for ancestor in alone.lineage] == [azc.parse(NEAR)]


def test_what_a_search_found_is_a_start_where_sizes_are_fixed(tmp_path):
    """It is kept without instructions that do nothing; filled up again, it is as fit."""
    found = small("search.seed=1").run(out=tmp_path / "run")
    assert len(list(found.program.instructions())) < 15
    first = small(f"space.start={tmp_path}/run/best.az", "search.stop={programs=1}").run()
    assert live(first.program) == live(found.program)
    assert first.fitness["search"] == found.fitness["search"]


@pytest.mark.parametrize(
    "override",
    [
        "search.population=10_000_000",
        "fec.size=1_000_000_000",
        "hurdles={train=5,window=10_000_000}",
    ],
)
def test_a_search_that_memory_is_too_small_for_is_refused(monkeypatch, override):
    """By the bytes of all its islands, before anything is taken."""
    monkeypatch.setenv("AZC_MEMORY_LIMIT", str(10**8))
    with pytest.raises(ResourceError, match=r"search needs \d+ bytes .*search.population") as told:
        small(override).run()
    one = told.value.required
    with pytest.raises(ResourceError) as told:
        small(override, "search.islands=6").run()
    assert told.value.required > 1.5 * one


def test_empty_programs_grow():
    sizes = [f"space.{name}={{min=0,max=6}}" for name in ("setup", "predict", "learn")]
    outcome = small(*sizes, "space.start='empty'", "restart=", "migration=").run(seed=2)
    first, *_, last = outcome.lineage
    assert (first.mutation, first.program) == ("start", azc.Program())
    assert last.program.predict


@pytest.mark.parametrize("features", ["4", "[4,8,2]"])
def test_more_tasks_than_lanes(features):
    """Blocks of several shapes, each task still counting once."""
    more = (f"tasks.search.features={features}", "tasks.search.count=20", "fec.level2=false")
    search = small(*more, "search.stop={programs=600}")
    outcome = search.run()
    result = azc.evaluate(outcome.program, search.settings.make_tasks("search"))
    assert outcome.best.search == sum(result.fitness.tolist()) / 20


@pytest.mark.parametrize("task", ["digits:3,8", "digits:all"])
def test_classification(task):
    ops = "['scalar_const','dot','scalar_vector_mul','vector_add','outer','matrix_vector_dot']"
    tables = [f"tasks.{which}={{task='{task}',count=2,features=16,train=60,valid=50}}"
              for which in ("search", "select")]  # fmt: skip
    more = ("space.vectors=5", "space.matrices=2", f"space.ops={ops}", "tasks.final=")
    search = small(*more, *tables, "search.stop={programs=1500}", "fec.level2=false")
    outcome = search.run()
    tasks = search.settings.make_tasks("search")
    assert outcome.best.search == sum(azc.evaluate(outcome.program, tasks).fitness) / 2
    assert outcome.best.search > 0.0


# ---- what it tells ------------------------------------------------------------------------------


def test_reports():
    reports = []
    outcome = small("search.stop={programs=20_000}", "search.interval=5000").run(
        report=reports.append
    )
    settled = [report for report in reports if report.settled]
    assert tuple(report.islands for report in settled) == outcome.history
    assert reports[-1] == outcome.report
    assert not reports[-1].settled
    times = [(report.seconds, report.cpu_seconds, report.total("programs")) for report in reports]
    assert times == sorted(times)
    assert all(report.programs_limit == 20_000 for report in reports)
    assert outcome.report.programs_per_second > 0.0
    best = [report.best.search for report in reports[:-1] if report.best]
    assert best == sorted(best)


def test_as_the_manual_has_it(tmp_path):
    path = save(tmp_path, SMALL)
    search = azc.Search.from_toml(path)
    assert search.history == ()
    best = search.run(seed=1)
    assert isinstance(best.program, azc.Program)
    assert set(best.fitness) == {"search", "select", "final"}
    assert search.history == best.history
    assert search.history[-1][0].programs == 2000
    with_overrides = Search.from_toml(path, ["search.stop.programs=800"])
    assert with_overrides.run(seed=1).history == best.history[:1]


def test_a_folder_that_holds_a_run_is_refused(tmp_path):
    small().run(out=tmp_path / "run")
    before = left(tmp_path / "run")
    with pytest.raises(StateError, match="expected a folder without a run, got one; use --resume"):
        small().run(out=tmp_path / "run")
    assert left(tmp_path / "run") == before
    shutil.rmtree(tmp_path / "run")
    small().run(out=Path(tmp_path / "run"))


def test_settings_that_run_is_given_are_checked():
    with pytest.raises(ConfigError, match=r"search\.workers: expected at most search\.islands"):
        small().run(workers=3)
    with pytest.raises(ConfigError, match=r"search\.seed"):
        small().run(seed=-1)
    with pytest.raises(ConfigError, match=r"search\.stop\.seconds"):
        small().run(seconds=0.0)
