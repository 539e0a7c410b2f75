"""The hosts of a search, each in a seat: asked one thing after the other, and made anew where they
are lost.

A host that took another's place is brought to where that one was, and asked again what it had not
answered, so that who asks notices nothing but the time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from azc.errors import ResourceError, StateError, expected
from azc.search.hosts import Engine, Link, LostError, Packed
from azc.search.jobs import Part
from azc.search.journal import Journal
from azc.search.nodes import Tally
from azc.search.report import NodeCounts

__all__ = ["Arguments", "Seat", "Seats"]

#: How often in a row a host may be lost over the same call.
_MOST_LOSSES = 3

#: Makes the arguments of the host of the islands with these numbers.
Arguments = Callable[[tuple[int, ...]], Mapping[str, Any]]


@dataclass(eq=False)
class Seat:
    """A host, which may be another one after it was lost, and what it was asked last."""

    number: int
    numbers: tuple[int, ...]
    link: Link
    asked: tuple[Any, ...] | None = None
    losses: int = 0
    parts: tuple[Part, ...] = ()  # what it is scoring


class Seats:
    """Hosts on `engine`, none at first. `journal`: from what islands are made anew; `message` is
    called with what the user should know.

    Attributes: `every` seat; `natives`, compiled structures that a host tries when it is made;
    `tally` of the machines.
    """

    def __init__(
        self,
        engine: Engine,
        arguments: Arguments,
        journal: Journal,
        message: Callable[[str], None] | None,
    ) -> None:
        self._engine, self._arguments = engine, arguments
        self._journal, self._message = journal, message
        self.every: list[Seat] = []
        self.natives: dict[int, tuple[Packed, float]] = {}
        self.tally = Tally()
        self._lost_cpu_seconds = 0.0

    def fill(self, shares: Sequence[tuple[int, ...]]) -> None:
        """A host for the islands of each share."""
        for number, share in enumerate(shares):
            self.every.append(Seat(number, share, self._engine.start(self._arguments(share))))
        for seat in self.every:
            try:
                seat.link.receive()
            except LostError as lost:
                self.replace(seat, lost)

    def ask(self, seat: Seat, method: str, *arguments: Any) -> None:
        """A method of a host; before it is asked for another one, it is to answer."""
        seat.asked = (method, *arguments)
        try:
            seat.link.send(*seat.asked)
        except LostError as lost:
            self.replace(seat, lost)

    def answer(self, seat: Seat) -> Any:
        """What came of it."""
        while True:
            try:
                answer = seat.link.receive()
                seat.losses = 0
                return answer
            except LostError as lost:
                self.replace(seat, lost)

    def answering(self, seats: Sequence[Seat]) -> list[Seat]:
        """Those of `seats` that need not be waited for; one at least."""
        ready = self._engine.wait([seat.link for seat in seats])
        return [seat for seat in seats if seat.link in ready]

    def cpu_seconds(self) -> float:
        """CPU time that hosts have taken, without this process and its finished children."""
        return self._lost_cpu_seconds + sum(seat.link.cpu_seconds for seat in self.every)

    def nodes(self) -> list[NodeCounts]:
        """What the machines do that hosts are on, or were; by their names."""
        hosts = [(seat.link.node, seat.numbers) for seat in self.every]
        return self.tally.counts(hosts, self._journal.drawn())

    def close(self) -> None:
        """End all hosts."""
        for seat in self.every:
            seat.link.leave()
        for seat in self.every:
            seat.link.join()
        self._engine.close()

    # ---- hosts that are lost ----

    def replace(self, seat: Seat, lost: LostError) -> None:
        """Make a host anew, bring it to where it was, and ask it again."""
        if self._message:
            self._message(f"a worker was lost ({lost}); another takes its place")
        while True:
            self.tally.restarts[seat.link.node] += 1
            seat.losses += 1
            if seat.losses > _MOST_LOSSES:
                raise _given_up(lost) from None
            try:
                self.renew(seat)
                return
            except LostError as again:
                lost = again

    def renew(self, seat: Seat) -> None:
        """Another host for this one. Raises `LostError`."""
        self._lost_cpu_seconds += seat.link.cpu_seconds
        seat.link.leave()
        seat.link.join()
        seat.link = self._engine.start(self._arguments(seat.numbers))
        try:
            seat.link.receive()
            self._bring_back(seat.link, seat.numbers)
        except StateError as problem:
            raise _not_replaced(problem) from None
        if seat.asked:
            seat.link.send(*seat.asked)

    def _bring_back(self, link: Link, numbers: Sequence[int]) -> None:
        link.send("recover", self._journal.of(numbers))
        link.receive()
        for key, (packed, least) in self.natives.items():
            link.send("use_native", key, packed, least)
            link.receive()


def _given_up(lost: LostError) -> ResourceError:
    do = "what was saved is whole: go on with --resume, with fewer workers if memory is short"
    return ResourceError(expected("a worker that lives", f"one that ended ({lost})", do), 0)


def _not_replaced(problem: StateError) -> ResourceError:
    what = "no worker can take the place of one that was lost"
    return ResourceError(f"{what}: {problem}; once that is mended, go on with --resume", 0)
