"""`azc simplify`."""

from __future__ import annotations

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
