"""The page: complete, by itself, readable without eyes, mouse or script."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from azc import parse
from azc.errors import TaskError
from azc.report.page import page, waiting
from azc.report.scores import measured
from azc.search.settings import Settings

_EMPTY = {"meta", "link", "br"}


class Checker(HTMLParser):
    """Raises where tags are not nested, and gathers what there is."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in _EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def found():
    return {}


@pytest.fixture
def whole(run, found):
    """The page of one run with all that is measured."""
    if not found:
        found["text"] = page([run], measured(run, tasks=2))
    return found["text"]


def test_it_needs_nothing_else(whole):
    checker = Checker(whole)
    assert not checker.all("script")
    assert not re.search(r"(src|href)=\"(?!#|data:)", whole)
    assert "url(" not in whole
    assert "default-src 'none'" in whole
    assert len(whole) < 300_000


def test_it_can_be_read_by_all(whole):
    checker = Checker(whole)
    assert checker.all("html") == [{"lang": "en"}]
    assert len(checker.all("h1")) == 1
    ids = [attributes["id"] for _, attributes in checker.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {link["href"].lstrip("#") for link in checker.all("a")} <= set(ids)
    # Every picture says what it is, and has its numbers in a table.
    assert all(picture["aria-label"] for picture in checker.all("svg"))
    assert len(checker.all("svg")) == 2 * len(checker.all("figure"))
    assert len(checker.all("caption")) == len(checker.all("table"))
    assert len(checker.all("details")) >= len(checker.all("figure"))
    assert all(head["scope"] in ("col", "row") for head in checker.all("th"))
    assert "prefers-color-scheme: dark" in whole


def test_what_is_in_it(whole, run):
    for text in (
        "Search on linear", "Best fitness over programs", "Best fitness over CPU seconds",
        "Where the lineage of the best improved",
        "How programs were decided", "What each line is worth", "Against programs by hand",
        "T_final, all 2 tasks", "the first 2 of 4 tasks", "affine", "network",
        "azc evolve search.toml --seed 1",
    ):  # fmt: skip
        assert text in whole, text
    assert f"{run.best.search:.4f}" in whole


def test_several_runs(runs):
    text = page(runs)
    Checker(text)
    for run in runs:
        assert run.name in text
    assert "middle half" in text
    assert "different settings" not in text
    assert "different settings" in page([runs[0], replace(runs[1], settings=None)])


def test_names_are_texts(run):
    odd = replace(run, name="<b>&", folder=run.folder / "<script>", text="</pre><script>", seed=1)
    text = page([odd])
    Checker(text)
    assert "<script" not in text
    assert "&lt;script&gt;" in text


def test_a_search_that_has_just_begun(run):
    bare = replace(run, history=[], hall=[], lineage=[], clocks=[], seconds=0.0, cpu_seconds=0.0)
    text = page([bare], measured(bare, tasks=2))
    Checker(text)
    assert "The search has no program yet." in text
    Checker(page([bare, bare]))


def test_tasks_that_cannot_be_made_are_said(run, monkeypatch):
    def fail(self, which, first, count):
        raise TaskError("no such file")

    monkeypatch.setattr(Settings, "make_tasks", fail)
    text = page([run], measured(run, tasks=2))
    Checker(text)
    assert "The tasks of T_search, T_select, T_final cannot be made here: no such file" in text


def test_settings_that_cannot_be_read_are_said(run):
    odd = replace(run, settings=None, problem="search.toml: a new key")
    text = page([odd], measured(odd, tasks=2))
    Checker(text)
    assert "Its settings cannot be read: search.toml: a new key" in text


def test_scores_are_of_the_same_tasks(run):
    made = measured(run, tasks=10)
    assert made.counts == {"search": (3, 3), "select": (4, 4), "final": (2, 2)}
    best = {one.which: one.fitness[0] for one in made.scores if one.lead is None}
    assert best["search"] == pytest.approx(run.best.search, abs=1e-12)
    assert best["final"] == pytest.approx(run.best.final, abs=1e-12)
    for one in made.scores:
        if one.lead is not None:
            assert one.lead[0] == pytest.approx(best[one.which] - one.fitness[0])


def test_waiting():
    text = waiting("no run <yet>", 5)
    Checker(text)
    assert "no run &lt;yet&gt;" in text
    assert '<meta http-equiv="refresh" content="5">' in text


def test_ancestors_stand_side_by_side_where_they_differ(run):
    assert "First ancestor" not in page([replace(run, lineage=run.lineage[-1:])], None)
    first = replace(
        run.lineage[0], fitness=0.01, program=parse("def Predict():\n    s1 = dot(v0, v0)\n")
    )
    whole = page([replace(run, lineage=[first, *run.lineage])], None)
    assert "First ancestor" in whole
    assert "The best" in whole
