"""The cache of compiled modules: what is found is what was added, whatever happened meanwhile."""

from __future__ import annotations

import fcntl
import hashlib
import os
import random
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azc.compiler import cache as module
from azc.compiler import folder
from azc.compiler.cache import Cache, Located
from azc.errors import ConfigError

NAME = "azc_native_0123456789abcdef"


def key(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()[:32]


def payload(keys: Sequence[str], length: int = 40) -> bytes:
    """A stand-in for a module, in which each key's function can be told from all others."""
    return b"".join(hashlib.sha512(one.encode()).digest() * length for one in keys)


def function(located: Located, length: int = 40) -> bytes:
    data = located.module.read_bytes()
    return data[located.index * 64 * length : (located.index + 1) * 64 * length]


def add(cache: Cache, numbers: Sequence[int], name: str = NAME) -> dict[str, Located]:
    keys = [key(number) for number in numbers]
    with tempfile.TemporaryDirectory() as folder:
        built = Path(folder, "built.so")
        built.write_bytes(payload(keys))
        return cache.add(built, name, keys)


def found(cache: Cache, numbers: Sequence[int]) -> set[int]:
    """Which of `numbers` the cache has, after making sure that it has them right."""
    result = cache.find(key(number) for number in numbers)
    for one, located in result.items():
        assert function(located) == payload([one])
    return {number for number in numbers if key(number) in result}


def files(cache: Cache) -> set[str]:
    """All files in the cache's directory."""
    return {
        str(path.relative_to(cache.directory))
        for path in cache.directory.rglob("*")
        if path.is_symlink() or not path.is_dir()
    }


def age(cache: Cache, number: int, seconds: float) -> None:
    """As if the module of the key were last used that long ago."""
    path = cache.find([key(number)])[key(number)].module
    then = time.time() - seconds
    for part in (path, path.with_suffix(".json")):
        os.utime(part, (then, then))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def cache(home: Path) -> Cache:
    return Cache(home)


# ---- use ----------------------------------------------------------------------------------------


def test_round_trip(cache: Cache, home: Path) -> None:
    assert cache.find([key(1)]) == {}
    assert not home.exists()
    added = add(cache, [1, 2, 3])
    assert [added[key(n)].index for n in (1, 2, 3)] == [0, 1, 2]
    assert {located.name for located in added.values()} == {NAME}
    for reader in (cache, Cache(home)):
        assert reader.find([key(1), key(2), key(3), key(4)]) == added
        assert found(reader, [1, 2, 3, 4]) == {1, 2, 3}
        assert reader.problem is None


def test_what_was_built_is_copied(cache: Cache, tmp_path: Path) -> None:
    built = tmp_path / "built.so"
    built.write_bytes(payload([key(1)]))
    added = cache.add(built, NAME, [key(1)])
    built.write_bytes(b"")
    assert function(added[key(1)]) == payload([key(1)])


def test_the_last_module_of_a_key_wins(cache: Cache) -> None:
    first = add(cache, [1, 2])
    second = add(cache, [2, 3], name="azc_native_other")
    assert cache.find([key(1), key(2), key(3)]) == {key(1): first[key(1)], **second}


def test_keys_and_names_are_checked(cache: Cache, tmp_path: Path) -> None:
    for wrong in ("", "../../../etc/passwd", "A" * 32, key(1)[1:], key(1) + "\n"):
        with pytest.raises(ValueError, match="expected keys of 32 hexadecimal digits"):
            cache.find([wrong])
        with pytest.raises(ValueError, match="expected keys of 32 hexadecimal digits"):
            cache.add(tmp_path, NAME, [wrong])
    for name, keys in ((NAME, []), (NAME, [key(1), key(1)]), ("../a", [key(1)]), ("", [key(1)])):
        with pytest.raises(ValueError, match="expected a name and keys, each once"):
            cache.add(tmp_path, name, keys)


def test_entries(cache: Cache) -> None:
    add(cache, [1, 2])
    add(cache, [3], name="azc_native_other")
    age(cache, 1, 1000)
    new, old = Cache(cache.directory).entries()
    assert (new.name, new.functions, new.sound) == ("azc_native_other", 1, True)
    assert (old.name, old.functions, old.sound) == (NAME, 2, True)
    assert old.bytes > len(payload([key(1), key(2)]))
    assert old.bytes + new.bytes == cache.size
    assert 990 < time.time() - old.last_used < 1100
    cache.find([key(3)])[key(3)].module.write_bytes(b"bad")
    assert [entry.sound for entry in Cache(cache.directory).entries()] == [False, True]


def test_private(cache: Cache, home: Path) -> None:
    umask = os.umask(0)
    try:
        add(cache, [1])
        cache.record("seconds", 1.5)
    finally:
        os.umask(umask)
    for path in (home, *home.rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)


# ---- settings -----------------------------------------------------------------------------------


def test_where_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AZC_CACHE_DIR", str(tmp_path / "a"))
    assert Cache().directory == tmp_path / "a"
    assert Cache(tmp_path / "b").directory == tmp_path / "b"
    monkeypatch.delenv("AZC_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Cache().directory.name == "azc"
    assert tmp_path in Cache().directory.parents
    for relative in (".", "cache", "~/cache"):
        monkeypatch.setenv("AZC_CACHE_DIR", relative)
        with pytest.raises(ConfigError, match="AZC_CACHE_DIR: expected an absolute path"):
            Cache()


def test_no_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AZC_CACHE_DIR", raising=False)

    def unknown(name: str) -> Path:  # as where HOME is not set and the system knows no such user
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(module.platformdirs, "user_cache_path", unknown)
    cache = Cache()
    assert add(cache, [1]) == cache.find([key(1)]) == {}
    assert cache.problem is not None
    assert "expected a home folder" in cache.problem
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="needs to become a user whom the system lacks")
def test_a_user_unknown_to_the_system() -> None:
    """As in a container that was started with a bare number for a user."""
    script = """if True:
        import os
        import platformdirs.unix, pwd
        from azc.compiler.cache import Cache
        os.setuid(12345)
        cache = Cache()
        print(cache.entries(), cache.recorded("seconds"), cache.find(["0" * 32]), cache.problem)
    """
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    done = subprocess.run(
        [sys.executable, "-c", script], env=kept, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("[] [] {} expected a home folder")


def test_a_file_system_that_runs_no_code(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = Cache(home)
    add(cache, [1])
    flags = SimpleNamespace(f_flag=os.ST_NOEXEC)
    monkeypatch.setattr(os, "statvfs", lambda path: flags)
    assert add(cache, [2]) == cache.find([key(1)]) == {}
    assert cache.problem is not None
    assert "run, got " in cache.problem
    assert "mounted with noexec; set AZC_CACHE_DIR" in cache.problem
    fresh = Cache(home)
    assert len(fresh.entries()) == 1
    assert fresh.problem == cache.problem
    assert fresh.clear() > 0


@pytest.mark.parametrize(
    ("text", "limit"),
    [("", 1 << 30), ("0", 0), ("1000", 1000), ("3K", 3072), ("2m", 2 << 20), ("5G", 5 << 30)],
)
def test_limit(monkeypatch: pytest.MonkeyPatch, home: Path, text: str, limit: int) -> None:
    monkeypatch.setenv("AZC_CACHE_LIMIT", text)
    assert Cache(home).limit == limit
    assert Cache(home, 77).limit == 77


@pytest.mark.parametrize("text", ["-1", "1.5G", "K", "1T", "ten", "1 G", "9" * 5000, "٣"])
def test_limit_refused(monkeypatch: pytest.MonkeyPatch, home: Path, text: str) -> None:
    monkeypatch.setenv("AZC_CACHE_LIMIT", text)
    with pytest.raises(ConfigError, match="AZC_CACHE_LIMIT: expected a number of bytes"):
        Cache(home)
    with pytest.raises(ConfigError, match="limit: expected a number of bytes, got '-1'"):
        Cache(home, -1)


# ---- damage -------------------------------------------------------------------------------------


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def extend(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\n")


def flip(path: Path, where: float = 0.0) -> None:
    data = bytearray(path.read_bytes())
    data[int(where * (len(data) - 1))] ^= 4
    path.write_bytes(data)


def flip_middle(path: Path) -> None:
    flip(path, 0.5)


def flip_end(path: Path) -> None:
    flip(path, 1.0)


def foreign(path: Path) -> None:
    path.write_bytes(os.urandom(path.stat().st_size))


def link(path: Path) -> None:
    """The same content, but through a symbolic link."""
    path.rename(path.with_name("real"))
    path.symlink_to("real")


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def group_writable(path: Path) -> None:
    path.chmod(0o660)


def world_writable(path: Path) -> None:
    path.chmod(0o602)


def remove(path: Path) -> None:
    path.unlink()


CONTENT = [truncate, empty, extend, flip, flip_middle, flip_end, foreign]
ALL = [*CONTENT, link, pipe, group_writable, world_writable, remove]


@pytest.mark.parametrize("part", ["module", "key"])
@pytest.mark.parametrize("damage", ALL, ids=lambda damage: damage.__name__)
def test_damage(cache: Cache, part: str, damage: Callable[[Path], None]) -> None:
    add(cache, [1, 2])
    good = add(cache, [3], name="azc_native_other")
    located = cache.find([key(1)])[key(1)]
    time.sleep(0.02)  # beyond the grain of the file system's clock
    damage(located.module if part == "module" else cache.directory / "keys" / key(1))
    for reader in (cache, Cache(cache.directory)):
        assert reader.find([key(1)]) == {}
        assert reader.find([key(3)]) == good
    # What was unsound is gone, and comes back as new.
    assert f"keys/{key(1)}" not in files(cache)
    if part == "module":
        assert found(cache, [2]) == set()
        assert not any(NAME in path for path in files(cache))
    assert add(cache, [1, 2])
    for reader in (cache, Cache(cache.directory)):
        assert found(reader, [1, 2, 3]) == {1, 2, 3}


@pytest.mark.parametrize("damage", ALL, ids=lambda damage: damage.__name__)
def test_damaged_index_beside_the_module(cache: Cache, damage: Callable[[Path], None]) -> None:
    index = add(cache, [1, 2])[key(1)].module.with_suffix(".json")
    damage(index)
    assert found(cache, [1, 2]) <= {1, 2}
    assert [entry.sound for entry in Cache(cache.directory).entries() if entry.name == NAME] == [
        False
    ]
    assert add(cache, [1, 2])
    assert found(cache, [1, 2]) == {1, 2}
    assert [entry.sound for entry in Cache(cache.directory).entries() if entry.name == NAME] == [
        True
    ]


def test_every_bit_of_an_index_counts(cache: Cache) -> None:
    add(cache, [1])
    path = cache.directory / "keys" / key(1)
    index = path.read_bytes()
    kept = cache.directory / "kept"
    os.link(add(cache, [1])[key(1)].module, kept)
    for bit in range(0, len(index) * 8):
        damaged = bytearray(index)
        damaged[bit // 8] ^= 1 << bit % 8
        path.unlink(missing_ok=True)
        path.write_bytes(damaged)
        path.chmod(0o600)
        assert Cache(cache.directory).find([key(1)]) == {}, bit
    path.write_bytes(index)
    path.chmod(0o600)
    assert found(Cache(cache.directory), [1]) == {1}  # it was not found for that alone


def test_an_entry_of_another_key(cache: Cache) -> None:
    add(cache, [1])
    keys = cache.directory / "keys"
    os.link(keys / key(1), keys / key(2))
    assert cache.find([key(2)]) == {}
    assert found(cache, [1]) == {1}
    cache.record("seconds", 1.0)
    os.link(cache.directory / "measured.json", keys / key(2))
    assert cache.find([key(2)]) == {}
    assert found(cache, [1]) == {1}


def test_a_module_in_place_of_another(cache: Cache) -> None:
    mine, other = add(cache, [1])[key(1)].module, add(cache, [2])[key(2)].module
    os.replace(other, mine)
    assert cache.find([key(1), key(2)]) == {}


def test_an_index_of_another_version(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(module, "_INDEX", "azc module 0")
        add(cache, [1])
        assert found(cache, [1]) == {1}
    assert Cache(cache.directory).find([key(1)]) == {}


def test_verified_once(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []

    def counted(path: str) -> object:
        read.append(path)
        return original(path)

    original = module.read
    monkeypatch.setattr(module, "read", counted)
    located = add(cache, [1, 2])[key(1)]
    for _ in range(3):
        cache.find([key(1), key(2)])
    assert read.count(str(located.module)) == 1
    assert len(read) == 2  # and the index, which both keys share
    located.module.write_bytes(located.module.read_bytes())
    cache.find([key(1)])
    assert read.count(str(located.module)) == 2


# ---- trust --------------------------------------------------------------------------------------


def as_another_user(monkeypatch: pytest.MonkeyPatch) -> None:
    user = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: user + 1)


def test_another_users_directory(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    add(cache, [1])
    before = files(cache)
    as_another_user(monkeypatch)
    assert cache.find([key(1)]) == {}
    assert cache.problem is not None
    assert "expected a folder of yours that only you can write in" in cache.problem
    assert add(cache, [2]) == {}
    assert (cache.clear(), cache.size, cache.entries()) == (0, 0, [])
    assert cache.recorded("seconds") == []
    assert files(cache) == before


def test_another_users_file(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    path = add(cache, [1])[key(1)].module
    original = folder._private
    monkeypatch.setattr(
        folder,
        "_private",
        lambda status: original(status) and status.st_ino != path.stat().st_ino,
    )
    assert cache.find([key(1)]) == {}


@pytest.mark.parametrize("folder", ["", "modules", "keys", "locks", "tmp"])
@pytest.mark.parametrize("mode", [0o720, 0o702, 0o1777])
def test_directory_that_others_can_write_in(cache: Cache, folder: str, mode: int) -> None:
    add(cache, [1])
    path = cache.directory / folder
    path.chmod(mode)
    assert cache.find([key(1)]) == {}
    assert cache.problem is not None
    assert str(path) in cache.problem
    assert add(cache, [2]) == {}
    path.chmod(0o755)  # reading is no danger
    assert found(cache, [1]) == {1}
    assert found(cache, [2]) == set()
    assert add(cache, [2])
    assert cache.problem is None


@pytest.mark.parametrize("folder", ["modules", "keys", "locks", "tmp"])
def test_folder_that_is_a_link(cache: Cache, tmp_path: Path, folder: str) -> None:
    add(cache, [1])
    (cache.directory / folder).rename(tmp_path / "real")
    (cache.directory / folder).symlink_to(tmp_path / "real")
    assert cache.find([key(1)]) == {}
    assert add(cache, [2]) == {}


def test_directory_behind_a_link_of_the_users(cache: Cache, tmp_path: Path) -> None:
    add(cache, [1])
    (tmp_path / "link").symlink_to(cache.directory)
    assert found(Cache(tmp_path / "link"), [1]) == {1}


# ---- a directory that cannot be used ------------------------------------------------------------


def assert_works_without(cache: Cache) -> None:
    assert cache.find([key(1)]) == {}
    assert add(cache, [1]) == {}
    assert cache.problem is not None
    assert str(cache.directory) in cache.problem
    with cache.lock([key(1)]):
        cache.record("seconds", 1.0)
    assert (cache.recorded("seconds"), cache.size, cache.entries()) == ([], 0, [])
    assert cache.clear() == 0


def test_file_in_its_place(home: Path) -> None:
    home.write_text("mine")
    assert_works_without(Cache(home))
    assert_works_without(Cache(home / "below"))
    assert home.read_text() == "mine"


def test_read_only(cache: Cache, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add(cache, [1])

    def refuse(*arguments: object, **options: object) -> int:
        raise OSError(30, "Read-only file system")

    # Permissions would not stop root.
    original = os.open
    monkeypatch.setattr(
        os,
        "open",
        lambda path, flags, *rest: (refuse if flags & os.O_CREAT else original)(path, flags, *rest),
    )
    for name in ("mkdir", "utime", "unlink", "replace", "link"):
        monkeypatch.setattr(os, name, refuse)
    reader = Cache(home)
    assert found(reader, [1]) == {1}
    keys = [key(2)]
    built = home.parent / "built.so"
    built.write_bytes(payload(keys))
    assert reader.add(built, NAME, keys) == {}
    assert reader.problem is not None
    assert "Read-only file system; set AZC_CACHE_DIR" in reader.problem
    reader.record("seconds", 1.0)
    with reader.lock(keys):
        pass
    assert built.exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_no_permission(cache: Cache, home: Path) -> None:
    home.mkdir()
    home.chmod(0o500)
    assert_works_without(cache)


@pytest.mark.parametrize("fail_at", range(1, 7))
def test_full_disk(cache: Cache, monkeypatch: pytest.MonkeyPatch, fail_at: int) -> None:
    add(cache, [1])
    calls = 0

    def replace(source: str, target: str) -> None:
        nonlocal calls
        calls += 1
        if calls == fail_at:
            raise OSError(28, "No space left on device")
        original(source, target)

    original = os.replace
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", replace)
        added = add(cache, [1, 2, 3], name="azc_native_other")
    # A key whose link fails is written as a copy: more calls than files.
    assert bool(added) == (fail_at > 2)
    assert bool(added) == (cache.problem is None)
    if not added:
        assert not [path for path in files(cache) if path.startswith("tmp/")]
    for reader in (cache, Cache(cache.directory)):
        assert found(reader, [1, 2, 3]) == ({1, 2, 3} if added else {1})
    add(cache, [4])
    assert {path.split("/")[0] for path in files(cache)} == {"keys", "modules"}


def test_without_hard_links(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(source: str, target: str) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    assert add(cache, [1, 2])
    assert found(Cache(cache.directory), [1, 2]) == {1, 2}
    assert cache.clear() > 0
    assert files(cache) == set()


# ---- size ---------------------------------------------------------------------------------------


def test_the_least_recently_used_goes(home: Path) -> None:
    cache = Cache(home)
    for number in (1, 2, 3):
        add(cache, [number])
    small = Cache(home, limit=cache.size)
    for number, seconds in ((1, 100), (2, 300), (3, 200)):
        age(cache, number, seconds)
    add(small, [4])
    assert found(small, [1, 2, 3, 4]) == {1, 3, 4}
    # Finding counts as using.
    age(small, 1, 100)
    age(small, 3, 200)
    Cache(home).find([key(3)])
    add(small, [5])
    assert found(small, [1, 2, 3, 4, 5]) == {3, 4, 5}
    assert small.size <= small.limit
    assert len(files(small)) == 3 * 3  # the keys of what was evicted are gone too


def test_what_was_just_added_stays(home: Path) -> None:
    cache = Cache(home)
    add(cache, [1])
    add(cache, [2])
    age(cache, 1, -1000)
    age(cache, 2, -1000)
    small = Cache(home, limit=cache.size // 2 + 10)
    assert add(small, [3])
    assert found(small, [1, 2, 3]) == {3}


def test_a_module_beyond_the_limit_is_refused(home: Path) -> None:
    add(Cache(home), [1])
    small = Cache(home, limit=Cache(home).size)
    assert add(small, [2, 3]) == {}
    assert small.problem is not None
    assert "raise AZC_CACHE_LIMIT" in small.problem
    assert found(small, [1, 2]) == {1}
    assert add(Cache(home, limit=0), [4]) == {}


def test_eviction_spares_keys_that_went_to_another_module(home: Path) -> None:
    cache = Cache(home)
    add(cache, [1, 2])
    age(cache, 1, 1000)
    add(cache, [2, 3], name="azc_native_other")
    add(Cache(home, limit=cache.size), [4, 5])
    assert found(cache, [1, 2, 3, 4, 5]) == {2, 3, 4, 5}


def test_use_is_noted_once_a_minute(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: clock)
    index = add(cache, [1])[key(1)].module.with_suffix(".json")
    for seconds, noted in ((59.0, False), (2.0, True), (59.0, False), (2.0, True)):
        os.utime(index, (5, 5))
        clock += seconds
        assert found(cache, [1]) == {1}
        assert (index.stat().st_mtime > 5) == noted


def test_clear(cache: Cache, home: Path) -> None:
    assert cache.clear() == 0
    assert not home.exists()
    home.mkdir(0o700)
    theirs = {"mine.txt", "modules/libm.so", "modules/a.json", "keys/README", "tmp/x", "locks/y"}
    for name in theirs:
        (home / name).parent.mkdir(0o700, exist_ok=True)
        (home / name).write_text("mine")
    (home / "keys" / key(7)).mkdir()
    add(cache, [1, 2])
    add(cache, [3])
    cache.record("seconds", 1.5)
    size = cache.size + (home / "measured.json").stat().st_size
    assert cache.clear() == size
    assert files(cache) == theirs
    assert (cache.size, cache.entries(), cache.recorded("seconds")) == (0, [], [])
    assert cache.find([key(1)]) == {}
    assert add(cache, [1])


def test_remnants_are_swept_up(cache: Cache, home: Path) -> None:
    gone = add(cache, [1])[key(1)].module
    half = add(cache, [2], name="azc_native_half")[key(2)].module
    gone.unlink()
    half.with_suffix(".json").unlink()
    (home / "tmp" / key(8)).write_bytes(b"half written")
    (home / "locks" / key(9)).touch()
    add(cache, [3], name="azc_native_other")
    assert {path for path in files(cache) if key(2) not in path} == {
        f"keys/{key(3)}",
        *(path for path in files(cache) if "azc_native_other" in path),
    }
    assert cache.find([key(2)]) == {}
    assert f"keys/{key(2)}" not in files(cache)


# ---- numbers ------------------------------------------------------------------------------------


def test_numbers(cache: Cache, home: Path) -> None:
    assert cache.recorded("seconds") == []
    assert not home.exists()
    for number in range(12):
        cache.record("seconds", number / 7)
    cache.record("other", 1)
    assert Cache(home).recorded("seconds") == [number / 7 for number in range(3, 12)]
    assert Cache(home).recorded("other") == [1.0]
    for bad in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="expected a finite number"):
            cache.record("seconds", bad)


@pytest.mark.parametrize("damage", ALL, ids=lambda damage: damage.__name__)
def test_damaged_numbers_are_forgotten(cache: Cache, damage: Callable[[Path], None]) -> None:
    cache.record("seconds", 1.0)
    damage(cache.directory / "measured.json")
    assert cache.recorded("seconds") == []
    cache.record("seconds", 2.0)
    assert cache.recorded("seconds") == [2.0]
    assert cache.problem is None


# ---- locks --------------------------------------------------------------------------------------


def test_lock_is_of_a_set(cache: Cache) -> None:
    with cache.lock([key(1), key(2)]), cache.lock([key(1)]), cache.lock([]):
        done = threading.Event()

        def wait() -> None:
            with Cache(cache.directory).lock([key(2), key(1), key(2)]):
                done.set()

        thread = threading.Thread(target=wait)
        thread.start()
        assert add(cache, [1])  # held up by none of them
        assert not done.wait(0.1)
    thread.join(30)
    assert done.is_set()
    assert not [path for path in files(cache) if path.startswith("locks/")]


def test_lock_goes_although_a_forked_child_lives(
    cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    copies: list[int] = []
    original = fcntl.flock

    def flock(handle: int, how: int) -> None:
        if how == fcntl.LOCK_EX and threading.current_thread() is threading.main_thread():
            copies.append(os.dup(handle))  # what a child would have
        original(handle, how)

    def enter() -> None:
        with cache.lock([key(1)]):
            entered.set()

    monkeypatch.setattr(fcntl, "flock", flock)
    entered = threading.Event()
    thread = threading.Thread(target=enter)
    with cache.lock([key(1)]):
        thread.start()
        assert not entered.wait(0.1)
    was_let_in = entered.wait(5)
    for copy in copies:
        os.close(copy)
    thread.join(30)
    assert was_let_in


def test_lock_goes_with_an_error(cache: Cache) -> None:
    with pytest.raises(OSError, match="mine"), cache.lock([key(1)]):
        raise OSError("mine")
    assert cache.problem is None
    with cache.lock([key(1)]):
        pass


# ---- several processes --------------------------------------------------------------------------

#: Keys in overlapping sets; each set has modules that differ, as those of several compilers would.
NUMBERS = range(24)
SETS = [[*range(start, start + size)] for start in range(0, 20, 2) for size in (1, 3, 4)]


def start(job: str, directory: Path, seed: int) -> subprocess.Popen[str]:
    command = [sys.executable, __file__, job, str(directory), str(seed)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def kill(process: subprocess.Popen[str]) -> str:
    """What it still wrote, once it is dead."""
    process.kill()
    return process.communicate()[0]


def churn(directory: Path, seed: int) -> None:
    """Add, find, evict and clear until killed; say so if anything is found that is wrong."""
    rng = random.Random(seed)
    limit = 6 * len(payload(["x"] * 4))
    print("ready", flush=True)
    cache = Cache(directory, limit)
    while True:
        numbers = rng.choice(SETS)
        action = rng.random()
        try:
            if action < 0.02:
                cache.clear()
            elif action < 0.04:
                cache.record("seconds", rng.random())
            elif action < 0.1:
                cache = Cache(directory, limit)
            elif action < 0.5:
                found(cache, rng.sample(NUMBERS, 6))
            else:
                with cache.lock([key(number) for number in numbers]):
                    if len(found(cache, numbers)) < len(numbers):
                        add(cache, numbers, f"azc_native_{rng.randrange(2)}")
                        if cache.problem:
                            print("problem", cache.problem, flush=True)
        except FileNotFoundError:
            pass  # evicted between finding and reading
        except AssertionError as error:
            print("wrong", error, flush=True)


def count(directory: Path, seed: int) -> None:
    """Add 1 to a number in a file, many times, in a way that loses some without a lock."""
    cache, path = Cache(directory), directory.with_name("count")
    print("ready", flush=True)
    for _ in range(100):
        with cache.lock([key(1)]):
            number = int(path.read_text())
            time.sleep(0.0002)
            path.write_text(str(number + 1))


def hold(directory: Path, seed: int) -> None:
    """Hold a lock until killed."""
    with Cache(directory).lock([key(seed)]):
        print("ready", flush=True)
        time.sleep(600)


@pytest.fixture
def processes() -> Iterator[list[subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []
    yield started
    for process in started:
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()


def test_killed_at_any_moment(
    home: Path, processes: list[subprocess.Popen[str]], full: bool
) -> None:
    rng = random.Random(1)
    together, kills = 3, 60 if full else 6
    processes += [start("churn", home, seed) for seed in range(together)]
    for seed in range(together, together + kills):
        time.sleep(rng.uniform(0.0, 0.1))
        victim = processes.pop(0)
        assert kill(victim) == ""
        assert victim.returncode == -signal.SIGKILL
        # The others go on; whatever there is now must be right.
        reader = Cache(home)
        with suppress(FileNotFoundError):
            found(reader, NUMBERS)
        assert reader.problem is None
        processes.append(start("churn", home, seed))
    for process in processes:
        assert kill(process) == ""
    cache = Cache(home, 10**7)
    sound = found(cache, NUMBERS)
    assert add(cache, [0, 1, 2, 3])
    assert found(cache, NUMBERS) == sound | {0, 1, 2, 3}
    # What they left is gone: each file belongs to a module that is complete.
    assert all(entry.sound for entry in cache.entries())
    assert cache.size == sum(entry.bytes for entry in cache.entries())
    assert len(files(cache) - {"measured.json"}) >= 2 * len(cache.entries())
    assert not [path for path in files(cache) if path.startswith(("tmp/", "locks/"))]
    assert found(cache, NUMBERS) == sound | {0, 1, 2, 3}
    assert cache.clear() > 0
    assert files(cache) == set()


def test_lock_excludes_processes(home: Path, processes: list[subprocess.Popen[str]]) -> None:
    home.with_name("count").write_text("0")
    processes += [start("count", home, seed) for seed in range(3)]
    for process in processes:
        assert process.wait(60) == 0
    assert home.with_name("count").read_text() == "300"


def test_lock_goes_with_its_process(
    cache: Cache, home: Path, processes: list[subprocess.Popen[str]]
) -> None:
    processes.append(start("hold", home, 1))
    entered = threading.Event()

    def enter() -> None:
        with cache.lock([key(1)]):
            entered.set()

    thread = threading.Thread(target=enter)
    thread.start()
    assert not entered.wait(0.2)
    kill(processes[0])
    assert entered.wait(30)
    thread.join(30)


# ---- any sequence of operations -----------------------------------------------------------------

OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.sampled_from(SETS[:12]), st.integers(0, 1)),
        st.tuples(st.just("damage"), st.integers(0, 12), st.sampled_from(CONTENT)),
        st.tuples(st.sampled_from(["reopen", "clear", "find"])),
    ),
    max_size=20,
)


@given(OPERATIONS)
def test_against_a_model(operations: list[tuple[object, ...]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        cache = Cache(Path(folder, "cache"))
        model: dict[int, str] = {}  # key -> name of the module that it was last added with
        modules: dict[str, list[int]] = {}
        for operation, *arguments in operations:
            if operation == "add":
                numbers, variant = arguments
                name = f"azc_{'_'.join(map(str, numbers))}_{variant}"
                modules[name] = numbers
                model.update(dict.fromkeys(numbers, name))
                add(cache, numbers, name)
            elif operation == "damage":
                number, damage = arguments
                if number in model:
                    time.sleep(0.01)  # beyond the grain of the file system's clock
                    damage(cache.find([key(number)])[key(number)].module)
                    bad = model[number]
                    model = {key: name for key, name in model.items() if name != bad}
            elif operation == "clear":
                cache.clear()
                model = {}
            elif operation == "reopen":
                cache = Cache(cache.directory)
            located = cache.find(map(key, NUMBERS))
            expected = {
                key(number): (name, modules[name].index(number)) for number, name in model.items()
            }
            assert {one: (at.name, at.index) for one, at in located.items()} == expected
            assert found(cache, NUMBERS) == set(model)


if __name__ == "__main__":
    JOBS = {"churn": churn, "count": count, "hold": hold}
    JOBS[sys.argv[1]](Path(sys.argv[2]), int(sys.argv[3]))
