"""The workers of a search: hosts, each with some of the islands, wherever they run.

Results do not depend on how many there are, on what they run on, or on whether some are lost: one
that is lost is made anew, and does again what it had done since the last snapshots.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from azc.errors import ResourceError, StateError
from azc.search.balancing import relief
from azc.search.hosts import Engine, Exchange, Job, LostError, Packed, Past, Slice
from azc.search.jobs import Jobs
from azc.search.journal import Journal
from azc.search.migrants import Given, Migrants
from azc.search.report import NodeCounts
from azc.search.seats import Arguments, Seat, Seats
from azc.search.snapshots import Shelf, State

__all__ = ["Workers"]

#: Seconds between two snapshots that are taken only for the sake of hosts that may be lost.
_SNAPSHOT_SECONDS = 10.0


class Workers:
    """All islands of a search, in `count` hosts on `engine`, dealt out in turn.

    `message` is called with what the user should know; `shelf` is where snapshots are put.
    """

    def __init__(
        self,
        engine: Engine,
        arguments: Arguments,
        islands: int,
        count: int,
        message: Callable[[str], None] | None = None,
        shelf: Shelf | None = None,
    ) -> None:
        self._engine, self._shelf = engine, shelf
        self._journal = Journal(islands, keeps=engine.loses)
        self._hosts = Seats(engine, arguments, self._journal, message)
        self._kept = time.monotonic()
        self._jobs = Jobs()
        try:
            self._hosts.fill([tuple(range(first, islands, count)) for first in range(count)])
        except BaseException:
            self.close()
            raise
        self._seats = self._hosts.every
        self._owner = {island: seat for seat in self._seats for island in seat.numbers}

    # ---- a slice ----

    @property
    def shares(self) -> list[tuple[int, ...]]:
        """The islands of each host."""
        return [seat.numbers for seat in self._seats]

    def start(self, host: int, islands: Sequence[int], until: int, seconds: float) -> None:
        """`Host.run` of one host, which is not waited for."""
        self._finish_scoring([self._seats[host]])
        self._hosts.ask(self._seats[host], "run", islands, until, seconds)

    def finished(self, hosts: Sequence[int], idle: Sequence[int] = ()) -> dict[int, list[Slice]]:
        """What came of it, of those of `hosts` that have answered: of one at least, if any. Who is
        `idle` scores meanwhile."""
        running, ready = [self._seats[host] for host in hosts], list[Seat]()
        while running and not ready:
            self._score_meanwhile(self._seats[host] for host in idle)
            scoring = [seat for seat in self._seats if seat.parts]
            for seat in self._hosts.answering([*running, *scoring]):
                if seat.parts:
                    self._take_scores(seat)
                else:
                    ready.append(seat)
        return {seat.number: self._answer_of_run(seat) for seat in ready}

    def _answer_of_run(self, seat: Seat) -> list[Slice]:
        answer: list[Slice] = self._hosts.answer(seat)
        self._hosts.tally.drawn[seat.link.node] += sum(map(self._journal.note, answer))
        return answer

    # ---- scoring ----

    def to_score(self, jobs: Iterable[Job]) -> None:
        """Have programs scored when there is somebody to do it."""
        self._jobs.add(jobs, len(self._seats))

    def scores(self) -> list[tuple[Job, list[float]]]:
        """All that was to be scored: each job with the fitness on each of its tasks."""
        while self._jobs or any(seat.parts for seat in self._seats):
            self._score_meanwhile(self._seats)
            for seat in self._hosts.answering([seat for seat in self._seats if seat.parts]):
                self._take_scores(seat)
        return self._jobs.finished()

    def _score_meanwhile(self, seats: Iterable[Seat]) -> None:
        for seat in seats:
            if not seat.parts and self._jobs:
                seat.parts = self._jobs.take(len(self._seats))
                self._hosts.ask(seat, "score", [part for _, part in seat.parts])

    def _take_scores(self, seat: Seat) -> None:
        self._jobs.note(seat.parts, self._hosts.answer(seat))
        seat.parts = ()

    def _finish_scoring(self, seats: Iterable[Seat]) -> None:
        for seat in seats:
            if seat.parts:
                self._take_scores(seat)

    # ---- an exchange ----

    def emigrants(self, positions: Mapping[int, NDArray[np.int64]]) -> dict[int, Migrants]:
        """`Host.emigrants` of the islands of all hosts, or some."""
        answers = self._all(
            "emigrants", lambda seat: (_of(seat, positions),), self._holding(positions)
        )
        return {island: members for answer in answers for island, members in answer.items()}

    def receive(self, given: Mapping[int, Given]) -> None:
        """`Host.receive` of the islands of all hosts, or some."""
        self._all("receive", lambda seat: (_of(seat, given),), self._holding(given))
        self._journal.received(given)

    def exchange(self, number: int) -> bool:
        """The `number`-th exchange of the search, of all islands, by way of the place where
        snapshots are put. False, and nothing has been done, where there is none, or it fails."""
        if not self._shelf or not self._engine.loses:
            return False
        vacant, hosts = self._journal.vacant, len(self._seats)
        answers = self._all("give", lambda seat: (number, vacant, hosts))
        files = [name for name in answers if not isinstance(name, StateError)]
        self._shelf.hold_packets(files)
        whole = len(files) == hosts
        if whole:
            exchange = Exchange(number, hosts, self._shelf.place.address, tuple(files))
            try:
                self._all("take", lambda seat: (exchange,))
            except StateError as problem:
                raise _not_received(problem) from None
            self._journal.received(dict.fromkeys(self._owner, exchange))
        self._shelf.hold_packets(self._journal.files())
        return whole

    # ---- state ----

    def save(self) -> dict[int, State]:
        """A snapshot of every island, or where it lies; who is lost from now on goes on from there.
        Raises `StateError` where one could not be put in its place."""
        waste, count = self._shelf.waste() if self._shelf else [], len(self._seats)
        answers = self._all("save", lambda seat: (seat.numbers, waste[seat.number :: count]))
        self._kept = time.monotonic()
        snapshots = self._begin_anew_from(dict(item for one in answers for item in one.items()))
        if self._shelf:
            self._shelf.begin_save(snapshots)
        if self._engine.loses:
            self._move()
        return snapshots

    def _begin_anew_from(self, snapshots: Mapping[int, State | StateError]) -> dict[int, State]:
        """What was done before these is not done again. Raises the first that is an error."""
        made = {n: state for n, state in snapshots.items() if not isinstance(state, StateError)}
        self._journal.begin_anew_from(made)
        if self._shelf:
            self._shelf.hold(made)
            self._shelf.hold_packets(self._journal.files())
        for failed in (one for one in snapshots.values() if isinstance(one, StateError)):
            raise failed
        return made

    def _move(self) -> None:
        """Hosts go where there is less to do, if there are such machines now; they have just left
        snapshots, so that it costs them no more than to begin."""
        misplaced = self._engine.misplaced([seat.link for seat in self._seats])
        seats = [seat for seat in self._seats if seat.link in misplaced]
        for seat in seats:
            seat.asked = None
            try:
                self._hosts.renew(seat)
            except LostError as lost:
                self._hosts.replace(seat, lost)

    def relieve(
        self, sources: Iterable[int], targets: Iterable[int], islands: Collection[int], until: int
    ) -> None:
        """Have hosts `targets` take over some of `islands`, which have not drawn `until` programs
        yet, from the slowest of `sources`. None of them is running; who scores goes on with it."""
        free = [host for host in targets if not self._seats[host].parts]
        shares = {host: self._seats[host].numbers for host in sources}
        left = self._journal.left(shares, islands, until)
        for source, target, moved in relief(left, free):
            self._hand_over(self._seats[source], self._seats[target], moved)

    def may_relieve(self, islands: Collection[int], until: int) -> bool:
        """Whether a host that has nothing to do could take over some, when none is running."""
        left = self._journal.left(dict(enumerate(self.shares)), islands, until)
        return bool(relief(left, [-1]))

    def _hand_over(self, source: Seat, target: Seat, islands: Sequence[int]) -> None:
        """Unless no snapshot can be taken."""
        self._hosts.ask(source, "save", islands)
        try:
            self._begin_anew_from(self._hosts.answer(source))
        except StateError:
            return
        self._hold(target, (*target.numbers, *islands), self._journal.of(islands))
        self._hold(source, set(source.numbers) - set(islands), {})
        self._owner |= dict.fromkeys(islands, target)

    def _hold(self, seat: Seat, numbers: Iterable[int], new: Mapping[int, Past]) -> None:
        seat.numbers = tuple(sorted(numbers))
        self._hosts.ask(seat, "hold", seat.numbers, new)
        self._hosts.answer(seat)

    def keep(self) -> None:
        """Take snapshots if nobody else did so of late, so that what is lost is not much."""
        if self._engine.loses and time.monotonic() - self._kept >= _SNAPSHOT_SECONDS:
            self.save()

    def load(self, snapshots: Mapping[int, State]) -> None:
        """Go on from snapshots of all islands, which have done nothing yet. Raises KeyError or
        ValueError where they are not those of this search."""
        pasts = {island: Past(snapshots[island]) for island in self._owner}
        self._all("recover", lambda seat: (_of(seat, pasts),))
        self._journal.pasts = pasts

    # ---- hot structures ----

    def layouts(self) -> list[tuple[int, int, str]]:
        """`Host.layouts`, which are the same everywhere."""
        self._hosts.ask(self._seats[0], "layouts")
        layouts: list[tuple[int, int, str]] = self._hosts.answer(self._seats[0])
        return layouts

    def hottest(self, count: int) -> list[list[tuple[int, int, int, Packed]]]:
        """`Host.hottest` of every host."""
        return self._all("hottest", lambda seat: (count,))

    def cool(self) -> None:
        """`Host.cool` of every host."""
        self._all("cool")

    def use_native(self, key: int, packed: Packed, least: float) -> list[tuple[float, bool] | None]:
        """`Host.use_native` of every host."""
        self._hosts.natives[key] = (packed, least)
        return self._all("use_native", lambda seat: (key, packed, least))

    # ---- calls ----

    @property
    def scoring(self) -> bool:
        """Whether somebody is scoring."""
        return any(seat.parts for seat in self._seats)

    def is_free(self, host: int) -> bool:
        """Whether there is nothing to score for it."""
        return not self._jobs and not self._seats[host].parts

    def cpu_seconds(self) -> float:
        """CPU time that hosts have taken, without this process and its finished children."""
        return self._hosts.cpu_seconds()

    def nodes(self) -> list[NodeCounts]:
        """What the machines do that hosts are on, or were; by their names."""
        return self._hosts.nodes()

    def close(self) -> None:
        """End all hosts."""
        self._hosts.close()

    def _all(
        self,
        method: str,
        arguments: Callable[[Seat], tuple[Any, ...]] = lambda seat: (),
        seats: Sequence[Seat] | None = None,
    ) -> list[Any]:
        """A method of every host, or of those in `seats`."""
        asked = self._seats if seats is None else seats
        self._finish_scoring(asked)
        for seat in asked:
            self._hosts.ask(seat, method, *arguments(seat))
        return [self._hosts.answer(seat) for seat in asked]

    def _holding(self, islands: Iterable[int]) -> list[Seat]:
        return sorted({self._owner[n] for n in islands}, key=lambda seat: seat.number)


def _of(seat: Seat, given: Mapping[int, Any]) -> dict[int, Any]:
    return {number: given[number] for number in seat.numbers}


def _not_received(problem: StateError) -> ResourceError:
    what = "what islands exchanged cannot be read"
    return ResourceError(f"{what}: {problem}; once that is mended, go on with --resume", 0)
