"""What reports read of a run."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
from search_files import small

from azc.errors import StateError
from azc.report.runs import best_so_far, read_run, total
from azc.search.report import Counts
from azc.search.search import Search
from azc.search.store import read_hall, read_history, read_lineage, read_saved


def counts(programs, best):
    whole = {each.name: 0 for each in fields(Counts)}
    return Counts(**{**whole, "programs": programs, "best": best, "mean": best})


def test_all_of_it_is_read(run, folders):
    assert run.name == "seed-1"
    assert run.seed == 1
    assert run.settings.search.islands == run.islands == 2
    assert run.history == read_history(folders[0])
    assert run.hall == read_hall(folders[0])
    assert run.lineage == read_lineage(folders[0])
    assert run.programs == 4000
    assert not run.solved


def test_the_clock_is_read_at_every_report(run):
    assert [clock.programs for clock in run.clocks] == [
        total(rows, "programs") for rows in run.history
    ]
    seconds = [clock.cpu_seconds for clock in run.clocks]
    assert seconds == sorted(seconds)
    assert 0.0 < run.cpu_seconds <= seconds[-1] + 1.0
    half = run.cpu_at([run.clocks[0].programs / 2])[0]
    assert half == pytest.approx(run.clocks[0].cpu_seconds / 2)


def test_the_clock_goes_on_after_a_pause(tmp_path):
    small("search.stop.programs=1600").run(seed=1, out=tmp_path)
    first = read_run(tmp_path).clocks
    Search.resume(tmp_path, ["search.stop.programs=3200"]).run()
    whole = read_run(tmp_path).clocks
    assert whole[: len(first)] == first
    programs = [clock.programs for clock in whole]
    assert programs == sorted(set(programs))
    assert (first[-1].programs, programs[-1]) == (1600, 3200)


def test_a_run_that_kept_no_times_can_be_read(run):
    bare = replace(run, clocks=[])
    assert bare.programs == 4000
    assert bare.course()[-1][0] == 4000


def test_the_course_rises_to_the_best(run):
    course = run.course()
    assert [x for x, _ in course] == sorted({x for x, _ in course})
    assert [y for _, y in course] == sorted(y for _, y in course)
    assert course[-1] == (4000, max(y for _, y in course))
    assert course[-1][1] >= run.best.search


def test_best_so_far_outlives_a_restart():
    history = [[counts(10, float("nan"))], [counts(20, 0.5)], [counts(30, 0.25)]]
    assert best_so_far(history) == [(20, 0.5), (30, 0.5)]


def test_settings_that_cannot_be_read_are_said(run, monkeypatch, folders):
    saved = read_saved(folders[0])
    saved.about["settings"] = "[search]\npopulation = 'many'\n"
    monkeypatch.setattr("azc.report.runs.read_saved", lambda folder: saved)
    found = read_run(folders[0])
    assert found.settings is None
    assert "search.population" in found.problem
    assert found.islands == 2


def test_no_run(tmp_path):
    with pytest.raises(StateError, match=r"run\.sqlite"):
        read_run(tmp_path)
