"""The figures: data of runs, drawn in two ways."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import combinations
from xml.etree import ElementTree

import pytest

from azc.report.charts import Mark
from azc.report.figures import FIGURES, made, names_for, success
from azc.report.plotting import FORMATS, draw, rendered
from azc.report.svg import svg

ONE = ["progress", "progress-time", "decisions", "rates", "populations"]


def test_which_there_are(runs):
    assert names_for(1) == [*ONE, "niches"]
    assert names_for(3) == ["progress", "progress-time", "success"]
    assert list(made(runs[:1])) == ONE
    assert list(made(runs)) == ["progress", "progress-time"]
    assert set(names_for(1)) | set(names_for(2)) == set(FIGURES)


def test_progress_has_the_improvements_of_the_lineage(run):
    chart = made([run])["progress"]
    (course,) = chart.series
    assert list(course.y) == sorted(course.y)
    assert [mark.number for mark in chart.marks] == list(range(1, len(chart.marks) + 1))
    assert chart.rows[-1][0] == "4,000"


def test_decisions_add_up(run):
    chart = made([run])["decisions"]
    assert list(chart.series[-1].y) == pytest.approx([1.0] * len(run.history))
    assert list(chart.series[0].low) == [0.0] * len(run.history)


def test_niches_where_there_are_any(run):
    history = [[replace(row, niches=3 + k) for row in rows] for k, rows in enumerate(run.history)]
    chart = made([replace(run, history=history)])["niches"]
    assert list(chart.series[0].y) == [2 * (3 + k) for k in range(len(history))]


def test_bands_are_in_order(runs):
    chart = made(runs)["progress"]
    everything, half, middle = chart.series[0], chart.series[1], chart.series[-1]
    assert len(middle.x) >= len(half.x) >= len(everything.x) > 0
    tails = [values[-len(everything.x) :] for values in (
        everything.low, half.low, middle.y, half.y, everything.y,
    )]  # fmt: skip
    for row in zip(*tails, strict=True):
        assert list(row) == sorted(row)


def test_a_median_needs_half_of_the_runs(run):
    def told(programs, fitness):
        best = replace(run.best, search=fitness)
        clocks = [replace(run.clocks[0], programs=programs)]
        return replace(run, hall=[best], lineage=[], history=[], clocks=clocks)

    chart = made([told(10, 0.5), told(100, 0.75), told(1000, 0.25)])["progress"]
    middle = chart.series[-1]
    assert 99 < middle.x[0] < 110
    assert middle.y[0] == middle.y[-1] == 0.5
    assert chart.series[0].x == [1000]


def test_success_counts_those_that_ended_early(run):
    def ended(programs, fitness):
        best = replace(run.best, select=fitness)
        settings = run.settings.changed(["search.stop.fitness=0.9"])
        clocks = [replace(run.clocks[0], programs=programs)]
        return replace(run, settings=settings, hall=[best], history=[], clocks=clocks)

    chart = success([ended(10, 0.95), ended(20, 0.5), ended(40, 0.95), ended(80, 0.5)])
    # One of four after 10; of the two that went beyond 20, one.
    assert list(chart.series[-1].y) == pytest.approx([0.25, 0.25, 0.625, 0.625, 0.625])
    assert list(chart.series[-1].x) == [10, 20, 40, 80, 80]
    assert success([ended(10, 0.5), ended(20, 0.5)]) is None


def test_too_little_on_record(run):
    bare = replace(run, history=[], hall=[], lineage=[], clocks=[])
    assert made([bare]) == {}
    assert made([bare, bare]) == {}


def test_drawn_into_a_page(runs):
    for chart in [*made(runs[:1]).values(), *made(runs).values()]:
        for width, kind in ((920, "wide"), (348, "narrow")):
            picture = ElementTree.fromstring(svg(chart, width, 300, kind))
            assert picture.get("aria-label") == chart.title
            assert "nan" not in ElementTree.tostring(picture, "unicode")


def test_numbers_do_not_cover_each_other(run):
    chart = made([run])["progress"]
    crowd = [Mark(number, 1000.0 + number, 0.5) for number in range(1, 7)]
    picture = ElementTree.fromstring(svg(replace(chart, marks=crowd), 348, 300, "narrow"))
    spots = [(float(c.get("cx")), float(c.get("cy"))) for c in picture.iter("circle")]
    assert len(spots) == 6
    for one, other in combinations(spots, 2):
        assert math.dist(one, other) > 17


def test_drawn_into_files(run):
    pytest.importorskip("matplotlib")
    charts = made([run])
    data = rendered(lambda figure: draw(charts["progress"], figure))
    assert data == rendered(lambda figure: draw(charts["progress"], figure))
    assert charts["progress"].x.label in data.decode()
    beginnings = {"svg": b"<?xml", "png": b"\x89PNG", "pdf": b"%PDF"}
    for form in FORMATS:
        data = rendered(lambda figure: draw(charts["decisions"], figure), form)
        assert data.startswith(beginnings[form])
