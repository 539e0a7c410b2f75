"""`azc predict`."""

from __future__ import annotations

import numpy as np

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
    (tmp_path / "new.csv").write_text("a,b\n1,x\n")
    for data, message in (
        (tmp_path / "new.csv", "expected a number in column 'b', row 0"),
        (tmp_path / "none.npy", "none.npy"),
        ("what.txt", "expected a .csv, .npz or .npy file"),
    ):
        outcome = azc("predict", "m.npz", str(data))
        assert outcome.code == 2
        assert message in outcome.err
