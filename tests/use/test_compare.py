"""Comparisons: paired, with what chance would do."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

import azc
from azc import library
from azc.use.compare import holm
from azc.use.intervals import mean_interval


@pytest.fixture(scope="module")
def comparison():
    programs = [azc.parse(library.text(n), n) for n in ("affine", "linear", "affine")]
    tasks = azc.tasks.make_set("affine", count=10, features=4, train=100, valid=20)
    return programs, tasks, azc.compare(programs, tasks, seeds=2)


def test_contenders(comparison):
    programs, tasks, found = comparison
    for program, one, scores in zip(programs, found.contenders, found.fitness, strict=True):
        assert np.allclose(scores, azc.evaluate(program, tasks).fitness)
        assert np.isclose(one.fitness, scores.mean())
        assert one.low < one.fitness < one.high
        assert one.seconds_per_example > 0.0
        assert one.name == program.filename


def test_pairs(comparison):
    _, _, found = comparison
    assert [(p.first, p.second) for p in found.pairs] == [(0, 1), (0, 2), (1, 2)]
    better, same, worse = found.pairs
    differences = found.fitness[0] - found.fitness[1]
    assert np.isclose(better.difference, differences.mean())
    assert np.isclose(better.p, stats.wilcoxon(differences).pvalue)
    assert better.wins == np.mean(differences > 0)
    assert better.p < better.p_holm <= 1.0
    assert (same.difference, same.wins, same.ties, same.p, same.p_holm) == (0.0, 0.0, 1.0, 1.0, 1.0)
    assert worse.difference == -better.difference


def test_interval_is_student_s():
    values = np.array([1.0, 2.0, 4.0])
    mean, low, high = mean_interval(values)
    expected = stats.t.interval(0.95, 2, loc=values.mean(), scale=stats.sem(values))
    assert np.allclose((low, high), expected)
    assert mean == values.mean()
    assert mean_interval(np.array([0.5])) == (0.5, 0.5, 0.5)


def test_holm():
    assert np.allclose(holm([0.01, 0.04, 0.03]), [0.03, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]


def test_one_program_is_too_few():
    program = azc.parse(library.text("affine"))
    with pytest.raises(azc.ConfigError, match="expected at least two programs to compare, got 1"):
        azc.compare([program], [azc.tasks.make("affine", features=4)])
