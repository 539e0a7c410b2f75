"""`azc tune`."""

from __future__ import annotations

import azc as package
from azc import library

from .conftest import LINEAR

TASK = ("--task", "affine", "--features", 4, "--tasks", 2, "--train", 100, "--valid", 20)


def test_writes_the_program_and_what_was_tried(azc, files):
    outcome = azc("tune", "affine", *TASK, "--trials", 20, "-o", "out.az")
    assert outcome.code == 0
    assert "20 trials" in outcome.out
    program = package.load("out.az")
    assert (files / "out.az").read_text().count("#") == library.text("affine").count("#")
    record = (files / "out.az.trials.jsonl").read_bytes()
    run = azc("run", "out.az", *TASK, "--json").json
    assert f"{run['fitness']:.6f} after" in outcome.out
    again = azc("tune", "affine", *TASK, "--trials", 30, "-o", "out.az", "--resume")
    assert again.code == 0
    assert (files / "out.az.trials.jsonl").read_bytes().startswith(record)
    assert package.load("out.az").params[0].name == program.params[0].name


def test_json(azc, files):
    document = azc("tune", "linear.az", *TASK, "--trials", 20, "--json").json
    assert document["trials"] == 20
    (constant,) = document["constants"]
    assert (constant["name"], constant["line"], constant["before"]) == ("s2", 3, 0.05)
    assert document["fitness"]["after"] >= document["fitness"]["before"]
    assert document["fitness"]["test"] is None
    text = document["program"]
    assert f"s2 = {constant['after']!r}" in text
    assert '"""Least mean squares."""' in text
    assert text.splitlines()[constant["line"] - 1].strip().startswith("s2 =")


def test_decouple_shows_a_diff(azc, files):
    text = LINEAR.replace("s2 = 0.05", "s5 = 0.2").replace("s3 = s0", "s2 = s5 * s5\n    s3 = s0")
    (files / "square.az").write_text(text)
    outcome = azc("tune", "square.az", *TASK, "--trials", 5, "--decouple")
    assert "-    s2 = s5 * s5\n+    s2 = 0.04" in outcome.out
    nothing = azc("tune", "linear.az", *TASK, "--trials", 5, "--decouple")
    assert "nothing that is computed turned out to be constant" in nothing.out


def test_errors(azc, files):
    assert azc("tune", "linear.az", *TASK, "--method", "tpa").code == 2
    resume = azc("tune", "linear.az", *TASK, "--resume")
    assert resume.code == 2
    assert "expected --record or -o with --resume, got neither" in resume.err
    (files / "bare.az").write_text("def Predict():\n    s1 = dot(v0, v1)\n")
    bare = azc("tune", "bare.az", *TASK)
    assert bare.code == 2
    assert "expected a program with constants that matter, got none" in bare.err
