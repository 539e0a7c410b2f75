"""Columns of texts, and columns that name rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import azc
from azc.errors import ConfigError, TaskError
from azc.model_files import described, preparation_in
from azc.tasks.table_files import read_features, read_table

COLOURS = ["red", "blue", " red ", "green", "blue", "red"]
ROWS = "".join(f"{k},{c},{k % 2}\n" for k, c in enumerate(COLOURS))


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "t.csv"
    path.write_text(f"size,colour,y\n{ROWS}")
    return path


def test_a_column_for_each_value_in_its_place(table: Path) -> None:
    read = read_table(table, "y", encode=["colour"])
    assert read.columns == ("size", "colour=blue", "colour=green", "colour=red")
    assert read.X[:4].tolist() == [[0, 0, 0, 1], [1, 1, 0, 0], [2, 0, 0, 1], [3, 0, 1, 0]]
    assert read.encoded["colour=red"] == ("colour", "red")


def test_numbers_may_be_encoded_too(table: Path) -> None:
    read = read_table(table, "size", encode=["y", "colour"])
    assert read.columns == ("colour=blue", "colour=green", "colour=red", "y=0", "y=1")


def test_parquet_reads_alike(table: Path, tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    colours = pa.array([c.strip() for c in COLOURS]).dictionary_encode()
    data = {"size": list(range(6)), "colour": colours, "y": [k % 2 for k in range(6)]}
    pq.write_table(pa.table(data), tmp_path / "t.parquet")
    one = read_table(table, "y", encode=["colour"])
    two = read_table(tmp_path / "t.parquet", "y", encode=["colour"])
    assert one.columns == two.columns
    assert (one.X == two.X).all()


def test_new_rows_are_encoded_as_before(table: Path, tmp_path: Path) -> None:
    """Values that were not there are 0 in all columns; the order of columns does not matter."""
    task = azc.tasks.make(str(table), target="y", encode="colour", metric="rmse")
    preparation = task.preparation
    assert preparation is not None
    new = tmp_path / "new.csv"
    new.write_text("colour,size\npink,7\nred,8\n")
    with pytest.warns(UserWarning, match=r"'colour' of .*none of in training \('pink'\)"):
        X = read_features(new, preparation.columns, encoded=preparation.encoded)
    assert X.tolist() == [[7, 0, 0, 0], [8, 0, 0, 1]]


def test_values_of_columns_that_were_not_drawn_are_known(
    table: Path, tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    made = [
        azc.tasks.make(
            str(table), target="y", encode="colour", metric="rmse", vary="columns", features=2,
            seed=seed,
        )
        for seed in range(8)
    ]  # fmt: skip
    drawn = [task.preparation for task in made if task.preparation]
    some = [one for one in drawn if 0 < sum("=" in name for name in one.columns) < 3]
    assert some
    for one in some:
        X = read_features(table, one.columns, encoded=one.encoded)
        assert X.shape == (6, 2)
        model = azc.train(azc.library.load("least_squares"), made[drawn.index(one)])
        model.save(tmp_path / "m.npz")
        kept = azc.Model.load(tmp_path / "m.npz").preparation
        assert kept is not None
        assert kept.encoded == one.encoded
        arrays: dict[str, Any] = {}
        form = described(one, arrays)
        for others in ({"b=1": ["b", "1"]}, {"b=1": []}, {"b=1": ["b", 1]}):
            wrong = {**form, "encoded": {**form["encoded"], **others}}
            with pytest.raises(ConfigError, match="of each column of texts"):
                preparation_in(wrong, arrays, len(one.columns))
    assert not recwarn


def test_what_is_missing_is_missing_in_all_columns(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("colour,y\nred,1\nNA,2\nblue,3\nred,4\n")
    with pytest.raises(TaskError, match=r"a text in column 'colour', row 1 .*--fill median"):
        read_table(path, "y", encode=["colour"])
    read = read_table(path, "y", encode=["colour"], gaps=True)
    assert np.isnan(read.X[1]).all()
    assert not np.isnan(read.X[[0, 2, 3]]).any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"encode": ["y"]}, "the target 'y' of .* to be the label only, got it in encode"),
        ({"encode": ["colour"], "drop": ["colour"]}, "in drop or encode, got it in both"),
        ({"encode": ["color"]}, "did you mean 'colour'"),
        (
            {"encode": ["size"], "drop": ["colour"]},
            r"that recur, got another one in every row.*--drop size",
        ),
        (
            {},
            r"got 'red' in row 0; use them as classes, --encode colour, or leave them out: --drop",
        ),
    ],
)
def test_what_cannot_be_encoded(table: Path, options: Any, message: str) -> None:
    with pytest.raises(TaskError, match=message):
        read_table(table, "y", **options)


def test_a_name_that_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("c,c=a,y\na,1,1\nb,2,2\na,3,3\n")
    with pytest.raises(TaskError, match=r"expected no column 'c=a'"):
        read_table(path, "y", encode=["c"])


def test_columns_that_name_rows_get_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("customer,x,y\n" + "".join(f"{97 * k % 101},{k}.5,{k}\n" for k in range(40)))
    with pytest.warns(UserWarning, match=r"'customer' .* every row.*\(--drop customer\)") as told:
        read_table(path, "y")
    assert len(told) == 1


def test_a_model_keeps_how(table: Path, tmp_path: Path) -> None:
    task = azc.tasks.make(str(table), target="y", encode="colour", metric="rmse")
    azc.train(azc.library.load("linear"), task).save(tmp_path / "m.npz")
    kept = azc.Model.load(tmp_path / "m.npz").preparation
    assert kept is not None
    assert task.preparation is not None
    assert kept.encoded == task.preparation.encoded
