"""Tasks from .csv and .parquet files: columns, splits, labels, and everything that can be wrong."""

import gzip
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from azc.errors import AzcWarning, TaskError
from azc.tasks import make, make_set
from azc.tasks.table_files import read_features

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


class TestStratified:
    @pytest.mark.parametrize("rare", [2, 3, 7])
    def test_every_part_has_every_class(self, write, rare):
        y = np.where(np.arange(N) < rare, "rare", "usual")
        for task in make_set(write({**COLUMNS, "y": y}), target="y", count=5):
            assert (len(task.y_train), len(task.y_valid)) == (40, 10)
            assert (task.y_train == 0).sum() == rare - max(1, round(rare / 5))
            assert set(task.y_valid) == {0, 1}

    def test_shares_of_classes(self, write):
        y = np.repeat(["a", "b", "c"], [25, 15, 10])
        task = make(write({**COLUMNS, "y": y}), target="y", train=20, valid=20)
        for part in (task.y_train, task.y_valid):
            assert np.bincount(part.astype(int)).tolist() == [10, 6, 4]
        assert np.bincount(task.y_test.astype(int)).tolist() == [5, 3, 2]

    def test_rows_are_disjoint_and_shuffled(self, write):
        columns = {"a": np.arange(N) + 0.5, "b": np.ones(N), "y": np.arange(N) % 2 == 0}
        task = make(write(columns), target="y", train=20, valid=20, seed=3)
        rows = np.concatenate([task.X_train[:, 0], task.X_valid[:, 0], task.X_test[:, 0]])
        assert len(np.unique(rows)) == N
        assert 4 < (task.y_train[:10] == 1).sum() < 10
        # The label goes with its row.
        even = np.argsort(np.argsort(rows)) % 2 == 0
        y = np.concatenate([task.y_train, task.y_valid, task.y_test])
        np.testing.assert_array_equal(y == 1, even)

    def test_at_random_as_for_numbers(self, write):
        spec = write({**COLUMNS, "y": (TEXTS == "cat").astype(int)})
        random = make(spec, target="y", split="random")
        assert random.X_train.tobytes() == make(spec, target="y", metric="rmse").X_train.tobytes()
        assert random.X_train.tobytes() != make(spec, target="y").X_train.tobytes()

    def test_a_class_of_one_row(self, write):
        y = np.where(np.arange(N) == 9, "rare", "usual")
        message = refusal(write({**COLUMNS, "y": y}), target="y")
        assert "at least 2 rows of every class of 'y'" in message
        assert "got 1 of 'rare'" in message

    def test_at_random_without_a_class(self, write):
        y = np.where(np.arange(N) < 2, "rare", "usual")
        message = refusal(write({**COLUMNS, "y": y}), target="y", split="random", valid=1)
        assert "every class of 'y' in the validation part" in message

    def test_fewer_examples_than_classes(self, write):
        message = refusal(write({**COLUMNS, "y": TEXTS}), target="y", valid=2)
        assert "at least 3 validation examples" in message

    def test_not_for_numbers(self, write):
        message = refusal(write({**COLUMNS, "y": NUMBERS}), target="y", split="stratified")
        assert "give metric accuracy or leave split out" in message


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
        assert make(spec, target="y", metric="rmse").metric == "rmse"
        task = make(spec, target="y", metric="accuracy")
        assert task.classes == 3
        assert set(task.y_train) == {0, 1, 2}

    def test_classes_do_not_depend_on_the_split(self, write):
        rare = np.where(np.arange(N) % 25 == 7, 2, np.arange(N) % 2)
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

    @pytest.mark.parametrize("entry", ["", "NA", "N/A", "nan", "NaN", "?", "null", "None", "<NA>"])
    def test_missing_labels_are_no_class(self, tmp_path, entry):
        y = np.where(TEXTS == "cat", "yes", "no").astype(object)
        y[7] = entry
        spec = write_csv(tmp_path / "data.csv", {**COLUMNS, "y": y})
        for metric in (None, "accuracy"):
            message = refusal(spec, target="y", metric=metric)
            assert f"a label in column 'y', row 7 of {spec}, got {entry!r}; fill it" in message

    def test_missing_texts_of_a_parquet_file(self, tmp_path):
        y = np.where(TEXTS == "cat", "yes", "no").astype(object)
        for entry in ("NA", " ? ", None):
            y[7] = entry
            spec = write_parquet(tmp_path / "data.parquet", {**COLUMNS, "y": y.tolist()})
            assert "a label in column 'y', row 7" in refusal(spec, target="y")

    def test_plus_and_minus(self, write):
        task = make(write({**COLUMNS, "y": np.where(TEXTS == "cat", "+", "-")}), target="y")
        assert task.classes == 2

    @pytest.mark.parametrize(
        ("names", "order"),
        [
            (["1", "2+", "3"], ["1", "2+", "3"]),
            (["10", "9", "1"], ["1", "9", "10"]),
            (["007", "7", "08"], ["007", "7", "08"]),
            (["1.0", "1.5", "2.0"], ["1.0", "1.5", "2.0"]),
            (["0", "1", "two"], ["0", "1", "two"]),
        ],
    )
    def test_texts_that_look_like_numbers(self, tmp_path, names, order):
        y = np.array(names)[np.arange(N) % 3]
        spec = write_csv(tmp_path / "data.csv", {**COLUMNS, "y": y})
        task = make(spec, target="y", metric="accuracy")
        assert task.classes == 3
        labels = np.concatenate([task.y_train, task.y_valid]).astype(int)
        wanted = [(y == name).sum() for name in order]
        assert np.bincount(labels).tolist() == wanted

    def test_mostly_numbers_for_rmse(self, tmp_path):
        y = np.array(["1", "2", "3+"])[np.arange(N) % 3]
        spec = write_csv(tmp_path / "data.csv", {**COLUMNS, "y": y})
        message = refusal(spec, target="y")
        assert "a number in column 'y', row 2" in message
        assert "got '3+'; correct it" in message
        assert message.endswith("if these are classes, use metric accuracy")

    def test_few_whole_numbers_are_hinted_at(self, write):
        spec = write({**COLUMNS, "y": np.arange(N) % 3 + 5})
        with pytest.warns(AzcWarning, match=r"3 whole numbers \(5 … 7\) .* metric accuracy"):
            assert make(spec, target="y").metric == "rmse"

    def test_standardised(self, write):
        spec = write({**COLUMNS, "y": 1e6 + 1e5 * NUMBERS})
        task = make(spec, target="y", train=30, standardize_labels=True)
        assert abs(task.y_train.mean()) < 1e-12
        assert task.y_train.std() == pytest.approx(1)
        plain = make(spec, target="y", train=30)
        assert plain.X_train.tobytes() == task.X_train.tobytes()
        mean, std = plain.y_train.mean(), plain.y_train.std()
        for part in ("y_valid", "y_test"):
            np.testing.assert_allclose(getattr(task, part) * std + mean, getattr(plain, part))

    def test_classes_are_not_standardised(self, write):
        message = refusal(write({**COLUMNS, "y": TEXTS}), target="y", standardize_labels=True)
        assert "leave standardize_labels out" in message

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


class TestIndex:
    """Columns that say which row it is are not learned from."""

    @pytest.mark.parametrize(
        "name", ["Unnamed: 0", "Unnamed: 0.1", "Unnamed: 0.1.1", "__index_level_0__", ""]
    )
    def test_by_name(self, tmp_path, name):
        columns = {name: np.arange(N)[::-1], **COLUMNS, "y": NUMBERS}
        spec = write_csv(tmp_path / "data.csv", columns)
        with pytest.warns(AzcWarning, match=f"column '{name}' of .* left out"):
            task = make(spec, target="y")
        plain = make(write_csv(tmp_path / "b.csv", {**COLUMNS, "y": NUMBERS}), target="y")
        assert task.X_train.tobytes() == plain.X_train.tobytes()

    @pytest.mark.parametrize("name", ["index", "level_0"])
    def test_by_name_and_content(self, write, name):
        spec = write({name: rng.permutation(N), **COLUMNS, "y": NUMBERS})
        with pytest.warns(AzcWarning, match=f"column '{name}' of .* left out"):
            assert make(spec, target="y").features == 3
        assert make(write({name: X[:, 0] / 2, **COLUMNS, "y": NUMBERS}), target="y").features == 4

    @pytest.mark.parametrize("index", [["a"], ["a", "b"], ["__index_level_0__"]])
    def test_as_the_metadata_of_pandas_say(self, tmp_path, index):
        pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
        columns = {**COLUMNS, "y": NUMBERS, "__index_level_0__": np.arange(N)}
        used = {k: v for k, v in columns.items() if k in index or not k.startswith("__")}
        said = {"index_columns": index, "columns": [], "column_indexes": []}
        table = pa.table(used).replace_schema_metadata({"pandas": json.dumps(said)})
        pq.write_table(table, tmp_path / "data.parquet")
        with pytest.warns(AzcWarning, match="left out: names of rows"):
            task = make(str(tmp_path / "data.parquet"), target="y")
        assert task.features == len(used) - 1 - len(index)

    @pytest.mark.parametrize("said", ["{", "[]", '{"index_columns": [{"kind": "range"}]}', "{}"])
    def test_metadata_that_name_none(self, tmp_path, said):
        pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
        table = pa.table({**COLUMNS, "y": NUMBERS}).replace_schema_metadata({"pandas": said})
        pq.write_table(table, tmp_path / "data.parquet")
        assert make(str(tmp_path / "data.parquet"), target="y").features == 3

    def test_as_the_target(self, write):
        assert make(write({"index": NUMBERS, **COLUMNS}), target="index").features == 3


class TestOptions:
    def test_drop(self, write):
        spec = write({**COLUMNS, "kind": TEXTS, "y": NUMBERS})
        task = make(spec, target="y", drop=["kind", "a"])
        assert task.features == 2
        assert make(spec, target="y", drop="kind").features == 3

    @pytest.mark.parametrize(
        ("drop", "message"),
        [
            (["kidn"], "a column 'kidn' in"),
            (["y"], "the target 'y' of"),
            (["a", "b", "c"], "feature columns beside 'y'"),
        ],
    )
    def test_bad_drop(self, write, drop, message):
        assert message in refusal(write({**COLUMNS, "y": NUMBERS}), target="y", drop=drop)

    @pytest.mark.parametrize("fill", ["mean", "median"])
    def test_fill(self, write, fill):
        columns = {"a": X[:, 0].copy(), "b": X[:, 1], "y": NUMBERS}
        columns["a"][[3, 8, 20]] = np.nan
        task = make(write(columns), target="y", fill=fill, train=30)
        rows = [int(np.abs(NUMBERS - label).argmin()) for label in task.y_train]
        known = columns["a"][rows]
        value = getattr(np, f"nan{fill}")(known)
        filled = np.where(np.isnan(known), value, known)
        want = (filled - filled.mean()) / filled.std()
        np.testing.assert_allclose(task.X_train[:, 0], want, atol=1e-12)
        assert np.isfinite(task.X_valid).all()

    @pytest.mark.parametrize("entry", ["", "NA", "?", "null"])
    def test_fill_texts_for_missing(self, tmp_path, entry):
        a = [str(v) for v in X[:, 0]]
        a[4] = entry
        spec = write_csv(tmp_path / "data.csv", {"a": a, "b": X[:, 1], "y": NUMBERS})
        assert "a number in column 'a', row 4" in refusal(spec, target="y")
        assert make(spec, target="y", fill="mean").features == 2

    def test_nothing_to_fill_with(self, write):
        spec = write({"a": np.full(N, np.nan), "b": X[:, 1], "y": NUMBERS})
        assert "numbers in column 'a' of the training part" in refusal(
            spec, target="y", fill="mean"
        )

    @pytest.mark.parametrize(
        ("separator", "mark"), [(";", ";"), ("|", "|"), ("tab", "\t"), ("\\t", "\t"), (" ", " ")]
    )
    def test_separator(self, tmp_path, separator, mark):
        text = f"a{mark}b{mark}y\n" + f"1{mark}2{mark}3\n4{mark}5{mark}9\n" * 3
        (tmp_path / "data.csv").write_text(text)
        task = make(str(tmp_path / "data.csv"), target="y", separator=separator)
        assert task.features == 2

    def test_tsv_and_gz(self, tmp_path):
        text = "a\tb\ty\n" + "1\t2\t3\n4\t5\t9\n" * 3
        (tmp_path / "data.tsv").write_text(text)
        (tmp_path / "data.tsv.gz").write_bytes(gzip.compress(text.encode()))
        (tmp_path / "data.csv.gz").write_bytes(gzip.compress(text.replace("\t", ",").encode()))
        made = [
            make(str(tmp_path / name), target="y")
            for name in ("data.tsv", "data.tsv.gz", "data.csv.gz")
        ]
        assert len({task.X_train.tobytes() for task in made}) == 1

    @pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-16", "utf-8"])
    def test_encoding(self, tmp_path, encoding):
        text = "größe,y\n" + "1,ä\n2,b\n" * 3
        (tmp_path / "data.csv").write_bytes(text.encode(encoding))
        task = make(str(tmp_path / "data.csv"), target="y", encoding=encoding)
        assert task.classes == 2

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"separator": "::"}, "separator to be one character, or tab, got '::'"),
            ({"separator": '"'}, "separator to be one character"),
            ({"encoding": "utf-99"}, "encoding to be one that Python knows, got 'utf-99'"),
            ({"encoding": "base64"}, "encoding to be one that Python knows"),
            ({"fill": "zero"}, "fill 'mean' or 'median', got 'zero'"),
            ({"drop": 3}, "drop to be a text or a list of texts, got 3"),
            ({"standardize_labels": 1}, "standardize_labels to be True or False, got 1"),
            ({"seperator": ";"}, "got 'seperator'; did you mean 'separator'?"),
        ],
    )
    def test_refused(self, tmp_path, options, message):
        spec = write_csv(tmp_path / "data.csv", {**COLUMNS, "y": NUMBERS})
        with pytest.raises(TaskError) as caught:
            make(spec, target="y", **options)
        assert message in str(caught.value)

    @pytest.mark.parametrize("option", ["separator", "encoding"])
    def test_not_for_parquet(self, tmp_path, option):
        spec = write_parquet(tmp_path / "data.parquet", {**COLUMNS, "y": NUMBERS})
        message = refusal(spec, target="y", **{option: ";"})
        assert f"no {option} for" in message
        assert "belongs to a .csv or .tsv file" in message


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
            ("a,,y\n0,1,2\n", "a name for column 1"),
            ("a,a,y\n0,1,2\n", "different names in"),
            ('a,y\n1,"2\n', "to be a CSV file"),
            ("a,y\n1,\0\n", "data.csv"),
            ("a,y\n1," + "2" * 200_000 + "\n", "to be a CSV file"),
        ],
    )
    def test_form(self, tmp_path, text, message):
        assert message in refusal(self.write(tmp_path, text), target="y")

    def test_accepted_forms(self, tmp_path):
        text = '\ufeff"a, b",c,y\r\n 1 ,2e3,ja\r\n\r\n-.5,"3",nein\r\n+7,0,ja\r\n1,1,nein\r\n'
        task = make(self.write(tmp_path, text), target="y")
        assert task.X_train.shape == (2, 2)
        assert task.metric == "accuracy"

    def test_encoding(self, tmp_path):
        spec = self.write(tmp_path, "a,y\n1,ä\n", "latin-1")
        assert "save it as UTF-8, or give its encoding" in refusal(spec, target="y")
        spec = self.write(tmp_path, "a,y\n1,2\n", "utf-16")
        assert "give encoding utf-16" in refusal(spec, target="y")

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"<!DOCTYPE html><html>", "an HTML or XML page saved under this name"),
            (gzip.compress(b"\n <html>404", mtime=0), "an HTML or XML page"),
            (b"version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS"),
            (b"PK\x03\x04" + bytes(30), "save the sheet as CSV"),
        ],
    )
    def test_something_else(self, tmp_path, content, message):
        (tmp_path / "data.csv").write_bytes(content)
        assert message in refusal(str(tmp_path / "data.csv"), target="y")

    def test_decimal_commas(self, tmp_path):
        (tmp_path / "data.csv").write_text("a;y\n1,5;2\n")
        spec = str(tmp_path / "data.csv")
        assert "give separator ';', as --separator ';'" in refusal(spec, target="y")
        assert "write decimals with a point" in refusal(spec, target="y", separator=";")

    def test_texts_are_refused_all_at_once(self, write):
        spec = write({"a": np.arange(4.0), "city": list("abca"), "the sex": list("mfmf"),
                      "y": np.arange(4.0)})  # fmt: skip
        message = refusal(spec, target="y")
        assert "expected numbers in columns 'city', 'the sex' of" in message
        assert message.endswith("or leave them out: --drop city --drop 'the sex'")

    def test_missing_features_may_be_filled(self, write):
        a = [1.0, float("nan"), 2.0, 4.0]
        message = refusal(write({"a": a, "y": np.arange(4.0)}), target="y")
        assert "let fill stand in for it (--fill median) or remove the row" in message
        message = refusal(write({"a": np.arange(4.0), "y": a}), target="y")
        assert "--fill" not in message

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
            "f": pa.array([1.5, 2.5, 3.5, 4.5], pa.float32()),
            "i": pa.array([1, 2, 3, 4], pa.int8()),
            "b": pa.array([True, False, True, True]),
            "y": pa.array(["u", "v", "u", "v"]).dictionary_encode(),
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


class TestPreparation:
    """What was done to the rows of a table can be done to new ones."""

    def test_features_of_raw_rows(self, write):
        columns = {"id": np.arange(N), **COLUMNS, "y": np.where(TEXTS == "cat", "yes", "no")}
        columns["b"] = np.where(np.arange(N) % 7 == 3, np.nan, columns["b"])
        spec = write(columns)
        task = make(spec, target="y", drop="id", fill="median", train=30, valid=10)
        prepared = task.preparation
        assert prepared.columns == ("a", "b", "c")
        assert (prepared.target, prepared.classes) == ("y", ("no", "yes"))
        # The same rows in a table of another order of columns, without labels.
        raw = {name: columns[name] for name in ("c", "b", "id", "a")}
        X = read_features(Path(write(raw)), prepared.columns, gaps=True)
        rows = {row.tobytes() for row in prepared.features(X)}
        parts = np.concatenate([task.X_train, task.X_valid, task.X_test])
        assert {row.tobytes() for row in parts} == rows

    def test_labels_in_their_own_units(self, write):
        spec = write({**COLUMNS, "y": 1e6 + NUMBERS})
        task = make(spec, target="y", standardize_labels=True)
        plain = make(spec, target="y")
        np.testing.assert_allclose(task.preparation.labels(task.y_valid), plain.y_valid)
        assert plain.preparation.labels(plain.y_valid).tobytes() == plain.y_valid.tobytes()
        assert plain.preparation.classes == ()

    @pytest.mark.parametrize(
        ("columns", "message"),
        [
            ({"a": [1.0, 2.0], "bb": [1.0, 2.0]}, "a column 'b' in"),
            ({"a": [1.0, 2.0], "b": [1.0, np.nan]}, "a number in column 'b', row 1"),
            ({"a": [1.0, 2.0], "b": ["x", "y"]}, "numbers in column 'b'"),
        ],
    )
    def test_rows_that_do_not_fit(self, write, columns, message):
        with pytest.raises(TaskError) as caught:
            read_features(Path(write(columns)), ("a", "b"))
        assert message in str(caught.value)
