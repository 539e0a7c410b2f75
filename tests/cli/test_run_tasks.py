"""``--task FOLDER``: the tasks of a run, as the search had them."""

from __future__ import annotations

import pytest

ROWS = "".join(f"{k % 7},{k % 5 if k % 9 else ''},{(k % 7) * 2 - k % 5},{k}\n" for k in range(60))
SEARCH = """
[search]
stop = { programs = 200 }
population = 10
[space]
scalars = 4
vectors = 3
matrices = 0
setup = { size = 2 }
predict = { size = 2 }
learn = { size = 4 }
[evaluation]
epochs = 2
[tasks.search]
task = "rows.csv"
target = "c"
drop = ["id"]
fill = "mean"
rows = "search"
count = 3
train = 20
valid = 5
[tasks.select]
task = "rows.csv"
target = "c"
drop = ["id"]
fill = "mean"
rows = "select"
count = 2
"""


@pytest.fixture
def run(azc, files):
    """A search of a table, its folder being run."""
    (files / "rows.csv").write_text(f"a,b,c,id\n{ROWS}")
    (files / "search.toml").write_text(SEARCH)
    assert azc("evolve", "search.toml", "--out", "run").code in (0, 1)
    return files / "run"


def test_a_table_is_read_as_the_search_read_it(azc, run):
    """T_select by default, with the search's passes; the score is the one that it reports."""
    again = azc("run", "run/best.az", "--task", "run", "--json").json
    assert [one["features"] for one in again["tasks"]] == [2, 2]
    first = (run / "best.az").read_text().splitlines()[0]
    assert again["fitness"] == pytest.approx(float(first.split("select ")[1].split(",")[0]))
    words = ("--target", "c", "--drop", "id", "--fill", "mean", "--rows", "select", "--tasks", 2)
    by_hand = azc(
        "run", "run/best.az", "--task", "rows.csv", *words, "--seed", 1, "--epochs", 2, "--json"
    ).json
    # The seed is also that of the order of examples.
    seeded = azc("run", "run/best.az", "--task", "run", "--seed", 1, "--json").json
    assert by_hand["fitness"] == seeded["fitness"]


def test_which_set_and_what_is_otherwise(azc, run):
    found = azc("run", "linear", "--task", "run:search", "--tasks", 2, "--epochs", 1, "--json").json
    assert len(found["tasks"]) == 2
    assert azc("compare", "linear", "affine", "--task", "run", "--seeds", 1).code == 0


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ("run:selcet", "did you mean 'select'?"),
        ("run:final", "expected [tasks.final] in run, got only [tasks.search] and [tasks.select]"),
        (".", "expected the folder of a search"),
        ("runs/none", "or the folder of a run"),
    ],
)
def test_what_is_no_run_is_said(azc, run, task, message):
    outcome = azc("run", "linear", "--task", task)
    assert outcome.code == 2
    assert message in outcome.err


def test_options_that_do_not_fit_name_the_run(azc, run):
    outcome = azc("run", "linear", "--task", "run", "--test-images", "official")
    assert outcome.code == 2
    assert "--task run:select" in outcome.err
