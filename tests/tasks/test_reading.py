"""Damaged and hostile files end in a `TaskError`: never unpickled, unpacked only within bounds."""

import contextlib
import gzip
import io
import lzma
import os
import pickle
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from azc.errors import TaskError
from azc.tasks.reading import decompressed, memory_limit, read_exactly, read_npz, reading

NAMES = {"a": 2, "b": 1}
LIMIT = 1 << 20


class Explosive:
    """Unpickling an instance makes the file `path`."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def npy(array, **options):
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, **options)
    return buffer.getvalue()


def write_zip(path, members, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def message(path, names=NAMES, limit=LIMIT):
    with pytest.raises(TaskError) as caught:
        read_npz(path, path, names, limit)
    assert str(path) in str(caught.value)
    return str(caught.value)


class TestNpz:
    @pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
    def test_read(self, tmp_path, save):
        a = np.asfortranarray(np.arange(6.0).reshape(2, 3))
        save(tmp_path / "x.npz", a=a, b=np.array([1, 2], ">i4"), c=np.array([None]))
        arrays = read_npz(tmp_path / "x.npz", tmp_path / "x.npz", NAMES, LIMIT)
        assert set(arrays) == {"a", "b"}
        np.testing.assert_array_equal(arrays["a"], a)
        np.testing.assert_array_equal(arrays["b"], [1, 2])

    def test_large(self, tmp_path):
        a = np.random.default_rng(0).standard_normal((700, 500))
        np.savez_compressed(tmp_path / "x.npz", a=a, b=a[0])
        read = read_npz(tmp_path / "x.npz", tmp_path, NAMES, 8 << 20)["a"]
        np.testing.assert_array_equal(read, a)

    def test_optional(self, tmp_path):
        path = tmp_path / "x.npz"
        np.savez(path, a=np.zeros((1, 1)))
        assert set(read_npz(path, path, NAMES, LIMIT, optional=frozenset("b"))) == {"a"}

    def test_missing_arrays_are_listed(self, tmp_path):
        path = tmp_path / "x.npz"
        np.savez(path, X=np.zeros(1))
        assert f"expected arrays a, b in {path}, got only X" in message(path)

    @pytest.mark.parametrize(
        ("array", "what"),
        [
            (np.zeros(3), "a.npy in"),
            (np.zeros((2, 2), complex), "real numeric dtype, got dtype complex128"),
            (np.array([["x"]]), "real numeric dtype, got dtype <U1"),
            (np.zeros((1, 1), [("f", "f8")]), "real numeric dtype"),
            (np.zeros((1, 1), "M8[s]"), "real numeric dtype"),
        ],
    )
    def test_wrong_arrays(self, tmp_path, array, what):
        np.savez(tmp_path / "x.npz", a=array, b=np.zeros(1))
        assert what in message(tmp_path / "x.npz")

    def test_objects_are_refused_and_not_executed(self, tmp_path):
        trap = tmp_path / "executed"
        np.savez(tmp_path / "x.npz", a=np.array([[Explosive(trap)]], dtype=object), b=np.zeros(1))
        assert "Python objects; an array of objects is a pickle" in message(tmp_path / "x.npz")
        assert not trap.exists()

    @pytest.mark.parametrize("protocol", [0, 2, 5])
    def test_a_bare_pickle_is_refused_and_not_executed(self, tmp_path, protocol):
        trap, path = tmp_path / "executed", tmp_path / "x.npz"
        path.write_bytes(pickle.dumps(Explosive(trap), protocol))
        message(path)
        write_zip(path, {"a.npy": path.read_bytes(), "b.npy": npy(np.zeros(1))})
        message(path)
        assert not trap.exists()

    def test_no_file(self, tmp_path):
        assert "got no such file" in message(tmp_path / "x.npz")
        assert "x.npz" in message(tmp_path / "x.npz")

    def test_folder(self, tmp_path):
        (tmp_path / "x.npz").mkdir()
        assert "Is a directory" in message(tmp_path / "x.npz")

    def test_truncated_anywhere(self, tmp_path):
        whole, path = tmp_path / "whole.npz", tmp_path / "x.npz"
        np.savez_compressed(whole, a=np.arange(12.0).reshape(3, 4), b=np.zeros(2))
        content = whole.read_bytes()
        for length in range(0, len(content) - 1, 7):
            path.write_bytes(content[:length])
            message(path)

    def test_flipped_bit_in_the_data(self, tmp_path):
        path = tmp_path / "x.npz"
        np.savez(path, a=np.arange(1200.0).reshape(30, 40), b=np.zeros(1))
        content = bytearray(path.read_bytes())
        content[3000] ^= 1
        path.write_bytes(content)
        assert "CRC" in message(path)

    def test_declared_shape_beyond_memory(self, tmp_path):
        header = {"descr": "<f8", "fortran_order": False, "shape": (10**12, 10**12)}
        buffer = io.BytesIO()
        np.lib.format.write_array_header_1_0(buffer, header)
        write_zip(tmp_path / "x.npz", {"a.npy": buffer.getvalue(), "b.npy": npy(np.zeros(1))})
        assert "to fit in memory" in message(tmp_path / "x.npz")

    def test_shape_that_lies(self, tmp_path):
        header = {"descr": "<f8", "fortran_order": False, "shape": (300, 300)}
        buffer = io.BytesIO()
        np.lib.format.write_array_header_1_0(buffer, header)
        members = {"a.npy": buffer.getvalue() + b"12345678", "b.npy": npy(np.zeros(1))}
        write_zip(tmp_path / "x.npz", members)
        assert "expected 720,000 bytes of data for shape (300, 300)" in message(tmp_path / "x.npz")

    @pytest.mark.parametrize("shape", ["(-1, 3)", "(3,", "(2, 2.0)", "[1, 1]", "(" * 5000])
    def test_bad_headers(self, tmp_path, shape):
        text = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}}}\n".encode()
        content = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text
        write_zip(tmp_path / "x.npz", {"a.npy": content, "b.npy": npy(np.zeros(1))})
        message(tmp_path / "x.npz")

    def test_zip_bomb_takes_no_memory(self, tmp_path):
        path = tmp_path / "x.npz"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            with archive.open("a.npy", "w") as member:
                for _ in range(64):
                    member.write(bytes(1 << 20))
            archive.writestr("b.npy", npy(np.zeros(1)))
        assert path.stat().st_size < 100_000
        tracemalloc.start()
        message(path)
        header = npy(np.zeros((1, 1)))[:-8].replace(b"(1, 1)", b"(9, 9)")
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            with archive.open("a.npy", "w") as member:
                member.write(header)
                for _ in range(64):
                    member.write(bytes(1 << 20))
            archive.writestr("b.npy", npy(np.zeros(1)))
        assert "expected 648 bytes of data" in message(path)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 8 << 20

    @pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
    def test_other_compression(self, tmp_path, compression):
        members = {"a.npy": npy(np.zeros((1, 1))), "b.npy": npy(np.zeros(1))}
        write_zip(tmp_path / "x.npz", members, compression)
        assert "stored or deflated" in message(tmp_path / "x.npz")

    def test_encrypted(self, tmp_path):
        path = tmp_path / "x.npz"
        write_zip(path, {"a.npy": npy(np.zeros((1, 1))), "b.npy": npy(np.zeros(1))})
        content = bytearray(path.read_bytes())
        for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
            content[content.index(mark) + offset] |= 1
        path.write_bytes(content)
        assert "encrypted" in message(path)

    @settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(data=st.data())
    def test_any_damage_is_a_task_error_or_unnoticed(self, tmp_path, data):
        buffer = io.BytesIO()
        np.savez_compressed(buffer, a=np.ones((2, 2)), b=np.ones(3))
        content = bytearray(buffer.getvalue())
        for _ in range(data.draw(st.integers(1, 4))):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
        with contextlib.suppress(TaskError):
            read_npz(io.BytesIO(content), tmp_path, NAMES, LIMIT)


class TestDecompressed:
    @pytest.mark.parametrize("pack", [bytes, gzip.compress, lzma.compress])
    def test_by_content(self, tmp_path, pack):
        content = os.urandom(10_000) + bytes(100_000)
        (tmp_path / "x").write_bytes(pack(content))
        with decompressed(tmp_path / "x", len(content)) as stream:
            assert stream.read() == content

    def test_several_xz_streams(self, tmp_path):
        packed = lzma.compress(b"one") + b"\0" * 8 + lzma.compress(b"two")
        (tmp_path / "x").write_bytes(packed)
        with decompressed(tmp_path / "x", 100) as stream:
            assert stream.read() == b"onetwo"

    @pytest.mark.parametrize("pack", [gzip.compress, lzma.compress])
    def test_bomb(self, tmp_path, pack):
        (tmp_path / "x").write_bytes(pack(bytes(64 << 20)))
        tracemalloc.start()
        with (
            pytest.raises(TaskError, match="at most 1,000,000 bytes, got more"),
            reading(tmp_path / "x", "a file"),
            decompressed(tmp_path / "x", 1_000_000) as stream,
        ):
            stream.read()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 24 << 20

    @pytest.mark.parametrize("pack", [gzip.compress, lzma.compress])
    def test_truncated(self, tmp_path, pack):
        packed = pack(os.urandom(1000))
        for length in (7, 20, 500, len(packed) - 1):
            (tmp_path / "x").write_bytes(packed[:length])
            with (
                pytest.raises(TaskError, match="damaged"),
                reading(tmp_path / "x", "a file"),
                decompressed(tmp_path / "x", 10_000) as stream,
            ):
                stream.read()

    def test_xz_that_asks_for_much_memory(self, tmp_path):
        filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 16}]
        filters[0]["dict_size"] = 4096
        packed = bytearray(lzma.compress(b"x", filters=filters))
        # The block header: size, flags, filter id, size of properties, dictionary size, padding.
        assert packed[14:16] == b"\x21\x01"
        packed[16] = 40
        import zlib

        packed[20:24] = struct.pack("<I", zlib.crc32(packed[12:20]))
        (tmp_path / "x").write_bytes(packed)
        with (
            pytest.raises(TaskError, match="damaged"),
            reading(tmp_path / "x", "a file"),
            decompressed(tmp_path / "x", 100) as stream,
        ):
            stream.read()

    def test_read_exactly(self, tmp_path):
        with pytest.raises(
            TaskError, match=r"expected 5 bytes of header in .*, got 3 before the end"
        ):
            read_exactly(io.BytesIO(b"abc"), 5, tmp_path, "header")


def test_memory_limit():
    assert 1 << 28 < memory_limit() <= 8 << 30
