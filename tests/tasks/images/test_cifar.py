"""CIFAR-10, binary version, packed and unpacked; the pickled version is refused unread."""

import gzip
import io
import lzma
import os
import pickle
import tarfile

import numpy as np
import pytest

from azc.errors import TaskError
from azc.tasks import make
from azc.tasks.images import IMAGE_SETS, load

INFO = IMAGE_SETS["cifar10"]
rng = np.random.default_rng(0)
RECORDS = rng.integers(0, 256, (5, 20, 3073)).astype(np.uint8)
RECORDS[:, :, 0] = np.arange(20) % 10
NAMES = [f"data_batch_{number}.bin" for number in range(1, 6)]
PACKED = {"tar": bytes, "tar.gz": gzip.compress, "tar.xz": lzma.compress, "tgz": gzip.compress}


def tar(members):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def batches(folder="cifar-10-batches-bin/", order=(0, 2, 1, 4, 3)):
    members = {f"{folder}batches.meta.txt": b"airplane\n"}
    return members | {f"{folder}{NAMES[i]}": RECORDS[i].tobytes() for i in order}


def write_tar(folder, content, end="tar"):
    path = folder / f"cifar-10-binary.{end}"
    path.write_bytes(PACKED[end](content))
    return path


def refusal(folder):
    with pytest.raises(TaskError) as caught:
        load(INFO, folder)
    return str(caught.value)


def check(folder):
    images, labels = load(INFO, folder)
    assert images.dtype == np.uint8
    assert labels.dtype == np.int64
    assert images.flags.c_contiguous
    np.testing.assert_array_equal(images, RECORDS.reshape(-1, 3073)[:, 1:])
    np.testing.assert_array_equal(labels, RECORDS[:, :, 0].ravel())


@pytest.mark.parametrize("end", PACKED)
def test_packed(tmp_path, end):
    write_tar(tmp_path, tar(batches()), end)
    check(tmp_path)


@pytest.mark.parametrize(
    "folder", ["", "cifar-10-batches-bin", "cifar10", "cifar10/cifar-10-batches-bin"]
)
def test_unpacked(tmp_path, folder):
    (tmp_path / folder).mkdir(parents=True, exist_ok=True)
    for name, records in zip(NAMES, RECORDS, strict=True):
        (tmp_path / folder / name).write_bytes(records.tobytes())
    check(tmp_path)


@pytest.mark.parametrize("spec", ["cifar10:3,8", "cifar10:raw:3,8", "cifar10:raw:all"])
def test_tasks(tmp_path, spec):
    write_tar(tmp_path, tar(batches()))
    task = make(spec, data=tmp_path, train=10, valid=4)
    assert task.features == (3072 if "raw" in spec else 16)


class TestHostile:
    def test_members_outside(self, tmp_path):
        # Members are read by their last name; nothing is written anywhere.
        write_tar(tmp_path, tar(batches(folder="../../etc/")))
        check(tmp_path)
        assert [path.name for path in tmp_path.iterdir()] == ["cifar-10-binary.tar"]

    def test_links_are_not_followed(self, tmp_path):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            for name in NAMES:
                link = tarfile.TarInfo(name)
                link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
                archive.addfile(link)
        write_tar(tmp_path, buffer.getvalue())
        assert "no such members" in refusal(tmp_path)

    def test_oversized_batch(self, tmp_path):
        write_tar(tmp_path, tar(batches() | {NAMES[0]: bytes(10_001 * 3073)}), "tar.gz")
        check(tmp_path)  # the first member of a name counts
        write_tar(tmp_path, tar({NAMES[0]: bytes(10_001 * 3073)}), "tar.gz")
        (tmp_path / "cifar-10-binary.tar").unlink(missing_ok=True)
        assert "1 to 10,000 records of 3073 bytes" in refusal(tmp_path)

    @pytest.mark.parametrize("end", ["tar.gz", "tar.xz"])
    def test_bomb(self, tmp_path, end, monkeypatch):
        monkeypatch.setattr("azc.tasks.images.cifar._UNPACKED", 16 << 20)
        header = tarfile.TarInfo("zeros")
        header.size = 1 << 40
        write_tar(tmp_path, header.tobuf() + bytes(20 << 20), end)
        assert "to unpack to at most 16,777,216 bytes, got more" in refusal(tmp_path)

    def test_many_members(self, tmp_path):
        write_tar(tmp_path, tar({f"x{i}": b"" for i in range(2000)} | batches()))
        assert "no such members" in refusal(tmp_path)

    @pytest.mark.parametrize(
        "path",
        ["cifar-10-python.tar.gz", "cifar-10-batches-py/data_batch_1", "cifar10/data_batch_1"],
    )
    def test_pickled_version(self, tmp_path, path):
        class Explosive:
            def __reduce__(self):
                return os.mkdir, (str(tmp_path / "executed"),)

        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes(pickle.dumps(Explosive()))
        message = refusal(tmp_path)
        assert "cifar-10-binary.tar.gz" in message
        assert "never loaded" in message
        assert not (tmp_path / "executed").exists()


class TestDamaged:
    @pytest.mark.parametrize("end", PACKED)
    @pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
    def test_truncated(self, tmp_path, end, share):
        path = write_tar(tmp_path, tar(batches()), end)
        path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
        assert str(path) in refusal(tmp_path)

    @pytest.mark.parametrize("end", ["tar.gz", "tar.xz"])
    def test_checksum(self, tmp_path, end):
        # One wrong pixel, far from the end: only the checksum tells.
        whole = tar(batches() | {"test_batch.bin": bytes(4 << 20)})
        path = write_tar(tmp_path, whole, end)
        other = PACKED[end](whole[:5000] + bytes([whole[5000] ^ 1]) + whole[5001:])
        tail = 8 if end == "tar.gz" else 60
        path.write_bytes(other[:-tail] + path.read_bytes()[-tail:])
        assert "damaged" in refusal(tmp_path)

    def test_not_an_archive(self, tmp_path):
        write_tar(tmp_path, b"404 not found\n" * 100)
        assert "to be a tar archive of CIFAR-10" in refusal(tmp_path)

    def test_missing_member(self, tmp_path):
        write_tar(tmp_path, tar(batches(order=(0, 1, 3, 4))))
        assert "expected data_batch_3.bin in" in refusal(tmp_path)

    def test_missing_file(self, tmp_path):
        (tmp_path / NAMES[1]).write_bytes(RECORDS[1].tobytes())
        message = refusal(tmp_path)
        assert message.startswith("expected data_batch_1.bin, data_batch_3.bin")

    @pytest.mark.parametrize("length", [0, 1, 3072, 3074])
    def test_incomplete_record(self, tmp_path, length):
        write_tar(tmp_path, tar(batches() | {f"cifar-10-batches-bin/{NAMES[3]}": bytes(length)}))
        message = refusal(tmp_path)
        assert "records of 3073 bytes in" in message
        assert NAMES[3] in message

    def test_label_above_9(self, tmp_path):
        content = {f"cifar-10-batches-bin/{NAMES[0]}": b"\x0a" + bytes(3072)}
        write_tar(tmp_path, tar(batches() | content))
        assert "labels 0 to 9 in" in refusal(tmp_path)

    def test_absent(self, tmp_path):
        message = refusal(tmp_path)
        for part in ("cifar-10-binary.tar.gz", str(tmp_path), "kriz/cifar.html"):
            assert part in message


class TestOfficial:
    RECORDS = 255 - RECORDS[0]
    RECORDS[:, 0] = np.arange(20) % 10

    def check(self, folder):
        images, labels = load(INFO, folder, test=True)
        np.testing.assert_array_equal(images, self.RECORDS[:, 1:])
        np.testing.assert_array_equal(labels, self.RECORDS[:, 0])

    @pytest.mark.parametrize("folder", ["", "cifar-10-batches-bin", "x/y/cifar-10-batches-bin"])
    def test_unpacked(self, tmp_path, folder):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / folder / "test_batch.bin").write_bytes(self.RECORDS.tobytes())
        self.check(tmp_path)

    @pytest.mark.parametrize("end", PACKED)
    def test_packed(self, tmp_path, end):
        members = batches() | {"cifar-10-batches-bin/test_batch.bin": self.RECORDS.tobytes()}
        write_tar(tmp_path, tar(members), end)
        self.check(tmp_path)
        check(tmp_path)

    def test_not_in_the_archive(self, tmp_path):
        write_tar(tmp_path, tar(batches()))
        with pytest.raises(TaskError, match=r"expected test_batch.bin in .*, got no such members"):
            load(INFO, tmp_path, test=True)

    def test_task(self, tmp_path):
        members = batches() | {"cifar-10-batches-bin/test_batch.bin": self.RECORDS.tobytes()}
        write_tar(tmp_path, tar(members))
        options = {"data": tmp_path, "train": 10, "valid": 4, "test_images": "official"}
        assert make("cifar10:3,8", **options).y_test.shape == (4,)
