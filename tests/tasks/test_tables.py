"""Tasks from .csv and .parquet files: columns, splits, labels, and everything that can be wrong."""

import sys

import numpy as np
import pytest

from azc.errors import TaskError
from azc.tasks import make, make_set

rng = np.random.default_rng(1)
N = 50
X = rng.normal(3, 2, (N, 3))
COLUMNS = {"a": X[:, 0], "b": X[:, 1], "c": X[:, 2]}
NUMBERS = X @ [1, 2, 3]
TEXTS = np.array(["cat", "ant", "bee"])[np.arange(N) % 3]


def write_csv(path, columns):
    lines = [",".join(columns)]
    lines += [",".join(str(entry) for entry in row) for row in zip(*columns.values(), strict=True)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


def write_parquet(path, columns):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    pq.write_table(pa.table(columns), path)
    return str(path)


@pytest.fixture(params=["csv", "parquet"])
def write(request, tmp_path):
    writer = {"csv": write_csv, "parquet": write_parquet}[request.param]
    return lambda columns: writer(tmp_path / f"data.{request.param}", columns)


def refusal(spec, **options):
    with pytest.raises(TaskError) as caught:
        make(spec, **options)
    assert "data." in str(caught.value)
    return str(caught.value)


class TestSplit:
    def test_defaults(self, write):
        spec = write({**COLUMNS, "y": NUMBERS})
        (task,) = make_set(spec, target="y")
        assert task.X_train.shape == (40, 3)
        assert task.X_valid.shape == (10, 3)
        assert task.X_test is None
        assert task.metric == "rmse"
        assert task.name.startswith("data.")
        assert task.name.endswith("[0]")

    def test_standardised_rows_of_the_file(self, write):
        task = make(write({**COLUMNS, "y": NUMBERS}), target="y", train=30, valid=10)
        np.testing.assert_allclose(task.X_train.mean(axis=0), 0, atol=1e-14)
        np.testing.assert_allclose(task.X_train.std(axis=0), 1, rtol=1e-13)
        parts = (task.y_train, task.y_valid, task.y_test)
        assert [len(y) for y in parts] == [30, 10, 10]
        np.testing.assert_allclose(np.sort(np.concatenate(parts)), np.sort(NUMBERS))
        rows = [int(np.abs(NUMBERS - label).argmin()) for label in task.y_train]
        expected = (X[rows] - X[rows].mean(axis=0)) / X[rows].std(axis=0)
        np.testing.assert_allclose(task.X_train, expected, atol=1e-12)
        np.testing.assert_allclose(task.y_train, NUMBERS[rows])

    def test_several_splits(self, write):
        spec = write({**COLUMNS, "y": NUMBERS})
        tasks = make_set(spec, target="y", count=3, seed=4)
        assert len({task.y_valid.tobytes() for task in tasks}) == 3
        again = make(spec, target="y", index=2, seed=4)
        assert again.X_train.tobytes() == tasks[2].X_train.tobytes()
        assert again.key == tasks[2].key
        assert make(spec, target="y", index=2).key != again.key

    def test_csv_and_parquet_give_the_same_task(self, tmp_path):
        a = make(write_csv(tmp_path / "a.csv", {**COLUMNS, "y": TEXTS}), target="y")
        b = make(write_parquet(tmp_path / "a.parquet", {**COLUMNS, "y": TEXTS}), target="y")
        assert a.X_train.tobytes() == b.X_train.tobytes()
        assert a.y_valid.tobytes() == b.y_valid.tobytes()

    @pytest.mark.parametrize(("train", "valid", "sizes"), [(45, None, (45, 5)), (None, 1, (49, 1))])
    def test_one_of_the_sizes(self, tmp_path, train, valid, sizes):
        spec = write_csv(tmp_path / "data.csv", {**COLUMNS, "y": NUMBERS})
        task = make(spec, target="y", train=train, valid=valid)
        assert (len(task.y_train), len(task.y_valid)) == sizes

    @pytest.mark.parametrize("options", [{"train": 50}, {"train": 45, "valid": 6}, {"valid": 50}])
    def test_too_many(self, write, options):
        spec = write({**COLUMNS, "y": NUMBERS})
        assert "at most 50 training and validation examples" in refusal(spec, target="y", **options)

    def test_features(self, write):
        spec = write({**COLUMNS, "y": NUMBERS})
        assert make(spec, target="y", features=3).features == 3
        assert "features 3, as many as" in refusal(spec, target="y", features=4)

    def test_one_row(self, write):
        assert "at least 2 rows" in refusal(write({"a": [1.0], "y": [2.0]}), target="y")


class TestLabels:
    def test_texts_are_classes_in_sorted_order(self, write):
        task = make(write({**COLUMNS, "y": TEXTS}), target="y")
        assert task.metric == "accuracy"
        assert task.classes == 3
        everything = np.concatenate([task.y_train, task.y_valid]).astype(int)
        assert np.bincount(everything).tolist() == [17, 16, 17]  # ant, bee, cat

    def test_two_texts(self, write):
        task = make(write({**COLUMNS, "y": np.where(TEXTS == "cat", "yes", "no")}), target="y")
        assert task.classes == 2
        assert sum(task.y_train) + sum(task.y_valid) == 17

    @pytest.mark.parametrize("kind", [bool, int, float])
    def test_zero_and_one(self, write, kind):
        task = make(write({**COLUMNS, "y": (TEXTS == "cat").astype(kind)}), target="y")
        assert task.metric == "accuracy"
        assert task.classes == 2
        assert sum(task.y_train) + sum(task.y_valid) == 17

    def test_zero_and_one_for_rmse(self, write):
        spec = write({**COLUMNS, "y": (TEXTS == "cat").astype(int)})
        assert make(spec, target="y", metric="rmse").metric == "rmse"

    def test_integers_on_request(self, write):
        spec = write({**COLUMNS, "y": np.arange(N) % 3 + 5})
        assert make(spec, target="y").metric == "rmse"
        task = make(spec, target="y", metric="accuracy")
        assert task.classes == 3
        assert set(task.y_train) == {0, 1, 2}

    def test_classes_do_not_depend_on_the_split(self, write):
        rare = np.where(np.arange(N) == 7, 2, np.arange(N) % 2)
        tasks = make_set(write({**COLUMNS, "y": rare}), target="y", metric="accuracy", count=5)
        assert {task.classes for task in tasks} == {3}

    def test_texts_for_rmse(self, write):
        message = refusal(write({**COLUMNS, "y": TEXTS}), target="y", metric="rmse")
        assert "for rmse, got texts; use metric accuracy" in message

    def test_fractions_for_accuracy(self, write):
        message = refusal(write({**COLUMNS, "y": NUMBERS}), target="y", metric="accuracy")
        assert "for accuracy, got" in message
        assert "use metric rmse" in message

    def test_one_class(self, write):
        assert "at least 2 classes" in refusal(write({**COLUMNS, "y": ["x"] * N}), target="y")

    def test_more_classes_than_features(self, write):
        spec = write({**COLUMNS, "y": [f"class {i % 5}" for i in range(N)]})
        assert "at least 5 features for 5 classes" in refusal(spec, target="y")

    def test_slips_are_not_classes(self, tmp_path):
        target = [str(v) for v in NUMBERS]
        target[13] = "oops"
        spec = write_csv(tmp_path / "data.csv", {**COLUMNS, "y": target})
        assert "a number in column 'y', row 13" in refusal(spec, target="y")


class TestColumns:
    def test_target_is_needed(self, write):
        message = refusal(write({**COLUMNS, "y": NUMBERS}))
        assert "a target column for" in message
        assert "--target; there are a, b, c, y" in message

    def test_unknown_target(self, write):
        message = refusal(write({**COLUMNS, "price": NUMBERS}), target="prise")
        assert "a column 'prise'" in message
        assert "did you mean 'price'?" in message

    def test_no_features(self, write):
        assert "feature columns beside 'y'" in refusal(write({"y": NUMBERS}), target="y")

    def test_texts_among_the_features(self, write):
        spec = write({**COLUMNS, "kind": TEXTS, "y": NUMBERS})
        assert "numbers in column 'kind' of" in refusal(spec, target="y")

    def test_target_anywhere(self, write):
        task = make(write({"y": NUMBERS, **COLUMNS}), target="y")
        assert task.features == 3


class TestCsv:
    def write(self, tmp_path, text, encoding="utf-8"):
        (tmp_path / "data.csv").write_bytes(text.encode(encoding))
        return str(tmp_path / "data.csv")

    @pytest.mark.parametrize("entry", ["", " ", "NA", "nan", "null", "inf", "-inf", "?", "1e999"])
    def test_missing(self, tmp_path, entry):
        spec = self.write(tmp_path, f"a,b,y\n1,2,3\n4,{entry},6\n7,8,9\n")
        message = refusal(spec, target="y")
        assert f"a number in column 'b', row 1 of {spec}, got {entry!r}" in message

    @pytest.mark.parametrize("entry", ["", "nan", "inf"])
    def test_missing_target(self, tmp_path, entry):
        spec = self.write(tmp_path, f"a,b,y\n1,2,3\n4,5,{entry}\n7,8,9\n")
        assert "a number in column 'y', row 1" in refusal(spec, target="y")

    @pytest.mark.parametrize("entry", ["x", "1_000", "0x10", "1;2", "٣x"])
    def test_not_a_number(self, tmp_path, entry):
        spec = self.write(tmp_path, f"a,b,y\n1,2,3\n4,{entry},6\n")
        message = refusal(spec, target="y")
        assert "numbers in column 'b' of" in message
        assert "in row 1" in message

    def test_far_down(self, tmp_path):
        lines = ["a,b,y", *["1,2,3"] * 20_000]
        lines[10_001 + 1] = "1,,3"
        assert "row 10001" in refusal(self.write(tmp_path, "\n".join(lines)), target="y")

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("", "a header line"),
            ("\n1,2\n", "a header line"),
            ("a,y\n", "rows below the header"),
            ("1,2\n3,4\n", "a header line in"),
            ("a;y\n1;2\n", "columns separated by commas"),
            ("a,y\n1,2,3\n", "2 entries in row 0"),
            ("a,y\n1,2\n3\n", "2 entries in row 1"),
            (",a,y\n0,1,2\n", "a name for column 0"),
            ("a,a,y\n0,1,2\n", "different names in"),
            ('a,y\n1,"2\n', "to be a CSV file"),
            ("a,y\n1,\0\n", "data.csv"),
            ("a,y\n1," + "2" * 200_000 + "\n", "to be a CSV file"),
        ],
    )
    def test_form(self, tmp_path, text, message):
        assert message in refusal(self.write(tmp_path, text), target="y")

    def test_accepted_forms(self, tmp_path):
        text = '\ufeff"a, b",c,y\r\n 1 ,2e3,ja\r\n\r\n-.5,"3",nein\r\n+7,0,ja\r\n'
        task = make(self.write(tmp_path, text), target="y")
        assert task.X_train.shape == (2, 2)
        assert task.metric == "accuracy"

    def test_encoding(self, tmp_path):
        spec = self.write(tmp_path, "a,y\n1,ä\n", "latin-1")
        assert "save it as UTF-8" in refusal(spec, target="y")

    def test_no_file(self, tmp_path):
        assert "no such file" in refusal(str(tmp_path / "data.csv"), target="y")


class TestParquet:
    def write(self, tmp_path, columns):
        return write_parquet(tmp_path / "data.parquet", columns)

    @pytest.mark.parametrize("entry", [None, float("nan"), float("inf")])
    @pytest.mark.parametrize("column", ["a", "y"])
    def test_missing(self, tmp_path, entry, column):
        columns = {"a": [1.0, 2.0, 3.0], "y": [1.0, 2.0, 3.0]}
        columns[column][1] = entry
        message = refusal(self.write(tmp_path, columns), target="y")
        assert f"a number in column '{column}', row 1" in message

    def test_types(self, tmp_path):
        pa = pytest.importorskip("pyarrow")
        columns = {
            "f": pa.array([1.5, 2.5, 3.5], pa.float32()),
            "i": pa.array([1, 2, 3], pa.int8()),
            "b": pa.array([True, False, True]),
            "y": pa.array(["u", "v", "u"]).dictionary_encode(),
        }
        task = make(self.write(tmp_path, columns), target="y")
        assert task.features == 3
        assert task.classes == 2

    @pytest.mark.parametrize("column", ["a", "y"])
    def test_other_types(self, tmp_path, column):
        pa = pytest.importorskip("pyarrow")
        columns = {"a": [1.0, 2.0], "y": [1.0, 2.0]}
        columns[column] = pa.array([[1], [2]])
        assert f"column '{column}'" in refusal(self.write(tmp_path, columns), target="y")

    def test_damaged(self, tmp_path):
        spec = self.write(tmp_path, {**COLUMNS, "y": NUMBERS})
        path = tmp_path / "data.parquet"
        content = path.read_bytes()
        for part in (b"", b"PAR1", content[:100], content[: len(content) // 2], b"x" * 1000):
            path.write_bytes(part)
            refusal(spec, target="y")

    def test_no_file(self, tmp_path):
        pytest.importorskip("pyarrow")
        assert "no such file" in refusal(str(tmp_path / "data.parquet"), target="y")

    def test_without_pyarrow(self, tmp_path, monkeypatch):
        monkeypatch.setitem(sys.modules, "pyarrow", None)
        message = refusal(str(tmp_path / "data.parquet"), target="y")
        assert "pip install 'azc[parquet]'" in message
