"""The workers of a search: hosts, each with some of the islands, wherever they run.

Results do not depend on how many there are, on what they run on, or on whether some are lost: one
that is lost is made anew, and does again what it had done since the last snapshots.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from azc.errors import ResourceError, StateError, expected
from azc.search.balancing import relief
from azc.search.hosts import Engine, Job, Link, LostError, Member, Packed, Past, Slice
from azc.search.jobs import Jobs, Part
from azc.search.nodes import Tally
from azc.search.report import NodeCounts
from azc.search.snapshots import Shelf, State

__all__ = ["Workers"]

#: How often in a row a host may be lost over the same call.
_MOST_LOSSES = 3
#: Seconds between two snapshots that are taken only for the sake of hosts that may be lost.
_SNAPSHOT_SECONDS = 10.0

#: Makes the arguments of the host of the islands with these numbers.
Arguments = Callable[[tuple[int, ...]], Mapping[str, Any]]


@dataclass(eq=False)
class _Seat:
    """A host, which may be another one after it was lost, and what it was asked last."""

    number: int
    numbers: tuple[int, ...]
    link: Link
    asked: tuple[Any, ...] | None = None
    losses: int = 0
    parts: tuple[Part, ...] = ()  # what it is scoring


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
        self._engine, self._arguments = engine, arguments
        self._message, self._shelf = message, shelf
        self._seats: list[_Seat] = []
        self._owner: dict[int, _Seat] = {}
        self._pasts = {island: Past() for island in range(islands)}
        self._natives: dict[int, tuple[Packed, float]] = {}
        self._pace = dict.fromkeys(self._pasts, 0.0)  # seconds a program
        self._lost_cpu_seconds = 0.0
        self._kept = time.monotonic()
        self._tally = Tally()
        self._jobs = Jobs()
        try:
            for first in range(count):
                share = tuple(range(first, islands, count))
                seat = _Seat(first, share, engine.start(arguments(share)))
                self._seats.append(seat)
                self._owner |= dict.fromkeys(share, seat)
            for seat in self._seats:
                try:
                    seat.link.receive()
                except LostError as lost:
                    self._replace(seat, lost)
        except BaseException:
            self.close()
            raise

    # ---- a slice ----

    @property
    def shares(self) -> list[tuple[int, ...]]:
        """The islands of each host."""
        return [seat.numbers for seat in self._seats]

    def start(self, host: int, islands: Sequence[int], until: int, seconds: float) -> None:
        """`Host.run` of one host, which is not waited for."""
        self._finish_scoring([self._seats[host]])
        self._ask(self._seats[host], "run", islands, until, seconds)

    def finished(self, hosts: Sequence[int], idle: Sequence[int] = ()) -> dict[int, list[Slice]]:
        """What came of it, of those of `hosts` that have answered: of one at least, if any. Who is
        `idle` scores meanwhile."""
        running, ready = [self._seats[host] for host in hosts], list[_Seat]()
        while running and not ready:
            self._score_meanwhile(self._seats[host] for host in idle)
            scoring = [seat for seat in self._seats if seat.parts]
            for seat in self._answering([*running, *scoring]):
                if seat.parts:
                    self._take_scores(seat)
                else:
                    ready.append(seat)
        return {seat.number: self._answer_of_run(seat) for seat in ready}

    def _answer_of_run(self, seat: _Seat) -> list[Slice]:
        answer: list[Slice] = self._answer(seat)
        for made in answer:
            past = self._pasts[made.island]
            self._pace[made.island] = made.pace
            if past.programs or past.snapshot is None:  # not what was drawn in an earlier run
                self._tally.drawn[seat.link.node] += made.counts.programs - past.programs
            past.programs = made.counts.programs
            past.offers += len(made.offers)
        return answer

    # ---- scoring ----

    def to_score(self, jobs: Iterable[Job]) -> None:
        """Have programs scored when there is somebody to do it."""
        self._jobs.add(jobs, len(self._seats))

    def scores(self) -> list[tuple[Job, list[float]]]:
        """All that was to be scored: each job with the fitness on each of its tasks."""
        while self._jobs or any(seat.parts for seat in self._seats):
            self._score_meanwhile(self._seats)
            for seat in self._answering([seat for seat in self._seats if seat.parts]):
                self._take_scores(seat)
        return self._jobs.finished()

    def _score_meanwhile(self, seats: Iterable[_Seat]) -> None:
        for seat in seats:
            if not seat.parts and self._jobs:
                seat.parts = self._jobs.take(len(self._seats))
                self._ask(seat, "score", [part for _, part in seat.parts])

    def _take_scores(self, seat: _Seat) -> None:
        self._jobs.note(seat.parts, self._answer(seat))
        seat.parts = ()

    def _finish_scoring(self, seats: Iterable[_Seat]) -> None:
        for seat in seats:
            if seat.parts:
                self._take_scores(seat)

    # ---- an exchange ----

    def emigrants(self, positions: Mapping[int, Sequence[int]]) -> dict[int, list[Member]]:
        """`Host.emigrants` of the islands of all hosts, or some."""
        answers = self._all(
            "emigrants", lambda seat: (_of(seat, positions),), self._holding(positions)
        )
        return {island: members for answer in answers for island, members in answer.items()}

    def receive(self, members: Mapping[int, Mapping[int, Member]]) -> None:
        """`Host.receive` of the islands of all hosts, or some."""
        self._all("receive", lambda seat: (_of(seat, members),), self._holding(members))
        for island, given in members.items():
            past = self._pasts[island]
            past.exchanges.append((past.programs, given))

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
        if self._shelf:
            self._shelf.hold(made)
        if self._engine.loses:
            for island, state in made.items():
                self._pasts[island] = Past(state, programs=self._pasts[island].programs)
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
                self._renew(seat)
            except LostError as lost:
                self._replace(seat, lost)

    def relieve(
        self, sources: Iterable[int], targets: Iterable[int], islands: Collection[int], until: int
    ) -> None:
        """Have hosts `targets` take over some of `islands`, which have not drawn `until` programs
        yet, from the slowest of `sources`. None of them is running; who scores goes on with it."""
        free = [host for host in targets if not self._seats[host].parts]
        for source, target, moved in relief(self._left(sources, islands, until), free):
            self._hand_over(self._seats[source], self._seats[target], moved)

    def may_relieve(self, islands: Collection[int], until: int) -> bool:
        """Whether a host that has nothing to do could take over some, when none is running."""
        return bool(relief(self._left(range(len(self._seats)), islands, until), [-1]))

    def _left(
        self, hosts: Iterable[int], islands: Collection[int], until: int
    ) -> dict[int, dict[int, float]]:
        """Seconds until islands have drawn so many programs, by host."""
        return {
            host: {
                n: max(0, until - self._pasts[n].programs) * self._pace[n]
                for n in self._seats[host].numbers
                if n in islands
            }
            for host in hosts
        }

    def _hand_over(self, source: _Seat, target: _Seat, islands: Sequence[int]) -> None:
        """Unless no snapshot can be taken."""
        self._ask(source, "save", islands)
        try:
            self._begin_anew_from(self._answer(source))
        except StateError:
            return
        self._hold(target, (*target.numbers, *islands), {n: self._pasts[n] for n in islands})
        self._hold(source, set(source.numbers) - set(islands), {})
        self._owner |= dict.fromkeys(islands, target)

    def _hold(self, seat: _Seat, numbers: Iterable[int], new: Mapping[int, Past]) -> None:
        seat.numbers = tuple(sorted(numbers))
        self._ask(seat, "hold", seat.numbers, new)
        self._answer(seat)

    def keep(self) -> None:
        """Take snapshots if nobody else did so of late, so that what is lost is not much."""
        if self._engine.loses and time.monotonic() - self._kept >= _SNAPSHOT_SECONDS:
            self.save()

    def load(self, snapshots: Mapping[int, State]) -> None:
        """Go on from snapshots of all islands, which have done nothing yet. Raises KeyError or
        ValueError where they are not those of this search."""
        pasts = {island: Past(snapshots[island]) for island in self._pasts}
        self._all("recover", lambda seat: ({n: pasts[n] for n in seat.numbers},))
        self._pasts = pasts

    # ---- hot structures ----

    def layouts(self) -> list[tuple[int, int, str]]:
        """`Host.layouts`, which are the same everywhere."""
        self._ask(self._seats[0], "layouts")
        layouts: list[tuple[int, int, str]] = self._answer(self._seats[0])
        return layouts

    def hottest(self, count: int) -> list[list[tuple[int, int, int, Packed]]]:
        """`Host.hottest` of every host."""
        return self._all("hottest", lambda seat: (count,))

    def cool(self) -> None:
        """`Host.cool` of every host."""
        self._all("cool")

    def use_native(self, key: int, packed: Packed, least: float) -> list[tuple[float, bool] | None]:
        """`Host.use_native` of every host."""
        self._natives[key] = (packed, least)
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
        return self._lost_cpu_seconds + sum(seat.link.cpu_seconds for seat in self._seats)

    def nodes(self) -> list[NodeCounts]:
        """What the machines do that hosts are on, or were; by their names."""
        hosts = [(seat.link.node, seat.numbers) for seat in self._seats]
        return self._tally.counts(hosts, {n: past.programs for n, past in self._pasts.items()})

    def close(self) -> None:
        """End all hosts."""
        for seat in self._seats:
            seat.link.leave()
        for seat in self._seats:
            seat.link.join()
        self._engine.close()

    def _all(
        self,
        method: str,
        arguments: Callable[[_Seat], tuple[Any, ...]] = lambda seat: (),
        seats: Sequence[_Seat] | None = None,
    ) -> list[Any]:
        """A method of every host, or of those in `seats`."""
        asked = self._seats if seats is None else seats
        self._finish_scoring(asked)
        for seat in asked:
            self._ask(seat, method, *arguments(seat))
        return [self._answer(seat) for seat in asked]

    def _holding(self, islands: Iterable[int]) -> list[_Seat]:
        return sorted({self._owner[n] for n in islands}, key=lambda seat: seat.number)

    def _ask(self, seat: _Seat, method: str, *arguments: Any) -> None:
        seat.asked = (method, *arguments)
        try:
            seat.link.send(*seat.asked)
        except LostError as lost:
            self._replace(seat, lost)

    def _answer(self, seat: _Seat) -> Any:
        while True:
            try:
                answer = seat.link.receive()
                seat.losses = 0
                return answer
            except LostError as lost:
                self._replace(seat, lost)

    def _answering(self, seats: Sequence[_Seat]) -> list[_Seat]:
        ready = self._engine.wait([seat.link for seat in seats])
        return [seat for seat in seats if seat.link in ready]

    # ---- hosts that are lost ----

    def _replace(self, seat: _Seat, lost: LostError) -> None:
        """Make a host anew, bring it to where it was, and ask it again."""
        if self._message:
            self._message(f"a worker was lost ({lost}); another takes its place")
        while True:
            self._tally.restarts[seat.link.node] += 1
            seat.losses += 1
            if seat.losses > _MOST_LOSSES:
                raise _given_up(lost) from None
            try:
                self._renew(seat)
                return
            except LostError as again:
                lost = again

    def _renew(self, seat: _Seat) -> None:
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
        link.send("recover", {number: self._pasts[number] for number in numbers})
        link.receive()
        for key, (packed, least) in self._natives.items():
            link.send("use_native", key, packed, least)
            link.receive()


def _of(seat: _Seat, given: Mapping[int, Any]) -> dict[int, Any]:
    return {number: given[number] for number in seat.numbers}


def _given_up(lost: LostError) -> ResourceError:
    do = "what was saved is whole: go on with --resume, with fewer workers if memory is short"
    return ResourceError(expected("a worker that lives", f"one that ended ({lost})", do), 0)


def _not_replaced(problem: StateError) -> ResourceError:
    what = "no worker can take the place of one that was lost"
    return ResourceError(f"{what}: {problem}; once that is mended, go on with --resume", 0)
