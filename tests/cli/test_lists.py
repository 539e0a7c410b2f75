"""`azc ops`, `azc tasks`, `azc library`, and the library itself."""

from __future__ import annotations

import pytest

from azc import library, parse
from azc.errors import ConfigError
from azc.ops import OPS
from azc.tasks import kinds

# ---- ops ---------------------------------------------------------------------------------------


def test_every_op_is_listed(azc):
    title, *rows = azc("ops").out.splitlines()
    assert title.split() == ["op", "name", "text", "types", "constants", "properties", "does"]
    assert [row.split()[:2] for row in rows] == [[op.paper, op.name] for op in OPS]
    for row, op in zip(rows, OPS, strict=True):
        assert row.endswith(op.sentence)
        assert ("commutative" in row.split(op.sentence)[0]) == op.commutative


def test_every_op_in_json(azc):
    documents = azc("ops", "--json").json
    for document, op in zip(documents, OPS, strict=True):
        assert document["number"] == op.number
        assert document["name"] == op.name
        assert document["sentence"] == op.sentence
        assert document["inputs"] == [kind.label for kind in op.inputs]
        assert document["output"] == (op.output.label if op.output else None)
        assert [constant["kind"] for constant in document["constants"]] == [
            kind.label for kind in op.constants
        ]
        assert ("random" in document["properties"]) == op.random


def test_the_text_of_an_op_is_its_spelling(azc):
    values = {"value": "0.5", "index": "0.5", "mean": "0.5", "std": "0.5", "bound": "0.5"}
    for document, op in zip(azc("ops", "--json").json, OPS, strict=True):
        text = document["text"]
        for constant in reversed(document["constants"]):
            text = text.replace(constant["name"], values[constant["kind"]])
        (instruction,) = parse(f"def Predict():\n    {text}\n").predict
        assert instruction.op is op


@pytest.mark.parametrize("name", ["dot", "DOT", "OP27", "op27", "27", "027"])
def test_one_op(azc, name):
    assert azc("ops", name, "--json").json["name"] == "dot"
    out = azc("ops", name).out
    assert "Inner product" in out
    assert "constants" not in out


def test_constants_of_one_op(azc):
    assert "bound1, bound2" in azc("ops", "scalar_uniform").out
    assert "drawn from [-1, 1)" in azc("ops", "scalar_uniform").out


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("dott", "did you mean 'dot'?"),
        (str(len(OPS)), f"0 to {len(OPS) - 1}"),
        ("-", "azc ops lists"),
        ("", "azc ops"),
        ("9" * 5000, f"0 to {len(OPS) - 1}"),
        ("opx", "azc ops"),
    ],
)
def test_unknown_ops(azc, name, hint):
    outcome = azc("ops", name)
    assert outcome.code == 2
    assert hint in outcome.err
    assert len(outcome.err) < 1300


# ---- tasks -------------------------------------------------------------------------------------


def test_every_kind_is_listed(azc):
    rows = azc("tasks").out.splitlines()
    for row, kind in zip(rows[1:], kinds(), strict=False):
        assert row.startswith(kind.name)
        assert row.endswith(kind.sentence)


def test_every_kind_in_json(azc):
    documents = azc("tasks", "--json").json
    assert [document["name"] for document in documents] == [kind.name for kind in kinds()]
    assert set(documents[0]) == {
        *("name", "sentence", "features", "train", "valid", "classes", "files", "page", "found"),
    }


def test_absent_data_say_where_to_get_them(azc, tmp_path, monkeypatch):
    monkeypatch.delenv("AZC_DATA", raising=False)
    for options in ([], ["--data", str(tmp_path)]):
        out = azc("tasks", *options).out
        assert "cifar-10-binary.tar.gz" in out.partition("Data to get")[2]


# ---- library -----------------------------------------------------------------------------------


def test_the_library_is_listed(azc):
    title, *rows = azc("library").out.splitlines()
    assert title.split() == ["program", "what"]
    assert [row.split()[0] for row in rows] == library.names()
    for row in rows:
        doc = library.load(row.split()[0]).doc
        assert row.endswith(doc.strip().splitlines()[0])


def test_the_library_in_json(azc):
    assert azc("library", "--json").json == [
        {"name": name, "doc": library.load(name).doc} for name in library.names()
    ]
    document = azc("library", "linear", "--json").json
    assert document == {
        "name": "linear",
        "doc": library.load("linear").doc,
        "hash": library.load("linear").hash,
        "text": library.text("linear"),
    }


@pytest.mark.parametrize("name", library.names())
def test_a_program_is_printed_as_it_stands(azc, name):
    assert azc("library", name).out == library.text(name) == library.path(name).read_text("utf-8")


def test_unknown_programs(azc):
    assert "did you mean 'linear'?" in azc("library", "linaer").err
    assert azc("library", "../library/linear").code == 2
    with pytest.raises(ConfigError, match="did you mean 'softmax'"):
        library.load("softmx")


def test_names():
    assert library.names() == sorted(library.names())
    assert "linear" in library.names()
    assert library.load("linear").filename == "linear.az"
