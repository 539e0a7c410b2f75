"""`azc compare`."""

from __future__ import annotations

TASK = ("--task", "affine", "--tasks", 6, "--features", 4, "--train", 100, "--valid", 20)


def test_table(azc, files):
    outcome = azc("compare", "linear.az", "affine", *TASK)
    assert outcome.code == 0
    assert "6 tasks, each the mean of 3 seeds" in outcome.out
    assert "linear.az  affine.az" in outcome.out


def test_json(azc, files):
    document = azc("compare", "affine", "linear", "nlms", *TASK, "--seeds", 1, "--json").json
    assert [one["program"] for one in document["programs"]] == ["affine.az", "linear.az", "nlms.az"]
    assert len(document["pairs"]) == 3
    first = document["pairs"][0]
    assert first["difference"] > 0
    assert first["low"] <= first["difference"] <= first["high"]
    assert first["win_rate"] == 1.0
    assert first["p"] <= first["p_holm"]


def test_one_program_is_too_few(azc, files):
    assert azc("compare", "linear.az", *TASK).code == 2
