"""Places where files lie: folders, and what has a URL."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from azc.errors import ConfigError, StateError
from azc.search.storage import Part, storage_at

PLACES = ["{folder}", "file://{folder}", "local://{folder}", "memory://of-a-test"]


@pytest.mark.parametrize("place", PLACES)
def test_what_is_read_is_what_was_written(tmp_path, place):
    there = storage_at(place.format(folder=tmp_path / "deep" / "place"))
    assert there.names() == []
    there.make()
    there.make()
    files = {"one": b"1" * 1000, "two": b"", "three": bytes(range(256))}
    for name, data in files.items():
        there.write(name, data)
    there.settle()
    assert sorted(there.names()) == sorted(files)
    assert {name: there.read(name) for name in files} == files
    parts = [Part("three", 250, 6), Part("three", 0, 2), Part("one", 0, 3), Part("two", 0, 0)]
    assert there.read_parts(parts) == [bytes(range(250, 256)), b"\0\1", b"111", b""]
    with pytest.raises(StateError, match="expected 9 bytes of three from 250 on, got 6"):
        there.read_parts([Part("three", 250, 9)])
    assert there.has("one")
    there.remove(["one", "nothing"])
    assert sorted(there.names()) == ["three", "two"]
    assert not there.has("one")
    with pytest.raises(StateError, match="expected a folder that can be read and written"):
        there.read("one")


@pytest.mark.parametrize("place", PLACES[:3])
def test_what_is_there_is_not_written_again(tmp_path, place):
    """Unless it is half of it, which a killed writer may leave where a URL leads to files."""
    there = storage_at(place.format(folder=tmp_path))
    (tmp_path / "one").write_bytes(b"whole")
    (tmp_path / "two").write_bytes(b"ha")
    before = (tmp_path / "one").stat()
    there.write("one", b"whole")
    there.write("two", b"half")
    assert (tmp_path / "one").stat() == before
    assert (tmp_path / "two").read_bytes() == b"half"


def test_nothing_is_left_of_what_cannot_be_written(tmp_path, monkeypatch):
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StateError, match="expected room for what a search saves") as caught:
        storage_at(str(tmp_path)).write("one", b"1")
    assert caught.value.full
    assert str(caught.value).startswith(f"{tmp_path}: ")
    assert list(tmp_path.iterdir()) == []


def test_whatever_fsspec_raises_is_told(monkeypatch):
    there = storage_at("memory://of-a-test")

    class TheirError(Exception):
        pass

    def fail(*given: Any, **more: Any) -> Any:
        raise TheirError("no such bucket")

    for name in ("pipe_file", "cat_file", "exists", "rm_file", "ls", "makedirs"):
        monkeypatch.setattr(f"fsspec.implementations.memory.MemoryFileSystem.{name}", fail)
    for call in (
        lambda: there.write("one", b"1"),
        lambda: there.read("one"),
        lambda: there.has("one"),
        lambda: there.remove(["one"]),
        there.names,
        there.make,
    ):
        with pytest.raises(StateError) as caught:
            call()
        assert str(caught.value) == (
            "memory://of-a-test: expected storage that can be read and written, got no such "
            "bucket; check its address and permissions"
        )


def test_who_cannot_be_reached(monkeypatch):
    """Some file systems connect when they are made."""

    def connect(*given: Any, **more: Any) -> None:
        raise ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))

    monkeypatch.setattr("fsspec.core.url_to_fs", connect)
    with pytest.raises(StateError, match="got Connection refused; check its path"):
        storage_at("sftp://nobody/place")


def test_urls_that_lead_nowhere():
    with pytest.raises(ConfigError, match=r"search\.snapshots: expected a URL that fsspec knows"):
        storage_at("nothing-such://place")


def test_fsspec_is_optional(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "fsspec", None)
    for place in (str(tmp_path), Path(tmp_path).as_uri()):
        storage_at(place).make()
    with pytest.raises(ConfigError) as caught:
        storage_at("s3://bucket/place")
    assert str(caught.value) == (
        "search.snapshots: expected fsspec for 's3://bucket/place', got none; pip install "
        "'azc[ray]', or name a folder"
    )
