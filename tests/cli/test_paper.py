"""`azc paper`: what it prints, and what it refuses."""

from __future__ import annotations

import pytest
from paper_files import DIGITS

SMALL = [word for one in (*DIGITS, "search.stop.programs=200") for word in ("--set", one)]
ONE = ("--only", "control", "--seeds", "1", "--variant", "fast-training", "--set",
       "evaluation.epochs=1")  # fmt: skip


def test_tables_and_files(azc, tmp_path):
    out = tmp_path / "run"
    done = azc("paper", "figure7", "--out", out, *ONE, *SMALL)
    assert done.code == 0, done.err
    assert done.out.startswith("Figure 7. ")
    assert "learning-rate decay" in done.out
    assert f"saved in {out}" in done.out
    again = azc("paper", "figure7", "--out", out, "--resume", "--json")
    assert again.json["done"]
    assert again.json["data"]["counts"]["control"]["trials"] == 1
    assert "Searches of which" in (out / "findings.md").read_text()


def test_a_folder_with_an_experiment_is_refused(azc, tmp_path):
    out = tmp_path / "run"
    assert azc("paper", "figure7", "--out", out, *ONE, *SMALL).code == 0
    again = azc("paper", "figure7", "--out", out, *ONE, *SMALL)
    assert again.code == 2
    assert "go on with it with --resume" in again.err


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("figure9",), "expected one of figure4"),
        (("figure4", "--hours", "0"), "expected a number above 0"),
        (("figure4", "--resume"), "expected an experiment, with record.sqlite"),
        (("figure4", "--out", ""), "--out: expected a folder"),
        (("figure4", "--set", "search.populaton=1"), "did you mean 'population'"),
        (("figure7", "--variant", "none"), "expected one of the variants of figure7"),
        (("final", "--program", "nothing"), "expected the path of an .az file"),
    ],
)
def test_refusals(azc, files, given, message):
    done = azc("paper", *given)
    assert done.code == 2
    assert message in done.err
    assert done.out == ""
