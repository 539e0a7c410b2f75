"""Classification tasks from images: pairs, draws, projection, standardisation."""

import itertools

import numpy as np
import pytest

from azc.errors import TaskError
from azc.tasks import make, make_set, parse_spec
from azc.tasks.images import IMAGE_SETS, pools
from azc.tasks.projection import SELECT_PAIRS, classes_of, make_image_task, pairs, projection

TEN = set(itertools.combinations(range(10), 2))


def as_set(array):
    return {tuple(pair) for pair in array.tolist()}


class TestPairs:
    def test_the_papers_split(self):
        held_out = {(0, 5), (0, 9), (1, 8), (2, 9), (3, 5), (3, 6), (3, 8), (4, 6), (8, 9)}
        assert set(SELECT_PAIRS) == held_out
        assert as_set(pairs(10, "select", 0)) == held_out
        assert as_set(pairs(10, "search", 0)) == TEN - held_out
        assert as_set(pairs(10, "pairs", 0)) == TEN
        assert [len(pairs(10, part, 0)) for part in ("select", "search", "pairs")] == [9, 36, 45]

    def test_a_thousand_classes(self):
        both, search, select = (as_set(pairs(1000, p, 0)) for p in ("pairs", "search", "select"))
        assert len(both) == 499_500
        assert search | select == both
        assert not search & select
        assert all((a + b) % 5 == 0 for a, b in select)
        assert len(select) == pytest.approx(len(both) / 5, rel=0.01)

    def test_order_is_the_seeds(self):
        assert pairs(10, "pairs", 1).tolist() == pairs(10, "pairs", 1).tolist()
        assert pairs(10, "pairs", 1).tolist() != pairs(10, "pairs", 2).tolist()

    def test_tasks_cycle_through_them(self):
        spec = parse_spec("digits:select")
        first = [classes_of(spec, 4, i) for i in range(9)]
        assert set(first) == set(SELECT_PAIRS)
        assert [classes_of(spec, 4, i) for i in range(9, 18)] == first

    def test_a_pair_comes_back_with_another_projection(self):
        a, b = make("digits:select", index=0), make("digits:select", index=9)
        assert a.name.split("[")[0] == b.name.split("[")[0]
        assert not np.array_equal(a.X_train, b.X_train)


class TestProjected:
    def test_defaults(self):
        task = make("digits:3,8", index=1)
        assert task.name == "digits:3,8[1]"
        assert task.metric == "accuracy"
        assert task.classes == 2
        shapes = [task.X_train.shape, task.X_valid.shape, task.X_test.shape]
        assert shapes == [(240, 16), (60, 16), (48, 16)]

    def test_every_pair_has_enough_images(self):
        for task in make_set("digits", count=45):
            assert (len(task.X_train), len(task.X_valid), len(task.X_test)) == (240, 60, 48)

    def test_balanced(self):
        for task in make_set("digits", count=5):
            for y in (task.y_train, task.y_valid, task.y_test):
                assert y.mean() == 0.5
                assert set(y) == {0.0, 1.0}

    @pytest.mark.parametrize("spec", ["digits:1,7", "digits:raw:1,7", "digits:all"])
    def test_standardised_by_the_training_part(self, spec):
        task = make(spec)
        deviations = task.X_train.std(axis=0)
        constant = deviations == 0
        np.testing.assert_allclose(task.X_train.mean(axis=0), 0, atol=1e-13)
        np.testing.assert_allclose(deviations[~constant], 1, rtol=1e-13)
        assert constant.any() == (":raw" in spec)  # the corners of the digits are always empty
        assert not np.allclose(task.X_valid.mean(axis=0), 0, atol=1e-6)

    def test_is_the_stated_computation(self):
        task = make("digits:3,8", features=8, seed=5, index=2)
        pool = pools(IMAGE_SETS["digits"], [3, 8])
        matrix = projection(8, 64, 5, 2)
        assert matrix.shape == (64, 8)
        both = np.concatenate([pool[3], pool[8]]) @ matrix
        labels = np.repeat([0, 1], [len(pool[3]), len(pool[8])])
        # Undo the standardisation: every row must be one of the projected images of its class.
        used = set()
        parts = (("train", task.X_train, task.y_train), ("valid", task.X_valid, task.y_valid))
        parts = (*parts, ("test", task.X_test, task.y_test))
        centre, spread = fitted(both, labels, parts)
        for _, X, y in parts:
            back = X * spread + centre
            distance = np.abs(back[:, None] - both[None]).max(axis=2)
            nearest = distance.argmin(axis=1)
            assert distance.min(axis=1).max() < 1e-8
            assert (labels[nearest] == y).all()
            assert not used & set(nearest.tolist())
            assert len(set(nearest.tolist())) == len(X)
            used |= set(nearest.tolist())

    def test_first_class_is_label_0(self):
        a, b = make("digits:0,1", features=64), make("digits:1,0", features=64)
        assert a.y_train.tolist() == b.y_train.tolist()
        assert not np.array_equal(a.X_train, b.X_train)

    def test_normal_matrix(self):
        matrix = projection(200, 3072, 0, 0)
        assert abs(matrix.mean()) < 0.005
        assert abs(matrix.std() - 1) < 0.005

    def test_smaller_projection_is_part_of_a_larger(self):
        np.testing.assert_array_equal(projection(4, 64, 1, 2), projection(9, 64, 1, 2)[:, :4])

    def test_product_has_no_rounding_to_depend_on(self):
        # Any order of additions gives the same bits: here backwards, and in blocks.
        matrix = projection(3, 3072, 0, 0)
        images = np.random.default_rng(0).integers(0, 256, (5, 3072)).astype(float)
        whole = images @ matrix
        np.testing.assert_array_equal(images[:, ::-1] @ matrix[::-1], whole)
        blocks = images.reshape(5, 96, 32).transpose(1, 0, 2) @ matrix.reshape(96, 32, 3)
        np.testing.assert_array_equal(blocks.sum(axis=0), whole)

    def test_learnable(self):
        for task in make_set("digits", count=5):
            X, V = (np.column_stack([x, np.ones(len(x))]) for x in (task.X_train, task.X_valid))
            w = np.linalg.lstsq(X, 2 * task.y_train - 1, rcond=None)[0]
            assert ((V @ w > 0) == (task.y_valid > 0.5)).mean() > 0.8

    def test_training_part_does_not_depend_on_the_others(self):
        a, b = make("digits:3,8"), make("digits:3,8", valid=10)
        assert a.X_train.tobytes() == b.X_train.tobytes()

    def test_rmse_on_request(self):
        task = make("digits:3,8", metric="rmse")
        assert task.metric == "rmse"
        assert task.classes == 0


def fitted(both, labels, parts):
    """(mean, deviation) that the training part had, from its rows as drawn."""
    from azc.tasks.draws import stratified

    sizes = np.bincount(labels).tolist()
    (classes, rows), *_ = stratified(sizes, [len(X) for _, X, _ in parts], 5, 2)
    chosen = both[rows + np.where(classes == 1, sizes[0], 0)]
    return chosen.mean(axis=0), chosen.std(axis=0)


class TestCounts:
    def test_fewer(self):
        task = make("digits:3,8", train=7, valid=1)
        assert len(task.X_train) == 7
        assert len(task.X_valid) == 1
        assert len(task.X_test) == 48
        assert np.bincount(task.y_train.astype(int)).tolist() == [4, 3]

    def test_test_part_gets_what_is_left(self):
        assert make("digits:3,8", train=288, valid=60).X_test is None
        assert len(make("digits:3,8", train=280, valid=60).X_test) == 8

    def test_too_many(self):
        with pytest.raises(TaskError) as caught:
            make("digits:3,8", train=300, valid=60)
        assert str(caught.value) == (
            "expected at most 348 training and validation examples together of digits, "
            "got 300 + 60; class 8 has 174 images to draw from"
        )

    def test_only_the_first_images_of_the_pool(self):
        info = IMAGE_SETS["mnist"]
        assert info.pool == 5000
        assert info.pair == (8000, 1000, 1000)


class TestAll:
    def test_ten_classes(self):
        task = make("digits:all")
        assert task.classes == 10
        assert task.name == "digits:all[0]"
        assert task.features == 16
        assert np.bincount(task.y_train.astype(int)).tolist() == [120] * 10
        assert len(task.X_test) == 240

    def test_features_per_class(self):
        assert make("digits:all", features=10).features == 10
        with pytest.raises(TaskError, match="10 to 4096 features for 'digits:all', one per class"):
            make("digits:all", features=9)
        assert make("digits:all", features=4, metric="rmse").features == 4


class TestRaw:
    def test_pixels(self):
        task = make("digits:raw:3,8")
        assert task.features == 64
        assert task.name == "digits:raw:3,8[0]"
        assert make("digits:raw:3,8", features=64).key == task.key

    def test_is_the_stated_computation(self):
        task = make("digits:raw:3,8")
        pool = pools(IMAGE_SETS["digits"], [3, 8])
        middle = task.X_train[:, 27]
        assert len(np.unique(middle)) <= 17  # pixel values from 0 to 16
        assert set(pool[3][:, 27].tolist()) <= set(range(17))

    def test_other_features(self):
        with pytest.raises(
            TaskError, match="features 64 for 'digits:raw', the number of its pixels, got 16"
        ):
            make("digits:raw", features=16)

    def test_all(self):
        assert make("digits:raw:all").classes == 10


def test_from_given_pools():
    # The function itself needs no files: two classes that one pixel tells apart.
    spec = parse_spec("mnist:1,2")
    images = np.random.default_rng(0).integers(0, 255, (2, 100, 784)).astype(np.uint8)
    images[0, :, 0], images[1, :, 0] = 0, 255
    options = {"features": None, "train": 80, "valid": 20, "seed": 0, "index": 0, "metric": None}
    task = make_image_task(parse_spec("mnist:raw:1,2"), {1: images[0], 2: images[1]}, **options)
    np.testing.assert_array_equal(task.X_train[:, 0] > 0, task.y_train == 1)
    assert make_image_task(spec, {1: images[0], 2: images[1]}, **options).features == 16
