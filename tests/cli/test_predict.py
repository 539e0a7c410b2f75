"""`azc predict`."""

from __future__ import annotations

import gzip

import numpy as np
import pytest

import azc as library_of_azc


def test_a_raw_table_is_treated_as_the_training_rows_were(azc, files, tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(5.0, 3.0, size=(60, 3))
    rows = [f"{a},{b},{c},{'yes' if a > 5 else 'no'}" for a, b, c in x]
    (tmp_path / "t.csv").write_text("\n".join(["a,b,c,y", *rows]) + "\n")
    options = ["--task", str(tmp_path / "t.csv"), "--target", "y", "--save", "m.npz"]
    assert azc("run", "linear.az", *options).code == 0
    model = library_of_azc.Model.load("m.npz")
    raw = model.predict(model.preparation.features(x[:4]))
    turned = ["c,a,b", *(f"{c},{a},{b}" for a, b, c in x[:4])]
    (tmp_path / "new.csv").write_text("\n".join(turned) + "\n")
    lines = azc("predict", "m.npz", str(tmp_path / "new.csv")).out.splitlines()
    assert lines[0] == "class,raw"
    assert [float(line.split(",")[1]) for line in lines[1:]] == raw.tolist()
    assert [line.split(",")[0] for line in lines[1:]] == [
        ("no", "yes")[c] for c in model.classes_of(raw)
    ]
    np.save(tmp_path / "x.npy", model.preparation.features(x[:4]))
    assert azc("predict", "m.npz", str(tmp_path / "x.npy"), "-o", "out.csv").code == 0
    with open("out.csv") as file:
        assert file.read().splitlines() == lines


def test_what_does_not_fit_is_refused(azc, files, tmp_path):
    options = ["--task", "linear", "--tasks", "1", "--features", "2", "--save", "m.npz"]
    assert azc("run", "linear.az", *options).code == 0
    outcome = azc("predict", "linear.az", "new.csv")
    assert (
        "to be a model that azc saved, got another kind of file; 'azc run … --save" in outcome.err
    )
    (tmp_path / "new.csv").write_text("a,b\n1,x\n")
    for data, message in (
        (tmp_path / "new.csv", "expected numbers in column 'b'"),
        (tmp_path / "none.npy", "none.npy"),
        ("what.txt", "expected a table (.csv, .tsv, .parquet), .npz or .npy file"),
    ):
        outcome = azc("predict", "m.npz", str(data))
        assert outcome.code == 2
        assert message in outcome.err


def test_tables_of_every_kind_give_the_same(azc, files, tmp_path):
    x = np.random.default_rng(0).normal(5.0, 3.0, size=(40, 2))
    rows = [f"{a!r},{b!r},{a - b!r}" for a, b in x.tolist()]
    (tmp_path / "t.csv").write_text("\n".join(["größe,b,y", *rows]) + "\n")
    options = ["--task", str(tmp_path / "t.csv"), "--target", "y", "--save", "m.npz"]
    assert azc("run", "linear.az", *options).code == 0
    plain = azc("predict", "m.npz", str(tmp_path / "t.csv")).out
    assert len(plain.splitlines()) == 41
    text = (tmp_path / "t.csv").read_text().replace(",", ";")
    (tmp_path / "t.tsv.gz").write_bytes(gzip.compress(text.encode("latin-1")))
    given = ["--separator", ";", "--encoding", "latin-1"]
    assert azc("predict", "m.npz", str(tmp_path / "t.tsv.gz"), *given).out == plain
    np.save(tmp_path / "x.npy", x)
    outcome = azc("predict", "m.npz", str(tmp_path / "x.npy"), *given)
    assert outcome.code == 2
    assert "--separator: expected a .csv or .tsv file" in outcome.err
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    frame = pandas.DataFrame({"größe": x[:, 0], "b": x[:, 1]})
    frame.to_parquet(tmp_path / "t.parquet")
    assert azc("predict", "m.npz", str(tmp_path / "t.parquet")).out == plain
