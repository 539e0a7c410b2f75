"""Exchanges of programs that do not pass through the driver: every host puts what its islands give
into one file, where snapshots lie, and reads from those of all hosts what its islands are given.

    file       table, then packets: for each island, in the order of who reads them together
    table      where its packet begins, how long it is, and a hash of it
    packet     how many programs; which they are of those that the island is given, and the
               positions that they take; heads and code (`migrants.py`)

Who is given what follows from the settings and the exchange's number, so that every host draws it
for itself (`migration.Draws`), and the driver says no more than that there is an exchange, and what
the files are called. They stay until nobody would have to read them again.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np
import xxhash
from numpy.typing import NDArray

from azc.errors import StateError, expected
from azc.search.hosts import Exchange
from azc.search.migrants import HEAD, Given, Migrants
from azc.search.migration import Draws
from azc.search.snapshots import patiently
from azc.search.storage import Part, storage_at

__all__ = ["packets_of", "read_given"]

_ROW = struct.Struct("<QQQ")
_COUNT = struct.Struct("<Q")


def _order(islands: int, hosts: int) -> list[int]:
    """Those first that the first host has, as islands are dealt out; some may have moved since."""
    return [island for host in range(hosts) for island in range(host, islands, hosts)]


# ---- writing ------------------------------------------------------------------------------------


def packets_of(
    draws: Draws,
    vacant: Collection[int],
    hosts: int,
    measures: Sequence[int],
    ours: Collection[int],
    emigrants: Callable[[Mapping[int, NDArray[np.int64]]], dict[int, Migrants]],
) -> bytes:
    """What islands `ours` give to all, of which those `vacant` have nothing to give; for so many
    `hosts` to read. `emigrants`: `Host.emigrants`, of `ours`."""
    islands = len(draws.counts)
    offered = emigrants({island: asked for island, asked in draws.offered() if island in ours})
    counts = np.array(draws.counts)
    counts[list(vacant)] = 0
    # What all islands offer is numbered through; of that we have some.
    firsts = np.concatenate([[0], np.cumsum(counts)])
    is_ours = np.zeros(islands, bool)
    is_ours[list(ours)] = True
    own_firsts = np.cumsum(np.where(is_ours, counts, 0)) - counts
    pool = Migrants.joined([offered[island] for island in sorted(offered)])
    kinds, ends = np.array(measures), pool.ends()
    packets = [b""] * islands
    for island, replaced, chosen in draws.received(int(firsts[-1])):
        if not firsts[-1]:
            continue
        origins = np.searchsorted(firsts, chosen, side="right") - 1
        slots = np.flatnonzero(is_ours[origins])
        origins, chosen = origins[slots], chosen[slots]
        members = pool.chosen(own_firsts[origins] + chosen - firsts[origins], ends)
        members.heads["fitness"][kinds[origins] != kinds[island]] = np.nan
        numbers = slots.astype("<i8"), replaced[slots].astype("<i8")
        parts = (*(each.tobytes() for each in numbers), *members.bytes())
        packets[island] = b"".join((_COUNT.pack(len(slots)), *parts))
    in_order = [packets[island] for island in _order(islands, hosts)]
    starts = itertools.accumulate(map(len, in_order), initial=islands * _ROW.size)
    table = (
        _ROW.pack(start, len(packet), xxhash.xxh3_64_intdigest(packet))
        for start, packet in zip(starts, in_order, strict=False)
    )
    return b"".join(itertools.chain(table, in_order))


# ---- reading ------------------------------------------------------------------------------------


def read_given(exchange: Exchange, islands: int, ours: Collection[int]) -> dict[int, Given]:
    """What each of `ours` is given, of so many `islands` in all. Raises `StateError`."""
    return patiently(lambda: _read(exchange, islands, ours))


def _read(exchange: Exchange, islands: int, ours: Collection[int]) -> dict[int, Given]:
    storage = storage_at(exchange.place)
    order = _order(islands, exchange.hosts)
    wanted = list(itertools.product(exchange.files, _runs(order, ours)))
    rows = [Part(file, run[0] * _ROW.size, len(run) * _ROW.size) for file, run in wanted]
    tables = [list(_ROW.iter_unpack(data)) for data in storage.read_parts(rows)]
    bodies = [
        Part(file, table[0][0], sum(size for _, size, _ in table))
        for (file, _), table in zip(wanted, tables, strict=True)
    ]
    packets: dict[int, list[memoryview]] = {island: [] for island in ours}
    for (file, run), table, body in zip(wanted, tables, storage.read_parts(bodies), strict=True):
        for place, (start, size, digest) in zip(run, table, strict=True):
            packet = memoryview(body)[start - table[0][0] :][:size]
            if xxhash.xxh3_64_intdigest(packet) != digest:
                what = f"what was exchanged, in {file}, as azc wrote it"
                raise StateError(f"{exchange.place}: {expected(what, 'other content')}")
            packets[order[place]].append(packet)
    return {island: _given(found) for island, found in packets.items()}


def _runs(order: Sequence[int], ours: Collection[int]) -> list[range]:
    """Places of `ours` in the order, those together that follow each other."""
    runs: list[range] = []
    for place, island in enumerate(order):
        if island in ours:
            if runs and runs[-1].stop == place:
                runs[-1] = range(runs[-1].start, place + 1)
            else:
                runs.append(range(place, place + 1))
    return runs


def _given(packets: Sequence[memoryview]) -> Given:
    """What packets of one island hold."""
    slots, positions, parts = [np.empty(0, np.int64)], [np.empty(0, np.int64)], []
    for packet in filter(len, packets):
        (count,) = _COUNT.unpack_from(packet)
        at = _COUNT.size
        for numbers in (slots, positions):
            numbers.append(np.frombuffer(packet, "<i8", count, at))
            at += 8 * count
        code = at + HEAD.itemsize * count
        parts.append(Migrants.of(packet[at:code], packet[code:]))
    # An island takes them in the order in which they were drawn, whoever gave them.
    order = np.argsort(np.concatenate(slots))
    return Given(np.concatenate(positions)[order], Migrants.joined(parts).chosen(order))
