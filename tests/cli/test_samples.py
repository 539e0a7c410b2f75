"""The samples of output in the manual are what the commands print."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

MANUAL = (Path(__file__).parents[2] / "docs" / "commands.md").read_text("utf-8")
SECTIONS = dict(re.findall(r"^## azc (\w+)\n(.*?)(?=^## |\Z)", MANUAL, re.MULTILINE | re.DOTALL))
#: Commands that print what the JSON sample of their section shows; those of `motifs` have runs.
SMALL = ("--task", "linear", "--features", 2, "--tasks", 4, "--train", 20, "--valid", 10)
JSON = {
    "run": ("run", "linear", "--task", "digits:1,7", "--tasks", 1),
    "compile": ("compile", "linear"),
    "evolve": ("evolve", "demo", "--seed", 3),
    "tune": ("tune", "linear", *SMALL, "--trials", 4),
    "explain": ("explain", "linear", *SMALL),
    "simplify": ("simplify", "linear", *SMALL),
    "compare": ("compare", "linear", "affine", *SMALL),
    "motifs": ("motifs", "run-1", "run-2", "run-3", "--nodes", 2, "--random", 400,
               "--into", "linear", "--show", 1, "--ways", 3, *SMALL),
}  # fmt: skip
#: What differs from machine to machine, or from run to run.
VARIES = re.compile(r"(?:[\d.,]+|-)(?=/s| s\b| s,| per CPU)|^  *$")
MODEL = """
param lr = 0.05 in log(1e-4, 1)
var w: vector
def Predict(x):
    s1 = dot(w, x)
    s5 = s4 + s1
def Learn(x, y):
    error = y - s1
    w += lr * error * x
"""


def shape(value: Any) -> Any:
    """The keys of a document, all the way down; of a list, those that its entries have together."""
    if isinstance(value, dict):
        return {key: shape(inside) for key, inside in value.items()}
    if isinstance(value, list) and all(isinstance(entry, dict) for entry in value):
        merged: dict[str, Any] = {}
        for entry in value:
            merged |= {key: inside for key, inside in entry.items() if inside is not None}
            for key in entry:
                merged.setdefault(key, None)
        return [shape(merged)]
    return None


def test_every_json_sample_is_tried():
    assert {name for name, text in SECTIONS.items() if "```json" in text} == set(JSON)


@pytest.mark.parametrize("name", JSON)
def test_json_samples_have_the_keys_that_are_printed(azc, files, name):
    samples = re.findall(r"^```json\n(.*?)^```$", SECTIONS[name], re.MULTILINE | re.DOTALL)
    if name == "motifs":
        for seed in (1, 2, 3):
            settings = ("--set", "search.stop={programs=2000}", "--set", "compile.hot=false")
            azc("evolve", "linear", "--seed", seed, *settings, "--out", f"run-{seed}")
    printed = azc(*JSON[name], "--json").out.splitlines()
    documents = ["\n".join(printed)] if name != "evolve" else printed[-1:]
    assert len(samples) == len(documents)
    for sample, document in zip(samples, documents, strict=True):
        assert shape(json.loads(sample)) == shape(json.loads(document))


@pytest.mark.parametrize(
    ("section", "least"), [("run", 5), ("check", 4), ("ops", 6), ("history", 2), ("show", 12)]
)
def test_text_samples_are_what_is_printed(azc, files, section, least):
    (files / "model.az").write_text(
        MODEL if section == "show" else "def Predict():\n" + "\n" * 4 + "    s1 = dto(v0, v1)\n"
    )
    if section == "history":
        azc("evolve", "demo", "--seed", 3)
    (sample,) = re.findall(r"^```\n\$ azc (.*?)^```$", SECTIONS[section], re.MULTILINE | re.DOTALL)
    arguments, _, expected = sample.partition("\n")
    outcome = azc(*arguments.split())
    assert len(expected.splitlines()) >= least
    shown = [VARIES.sub("", line) for line in (outcome.out + outcome.err).splitlines()]
    assert shown == [VARIES.sub("", line) for line in expected.splitlines()]


def test_the_sample_of_a_search(azc, files):
    (sample,) = re.findall(
        r"^```\n\$ azc evolve demo --seed 3\n(.*?)^```$",
        SECTIONS["evolve"],
        re.MULTILINE | re.DOTALL,
    )
    outcome = azc("evolve", "demo", "--seed", 3)
    expected = [VARIES.sub("", line) for line in sample.splitlines()]
    printed = [VARIES.sub("", line) for line in (outcome.out + outcome.err).splitlines()]
    assert sorted(set(printed)) == sorted(set(expected))


def test_the_sample_of_an_explanation(azc, files):
    page = (Path(__file__).parents[2] / "docs" / "using.md").read_text("utf-8")
    (sample,) = re.findall(r"^```\n(fitness .*?)^```$", page, re.MULTILINE | re.DOTALL)
    table = sample.partition("\nline ")[2].partition("\nmemory ")[0].splitlines()[1:]
    heads = {"Predict:": "def Predict():", "Learn:": "def Learn():"}
    lines = [heads.get(line, line.partition("  " * 4)[0]) for line in table]
    code = [re.split(r"(?<=\S)  ", line)[0] for line in lines]
    (files / "found.az").write_text("\n".join(code) + "\n")
    assert azc("explain", "found.az", "--task", "linear", "--features", 4).out == sample
