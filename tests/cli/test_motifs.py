"""`azc motifs`."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Folders of three short searches."""
    from azc import Search

    folder = tmp_path_factory.mktemp("runs")
    made = []
    for seed in (1, 2, 3):
        search = Search.from_toml("linear", ["search.stop={programs=2000}", "compile={hot=false}"])
        made.append(folder / f"linear-{seed}")
        search.run(seed=seed, out=made[-1])
    return made


def test_table(azc, runs):
    outcome = azc("motifs", *runs, "--random", 20, "--nodes", 3)
    assert outcome.code == 0
    assert "in two or more of 3 runs" in outcome.out
    assert "live instructions" in outcome.out


def test_json_and_knocking_in(azc, files, runs):
    task = ("--task", "linear", "--tasks", 4, "--train", 20, "--valid", 10)
    into = ("--into", "linear.az", "--ways", 5, "--show", 2)
    document = azc("motifs", *runs, "--nodes", 2, "--random", 400, *into, *task, "--json").json
    assert document["runs"] == [str(run) for run in runs]
    assert document["fragments"] >= len(document["motifs"]) > 0
    first = document["motifs"][0]
    assert len(first["lines"]) == first["nodes"] == 2
    assert first["p"] <= first["p_holm"]
    assert first["programs"] >= len(first["runs"]) >= 2
    knocked = [motif["knock_in"] for motif in document["motifs"] if "knock_in" in motif]
    assert len(knocked) == min(
        2, sum(m["significant"] and not m["within"] for m in document["motifs"])
    )
    assert all(each["low"] <= each["difference"] <= each["high"] for each in knocked)


@pytest.mark.parametrize("options", [("--into", "linear.az"), ("--task", "linear")])
def test_into_and_task_belong_together(azc, files, runs, options):
    outcome = azc("motifs", *runs, *options)
    assert outcome.code == 2
    assert "--into and --task together" in outcome.err


def test_one_run_is_too_few(azc, runs):
    outcome = azc("motifs", runs[0])
    assert outcome.code == 2
    assert "expected at least two runs, got 1" in outcome.err
