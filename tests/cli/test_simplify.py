"""`azc simplify`."""

from __future__ import annotations

import numpy as np

import azc as package

TASK = ("--task", "linear", "--tasks", 2, "--features", 4, "--train", 100, "--valid", 20)


def test_prints_fewer_lines(azc, files):
    outcome = azc("simplify", "ugly.az")
    assert outcome.code == 0
    ugly = package.load("ugly.az")
    assert package.parse(outcome.out) == package.Program((), ugly.predict[:1], ugly.learn)
    assert "3 lines before, 2 after" in outcome.err


def test_by_tolerance(azc, files):
    document = azc(
        "simplify", "linear.az", *TASK, "--tolerance", 1, "-o", "simple.az", "--json"
    ).json
    assert document["lines"] == {"before": 6, "after": 0}
    assert package.load("simple.az") == package.Program()
    kept = azc("simplify", "linear.az", *TASK, "--json").json
    assert kept["lines"]["after"] == 6
    assert kept["fitness"]["before"] == kept["fitness"]["after"]


def test_a_tolerance_needs_tasks(azc, files):
    outcome = azc("simplify", "linear.az", "--tolerance", 0.1)
    assert outcome.code == 2
    assert "--tolerance: expected a number from 0, together with --task, got 0.1" in outcome.err


def test_further_tasks_confirm(azc, files):
    document = azc("simplify", "linear.az", *TASK, "--tolerance", 0.001, "--json").json
    assert document["confirmed"]["tasks"] == 8
    assert document["confirmed"]["after"] >= document["confirmed"]["before"] - 0.01
    outcome = azc("simplify", "linear.az", *TASK, "--tolerance", 0.001, "--confirm", 3)
    assert "; on 3 further tasks 0." in outcome.err
    none = azc("simplify", "linear.az", *TASK, "--tolerance", 0.001, "--confirm", 0, "--json").json
    assert "confirmed" not in none


def test_a_file_has_no_further_tasks(azc, files):
    task = package.tasks.make("linear", features=4, train=100, valid=20)
    np.savez(
        "data.npz", **{k: getattr(task, k) for k in ("X_train", "y_train", "X_valid", "y_valid")}
    )
    outcome = azc("simplify", "linear.az", "--task", "data.npz", "--tolerance", 0.001)
    assert outcome.code == 0
    assert "further" not in outcome.err
    wanted = azc("simplify", "linear.az", "--task", "data.npz", "--confirm", 3)
    assert wanted.code != 0
    assert "--confirm: expected count 1 for 'data.npz'" in wanted.err
    assert azc("simplify", "linear.az", "--confirm", 3).code == 2
