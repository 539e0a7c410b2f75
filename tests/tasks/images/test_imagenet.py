"""ImageNet32 in npz format, packed and unpacked; pickles are refused unread."""

import io
import os
import zipfile

import numpy as np
import pytest

from azc.errors import TaskError
from azc.tasks import make, make_set
from azc.tasks.images import IMAGE_SETS, load

INFO = IMAGE_SETS["imagenet32"]
NAMES = [f"train_data_batch_{number}.npz" for number in range(1, 11)]
DATA = np.random.default_rng(0).integers(0, 256, (10, 30, 3072)).astype(np.uint8)
LABELS = np.tile([1, 2, 1000], 100).reshape(10, 30)


def npz(index, save=np.savez, **changes):
    buffer = io.BytesIO()
    arrays = {"data": DATA[index], "labels": LABELS[index], "mean": DATA[index].mean(axis=0)}
    save(buffer, **{**arrays, **changes})
    return buffer.getvalue()


def write(folder, **changes):
    """Unpacked batches; `changes` are for the fourth."""
    folder.mkdir(exist_ok=True)
    for index, name in enumerate(NAMES):
        (folder / name).write_bytes(npz(index, **changes) if index == 3 else npz(index))
    return folder


def write_zip(folder, compression=zipfile.ZIP_STORED, names=NAMES, inner="out/"):
    path = folder / "Imagenet32_train_npz.zip"
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name in reversed(names):
            archive.writestr(f"{inner}{name}", npz(NAMES.index(name)))
    return path


def refusal(folder):
    with pytest.raises(TaskError) as caught:
        load(INFO, folder)
    return str(caught.value)


def check(folder):
    images, labels = load(INFO, folder)
    np.testing.assert_array_equal(images, DATA.reshape(-1, 3072))
    np.testing.assert_array_equal(labels, LABELS.ravel() - 1)
    assert images.dtype == np.uint8
    assert labels.dtype == np.int64


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_packed(tmp_path, compression):
    write_zip(tmp_path, compression)
    check(tmp_path)


@pytest.mark.parametrize("folder", ["", "imagenet32", "Imagenet32_train_npz"])
def test_unpacked(tmp_path, folder):
    write(tmp_path / folder)
    check(tmp_path)


def test_some_classes(tmp_path):
    write(tmp_path, save=np.savez_compressed)
    images, labels = load(INFO, tmp_path, frozenset({999}))
    assert set(labels) == {999}
    np.testing.assert_array_equal(images, DATA.reshape(-1, 3072)[2::3])


def test_tasks(tmp_path):
    write(tmp_path)
    options = {"data": tmp_path, "train": 100, "valid": 60}
    tasks = make_set("imagenet32:0,999", count=2, **options)
    assert tasks[0].X_train.shape == (100, 16)
    assert tasks[0].name == "imagenet32:0,999[0]"
    one = make("imagenet32:0,999", index=1, **options)
    assert one.X_train.tobytes() == tasks[1].X_train.tobytes()
    assert make("imagenet32:1,0", **options).features == 16
    with pytest.raises(TaskError, match="class 7 has 0 images"):
        make("imagenet32:0,7", **options)


class TestRefused:
    def test_pickled_objects(self, tmp_path):
        class Explosive:
            def __reduce__(self):
                return os.mkdir, (str(tmp_path / "executed"),)

        write(tmp_path, labels=np.array([Explosive()] * 30, dtype=object))
        message = refusal(tmp_path)
        assert "Python objects" in message
        assert NAMES[3] in message
        assert not (tmp_path / "executed").exists()

    @pytest.mark.parametrize("name", ["Imagenet32_train.zip", "train_data_batch_1"])
    def test_pickled_format(self, tmp_path, name):
        (tmp_path / name).write_bytes(b"\x80\x04.")
        message = refusal(tmp_path)
        assert "Imagenet32_train_npz.zip" in message
        assert "never loaded" in message

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"data": DATA[0][:, :100]}, "data of shape (n, 3072)"),
            ({"data": DATA[0].astype(float)}, "type uint8"),
            ({"data": DATA[0][:5]}, "5 labels in"),
            ({"labels": LABELS[0] - 1}, "labels 1 to 1000"),
            ({"labels": LABELS[0] + 1}, "labels 1 to 1000"),
            ({"labels": LABELS[0] * 1.0}, "integer labels"),
            ({"labels": LABELS[:1]}, "1 dimension"),
        ],
    )
    def test_arrays(self, tmp_path, changes, message):
        text = refusal(write(tmp_path, **changes))
        assert message in text
        assert NAMES[3] in text

    def test_missing_batch(self, tmp_path):
        write(tmp_path)
        (tmp_path / NAMES[6]).unlink()
        assert f"expected {NAMES[6]} in" in refusal(tmp_path)

    def test_missing_member(self, tmp_path):
        write_zip(tmp_path, names=NAMES[:9])
        assert f"expected {NAMES[9]} in" in refusal(tmp_path)

    @pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
    def test_truncated(self, tmp_path, share):
        path = write_zip(tmp_path)
        path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
        assert str(path) in refusal(tmp_path)

    def test_truncated_batch(self, tmp_path):
        write(tmp_path)
        path = tmp_path / NAMES[2]
        path.write_bytes(path.read_bytes()[:5000])
        assert str(path) in refusal(tmp_path)

    def test_oversized_batch(self, tmp_path, monkeypatch):
        monkeypatch.setattr("azc.tasks.images.imagenet._BATCH_BYTES", 1000)
        write_zip(tmp_path)
        assert "at most 1,000 bytes" in refusal(tmp_path)

    def test_absent(self, tmp_path):
        message = refusal(tmp_path)
        assert "Imagenet32_train_npz.zip" in message
        assert "image-net.org" in message


@pytest.mark.parametrize("packed", [False, True])
def test_official_test_images(tmp_path, packed):
    """Those that the distribution calls its validation images."""
    write(tmp_path)
    if packed:
        with zipfile.ZipFile(tmp_path / "Imagenet32_val_npz.zip", "w") as archive:
            archive.writestr("val_data.npz", npz(3))
    else:
        (tmp_path / "Imagenet32_val_npz").mkdir()
        (tmp_path / "Imagenet32_val_npz" / "val_data.npz").write_bytes(npz(3))
    images, labels = load(INFO, tmp_path, test=True)
    np.testing.assert_array_equal(images, DATA[3])
    np.testing.assert_array_equal(labels, LABELS[3] - 1)
    options = {"data": tmp_path, "train": 20, "valid": 4, "test_images": "official"}
    assert make("imagenet32:0,999", **options).y_test.shape == (20,)
