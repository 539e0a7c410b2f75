"""Generators by name, stratified splits, standardisation, products in a fixed order."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from azc.tasks.draws import (
    PARAMETERS,
    TRAIN,
    generator,
    ordered_product,
    share,
    standardise,
    stratified,
    task_seed,
)


def test_generators_differ_by_each_part_of_their_name():
    names = [(0, 0, PARAMETERS), (1, 0, PARAMETERS), (0, 1, PARAMETERS), (0, 0, TRAIN)]
    names.append((0, 0, TRAIN, 1))
    draws = [generator(*name).integers(2**62) for name in names]
    assert len(set(draws)) == len(draws)
    assert draws == [generator(*name).integers(2**62) for name in names]


def test_task_seeds_are_64_bits_and_differ():
    seeds = {task_seed(seed, index) for seed in range(10) for index in range(100)}
    assert len(seeds) == 1000
    assert max(seeds) > 2**63
    assert max(seeds) < 2**64


@given(total=st.integers(0, 500), classes=st.integers(1, 30))
def test_share(total, classes):
    shares = share(total, classes)
    assert sum(shares) == total
    assert len(shares) == classes
    assert max(shares) - min(shares) <= 1


@settings(max_examples=50)
@given(data=st.data(), classes=st.integers(1, 5), seed=st.integers(0, 2**64 - 1))
def test_stratified(data, classes, seed):
    parts = data.draw(st.lists(st.integers(0, 40), min_size=1, max_size=3))
    needed = [sum(column) for column in zip(*(share(p, classes) for p in parts), strict=True)]
    sizes = [n + data.draw(st.integers(0, 5)) for n in needed]
    index = data.draw(st.integers(0, 1000))
    drawn = stratified(sizes, parts, seed, index)
    seen = set()
    for (labels, rows), count in zip(drawn, parts, strict=True):
        assert len(labels) == len(rows) == count
        assert np.bincount(labels, minlength=classes).tolist() == share(count, classes)
        examples = set(zip(labels.tolist(), rows.tolist(), strict=True))
        assert len(examples) == count
        assert not examples & seen
        assert all(0 <= row < sizes[c] for c, row in examples)
        seen |= examples
    # A part does not depend on the later ones.
    first = stratified(sizes, parts[:1], seed, index)[0]
    np.testing.assert_array_equal(first, drawn[0])


def test_stratified_parts_are_shuffled():
    labels, _ = stratified([500, 500], [600], 0, 0)[0]
    assert 250 < np.count_nonzero(np.diff(labels)) < 350


class TestStandardise:
    def test_mean_and_deviation_of_the_first_part(self):
        rng = np.random.default_rng(0)
        first = rng.normal(5, 3, (500, 4)) * [1, 1e-9, 1e12, 1]
        second = rng.normal(5, 3, (50, 4)) * [1, 1e-9, 1e12, 1]
        a, b = standardise(first, second)
        np.testing.assert_allclose(a.mean(axis=0), 0, atol=1e-14)
        np.testing.assert_allclose(a.std(axis=0), 1, rtol=1e-13)
        expected = (second - first.mean(axis=0)) / first.std(axis=0)
        np.testing.assert_allclose(b, expected, rtol=1e-10, atol=1e-12)

    @pytest.mark.parametrize("value", [0.0, 0.1, -1e300, 1e-310, 3.0])
    def test_constant_column_is_shifted(self, value):
        a, b = standardise(np.full((777, 1), value), np.array([[value], [2.0]]))
        np.testing.assert_array_equal(a, 0)
        np.testing.assert_array_equal(b[:, 0], [0, 2.0 - value])

    @pytest.mark.parametrize("scale", [1e300, 1e-300, 5e-324 * 2**20])
    def test_extreme_scales(self, scale):
        a, _ = standardise(np.array([[1.0], [-1.0], [0.5]]) * scale, np.zeros((1, 1)))
        expected = standardise(np.array([[1.0], [-1.0], [0.5]]))[0]
        np.testing.assert_allclose(a, expected, rtol=1e-5)

    def test_large_mean_small_spread(self):
        x = 1e9 + np.random.default_rng(0).standard_normal((1000, 1))
        a = standardise(x)[0]
        assert abs(a.mean()) < 1e-12
        assert abs(a.std() - 1) < 1e-12

    def test_one_example(self):
        np.testing.assert_array_equal(standardise(np.array([[3.0, 4.0]]))[0], [[0, 0]])

    def test_arguments_stay(self):
        x = np.arange(6.0).reshape(3, 2)
        standardise(x)
        np.testing.assert_array_equal(x, np.arange(6.0).reshape(3, 2))


@given(n=st.integers(1, 5), k=st.integers(1, 9), seed=st.integers(0, 100))
def test_ordered_product_adds_in_order(n, k, seed):
    rng = np.random.default_rng(seed)
    A, B, v = rng.normal(size=(n, k)), rng.normal(size=(k, 3)), rng.normal(size=k)
    for i in range(n):
        total = 0.0
        for j in range(k):
            total += A[i, j] * v[j]
        assert ordered_product(A, v)[i] == total
    np.testing.assert_allclose(ordered_product(A, B), A @ B, rtol=1e-12, atol=1e-12)
