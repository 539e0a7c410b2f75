"""What the course of a search and the hosts of its islands say to each other.

A host holds some of the islands, in this process, in another or on another machine. It is asked
for much at a time, so that a search of thousands of islands needs few messages:

    run                  a slice of the work of all its islands
    emigrants, receive   an exchange, out of all its islands and into them
    give, take           the same, where hosts have a place to put in what they exchange
    score                programs on tasks that the search has not seen
    save, recover        what its islands are, and to be that
    hold                 other islands than before

What a host answers depends on what it was asked and on nothing else, so one that was lost is made
anew from the last snapshots and what was asked since (`Past`), and goes on as if nothing had been.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from azc.errors import AzcError, StateError
from azc.program import Program
from azc.search.migrants import Given, Migrants
from azc.search.report import Counts
from azc.search.settings_tasks import Which
from azc.search.snapshots import Kept, State

__all__ = [
    "Engine",
    "Exchange",
    "Host",
    "Job",
    "Link",
    "LostError",
    "Offer",
    "Packed",
    "Past",
    "Slice",
    "Step",
]

Packed = tuple[bytes, bytes, bytes]
#: An ancestor: birth, number of its mutation in `ORIGINS`, fitness, program.
Step = tuple[int, int, float, Packed]


@dataclass(frozen=True, slots=True)
class Offer:
    """A program that an island offers: the best of its population `run`. `lineage`: its ancestors,
    the first of them first, and itself."""

    island: int
    run: int
    birth: int
    fitness: float
    packed: Packed
    lineage: tuple[Step, ...] = ()

    @property
    def program(self) -> Program:
        return Program.unpacked(self.packed)

    def to_json(self) -> dict[str, Any]:
        """As JSON can hold it."""
        lineage = [[*numbers, _hexadecimal(packed)] for *numbers, packed in self.lineage]
        return {**asdict(self), "packed": _hexadecimal(self.packed), "lineage": lineage}

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Offer:
        lineage = tuple(
            (birth, origin, fitness, _packed(texts))
            for birth, origin, fitness, texts in fields["lineage"]
        )
        return cls(**{**fields, "packed": _packed(fields["packed"]), "lineage": lineage})


def _hexadecimal(packed: Packed) -> list[str]:
    return [body.hex() for body in packed]


def _packed(texts: Sequence[str]) -> Packed:
    setup, predict, learn = map(bytes.fromhex, texts)
    return setup, predict, learn


@dataclass(frozen=True, slots=True)
class Slice:
    """What came of running an island for a while.

    `done`: it was run as far as was asked, or up to a program that reached the target. `offers`:
    the best of populations that ended, and programs that reached the target. `best`: that of the
    present population if it is another than the host told of before, for its lineage is long;
    `has_best`: whether there is one. `steps_run`: training steps that this host executed, and the
    part of them that ran natively. `pace`: CPU seconds a program of late; 0 where none was drawn.
    `vacant`: the population has no members yet.
    """

    island: int
    counts: Counts
    done: bool
    offers: tuple[Offer, ...]
    best: Offer | None
    has_best: bool
    steps_run: tuple[int, int]
    pace: float
    vacant: bool = False


@dataclass(frozen=True, slots=True)
class Job:
    """A program to be scored on `count` tasks of a set, from its `first` on."""

    which: Which
    packed: Packed
    first: int
    count: int


@dataclass(frozen=True, slots=True)
class Exchange:
    """The `number`-th exchange of a search, whose programs lie at `place` in `files`, one of each
    host that gave some, which were written to be read by so many `hosts`."""

    number: int
    hosts: int
    place: str
    files: tuple[str, ...]


@dataclass(slots=True)
class Past:
    """How an island came to be what it is: it was `snapshot` (None: it began), drew programs,
    received others, or took part in an exchange, whenever so many had been drawn (`exchanges`), and
    has drawn `programs` now. Since the snapshot it has made `offers` offers that are known."""

    snapshot: State | None = None
    exchanges: list[tuple[int, Given | Exchange]] = field(default_factory=list)
    programs: int = 0
    offers: int = 0


class Host(Protocol):
    """Some of the islands of a search."""

    def run(self, islands: Collection[int], until: int, seconds: float) -> list[Slice]:
        """Run each of `islands` until it has drawn `until` programs, or its share of about so many
        `seconds` is over, or it has a program that reaches the target."""

    def emigrants(self, positions: Mapping[int, NDArray[np.int64]]) -> dict[int, Migrants]:
        """Of each island its members at positions, which are taken modulo how many there are."""

    def receive(self, given: Mapping[int, Given]) -> None:
        """To each island programs of others; to positions that there are only, and only programs
        that the island could have drawn, by their sizes and addresses."""

    def give(self, number: int, vacant: Collection[int], hosts: int) -> str | StateError:
        """Puts what the islands give in that exchange, of whose islands some are `vacant`, where
        snapshots are put, to be read by so many hosts: the name of the file, or why it is not
        there."""

    def take(self, exchange: Exchange) -> None:
        """To all islands what they are given. Raises `StateError`."""

    def score(self, jobs: Sequence[Job]) -> list[list[float]]:
        """For each job the fitness on each of its tasks."""

    def save(
        self, islands: Collection[int], waste: Sequence[str] = ()
    ) -> Mapping[int, bytes | Kept | StateError]:
        """A snapshot of each of `islands`; if snapshots have a place, where it lies there now, or
        why it could not be put there. First, `waste` is removed from that place."""

    def recover(self, pasts: Mapping[int, Past]) -> None:
        """Bring islands, which have done nothing yet, to where they were. ValueError if a snapshot
        is of another search."""

    def hold(self, numbers: tuple[int, ...], pasts: Mapping[int, Past]) -> None:
        """Have the islands `numbers` and no others from now on; `pasts`: of those that are new."""

    # ---- hot structures ----

    def layouts(self) -> list[tuple[int, int, str]]:
        """(features, classes, layout) of each compiled block."""

    def hottest(self, count: int) -> list[tuple[int, int, int, Packed]]:
        """The structures that took most training steps: (key, steps, evaluations, a program that
        has it)."""

    def cool(self) -> None:
        """Count what is hot from now on twice as much as what was before."""

    def use_native(self, key: int, packed: Packed, least: float) -> tuple[float, bool] | None:
        """Try the compiled functions of the structure that `packed` has, which are in the cache:
        how many times faster than the interpreter they are, and whether they are used from now on,
        for which that must be at least `least`. None where there is nothing to try."""


class LostError(AzcError):
    """A host is no more; the message says what became of it."""


class Link(Protocol):
    """The way to one host. Attributes: `cpu_seconds`, CPU time that it has taken, without that of
    this process and its finished children; `node`, the name of the machine it is on."""

    cpu_seconds: float
    node: str

    def send(self, method: str, *arguments: Any) -> None:
        """Ask for a method of `Host`; before the next one, the answer is to be received. Raises
        `LostError`."""

    def receive(self) -> Any:
        """The answer; raises what the method raised, or `LostError`."""

    def leave(self) -> None:
        """Ask no more: the host ends with what it is doing."""

    def join(self) -> None:
        """Wait for that, though not for ever."""


class Engine(Protocol):
    """Something that hosts run on."""

    @property
    def loses(self) -> bool:
        """Whether a host can be lost while the search goes on."""

    def start(self, arguments: Mapping[str, Any]) -> Link:
        """Begin to make a host (`islands.Islands`) of these arguments; the first answer to receive
        is None, or what went wrong. Raises `ResourceError`."""

    def wait(self, links: Sequence[Link]) -> list[Link]:
        """Those of `links` that have answered, or were lost; at least one."""

    def misplaced(self, links: Sequence[Link]) -> list[Link]:
        """Those of `links` whose hosts would better be made anew, on machines with less to do."""

    def close(self) -> None:
        """Let go of what hosts ran on, once there are none. Again does nothing."""
