"""MNIST and Fashion-MNIST: idx files in every official packing, and what can be wrong with them."""

import gzip
import os
import struct
import tracemalloc

import numpy as np
import pytest

from azc.errors import TaskError
from azc.tasks import make, make_set
from azc.tasks.images import IMAGE_SETS, find, load

N = 200
IMAGES = np.random.default_rng(0).integers(0, 256, (N, 28, 28)).astype(np.uint8)
LABELS = (np.arange(N) % 10).astype(np.uint8)
SETS = ["mnist", "fashion-mnist"]


def idx(array, magic=None):
    magic = 0x0800 | array.ndim if magic is None else magic
    return struct.pack(f">{1 + array.ndim}I", magic, *array.shape) + array.tobytes()


def write(folder, images=None, labels=None, mark="-idx", suffix=".gz"):
    folder.mkdir(parents=True, exist_ok=True)
    pack = gzip.compress if suffix == ".gz" else bytes
    images = idx(IMAGES) if images is None else images
    labels = idx(LABELS) if labels is None else labels
    (folder / f"train-images{mark}3-ubyte{suffix}").write_bytes(pack(images))
    (folder / f"train-labels{mark}1-ubyte{suffix}").write_bytes(pack(labels))


def refusal(folder, name="mnist"):
    with pytest.raises(TaskError) as caught:
        load(IMAGE_SETS[name], folder)
    return str(caught.value)


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("suffix", [".gz", ""])
@pytest.mark.parametrize("mark", ["-idx", ".idx"])
def test_every_form(tmp_path, name, suffix, mark):
    write(tmp_path, mark=mark, suffix=suffix)
    images, labels = load(IMAGE_SETS[name], tmp_path)
    assert images.dtype == np.uint8
    assert labels.dtype == np.int64
    np.testing.assert_array_equal(images, IMAGES.reshape(N, 784))
    np.testing.assert_array_equal(labels, LABELS)


@pytest.mark.parametrize("name", SETS)
def test_a_folder_of_its_own_comes_first(tmp_path, name):
    for index, folder in enumerate([*SETS, "."]):
        write(tmp_path / folder, labels=idx(np.full(N, index, np.uint8)))
    assert set(load(IMAGE_SETS[name], tmp_path)[1]) == {SETS.index(name)}


def test_usual_folders(tmp_path):
    write(tmp_path / "MNIST" / "raw", suffix="")
    assert find(IMAGE_SETS["mnist"], tmp_path)[0].parent == tmp_path / "MNIST" / "raw"


def test_environment(tmp_path, monkeypatch):
    write(tmp_path / "mnist")
    monkeypatch.setenv("AZC_DATA", str(tmp_path))
    assert len(load(IMAGE_SETS["mnist"])[1]) == N
    with pytest.raises(TaskError, match="no such folder"):
        load(IMAGE_SETS["mnist"], tmp_path / "absent")


@pytest.mark.parametrize("name", SETS)
def test_the_other_sets_files(tmp_path, name):
    first = {"mnist": [9, 0, 0, 3, 0, 2, 7, 2, 5, 5, 0, 9], "fashion-mnist": [5, 0, 4, 1, 9, 2]}
    first["fashion-mnist"] += [1, 3, 1, 4, 3, 5]
    labels = LABELS.copy()
    labels[:12] = first[name]
    write(tmp_path, labels=idx(labels))
    other = SETS[1 - SETS.index(name)]
    assert f"to belong to {name}, got that of {other}; put each set" in refusal(tmp_path, name)


@pytest.mark.parametrize("spec", ["mnist:3,8", "mnist", "mnist:raw:0,1", "mnist:all"])
def test_tasks(tmp_path, spec):
    write(tmp_path)
    tasks = make_set(spec, data=tmp_path, train=20, valid=10, count=2)
    for index, task in enumerate(tasks):
        assert task.X_train.shape == (20, 784 if "raw" in spec else 16)
        again = make(spec, data=str(tmp_path), train=20, valid=10, index=index)
        assert again.X_train.tobytes() == task.X_train.tobytes()


def test_read_once_until_the_files_change(tmp_path, monkeypatch):
    write(tmp_path)
    options = {"data": tmp_path, "train": 4, "valid": 2}
    before = make("mnist:3,8", **options)
    monkeypatch.setattr("azc.tasks.images.idx._read", None)
    assert make("mnist:3,8", **options).X_train.tobytes() == before.X_train.tobytes()
    monkeypatch.undo()
    write(tmp_path, images=idx(255 - IMAGES))
    for path in tmp_path.iterdir():
        os.utime(path, ns=(1, 1))
    assert make("mnist:3,8", **options).X_train.tobytes() != before.X_train.tobytes()


def test_default_sizes_need_the_whole_set(tmp_path):
    write(tmp_path)
    with pytest.raises(
        TaskError, match=r"at most 40 training .* got 8,000 \+ 1,000; class 3 has 20"
    ):
        make("mnist:3,8", data=tmp_path)


def write_test(folder, images=None, labels=None):
    """Official test files of 40 images that no training file has."""
    write(folder / "t", idx((255 - IMAGES[:40]) if images is None else images), labels)
    for path in (folder / "t").iterdir():
        path.rename(folder / path.name.replace("train", "t10k"))
    (folder / "t").rmdir()


class TestOfficial:
    """Test parts from the sets' own test files."""

    @pytest.fixture(autouse=True)
    def _files(self, tmp_path):
        write(tmp_path)
        write_test(tmp_path, labels=idx(LABELS[:40]))

    def test_load(self, tmp_path):
        images, labels = load(IMAGE_SETS["mnist"], tmp_path, test=True)
        np.testing.assert_array_equal(images, 255 - IMAGES[:40].reshape(40, 784))
        np.testing.assert_array_equal(labels, LABELS[:40])

    @pytest.mark.parametrize("spec", ["mnist:3,8", "mnist:raw:3,8", "mnist:all"])
    def test_the_other_parts_stay(self, tmp_path, spec):
        options = {"data": tmp_path, "train": 20, "valid": 10, "seed": 4}
        usual = make(spec, **options)
        task = make(spec, **options, test_images="official")
        assert make(spec, **options, test_images="training").y_test.tobytes() == (
            usual.y_test.tobytes()
        )
        for part in ("X_train", "y_train", "X_valid", "y_valid"):
            assert getattr(task, part).tobytes() == getattr(usual, part).tobytes()
        assert task.key == usual.key
        classes = 10 if "all" in spec else 2
        assert np.bincount(task.y_test.astype(int)).tolist() == [4] * classes

    @pytest.mark.parametrize("spec", ["mnist:raw:3,8", "mnist:3,8"])
    def test_prepared_as_the_training_images(self, tmp_path, spec):
        """Images that are in both have the same features in both."""
        write_test(tmp_path, IMAGES[:40], idx(LABELS[:40]))
        task = make(spec, data=tmp_path, train=36, valid=4, test_images="official")
        known = {(x.tobytes(), y) for x, y in zip(task.X_train, task.y_train, strict=True)}
        known |= {(x.tobytes(), y) for x, y in zip(task.X_valid, task.y_valid, strict=True)}
        test = {(x.tobytes(), y) for x, y in zip(task.X_test, task.y_test, strict=True)}
        assert len(test) == 8
        assert test <= known

    def test_command(self, tmp_path):
        from azc.cli.main import main

        command = ["run", "linear", "--task", "mnist:3,8", "--train", "20", "--valid", "10"]
        assert main([*command, "--data", str(tmp_path), "--test-images", "official"]) == 0

    def test_absent(self, tmp_path):
        (tmp_path / "t10k-images-idx3-ubyte.gz").unlink()
        with pytest.raises(TaskError, match=r"expected t10k-images-idx3-ubyte.gz beside"):
            make("mnist:3,8", data=tmp_path, train=20, valid=10, test_images="official")
        (tmp_path / "t10k-labels-idx1-ubyte.gz").unlink()
        with pytest.raises(TaskError, match=r"the files of the test images of mnist \(t10k-im"):
            make("mnist:3,8", data=tmp_path, train=20, valid=10, test_images="official")

    def test_not_for_digits(self):
        with pytest.raises(TaskError, match="an image set with test files of its own, got digits"):
            make("digits", test_images="official")

    def test_of_the_other_set(self, tmp_path):
        labels = LABELS[:40].copy()
        labels[:12] = [9, 2, 1, 1, 6, 1, 4, 6, 5, 7, 4, 5]
        write_test(tmp_path, labels=idx(labels))
        with pytest.raises(TaskError, match="to belong to mnist, got that of fashion-mnist"):
            load(IMAGE_SETS["mnist"], tmp_path, test=True)


class TestLayouts:
    @pytest.mark.parametrize(
        "folder",
        [
            *("MNIST", "MNIST/raw", "archive", "data/MNIST/raw", "MNIST/raw/MNIST/raw"),
            *("mnist_dataset/files", "a/b/c/d/e"),
        ],
    )
    @pytest.mark.parametrize("below", [0, 1])
    def test_nested(self, tmp_path, folder, below):
        """The data folder is the one above, or the first of those themselves."""
        write(tmp_path / folder)
        data = tmp_path / folder.split("/")[0] if below else tmp_path
        assert find(IMAGE_SETS["mnist"], data)[0].parent == tmp_path / folder

    @pytest.mark.parametrize("mark", ["-idx", ".idx"])
    def test_a_folder_for_each_file(self, tmp_path, mark):
        write(tmp_path, mark=mark, suffix="")
        for path in list(tmp_path.iterdir()):
            content = path.read_bytes()
            path.unlink()
            folder = tmp_path / "archive" / path.name.replace(".idx", "-idx")
            folder.mkdir(parents=True)
            (folder / path.name).write_bytes(content)
        assert len(load(IMAGE_SETS["mnist"], tmp_path)[1]) == N

    @pytest.mark.parametrize(
        ("name", "folder"),
        [
            ("mnist", "FashionMNIST/raw"),
            ("mnist", "data/fashion"),
            ("mnist", "KMNIST/raw"),
            ("mnist", "x/EMNIST"),
            ("fashion-mnist", "x/MNIST/raw"),
            ("fashion-mnist", "MNIST"),
            ("fashion-mnist", "QMNIST"),
        ],
    )
    def test_folders_of_other_sets(self, tmp_path, name, folder):
        write(tmp_path / folder)
        with pytest.raises(TaskError, match="none of them in"):
            find(IMAGE_SETS[name], tmp_path)

    def test_not_too_deep_nor_hidden(self, tmp_path):
        write(tmp_path / ".cache")
        write(tmp_path / "a/b/c/d/e/f")
        with pytest.raises(TaskError, match="or the folders below"):
            find(IMAGE_SETS["mnist"], tmp_path)


class TestAbsent:
    def test_no_folder_given(self, monkeypatch):
        monkeypatch.delenv("AZC_DATA", raising=False)
        message = refusal(None)
        for part in ("train-images-idx3-ubyte.gz", "no data folder", "yann.lecun.com", "AZC_DATA"):
            assert part in message

    def test_folders_searched_are_named(self, tmp_path):
        message = refusal(tmp_path, "fashion-mnist")
        for part in (str(tmp_path / "fashion-mnist"), "zalandoresearch", "--data DIR"):
            assert part in message

    def test_one_of_two(self, tmp_path):
        write(tmp_path)
        (tmp_path / "train-labels-idx1-ubyte.gz").unlink()
        message = refusal(tmp_path)
        assert "expected train-labels-idx1-ubyte.gz beside" in message

    def test_a_file_as_folder(self, tmp_path):
        (tmp_path / "x").write_bytes(b"")
        assert "got a file" in refusal(tmp_path / "x")


class TestDamaged:
    @pytest.mark.parametrize(
        "page", [b"<!DOCTYPE html><html>404", b"\n<HTML>", b"<?xml version='1.0'?><Error>"]
    )
    @pytest.mark.parametrize("pack", [bytes, gzip.compress])
    def test_a_page_in_its_place(self, tmp_path, page, pack):
        write(tmp_path)
        (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(pack(page))
        message = refusal(tmp_path)
        assert "train-images-idx3-ubyte.gz, got an HTML or XML page saved under" in message
        assert "open it in a browser" in message

    @pytest.mark.parametrize("suffix", [".gz", ""])
    def test_wrong_magic_number(self, tmp_path, suffix):
        write(tmp_path, images=idx(IMAGES, magic=0x0801), suffix=suffix)
        message = refusal(tmp_path)
        assert "train-images-idx3-ubyte" in message
        assert "idx3 file (00000803), got the first bytes 00000801" in message

    def test_images_and_labels_swapped(self, tmp_path):
        write(tmp_path, images=idx(LABELS), labels=idx(IMAGES))
        assert "got the first bytes 00000801" in refusal(tmp_path)

    @pytest.mark.parametrize("length", [0, 3, 15, 16, 1000])
    @pytest.mark.parametrize("suffix", [".gz", ""])
    def test_short(self, tmp_path, length, suffix):
        write(tmp_path, images=idx(IMAGES)[:length], suffix=suffix)
        assert "before the end" in refusal(tmp_path)

    @pytest.mark.parametrize("length", [2, 10, 5000])
    def test_truncated_gzip(self, tmp_path, length):
        write(tmp_path)
        path = tmp_path / "train-images-idx3-ubyte.gz"
        path.write_bytes(path.read_bytes()[:length])
        assert str(path) in refusal(tmp_path)

    def test_corrupt_gzip(self, tmp_path):
        write(tmp_path)
        path = tmp_path / "train-images-idx3-ubyte.gz"
        content = bytearray(path.read_bytes())
        content[-6] ^= 0xFF
        path.write_bytes(content)
        assert "damaged" in refusal(tmp_path)

    def test_more_than_announced(self, tmp_path):
        write(tmp_path, images=idx(IMAGES) + b"x")
        assert "to end after its 200 examples" in refusal(tmp_path)

    def test_other_image_size(self, tmp_path):
        write(tmp_path, images=idx(IMAGES[:, :, :14]))
        assert "images of 28 x 28 pixels" in refusal(tmp_path)

    def test_other_number_of_labels(self, tmp_path):
        write(tmp_path, labels=idx(LABELS[:-1]))
        assert "as many labels" in refusal(tmp_path)

    def test_labels_above_9(self, tmp_path):
        write(tmp_path, labels=idx(LABELS + 1))
        assert "labels 0 to 9 in" in refusal(tmp_path)

    def test_announces_too_many(self, tmp_path):
        write(tmp_path, images=struct.pack(">4I", 0x803, 2**32 - 1, 28, 28))
        assert "at most 60,000 examples" in refusal(tmp_path)

    def test_bomb(self, tmp_path):
        header = struct.pack(">2I", 0x801, N)
        write(tmp_path, labels=header + bytes(64 << 20))
        tracemalloc.start()
        message = refusal(tmp_path)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert "train-labels-idx1-ubyte.gz" in message
        assert peak < 16 << 20
