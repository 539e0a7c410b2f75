"""Image sets by name: found on disk, read once per process, cut into the pools tasks draw from."""

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

_LOCATE: dict[str, Callable[[Sequence[Path]], list[Path]]] = {
    "digits": digits.locate,
    "mnist": idx.locate,
    "fashion-mnist": idx.locate,
    "cifar10": cifar.locate,
    "svhn": svhn.locate,
    "imagenet32": imagenet.locate,
}
_LOAD: dict[str, Callable[[str, Sequence[Path], frozenset[int] | None], Iterator[Images]]] = {
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


_held: dict[str, _Held] = {}
_lock = Lock()


def _folders(info: ImageSet, data: str | os.PathLike[str] | None) -> list[Path]:
    """Where the files of a set may lie, in the order of the search."""
    if data is None:
        data = os.environ.get("AZC_DATA") or None
    if data is None:
        return []
    base = Path(data).expanduser()
    if not base.is_dir():
        got = "a file" if base.exists() else "no such folder"
        raise TaskError(expected(f"the folder of data sets at {base}", got))
    # The set's own folders first: file names are shared between sets.
    return [*(base / folder for folder in info.folders), base]


def find(info: ImageSet, data: str | os.PathLike[str] | None = None) -> list[Path]:
    """The files to read, found below `data` or ``AZC_DATA``; nothing is read.

    Raises `TaskError`, saying what to get from where, if they are absent or of the wrong form.
    """
    if info.files:
        folders = _folders(info, data)
        paths = _LOCATE[info.name](folders)
        if paths:
            return paths
        tried = "none of them in " + ", ".join(map(str, folders)) if folders else "no data folder"
        what = f"the files of {info.name} ({' or '.join(_forms(info))})"
        do = f"get them from '{info.page}' and give their folder with --data DIR or AZC_DATA"
        raise TaskError(expected(what, tried, do))
    paths = _LOCATE[info.name]([])
    if not paths:
        do = "pip install scikit-learn"
        raise TaskError(expected(f"scikit-learn, which holds {info.name}", "no such package", do))
    return paths


def _forms(info: ImageSet) -> tuple[str, ...]:
    """The files as alternatives; those of the idx sets are needed together."""
    idx_set = _LOAD[info.name] is idx.load
    return (" and ".join(info.files),) if idx_set else info.files


def load(
    info: ImageSet,
    data: str | os.PathLike[str] | None = None,
    wanted: frozenset[int] | None = None,
) -> Images:
    """The training images in official order, (n, pixels) uint8 and (n,) int64; not cached.

    `wanted` limits imagenet32, which would take 4 GB, to some classes.
    """
    blocks = list(_LOAD[info.name](info.name, find(info, data), wanted))
    images, labels = (np.concatenate(arrays) for arrays in zip(*blocks, strict=True))
    return images, labels


def pools(
    info: ImageSet, classes: Iterable[int], data: str | os.PathLike[str] | None = None
) -> dict[int, Pool]:
    """For each of `classes` its first `info.pool` training images, (n, pixels) uint8, read-only.

    Kept for the process until the files change.
    """
    paths = find(info, data)
    stamp = tuple((path, s.st_mtime_ns, s.st_size) for path in paths if (s := path.stat()))
    with _lock:
        held = _held.get(info.name)
        if held is None or held.stamp != stamp:
            held = _held[info.name] = _Held(stamp)
        missing = [c for c in classes if c not in held.pools]
        if missing:
            wanted = missing if info.name in _BY_CLASS else range(info.classes)
            held.pools.update(_read_pools(info, paths, wanted))
        return {c: held.pools[c] for c in classes}


def _read_pools(info: ImageSet, paths: Sequence[Path], wanted: Iterable[int]) -> dict[int, Pool]:
    pieces: dict[int, list[Pool]] = {c: [] for c in wanted}
    for images, labels in _LOAD[info.name](info.name, paths, frozenset(pieces)):
        for c in np.unique(labels).tolist():
            left = info.pool - sum(len(piece) for piece in pieces[c])
            pieces[c].append(images[np.flatnonzero(labels == c)[:left]])
    result = {}
    for c in pieces:
        pool = np.concatenate([np.empty((0, info.pixels), np.uint8), *pieces[c]])
        pool.flags.writeable = False
        result[c] = pool
        pieces[c] = []  # each class is held twice only while it is joined
    return result


assert set(_LOAD) == set(_LOCATE) == set(IMAGE_SETS)
