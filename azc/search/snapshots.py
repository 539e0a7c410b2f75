"""Snapshots that hosts put in storage, each its own, so that they need not pass through the driver.

    PLACE/ISLAND-PROGRAMS-DIGEST    a snapshot: of which island, when, what is in it
    PLACE/exchange-NUMBER-DIGEST    what the islands of a host give in an exchange (`packets`)
    PLACE/.proof-…                  lies there while a search runs; by it hosts know the place

What is saved of a search then names its snapshots, and a save is still one transaction: files that
none names are as good as not there. They are named for what is in them, so that whoever does
something again writes the same, and a file is never changed. Those that are no longer wanted are
removed by hosts, with the next save; and what a killed search has left, when it goes on.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import TypeVar

import xxhash

from azc.errors import StateError, expected
from azc.search.storage import is_url, storage_at

__all__ = [
    "Kept",
    "Place",
    "Shelf",
    "State",
    "fetched",
    "found",
    "from_text",
    "patiently",
    "to_text",
]

_Read = TypeVar("_Read")

#: Names of what a search leaves in its place, whole or not.
_OURS = re.compile(r"\.?(\d{5,}|exchange)-\d+-[0-9a-f]{32}(\.[0-9a-f]+)?|\.proof-[0-9a-f]+")
#: Seconds before one tries again to read: networks have their moments, and what another machine has
#: just written may not be seen at once.
_PAUSES = (0.1, 1.0, 3.0)


@dataclass(frozen=True, slots=True)
class Kept:
    """A snapshot in storage, of an island that had drawn so many programs."""

    place: str
    island: int
    programs: int
    digest: str
    size: int

    @property
    def name(self) -> str:
        return f"{self.island:05d}-{self.programs}-{self.digest}"


#: A snapshot, or where it lies.
State = bytes | Kept


def fetched(state: State) -> bytes:
    """The snapshot itself. Raises `StateError`."""
    return patiently(lambda: _read(state)) if isinstance(state, Kept) else state


def patiently(read: Callable[[], _Read]) -> _Read:
    """What `read` returns, when it raises no `StateError`, or the last of them."""
    for pause in _PAUSES:
        with suppress(StateError):
            return read()
        time.sleep(pause)
    return read()


def _read(kept: Kept) -> bytes:
    data = storage_at(kept.place).read(kept.name)
    if len(data) != kept.size or _digest(data) != kept.digest:
        what = f"the snapshot of island {kept.island} as azc wrote it"
        got = f"{kept.name} with other content"
        raise StateError(f"{kept.place}: {expected(what, got, 'restore a copy of it')}")
    return data


def _digest(data: bytes) -> str:
    return xxhash.xxh3_128(data).hexdigest()


# ---- for hosts ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Place:
    """Where hosts put snapshots: the path of a folder, or a URL; and the name of a file by which
    they know that it is the same one."""

    address: str
    proof: str

    def check(self) -> None:
        """Raises `StateError` on a machine that has another place there, or none."""
        for pause in (*_PAUSES, None):
            if storage_at(self.address).has(self.proof):
                return
            if pause is not None:
                time.sleep(pause)
        what = "a place that all workers share"
        got = f"one that a worker on {socket.gethostname()} does not see"
        do = "name a folder that every machine has under this path, or a URL"
        raise StateError(f"{self.address}: {expected(what, got, do)}")

    def put(
        self, islands: Collection[int], snapshot: Callable[[int], tuple[int, bytes]]
    ) -> dict[int, Kept | StateError]:
        """Of each of `islands` its `snapshot`, which says how many programs it had drawn; or why it
        could not be put there. After a failure no more are tried: the next one may take long."""
        put: dict[int, Kept | StateError] = {}
        try:
            storage = storage_at(self.address)
            for island in islands:
                programs, data = snapshot(island)
                kept = Kept(self.address, island, programs, _digest(data), len(data))
                storage.write(kept.name, data)
                put[island] = kept
            storage.settle()
        except StateError as failed:
            put |= {island: failed for island in islands if island not in put}
        return put

    def put_packets(self, number: int, packets: bytes) -> str:
        """What is given in that exchange; its name. Raises `StateError`."""
        name = f"exchange-{number}-{_digest(packets)}"
        # Whoever goes on after a loss of power does so from before the exchange.
        storage_at(self.address).write(name, packets, lasting=False)
        return name

    def remove(self, names: Sequence[str]) -> None:
        """What cannot be removed now is when the search ends, or next goes on."""
        with suppress(StateError):
            storage_at(self.address).remove(names)


# ---- for the driver -----------------------------------------------------------------------------


class Shelf:
    """What a search has in its place, and which of it is still wanted: by the last save, by islands
    that may have to be made anew, or by saves under way. Nothing elsewhere is ever removed.

    `folder`: of the run; `key`: what tells its files from those of other runs at `location`;
    `saved`: what the last save named, where it lies now. Raises `StateError` if the place cannot be
    used. Saves may end in another thread than they were begun in.
    """

    def __init__(self, folder: Path, location: str, key: str, saved: Iterable[State]) -> None:
        self.place = Place(_address(folder, location, key), f".proof-{secrets.token_hex(8)}")
        self._storage = storage_at(self.place.address)
        self._lock = threading.Lock()
        self._there: set[str] = set()
        self._saved = self._names(saved)
        self._held: dict[int, str] = {}
        self._exchanged: set[str] = set()
        self._under_way: Counter[str] = Counter()
        self._storage.make()
        self._sweep()
        self._storage.write(self.place.proof, b"azc\n")

    def _names(self, kept: Iterable[State]) -> set[str]:
        return {
            one.name for one in kept if isinstance(one, Kept) and one.place == self.place.address
        }

    def hold(self, states: Mapping[int, State]) -> None:
        """Islands have left these, and would be made anew from them."""
        with self._lock:
            for island, state in states.items():
                if isinstance(state, Kept):
                    self._held[island] = state.name
                    self._there.add(state.name)

    def hold_packets(self, names: Iterable[str]) -> None:
        """Of exchanges, of which no others need to be read from now on."""
        with self._lock:
            self._exchanged = set(names)
            self._there |= self._exchanged

    def begin_save(self, states: Mapping[int, State]) -> None:
        """A save of these is to come; `end_save` tells what became of it."""
        with self._lock:
            self._under_way.update(self._names(states.values()))

    def end_save(self, states: Mapping[int, State], *, saved: bool) -> None:
        with self._lock:
            names = self._names(states.values())
            self._under_way -= Counter(names)
            if saved:
                self._there |= self._saved
                self._saved = names

    def waste(self) -> list[str]:
        """What nobody wants any more, to be removed by who gets this list."""
        with self._lock:
            wanted = self._saved.union(self._held.values(), self._under_way, self._exchanged)
            waste = sorted(self._there - wanted)
            self._there.difference_update(waste)
            return waste

    def close(self, saved: Iterable[State]) -> None:
        """Leaves what the last save names, and nothing else. Raises `StateError`."""
        self._saved = self._names(saved)
        self._sweep()

    def _sweep(self) -> None:
        there = [name for name in self._storage.names() if _OURS.fullmatch(name)]
        self._storage.remove(name for name in there if name not in self._saved)


def _address(folder: Path, location: str, key: str) -> str:
    """Within the folder of the run a place is that run's; a copy of the folder has a copy of it."""
    path = _located(folder, location)
    # A link in a copied folder leads to where the first one has its files.
    within = not is_url(path) and _within(os.path.realpath(path), os.path.realpath(folder))
    return path if within else f"{path.rstrip('/')}/{key}"


def _located(folder: Path, location: str) -> str:
    return location if is_url(location) else os.path.normpath(folder / os.path.expanduser(location))


def _within(path: str, folder: str) -> bool:
    return os.path.commonpath([path, folder]) == folder and path != folder


# ---- in the database ----------------------------------------------------------------------------


def to_text(kept: Kept, folder: Path) -> str:
    """What the run in `folder` remembers of one; a place within that is as seen from there."""
    place = kept.place
    if not is_url(place) and _within(place, str(folder)):
        place = os.path.relpath(place, folder)
    return json.dumps([place, kept.programs, kept.digest, kept.size])


def from_text(text: str, island: int, folder: Path) -> Kept:
    """What `to_text` was given, where `folder` is now."""
    place, programs, digest, size = json.loads(text)
    return Kept(place if is_url(place) else str(folder / place), island, programs, digest, size)


def found(folder: Path, states: Mapping[int, State], location: str | None) -> dict[int, State]:
    """`states` that the run in `folder` remembers, where they lie now: where they did, or at
    `location`. Raises `StateError` if some are gone."""
    here = dict(states)
    kept = sorted(
        (one for one in states.values() if isinstance(one, Kept)), key=attrgetter("place", "island")
    )
    for place, group in groupby(kept, attrgetter("place")):
        ours = list(group)
        candidates = [place]
        if location:
            at = _located(folder, location)
            candidates += [f"{at.rstrip('/')}/{place.rpartition('/')[2]}", at]
        most = 0
        for candidate in candidates:
            names = set(storage_at(candidate).names())
            there = sum(one.name in names for one in ours)
            if there == len(ours):
                here |= {one.island: replace(one, place=candidate) for one in ours}
                break
            most = max(most, there)
        else:
            what = f"the snapshots of {len(ours)} islands in {place}"
            do = "put them back, or name the place where they lie with --set search.snapshots=…"
            raise StateError(f"{folder}: {expected(what, f'{most} of them', do)}")
    return here
