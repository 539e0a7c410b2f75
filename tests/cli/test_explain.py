"""`azc explain`."""

from __future__ import annotations

TASK = ("--task", "linear", "--tasks", 2, "--features", 4, "--train", 100, "--valid", 20)


def test_text(azc, files):
    outcome = azc("explain", "linear.az", *TASK)
    assert outcome.code == 0
    assert "gradient step of v1 (cosine 1.00)" in outcome.out
    assert outcome.err == ""


def test_json_and_picture(azc, files):
    document = azc("explain", "linear.az", *TASK, "--picture", "flow.mmd", "--json").json
    assert (files / "flow.mmd").read_text() == document["picture"]
    first = document["lines"][0]
    assert (first["function"], first["index"], first["text"]) == ("setup", 0, "s2 = 0.05")
    assert first["low"] <= first["loss"] <= first["high"]
    assert first["role"] == "constant: a learning rate"
    (gradient,) = document["gradients"]
    assert gradient["address"] == "v1"
    assert gradient["cosine"] > 0.99
    kinds = {cell["name"]: cell["kind"] for cell in document["addresses"]}
    assert kinds == {"s1": "scratch", "s2": "constant", "s3": "scratch", "v1": "learned",
                     "v2": "scratch"}  # fmt: skip
    run = azc("run", "linear.az", *TASK, "--json").json
    assert document["fitness"] == run["fitness"]


def test_a_picture_that_cannot_be_written(azc, files):
    assert azc("explain", "linear.az", *TASK, "--picture", "none/flow.mmd").code == 2
