"""Exchanges of programs that do not pass through the driver: every host puts what its islands give
into one file, where snapshots lie, and reads from those of all hosts what its islands are given.

    file       table, then packets: for each island, in the order of who reads them together
    table      where its packet begins, how long it is, and a hash of it
    packet     members: what number of what is given to the island, the position that it takes,
               birth, fitness, and the three functions

Who is given what follows from the settings and the exchange's number, so that every host draws it
for itself (`migration.Draws`), and the driver says no more than that there is an exchange, and what
the files are called. They stay until nobody would have to read them again.
"""

from __future__ import annotations

import itertools
import math
import struct
from collections.abc import Callable, Collection, Iterator, Sequence

import numpy as np
import xxhash

from azc.errors import StateError, expected
from azc.search.hosts import Exchange, Member
from azc.search.migration import Draws
from azc.search.snapshots import patiently
from azc.search.storage import Part, storage_at

__all__ = ["packets_of", "read_given"]

_ROW = struct.Struct("<QQQ")
_HEAD = struct.Struct("<IIqdIII")


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
    member: Callable[[int, int], Member],
) -> bytes:
    """What islands `ours` give to all, of which those `vacant` have nothing to give; for so many
    `hosts` to read. `member`: of an island, at a position modulo how many there are."""
    islands = len(draws.counts)
    positions = {island: asked for island, asked in draws.offered() if island in ours}
    counts = np.array(draws.counts)
    counts[list(vacant)] = 0
    # The members that islands offer are numbered through.
    firsts = np.concatenate([[0], np.cumsum(counts)])
    is_ours = np.zeros(islands, bool)
    is_ours[list(ours)] = True
    packets = [b""] * islands
    for island, replaced, chosen in draws.received(int(firsts[-1])):
        origins = np.searchsorted(firsts, chosen, side="right") - 1
        parts: list[bytes] = []
        for slot in np.flatnonzero(is_ours[origins]).tolist() if firsts[-1] else ():
            origin = int(origins[slot])
            at = int(positions[origin][chosen[slot] - firsts[origin]])
            functions, fitness, birth = member(origin, at)
            if measures[origin] != measures[island]:
                fitness = math.nan
            lengths = map(len, functions)
            parts.append(_HEAD.pack(slot, replaced[slot], birth, fitness, *lengths))
            parts.extend(functions)
        packets[island] = b"".join(parts)
    in_order = [packets[island] for island in _order(islands, hosts)]
    ends = itertools.accumulate(map(len, in_order), initial=islands * _ROW.size)
    table = (
        _ROW.pack(start, len(packet), xxhash.xxh3_64_intdigest(packet))
        for start, packet in zip(ends, in_order, strict=False)
    )
    return b"".join(itertools.chain(table, in_order))


# ---- reading ------------------------------------------------------------------------------------


def read_given(
    exchange: Exchange, islands: int, ours: Collection[int]
) -> dict[int, dict[int, Member]]:
    """What each of `ours` is given, of so many `islands` in all. Raises `StateError`."""
    return patiently(lambda: _read(exchange, islands, ours))


def _read(exchange: Exchange, islands: int, ours: Collection[int]) -> dict[int, dict[int, Member]]:
    storage = storage_at(exchange.place)
    order = _order(islands, exchange.hosts)
    wanted = list(itertools.product(exchange.files, _runs(order, ours)))
    rows = [Part(file, run[0] * _ROW.size, len(run) * _ROW.size) for file, run in wanted]
    tables = [list(_ROW.iter_unpack(data)) for data in storage.read_parts(rows)]
    bodies = [
        Part(file, table[0][0], sum(size for _, size, _ in table))
        for (file, _), table in zip(wanted, tables, strict=True)
    ]
    members: dict[int, dict[int, tuple[int, Member]]] = {island: {} for island in ours}
    for (file, run), table, body in zip(wanted, tables, storage.read_parts(bodies), strict=True):
        for place, (start, size, digest) in zip(run, table, strict=True):
            packet = body[start - table[0][0] :][:size]
            if xxhash.xxh3_64_intdigest(packet) != digest:
                what = f"what was exchanged, in {file}, as azc wrote it"
                raise StateError(f"{exchange.place}: {expected(what, 'other content')}")
            for number, position, member in _members(packet):
                members[order[place]][number] = position, member
    # An island takes them in the order in which they were drawn, whoever gave them.
    return {
        island: dict(by_number[number] for number in sorted(by_number))
        for island, by_number in members.items()
    }


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


def _members(packet: bytes) -> Iterator[tuple[int, int, Member]]:
    at = 0
    while at < len(packet):
        number, position, birth, fitness, *lengths = _HEAD.unpack_from(packet, at)
        at += _HEAD.size
        bodies = []
        for length in lengths:
            bodies.append(packet[at : at + length])
            at += length
        setup, predict, learn = bodies
        yield number, position, ((setup, predict, learn), fitness, birth)
