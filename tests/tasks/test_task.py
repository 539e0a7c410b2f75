"""`Task`: what it accepts, what it refuses and how it says so, and that it cannot change."""

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from azc.errors import TaskError
from azc.tasks import Task
from azc.tasks.task import NUMBERING


def arrays(n=6, m=4, features=3):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n + m, features))
    return X[:n].copy(), np.arange(n) * 0.5, X[n:].copy(), np.arange(m) * 0.5


def binary(n=6, m=4, features=3):
    X, _, V, _ = arrays(n, m, features)
    return X, np.arange(n) % 2, V, np.arange(m) % 2


def follow(message, y_train, y_valid):
    """The labels that the advice to number classes makes."""
    assert NUMBERING in message
    names = np.unique(np.concatenate([y_train, y_valid]))
    return np.searchsorted(names, y_train), np.searchsorted(names, y_valid)


class Frame:
    """As a data frame becomes an array."""

    def __init__(self, values):
        self.values = values

    def __array__(self, dtype=None, copy=None):
        return np.array(self.values, dtype=dtype)


class TestFields:
    def test_attributes(self):
        X, y, V, z = arrays()
        task = Task(X, y, V, z, name="mine", seed=7)
        assert (task.features, task.metric, task.classes) == (3, "rmse", 0)
        assert (task.name, task.seed, task.key) == ("mine", 7, 7)
        assert task.X_test is None
        assert task.y_test is None
        np.testing.assert_array_equal(task.X_train, X)
        np.testing.assert_array_equal(task.y_valid, z)

    @pytest.mark.parametrize("dtype", ["u1", "i4", ">f8", "f2", "?"])
    def test_other_dtypes_become_float64(self, dtype):
        X, y, V, z = (a.astype(dtype) for a in arrays())
        task = Task(X, y, V, z)
        for array in (task.X_train, task.y_train, task.X_valid, task.y_valid):
            assert array.dtype == np.float64
            assert array.flags.c_contiguous
        np.testing.assert_array_equal(task.X_train, X.astype(float))

    def test_lists_and_fortran_order(self):
        task = Task([[1, 2], [3, 4]], [0, 1], np.asfortranarray([[5.0, 6.0], [7.0, 8.0]]), [1, 0])
        assert task.X_valid.flags.c_contiguous
        np.testing.assert_array_equal(task.X_valid, [[5, 6], [7, 8]])

    def test_no_copy_and_the_callers_array_stays_writable(self):
        X, y, V, z = arrays()
        task = Task(X, y, V, z)
        assert np.shares_memory(task.X_train, X)
        assert np.shares_memory(task.y_valid, z)
        assert X.flags.writeable
        assert not task.X_train.flags.writeable
        with pytest.raises(ValueError, match="read-only"):
            task.X_train[0, 0] = 1

    def test_cannot_be_changed(self):
        task = Task(*arrays())
        with pytest.raises(AttributeError, match="cannot be changed"):
            task.metric = "accuracy"
        with pytest.raises(AttributeError):
            task.other = 1
        with pytest.raises(AttributeError):
            del task.name

    def test_repr(self):
        assert repr(Task(*binary(), metric="accuracy", name="b")) == (
            "Task('b', features=3, train=6, valid=4, metric='accuracy', classes=2)"
        )

    @pytest.mark.parametrize(
        "again", [copy.copy, copy.deepcopy, lambda t: pickle.loads(pickle.dumps(t))]
    )
    @pytest.mark.parametrize("metric", ["rmse", "accuracy"])
    def test_travels_to_other_processes(self, again, metric):
        task = Task(*binary(), metric=metric, name="x", X_test=np.ones((1, 3)), y_test=[1])
        other = again(task)
        assert other.key == task.key
        assert repr(other) == repr(task)
        assert not other.X_train.flags.writeable
        np.testing.assert_array_equal(other.X_test, task.X_test)


class TestKey:
    def test_of_data(self):
        X, y, V, z = arrays()
        key = Task(X, y, V, z).key
        assert 0 <= key < 2**64
        assert key == Task(X.copy(), y, V, z, name="other").key
        changed = X.copy()
        changed[0, 0] += 1
        assert key != Task(changed, y, V, z).key

    def test_of_shapes(self):
        zeros = np.zeros
        one = Task(zeros((2, 3)), zeros(2), zeros((1, 3)), zeros(1))
        other = Task(zeros((1, 3)), zeros(1), zeros((2, 3)), zeros(2))
        assert one.key != other.key

    @pytest.mark.parametrize("seed", [-1, 2**64, 1.0, "1", True])
    def test_bad_seed(self, seed):
        with pytest.raises(TaskError, match="seed"):
            Task(*arrays(), seed=seed)


class TestClasses:
    def test_default_is_two(self):
        X, _, V, _ = arrays()
        assert Task(X, np.zeros(6), V, np.zeros(4), metric="accuracy").classes == 2

    def test_largest_label(self):
        X, _, V, _ = arrays()
        assert Task(X, np.zeros(6), V, [0, 1, 2, 0], metric="accuracy").classes == 3

    def test_given(self):
        assert Task(*binary(), metric="accuracy", classes=3).classes == 3

    def test_more_classes_than_features(self):
        X, _, V, _ = arrays()
        with pytest.raises(TaskError, match="expected at least 4 features for 4 classes, got 3"):
            Task(X, np.zeros(6), V, [0, 1, 2, 3], metric="accuracy")

    @pytest.mark.parametrize(
        ("labels", "message"),
        [
            ([0, 0.5, 1, 0], "labels 0 to C-1 in y_valid for metric 'accuracy', got 0.5 in row 1"),
            ([-1, 1, 1, -1], "got -1 in row 0; map -1 and 1 to 0 and 1"),
            ([0, 1e12, 0, 0], "at most 4096 classes"),
        ],
    )
    def test_bad_labels(self, labels, message):
        X, y, V, _ = binary()
        with pytest.raises(TaskError, match=message):
            Task(X, y, V, labels, metric="accuracy")

    def test_label_above_given_classes(self):
        X, y, V, _ = binary()
        with pytest.raises(TaskError, match=r"labels 0 to 1 in y_valid .* got 2 in row 3"):
            Task(X, y, V, [0, 1, 0, 2], metric="accuracy", classes=2)

    @pytest.mark.parametrize(
        ("train", "valid", "absent"),
        [
            ([1, 2, 1, 2, 1, 2], [1, 2, 1, 2], 0),
            ([2] * 6, [2] * 4, 0),
            ([0, 2, 0, 2, 0, 2], [0, 0, 2, 2], 1),
            ([0, 1, 0, 1, 0, 1], [0, 1, 0, 3], 2),
        ],
    )
    def test_a_class_that_is_nowhere(self, train, valid, absent):
        X, _, V, _ = arrays(features=5)
        with pytest.raises(TaskError) as caught:
            Task(X, train, V, valid, metric="accuracy")
        message = str(caught.value)
        assert f"every label from 0 to {max(train + valid)} in y_train or y_valid" in message
        assert f"got no label {absent}; number the classes: names = np.unique" in message
        # What is advised works.
        y = follow(message, train, valid)
        classes = max(2, len({*train, *valid}))
        assert Task(X, y[0], V, y[1], metric="accuracy").classes == classes
        given = max(2, max(train + valid) + 1)
        assert Task(X, train, V, valid, metric="accuracy", classes=given).classes == given

    def test_one_of_two_classes(self):
        X, _, V, _ = arrays()
        assert Task(X, np.ones(6), V, np.ones(4), metric="accuracy").classes == 2

    def test_label_in_test_part_only(self):
        with pytest.raises(TaskError, match=r"labels 0 to 1 in y_test, got 2; give classes"):
            Task(*binary(), metric="accuracy", X_test=np.ones((1, 3)), y_test=[2])

    def test_not_with_rmse(self):
        with pytest.raises(TaskError, match="no classes with metric 'rmse'"):
            Task(*arrays(), classes=2)

    @pytest.mark.parametrize("metric", ["acuracy", "mse", 3])
    def test_bad_metric(self, metric):
        with pytest.raises(TaskError, match="expected metric 'rmse' or 'accuracy', got"):
            Task(*arrays(), metric=metric)


class TestShapes:
    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"X_train": np.zeros(3)}, r"expected X_train of shape \(n, F\), got shape \(3,\); "),
            ({"X_train": np.zeros((2, 3, 1))}, r"X_train of shape \(n, F\), got shape \(2, 3, 1\)"),
            (
                {"y_train": np.zeros((6, 1))},
                r"y_train of shape \(n,\), got shape \(6, 1\); pass np\.r",
            ),
            ({"y_valid": 0.0}, r"y_valid of shape \(n,\), got shape \(\)"),
            ({"y_train": np.zeros(5)}, r"y_train of shape \(6,\) .* got shape \(5,\)"),
            ({"X_valid": np.zeros((4, 2))}, r"X_valid of shape \(n, 3\) .* got shape \(4, 2\)"),
            ({"X_train": np.zeros((0, 3))}, "at least 1 example in X_train"),
            ({"X_train": np.zeros((6, 0))}, "1 to 4096 features in X_train, got 0"),
            ({"X_train": np.zeros((6, 4097))}, "1 to 4096 features in X_train, got 4097"),
            ({"X_train": [[1, 2], [3]]}, "X_train to be an array of numbers"),
            (
                {"X_train": np.zeros((6, 3), complex)},
                "X_train of a real numeric dtype, got dtype c",
            ),
            ({"X_train": np.zeros((6, 3), object)}, "numeric dtype, got dtype object"),
            ({"y_valid": np.array(["a"] * 4)}, "y_valid of a real numeric dtype, got dtype <U1"),
            ({"X_test": np.zeros((1, 3))}, "X_test and y_test together, got X_test alone"),
        ],
    )
    def test_refused(self, change, message):
        fields = dict(zip(("X_train", "y_train", "X_valid", "y_valid"), arrays(), strict=True))
        with pytest.raises(TaskError, match=message):
            Task(**{**fields, **change})

    def test_masked(self):
        X, y, V, z = arrays()
        with pytest.raises(TaskError, match="masked"):
            Task(np.ma.masked_less(X, 0), y, V, z)

    @pytest.mark.parametrize("form", ["csr_matrix", "coo_array", "csc_array"])
    def test_sparse(self, form):
        sparse = pytest.importorskip("scipy.sparse")
        X, y, V, z = arrays()
        matrix = getattr(sparse, form)(X)
        with pytest.raises(
            TaskError, match=rf"X_train to be a dense array, .* {form}; pass X_train\.toarray\(\)"
        ):
            Task(matrix, y, V, z)
        assert Task(matrix.toarray(), y, V, z).X_train.tobytes() == X.tobytes()

    @pytest.mark.parametrize("kind", [np.array, Frame, list])
    def test_one_column_of_labels(self, kind):
        X, y, V, z = arrays()
        column = kind(y[:, None].tolist())
        with pytest.raises(TaskError, match=r"got shape \(6, 1\); pass np\.ravel\(y_train\)"):
            Task(X, column, V, z)
        assert Task(X, np.ravel(column), V, z).y_train.tobytes() == y.tobytes()

    def test_one_hot_labels(self):
        X, y, V, z = binary()
        with pytest.raises(TaskError, match=r"pass np\.argmax\(y_train, axis=1\)"):
            Task(X, np.eye(2)[y], V, z, metric="accuracy")

    @pytest.mark.parametrize("dtype", [str, object, "S3"])
    def test_labels_that_are_texts(self, dtype):
        X, _, V, _ = arrays()
        train = np.array(["no", "yes", "no", "yes", "no", "no"]).astype(dtype)
        valid = np.array(["yes", "no", "yes", "no"]).astype(dtype)
        with pytest.raises(TaskError, match="metric='accuracy': names = ") as caught:
            Task(X, train, V, valid)
        y, z = follow(str(caught.value), train, valid)
        assert Task(X, y, V, z, metric="accuracy").y_train.tolist() == [0, 1, 0, 1, 0, 0]

    @pytest.mark.parametrize("dtype", [str, object])
    def test_numbers_of_another_type(self, dtype):
        X, y, V, z = arrays()
        with pytest.raises(TaskError, match=r"pass np\.asarray\(X_train, dtype=float\)"):
            Task(X.astype(dtype), y, V, z)
        Task(np.asarray(X.astype(dtype), dtype=float), y, V, z)

    def test_features_that_are_texts(self):
        X, y, V, z = arrays()
        mixed = X.astype(object)
        mixed[:, 1] = "red"
        with pytest.raises(TaskError, match=r"pandas\.get_dummies\(pandas\.DataFrame\(X_train\)"):
            Task(mixed, y, V, z)

    def test_one_feature(self):
        X, y, V, z = arrays(features=1)
        with pytest.raises(TaskError, match=r"pass np\.reshape\(X_train, \(-1, 1\)\)"):
            Task(X[:, 0], y, V, z)

    def test_an_array_that_cannot_be_made(self):
        class Odd:
            def __array__(self, dtype=None, copy=None):
                raise RuntimeError("call detach() first")

        _, y, V, z = arrays()
        with pytest.raises(TaskError, match=r"an array of numbers, got call detach\(\) first"):
            Task(Odd(), y, V, z)

    @pytest.mark.parametrize("name", ["", 3])
    def test_bad_name(self, name):
        with pytest.raises(TaskError, match="name"):
            Task(*arrays(), name=name)


class TestFinite:
    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    def test_place_in_features(self, value):
        X, y, V, z = arrays()
        V[2, 1] = value
        with pytest.raises(
            TaskError, match=f"finite numbers in X_valid, got {value} in row 2, column 1"
        ):
            Task(X, y, V, z)

    def test_place_in_labels(self):
        X, y, V, z = arrays()
        y[5] = np.nan
        with pytest.raises(TaskError, match="finite numbers in y_train, got nan in row 5;"):
            Task(X, y, V, z)

    def test_a_sum_that_overflows_is_no_error(self):
        X, y, V, z = arrays()
        X[:] = 1e308
        assert Task(X, y, V, z).X_train[0, 0] == 1e308

    def test_long_double_that_overflows(self):
        if np.finfo(np.longdouble).max == np.finfo(float).max:
            pytest.skip("long double is double here")
        X, y, V, z = arrays()
        with pytest.raises(TaskError, match="finite"):
            Task(np.full(X.shape, np.longdouble("1e400")), y, V, z)


@given(
    X=hnp.arrays(
        float,
        hnp.array_shapes(min_dims=2, max_dims=2, max_side=6),
        elements=st.floats(allow_nan=False, allow_infinity=False),
    )
)
def test_any_finite_array_is_kept_to_the_bit(X):
    task = Task(X, X[:, 0], X, X[:, 0])
    assert task.X_train.tobytes() == X.tobytes()
    assert task.y_train.tobytes() == X[:, 0].tobytes()
    assert task.key == Task(X.copy(), X[:, 0], X, X[:, 0]).key
