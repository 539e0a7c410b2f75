"""Programs that islands exchange, one by one: as (packed program, fitness, birth)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from azc.search.migrants import CODE, HEAD, Given, Migrants

Member = tuple[tuple[bytes, bytes, bytes], float, int]


def migrants(members: Iterable[Member]) -> Migrants:
    members = list(members)
    heads = np.zeros(len(members), HEAD)
    for head, (packed, fitness, birth) in zip(heads, members, strict=True):
        head["fitness"], head["birth"] = fitness, birth
        head["sizes"] = [len(body) // CODE.itemsize for body in packed]
    return Migrants.of(heads.tobytes(), b"".join(body for packed, *_ in members for body in packed))


def given(members: Mapping[int, Member]) -> Given:
    """By the positions that they take."""
    return Given(np.array([*members], np.int64), migrants(members.values()))


def members_of(these: Migrants) -> list[Member]:
    members, rest = list[Member](), these.code.tobytes()
    for head in these.heads:
        bodies = []
        for size in head["sizes"]:
            bodies.append(rest[: size * CODE.itemsize])
            rest = rest[size * CODE.itemsize :]
        setup, predict, learn = bodies
        members.append(((setup, predict, learn), float(head["fitness"]), int(head["birth"])))
    assert not rest
    return members


def by_position(these: Given) -> dict[int, Member]:
    return dict(zip(these.positions.tolist(), members_of(these.members), strict=True))


def positions(*asked: int) -> Any:
    return np.array(asked, np.int64)


def receive(island: Any, position: int, packed: Any, fitness: float, birth: int) -> None:
    """An island of the runtime is given one."""
    island.receive(positions(position), *migrants([(packed, fitness, birth)]).bytes())
