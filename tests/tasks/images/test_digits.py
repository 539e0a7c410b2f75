"""The digits of scikit-learn, read without importing it."""

import gzip
import subprocess
import sys

import numpy as np
import pytest

from azc.errors import TaskError
from azc.tasks.images import IMAGE_SETS, digits, load, pools

INFO = IMAGE_SETS["digits"]


def test_the_whole_set():
    images, labels = load(INFO)
    assert images.shape == (1797, 64)
    assert images.dtype == np.uint8
    assert images.max() == 16
    assert np.bincount(labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def test_same_as_scikit_learn_gives():
    script = "from sklearn.datasets import load_digits; import sys; "
    script += (
        "x, y = load_digits(return_X_y=True); sys.stdout.buffer.write(x.tobytes()+y.tobytes())"
    )
    command = [sys.executable, "-W", "ignore", "-c", script]
    result = subprocess.run(command, capture_output=True, check=True, timeout=120)
    images, labels = load(INFO)
    assert result.stdout == images.astype(float).tobytes() + labels.tobytes()


def test_pools_are_kept_and_locked():
    first = pools(INFO, [3, 8])
    assert pools(INFO, [3])[3] is first[3]
    assert not first[3].flags.writeable
    assert [len(first[c]) for c in (3, 8)] == [183, 174]


def test_data_folder_does_not_matter(tmp_path):
    assert len(load(INFO, tmp_path / "absent")[1]) == 1797


def test_without_scikit_learn(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(TaskError, match="pip install scikit-learn"):
        load(INFO)


def test_moved_file_falls_back_to_the_package(tmp_path):
    script = (
        "import sys; from pathlib import Path; from azc.tasks.images import digits; "
        f"((x, y),) = digits.load('digits', [Path({str(tmp_path)!r})], None); "
        "assert x.shape == (1797, 64) and 'sklearn' in sys.modules"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", script], check=True, timeout=120)


@pytest.mark.parametrize("content", [b"", b"1,2,3\n", b"x," * 64 + b"1\n", b"0," * 64 + b"300\n"])
def test_damaged(tmp_path, content):
    path = tmp_path / "digits.csv.gz"
    path.write_bytes(gzip.compress(content))
    with pytest.raises(TaskError, match=r"digits\.csv\.gz"):
        list(digits.load("digits", [path], None))
