"""Compiled modules kept on disk: private, verified before use, limited in size.

    DIRECTORY/modules/NAME-CHECK.so       a module: machine code of many functions
    DIRECTORY/modules/NAME-CHECK.json     its index; the modification time is that of the last use
    DIRECTORY/keys/KEY                    the same index again, under each of its functions' keys
    DIRECTORY/locks/                      who is building what, and who is writing here
    DIRECTORY/tmp/                        files being written
    DIRECTORY/measured.json               numbers measured on this machine

CHECK is the XXH3-128 of the index, which holds that of the module: a name stands for one content,
so files are never changed, only put there whole and taken away. A key's entry is a hard link to
the index: one costs no space, and finding one reads no other. (On a file system without hard links
it is a copy.) Who reads believes nothing that the hashes do not confirm; hence no reader takes a
lock, and writers' lock only spares them repeated work.

Loading a module runs it. Hashes do not help against an attacker, who can compute them; ownership
and permissions do, of every folder and file, each time.
"""

from __future__ import annotations

import math
import os
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import platformdirs
import xxhash

from azc.compiler.folder import (
    HEX,
    WRITING,
    Folder,
    Identity,
    RefusedError,
    UnsoundError,
    identity,
    listing,
    read,
    sealed,
    unsealed,
)
from azc.errors import ConfigError, expected

__all__ = ["Cache", "Entry", "Located"]

#: What the files of JSON say that they are; another number after a change of what they hold.
_INDEX, _NUMBERS = "azc module 1", "azc numbers 1"
_DEFAULT_LIMIT = 1 << 30
_TOUCH_SECONDS = 60.0
_KEPT_NUMBERS = 9
#: What the names of modules look like, and of their files.
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
_PART = re.compile(rf"({_NAME.pattern}-{HEX.pattern})\.(so|json)")


@dataclass(frozen=True, slots=True)
class Located:
    """Where a function is: the `index`-th of the file `module`, which is imported as `name`."""

    module: Path
    name: str
    index: int


@dataclass(frozen=True, slots=True)
class Entry:
    """A module, for display: `bytes` with its index, times in seconds since 1970."""

    name: str
    bytes: int
    functions: int
    created: float
    last_used: float
    sound: bool


@dataclass(frozen=True, slots=True)
class _Index:
    """What is known of a module: the XXH3-128 of its file, and its functions by key."""

    stem: str
    digest: str
    positions: dict[str, int]


def _name(stem: str) -> str:
    return stem.rpartition("-")[0]


def _decode(content: bytes) -> _Index:
    fields = unsealed(_INDEX, content)
    positions = {key: position for position, key in enumerate(fields["keys"])}
    return _Index(f"{fields['name']}-{fields['check']}", fields["xxh3"], positions)


def _bytes(parts: Iterable[os.stat_result]) -> int:
    return sum(part.st_size for part in parts)


def _chosen_directory(given: Path | None) -> Path:
    named = os.environ.get("AZC_CACHE_DIR")
    if given is None and not named:
        try:
            return platformdirs.user_cache_path("azc")
        except RuntimeError:  # a user whom the system does not know, without HOME
            return Path("~", ".cache", "azc")
    what, path = ("AZC_CACHE_DIR", Path(named or "")) if given is None else ("directory", given)
    if not path.is_absolute():
        # What is there must not hang on where a command is run from.
        raise ConfigError(f"{what}: {expected('an absolute path', repr(str(path)))}")
    return path


def _chosen_limit(given: int | None) -> int:
    what, text = "limit", str(given)
    if given is None:
        what, text = "AZC_CACHE_LIMIT", os.environ.get("AZC_CACHE_LIMIT") or str(_DEFAULT_LIMIT)
    if not (match := re.fullmatch(r"([0-9]{1,18})([KMG]?)", text, re.IGNORECASE)):
        do = "give 0 or more, with K, M or G behind it if you like"
        raise ConfigError(f"{what}: {expected('a number of bytes', repr(text), do)}")
    return int(match[1]) << {"": 0, "K": 10, "M": 20, "G": 30}[match[2].upper()]


def _checked(keys: Iterable[str]) -> list[str]:
    """`keys`, which become names of files: only such as cannot name any other file."""
    result = list(keys)
    for key in result:
        if not HEX.fullmatch(key):
            raise ValueError(expected("keys of 32 hexadecimal digits", repr(key)))
    return result


class Cache:
    """The cache in one directory, for one process; threads may share it.

    A directory that cannot be read, written or trusted is no error: nothing is there to use,
    nothing is kept in it, and `problem` says why, until something is kept.

    Attributes: `directory`, which need not exist; `limit`, the most bytes of modules and indexes
    that `add` leaves; `problem`.
    """

    def __init__(self, directory: Path | None = None, limit: int | None = None) -> None:
        """`directory`: absolute; else `AZC_CACHE_DIR`, else the user's folder for caches. `limit`
        in bytes: else `AZC_CACHE_LIMIT`, else 1 GiB; 0 keeps nothing. `ConfigError` for others."""
        self.directory = _chosen_directory(directory)
        self.limit = _chosen_limit(limit)
        self._folder = Folder(self.directory, ("modules", "keys"))
        self._modules, self._keys = f"{self.directory}/modules", f"{self.directory}/keys"
        self._measured = f"{self.directory}/measured.json"
        # What was verified, so that it is not read again: indexes by inode, modules by stem.
        self._indexes: dict[int, tuple[Identity, _Index]] = {}
        self._verified: dict[str, Identity] = {}
        self._touched: dict[str, float] = {}

    @property
    def problem(self) -> str | None:
        """Why the cache could not be used, if it could not."""
        return self._folder.problem

    @property
    def size(self) -> int:
        """The bytes of all modules and indexes."""
        return sum(map(_bytes, self._scan().values()))

    # ---- modules --------------------------------------------------------------------------------

    def find(self, keys: Iterable[str]) -> dict[str, Located]:
        """Where those of `keys` are that are here and sound; they count as used now.

        Another process may evict a module before it is loaded: then build it again.
        """
        located: dict[str, Located] = {}
        unsound: list[str] = []
        keys = _checked(keys)
        with self._folder.trying():
            for key in keys if self._folder.check() else ():
                self._folder.check_runs()
                try:
                    index = self._locate(key)
                except FileNotFoundError:
                    continue
                except (OSError, UnsoundError):
                    unsound.append(key)
                    continue
                self._touch(index.stem)
                located[key] = self._located(index.stem, index.positions[key])
        if unsound:
            self._discard(unsound)
        return located

    def add(self, built: Path, name: str, keys: Sequence[str]) -> dict[str, Located]:
        """Keep a copy of the file `built`, a module called `name` whose i-th function is `keys[i]`.

        Modules that were used least recently make room for it. Nothing is returned, and `problem`
        says why, if it cannot be kept or is larger than `limit`; `built` is there as before.
        """
        if len(set(_checked(keys))) != len(keys) or not keys or not _NAME.fullmatch(name):
            raise ValueError(expected("a name and keys, each once", f"{name!r}, {len(keys)} keys"))
        with self._folder.trying():
            data = built.read_bytes()
            digest = xxhash.xxh3_128_hexdigest(data)
            fields = {"name": name, "bytes": len(data), "xxh3": digest, "keys": [*keys]}
            content = sealed(_INDEX, fields)
            stem = _decode(content).stem
            if (size := len(data) + len(content)) > self.limit:
                what = f"a compiled module of at most {self.limit} bytes to keep"
                raise RefusedError(expected(what, f"{size} bytes", "raise AZC_CACHE_LIMIT"))
            with self._folder.locked(WRITING):
                self._folder.check_runs()
                self._folder.sweep()
                # In this order, so that what a reader finds is complete.
                self._folder.write(f"{self._modules}/{stem}.so", data)
                self._folder.write(f"{self._modules}/{stem}.json", content)
                for key in keys:
                    try:
                        self._folder.link(f"{self._modules}/{stem}.json", f"{self._keys}/{key}")
                    except OSError:
                        self._folder.write(f"{self._keys}/{key}", content)
                self._touched[stem] = time.monotonic()
                self._evict(stem)
            self._folder.problem = None
            return {key: self._located(stem, index) for index, key in enumerate(keys)}
        return {}

    def entries(self) -> list[Entry]:
        """All modules, the last used first, verified: this may read all there is."""
        result = []
        with self._folder.trying():
            if self._folder.check():
                self._folder.check_runs()
        for stem, parts in self._scan().items():
            functions, sound = 0, False
            with suppress(OSError, UnsoundError):
                index = self._index(f"{self._modules}/{stem}.json")
                functions = len(index.positions)
                self._verify(index)
                sound = index.stem == stem
            # The index is written after the module, and touched whenever that is used.
            times = [part.st_mtime for part in parts]
            result.append(
                Entry(_name(stem), _bytes(parts), functions, min(times), max(times), sound)
            )
        return sorted(result, key=lambda entry: -entry.last_used)

    def clear(self) -> int:
        """Remove all files of ours, and nothing else; the bytes that this freed."""
        freed = 0
        with self._folder.trying():
            if not self._folder.check():
                return 0
            with self._folder.locked(WRITING):
                self._folder.sweep()
                freed = self.size
                for _, entry in (*listing(self._keys, HEX), *listing(self._modules, _PART)):
                    os.unlink(entry.path)
                with suppress(FileNotFoundError):
                    freed += os.lstat(self._measured).st_size
                    os.unlink(self._measured)
        return freed

    @contextmanager
    def lock(self, keys: Sequence[str]) -> Iterator[None]:
        """Hold off others, threads too, that ask for the same set of `keys`: one builds, the rest
        then find. Where locks cannot be had, nobody is held off."""
        with ExitStack() as held:
            with self._folder.trying():
                name = xxhash.xxh3_128_hexdigest("\n".join(sorted(set(keys))).encode())
                held.enter_context(self._folder.locked(name))
            yield

    # ---- numbers --------------------------------------------------------------------------------

    def record(self, name: str, value: float) -> None:
        """Remember `value`, a finite number, under `name`, with the eight before it."""
        if not math.isfinite(value):
            raise ValueError(expected("a finite number", value))
        with self._folder.trying(), self._folder.locked(WRITING):
            numbers = self._numbers()
            numbers[name] = [*numbers.get(name, []), float(value)][-_KEPT_NUMBERS:]
            self._folder.write(self._measured, sealed(_NUMBERS, {"numbers": numbers}))

    def recorded(self, name: str) -> list[float]:
        """What `record` remembers under `name`, oldest first."""
        return self._numbers().get(name, [])

    def _numbers(self) -> dict[str, list[float]]:
        numbers: dict[str, list[float]] = {}
        # They only guide estimates: what is damaged counts as not recorded.
        with suppress(OSError, UnsoundError):
            if self._folder.check():
                numbers = unsealed(_NUMBERS, read(self._measured)[1])["numbers"]
        return numbers

    # ---- reading --------------------------------------------------------------------------------

    def _located(self, stem: str, index: int) -> Located:
        return Located(Path(f"{self._modules}/{stem}.so"), _name(stem), index)

    def _locate(self, key: str) -> _Index:
        index = self._index(f"{self._keys}/{key}")
        if key not in index.positions:
            raise UnsoundError
        self._verify(index)
        return index

    def _index(self, path: str) -> _Index:
        now = identity(os.lstat(path))
        known = self._indexes.get(now[1])
        if known is None or known[0] != now:
            now, data = read(path)
            known = self._indexes[now[1]] = now, _decode(data)
        return known[1]

    def _verify(self, index: _Index) -> None:
        path = f"{self._modules}/{index.stem}.so"
        try:
            if self._verified.get(index.stem) == identity(os.lstat(path)):
                return
            now, data = read(path)
        except (FileNotFoundError, UnsoundError):
            raise UnsoundError(index.stem) from None
        if xxhash.xxh3_128_hexdigest(data) != index.digest:
            raise UnsoundError(index.stem)
        self._verified[index.stem] = now

    def _touch(self, stem: str) -> None:
        now = time.monotonic()
        if now - self._touched.get(stem, -math.inf) >= _TOUCH_SECONDS:
            self._touched[stem] = now
            with suppress(OSError):
                os.utime(f"{self._modules}/{stem}.json", follow_symlinks=False)

    def _scan(self) -> dict[str, list[os.stat_result]]:
        """The status of the files of each module, by stem: of two, if it is complete."""
        parts: dict[str, list[os.stat_result]] = {}
        with self._folder.trying():
            for match, entry in listing(self._modules, _PART) if self._folder.check() else ():
                with suppress(FileNotFoundError):
                    parts.setdefault(match[1], []).append(entry.stat(follow_symlinks=False))
        return parts

    # ---- writing --------------------------------------------------------------------------------

    def _evict(self, added: str) -> None:
        """Remove what killed writers left, then what was used least recently, to keep the limit."""
        modules = self._scan()
        total = sum(map(_bytes, modules.values()))
        for stem in sorted(modules, key=lambda stem: max(part.st_mtime for part in modules[stem])):
            if stem != added and (total > self.limit or len(modules[stem]) < 2):
                self._remove(stem)
                total -= _bytes(modules[stem])

    def _remove(self, stem: str) -> None:
        """Keys first and the index last: who is killed halfway leaves what can be removed again."""
        index = f"{self._modules}/{stem}.json"
        with suppress(OSError, UnsoundError):
            for key in self._index(index).positions:
                path = f"{self._keys}/{key}"
                with suppress(OSError, UnsoundError):
                    # The key may have come to stand for another module.
                    if self._index(path).stem == stem:
                        os.unlink(path)
        for path in (f"{self._modules}/{stem}.so", index):
            with suppress(OSError):
                os.unlink(path)

    def _discard(self, keys: Iterable[str]) -> None:
        """Remove what is unsound of `keys`; another time, if another process is writing."""
        with suppress(OSError), self._folder.locked(WRITING, wait=False):
            for key in keys:
                try:
                    # Once more: it may have been written anew since.
                    self._locate(key)
                except OSError:
                    pass  # gone, or cannot be read just now
                except UnsoundError as error:
                    self._remove(error.stem)
                    with suppress(OSError):
                        os.unlink(f"{self._keys}/{key}")
