"""SVHN: MATLAB 5 files as SciPy writes them are read alike; hostile ones are refused."""

import contextlib
import io
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from azc.errors import TaskError
from azc.tasks import make
from azc.tasks.images import IMAGE_SETS, load, svhn

INFO = IMAGE_SETS["svhn"]
N = 60
X = np.random.default_rng(0).integers(0, 256, (32, 32, 3, N)).astype(np.uint8)
Y = (np.arange(N) % 10 + 1).astype(np.uint8)[:, None]


def mat(arrays, **options):
    scipy_io = pytest.importorskip("scipy.io")
    buffer = io.BytesIO()
    scipy_io.savemat(buffer, arrays, **options)
    return buffer.getvalue()


def element(kind, content):
    return struct.pack("<II", kind, len(content)) + content + bytes(-len(content) % 8)


def matrix(name, kind, shape, entry_type, data, flags=0):
    """One matrix element by hand, so that the tests need no SciPy and can lie."""
    content = element(6, struct.pack("<II", kind | flags, 0))
    content += element(5, struct.pack(f"<{len(shape)}i", *shape))
    content += element(1, name.encode()) + element(entry_type, data)
    return element(14, content)


HEADER = b"MATLAB 5.0 MAT-file, by hand".ljust(124) + b"\x00\x01IM"
X_ELEMENT = matrix("X", 9, X.shape, 2, X.tobytes(order="F"))
Y_ELEMENT = matrix("y", 6, Y.shape, 2, Y.tobytes())


def write(folder, content):
    folder.mkdir(exist_ok=True)
    (folder / "train_32x32.mat").write_bytes(content)
    return folder


def refusal(folder, content):
    with pytest.raises(TaskError) as caught:
        load(INFO, write(folder, content))
    assert "train_32x32.mat" in str(caught.value)
    return str(caught.value)


def check(folder):
    images, labels = load(INFO, folder)
    assert images.dtype == np.uint8
    assert labels.dtype == np.int64
    assert images.flags.c_contiguous
    np.testing.assert_array_equal(labels, Y.ravel() % 10)
    # Channel by channel, each row by row.
    np.testing.assert_array_equal(images.reshape(N, 3, 32, 32)[7, 1], X[:, :, 1, 7])


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("dtype", ["u1", "f8", "i4"])
@pytest.mark.parametrize("folder", ["", "svhn"])
def test_as_scipy_writes_it(tmp_path, compressed, dtype, folder):
    content = mat({"other": np.zeros(9), "X": X, "y": Y.astype(dtype)}, do_compression=compressed)
    write(tmp_path / folder, content)
    check(tmp_path)


def test_by_hand(tmp_path):
    check(write(tmp_path, HEADER + Y_ELEMENT + X_ELEMENT))
    packed = zlib.compress(X_ELEMENT)
    content = HEADER + struct.pack("<II", 15, len(packed)) + packed + Y_ELEMENT
    check(write(tmp_path, content))


def test_big_endian(tmp_path):
    def big(kind, content):
        return struct.pack(">II", kind, len(content)) + content + bytes(-len(content) % 8)

    def array(name, kind, shape, entry_type, data):
        content = big(6, struct.pack(">II", kind, 0)) + big(
            5, struct.pack(f">{len(shape)}i", *shape)
        )
        return big(14, content + big(1, name) + big(entry_type, data))

    content = b"MATLAB 5.0 MAT-file, by hand".ljust(124) + b"\x01\x00MI"
    content += array(b"X", 9, X.shape, 2, X.tobytes(order="F"))
    content += array(b"y", 6, Y.shape, 9, Y.astype(">f8").tobytes())
    check(write(tmp_path, content))


def test_tasks(tmp_path):
    task = make("svhn:0,9", data=write(tmp_path, HEADER + X_ELEMENT + Y_ELEMENT), train=6, valid=2)
    assert task.features == 16
    assert task.name == "svhn:0,9[0]"


class TestRefused:
    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"", "128 bytes of header"),
            (b"x" * 200, "to be a MATLAB 5 file"),
            (b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM", "to be a MATLAB 5 file"),
            (HEADER, "no X and no y"),
            (HEADER + Y_ELEMENT, "no X"),
            (HEADER + X_ELEMENT, "no y"),
            (HEADER + matrix("X", 1, (1, 1), 2, b"0"), "a real numeric array"),
            (HEADER + matrix("X", 9, (1, 1), 2, b"0", 0x800), "a real numeric array"),
            (HEADER + matrix("X", 9, (2, 2), 2, b"0123") + Y_ELEMENT, "shape (32, 32, 3, n)"),
            (HEADER + matrix("X", 9, (2, 2), 2, b"012"), "4 bytes of X"),
            (HEADER + matrix("X", 9, (2, 2), 77, b"0123"), "entries of type 77"),
            (HEADER + matrix("X", 9, (-2, -2), 2, b"0123"), "shape (-2, -2)"),
            (HEADER + matrix("X", 9, (2**30, 2**30), 2, b"0123"), "entries of X"),
            (HEADER + matrix("X", 9, (), 2, b"0"), "train_32x32.mat"),
            (HEADER + X_ELEMENT + matrix("y", 6, (3, 1), 2, b"\1\2\3"), "60 labels in"),
            (HEADER + X_ELEMENT + matrix("y", 6, (N, 1), 2, b"\x0b" * N), "labels 1 to 10"),
        ],
    )
    def test_content(self, tmp_path, content, message):
        assert message in refusal(tmp_path, content)

    @pytest.mark.parametrize("compressed", [True, False])
    def test_truncated(self, tmp_path, compressed):
        whole = mat({"X": X, "y": Y}, do_compression=compressed)
        for length in (100, 128, 130, 140, 200, 5000, len(whole) - 200, len(whole) - 5):
            refusal(tmp_path, whole[:length])

    def test_bomb(self, tmp_path):
        start = X_ELEMENT[: len(X_ELEMENT) - X.size]
        packed = zlib.compress(
            start.replace(struct.pack("<i", N), struct.pack("<i", 2)) + bytes(64 << 20)
        )
        content = HEADER + struct.pack("<II", 15, len(packed)) + packed
        tracemalloc.start()
        refusal(tmp_path, content)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 2 << 20

    @settings(max_examples=200, deadline=None)
    @given(data=st.data())
    def test_any_damage_is_a_task_error_or_unnoticed(self, tmp_path_factory, data):
        folder = tmp_path_factory.getbasetemp() / "svhn-damage"
        small = HEADER + matrix("X", 9, (32, 32, 3, 1), 2, bytes(3072))
        content = bytearray(small + matrix("y", 6, (1, 1), 2, b"\x05"))
        places = [*range(116, 200), *range(len(content) - 80, len(content))]
        for _ in range(data.draw(st.integers(1, 3))):
            content[data.draw(st.sampled_from(places))] = data.draw(st.integers(0, 255))
        with contextlib.suppress(TaskError):
            load(INFO, write(folder, bytes(content)))


def test_scipy_is_not_needed():
    assert "scipy" not in svhn.__dict__


def test_official_test_images(tmp_path):
    write(tmp_path, HEADER + X_ELEMENT + Y_ELEMENT)
    other = matrix("X", 9, X.shape, 2, (255 - X).tobytes(order="F"))
    (tmp_path / "test_32x32.mat").write_bytes(HEADER + other + Y_ELEMENT)
    images, _ = load(INFO, tmp_path, test=True)
    np.testing.assert_array_equal(images, 255 - load(INFO, tmp_path)[0])
    options = {"data": tmp_path, "train": 6, "valid": 2, "test_images": "official"}
    assert make("svhn:3,8", **options).y_test.shape == (12,)


def test_a_page_in_its_place(tmp_path):
    assert "an HTML or XML page saved under" in refusal(tmp_path, b"<html>404</html>" + bytes(200))
