"""Image sets by name: located on disk, read once a process, cut into the pools tasks draw from."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

import numpy as np
import numpy.typing as npt

from azc.errors import TaskError, expected
from azc.tasks.images import cifar, digits, idx, imagenet, svhn
from azc.tasks.images.catalogue import IMAGE_SETS, ImageSet
from azc.tasks.images.layout import Images

__all__ = ["find", "load", "pools"]

Pool = npt.NDArray[np.uint8]

_LOCATE: dict[str, Callable[[Sequence[Path], bool], list[Path]]] = {
    "digits": digits.locate,
    "mnist": idx.locate,
    "fashion-mnist": idx.locate,
    "cifar10": cifar.locate,
    "svhn": svhn.locate,
    "imagenet32": imagenet.locate,
}
_LOAD: dict[str, Callable[[str, Sequence[Path], frozenset[int] | None, bool], Iterator[Images]]] = {
    "digits": digits.load,
    "mnist": idx.load,
    "fashion-mnist": idx.load,
    "cifar10": cifar.load,
    "svhn": svhn.load,
    "imagenet32": imagenet.load,
}
# Sets too large to hold: only the classes asked for are kept.
_BY_CLASS = frozenset({"imagenet32"})


@dataclass
class _Held:
    """The pools of one set, and the identity of the files that they were read from."""

    stamp: tuple[object, ...]
    pools: dict[int, Pool] = field(default_factory=dict)


# By the set's name, and whether of its test images.
_held: dict[tuple[str, bool], _Held] = {}
_lock = Lock()


def _folders(info: ImageSet, data: str | os.PathLike[str] | None) -> list[Path]:
    """Where the files of a set may lie, in the order of the search."""
    if data is None:
        data = os.environ.get("AZC_DATA") or None
    if data is None:
        return []
    base = Path(os.path.expanduser(data))
    if not base.is_dir():
        got = "a file" if base.exists() else "no such folder"
        raise TaskError(expected(f"the folder of data sets at {base}", got))
    # The set's own folders first: file names are shared between sets.
    return [*(base / folder for folder in info.folders), base]


#: How deep below the data folder, and in how many folders and entries, files are looked for that
#: are in none of the usual places.
_DEEP, _MOST_FOLDERS, _MOST_ENTRIES = 5, 2000, 50_000
#: Sets that have the same file names, as their folders may be called, without signs.
_ALIKE = ("fashion", "kmnist", "kuzushiji", "emnist", "qmnist", "notmnist", "kannada", "medmnist")


def _below(info: ImageSet, base: Path) -> Iterator[Path]:
    """The folders below `base`, the nearest first, but those called like another set."""
    level, folders, entries = [base], 0, 0
    for _ in range(_DEEP):
        following: list[Path] = []
        for folder in level:
            try:
                with os.scandir(folder) as listing:
                    for entry in listing:
                        entries += 1
                        if entries > _MOST_ENTRIES or folders > _MOST_FOLDERS:
                            return
                        named = not entry.name.startswith(".") and not _foreign(info, entry.name)
                        if named and entry.is_dir():
                            folders += 1
                            following.append(folder / entry.name)
            except OSError:
                continue
        level = sorted(following)
        yield from level


def _foreign(info: ImageSet, folder: str) -> bool:
    """Whether a folder is called like another set than `info`."""
    own, plain = _letters(info.name), _letters(folder)
    others = {_letters(name) for name in (*IMAGE_SETS, *_ALIKE)} - {own, "digits"}
    # A name within this set's own, as mnist in fashion-mnist, is foreign where that is not there.
    return any(o in plain and not (o in own and own in plain) for o in others)


def _letters(text: str) -> str:
    return "".join(filter(str.isalpha, text.lower()))


def _locate(info: ImageSet, data: str | os.PathLike[str] | None, test: bool) -> list[Path]:
    locate = _LOCATE[info.name]
    if not info.files:
        return locate([], test)
    folders = _folders(info, data)
    if not folders:
        return []
    return locate(folders, test) or locate(list(_below(info, folders[-1])), test)


def find(
    info: ImageSet, data: str | os.PathLike[str] | None = None, test: bool = False
) -> list[Path]:
    """The files to read, of the training or of the `test` images, below `data` or
    ``AZC_DATA``; nothing is read.

    Raises `TaskError`, saying what to get from where, if they are absent or of the wrong form.
    """
    if info.files:
        paths = _locate(info, data, test)
        if paths:
            return paths
        folders = _folders(info, data)
        tried = "no data folder"
        if folders:
            tried = f"none of them in {', '.join(map(str, folders))} or the folders below"
        of = f"the test images of {info.name}" if test else info.name
        what = f"the files of {of} ({' or '.join(_forms(info, test))})"
        do = f"get them from '{info.page}' and give their folder with --data DIR or AZC_DATA"
        raise TaskError(expected(what, tried, do))
    paths = _locate(info, data, test)
    if not paths:
        do = "pip install scikit-learn"
        raise TaskError(expected(f"scikit-learn, which holds {info.name}", "no such package", do))
    return paths


def _forms(info: ImageSet, test: bool) -> tuple[str, ...]:
    """The files as alternatives; those of the idx sets are needed together."""
    files = info.test_files if test else info.files
    return (" and ".join(files),) if _LOAD[info.name] is idx.load else files


def load(
    info: ImageSet,
    data: str | os.PathLike[str] | None = None,
    wanted: frozenset[int] | None = None,
    test: bool = False,
) -> Images:
    """The training or the `test` images in official order, (n, pixels) uint8 and (n,) int64; not
    cached.

    `wanted` limits imagenet32, which would take 4 GB, to some classes.
    """
    blocks = list(_LOAD[info.name](info.name, find(info, data, test), wanted, test))
    images, labels = (np.concatenate(arrays) for arrays in zip(*blocks, strict=True))
    return images, labels


def pools(
    info: ImageSet,
    classes: Iterable[int],
    data: str | os.PathLike[str] | None = None,
    test: bool = False,
) -> dict[int, Pool]:
    """For each of `classes` its first `info.pool` training images, or all its `test` images, (n,
    pixels) uint8, read-only.

    Kept for the process until the files change.
    """
    paths = find(info, data, test)
    stamp = tuple((path, s.st_mtime_ns, s.st_size) for path in paths if (s := path.stat()))
    key = (info.name, test)
    with _lock:
        held = _held.get(key)
        if held is None or held.stamp != stamp:
            held = _held[key] = _Held(stamp)
        missing = [c for c in classes if c not in held.pools]
        if missing:
            wanted = missing if info.name in _BY_CLASS else range(info.classes)
            held.pools.update(_read_pools(info, paths, wanted, test))
        return {c: held.pools[c] for c in classes}


def _read_pools(
    info: ImageSet, paths: Sequence[Path], wanted: Iterable[int], test: bool
) -> dict[int, Pool]:
    pieces: dict[int, list[Pool]] = {c: [] for c in wanted}
    for images, labels in _LOAD[info.name](info.name, paths, frozenset(pieces), test):
        for c in np.unique(labels).tolist():
            left = None if test else info.pool - sum(len(piece) for piece in pieces[c])
            pieces[c].append(images[np.flatnonzero(labels == c)[:left]])
    result = {}
    for c in pieces:
        pool = np.concatenate([np.empty((0, info.pixels), np.uint8), *pieces[c]])
        pool.flags.writeable = False
        result[c] = pool
        pieces[c] = []  # each class is held twice only while it is joined
    return result


assert set(_LOAD) == set(_LOCATE) == set(IMAGE_SETS)
