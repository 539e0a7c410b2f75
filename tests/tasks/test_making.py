"""`make`, `make_set` and `kinds`: options checked in one place, imports kept light."""

import subprocess
import sys
import textwrap

import numpy as np
import pytest

from azc.errors import ResourceError, TaskError
from azc.tasks import kinds, make, make_set


@pytest.mark.parametrize("spec", ["linear", "digits", "digits:select", "digits:all", "digits:raw"])
def test_make_is_an_entry_of_make_set(spec):
    for index, task in enumerate(make_set(spec, count=4, seed=2)):
        one = make(spec, index=index, seed=2)
        for name in ("X_train", "y_train", "X_valid", "y_valid"):
            assert getattr(one, name).tobytes() == getattr(task, name).tobytes()
        assert (one.name, one.key) == (task.name, task.key)


def test_first():
    names = [task.name for task in make_set("linear", first=3, count=2)]
    assert names == ["linear[3]", "linear[4]"]


def test_numpy_integers_are_integers():
    assert make("linear", features=np.int64(3), seed=np.uint64(2**64 - 1)).features == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"features": 0}, "features: expected a whole number from 1 to 4096, got 0"),
        ({"features": 2.0}, "features: expected a whole number from 1 to 4096, got 2.0"),
        ({"train": 0}, "train: expected a whole number from 1"),
        ({"valid": True}, "valid: expected a whole number from 1"),
        ({"seed": -1}, "seed: expected a whole number from 0"),
        ({"count": 0}, "count: expected a whole number from 1"),
        ({"first": -1}, "first: expected a whole number from 0"),
        ({"metric": "mse"}, "metric 'rmse' or 'accuracy', got 'mse'"),
        ({"metric": "accuracy"}, "metric 'rmse' for 'linear', whose labels are real"),
        ({"target": "y"}, "no target for 'linear'"),
    ],
)
def test_refused(options, message):
    with pytest.raises(TaskError) as caught:
        make_set("linear", **options)
    assert message in str(caught.value)


def test_sets_that_fit_nowhere_are_refused_at_once():
    with pytest.raises(ResourceError, match="at most") as caught:
        make_set("linear", train=100_000_000, features=4096, count=1000)
    assert caught.value.required > 10**15


def test_bad_index():
    with pytest.raises(TaskError, match="index"):
        make("linear", index=-1)


def test_kinds(tmp_path, monkeypatch):
    monkeypatch.delenv("AZC_DATA", raising=False)
    by_name = {kind.name: kind for kind in kinds()}
    assert list(by_name)[:4] == ["linear", "affine", "teacher-nn", "digits"]
    assert by_name["linear"].found
    assert by_name["digits"].found
    assert not by_name["mnist"].found
    assert by_name["digits"].classes == 10
    assert by_name["linear"].classes == 0
    assert by_name["svhn"].files == ("train_32x32.mat",)
    assert "housenumbers" in by_name["svhn"].page
    assert {"FILE.npz", "FILE.csv", "FILE.parquet"} < set(by_name)
    for kind in by_name.values():
        assert kind.sentence.endswith(".")
    (tmp_path / "svhn").mkdir()
    (tmp_path / "svhn" / "train_32x32.mat").write_bytes(b"")
    assert {kind.name for kind in kinds(tmp_path) if kind.files and kind.found} == {"svhn"}
    assert not any(kind.found for kind in kinds(tmp_path / "absent") if kind.files)


def test_defaults_listed_are_those_used():
    for kind in kinds():
        if not kind.files and kind.features is not None:
            task = make(kind.name)
            got = (task.features, len(task.X_train), len(task.X_valid))
            assert got == (kind.features, kind.train, kind.valid)


def test_nothing_heavy_is_imported():
    code = """
        import sys
        import azc.tasks
        heavy = {"sklearn", "scipy", "pyarrow", "pandas", "pydantic"}
        assert not heavy & set(sys.modules), heavy & set(sys.modules)
        task = azc.tasks.make("digits:3,8")
        azc.tasks.kinds()
        assert not heavy & set(sys.modules), heavy & set(sys.modules)
        assert len(task.y_train) == 240
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True, timeout=60)
