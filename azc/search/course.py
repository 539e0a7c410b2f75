"""The course of a search: rounds, selection, migration, saving, and when it ends.

rounds     slices of the islands' work (`workers.Workers.run`), until all have drawn as many
selection  of what they offer, scored by hosts that have nothing else to do, or when all wait
state      what is saved at the end of a round, and gone on from
reports    what is told meanwhile
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Any

from azc.errors import StateError, expected
from azc.search.asynchronous import Asynchronous
from azc.search.cpu_time import cpu_seconds
from azc.search.engines import slice_seconds
from azc.search.hosts import Engine, Offer, Slice
from azc.search.hot import Hot, native_vector
from azc.search.migration import migrate
from azc.search.report import Counts, HotCounts, Outcome, Report
from azc.search.rounds import Round, Schedule, run_round
from azc.search.selection import Selection
from azc.search.settings import Settings
from azc.search.settings_tasks import Which
from azc.search.store import Store, read_history
from azc.search.workers import Workers
from azc.tasks import Task

__all__ = ["Course"]

#: Readings of the clock that are kept; beyond these, every second one goes.
_MOST_CLOCKS = 2000


class Course:
    """One run of a search, or its continuation. A context manager, which ends the workers.

    A round ends when every island has drawn as many programs. Islands that have one that reaches
    ``stop.fitness`` wait for the others before that, so that it can be selected; if it fails
    there, they go on with the round.
    """

    def __init__(
        self,
        settings: Settings,
        sets: Mapping[Which, Sequence[Task]],
        own: Sequence[Sequence[Task]],
        store: Store | None,
        report: Callable[[Report], None] | None,
        messages: Callable[[str], None] | None,
        engine: Engine,
    ) -> None:
        self._settings, self._store = settings, store
        self._report, self._messages = report, messages
        search, epochs = settings.search, settings.evaluation.epochs
        work = sum(epochs * (len(t.y_train) + len(t.y_valid)) for t in sets["search"])
        self._schedule = Schedule(settings, settings.programs_per_interval(work))
        self._islands = list(range(search.islands))
        self._repeatable = settings.repeatable
        self._started, self._cpu_started = time.monotonic(), cpu_seconds()
        vector, shelf = native_vector(settings), store.shelf if store else None
        common = {
            "settings": settings,
            "tasks": sets["search"],
            "seed": search.seed,
            "vector": vector,
            "others": sets,
            "own": own,
            "place": shelf.place if shelf else None,
        }
        with ExitStack() as stack:
            self._workers = Workers(
                engine,
                lambda numbers: {**common, "numbers": numbers},
                search.islands,
                search.workers,
                messages,
                shelf,
            )
            stack.callback(self._workers.close)
            layouts = self._workers.layouts() if vector is not None else []
            self._hot = Hot(self._workers, layouts, work, settings.compile.hot is True)
            self._ending = stack.pop_all()
        self._interrupted = False
        hosts = (search.islands, search.workers, search.backend)
        self._slice_seconds, self._next_tell = slice_seconds(*hosts), 0.0
        self._unsaved: list[tuple[Counts, ...]] = []
        self._failing = False
        # What follows is the state of the course, beside that of the islands.
        self._before = (0.0, 0.0)  # seconds and CPU seconds of earlier runs
        self._round = Round()
        self._selection = Selection(settings, sets["search"][0].classes)
        self._history: list[tuple[Counts, ...]] = []
        # Programs, seconds and CPU seconds at reports: for reading, the course takes no part in it.
        self._clocks: list[tuple[int, float, float]] = []
        self._latest: dict[int, Slice] = {}
        self._asynchronous: Asynchronous | None = None
        self._bests: dict[int, Offer] = {}  # of the populations under way

    def __enter__(self) -> Course:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._ending:
            if not isinstance(error, KeyboardInterrupt):
                self._hot.finish()

    def interrupt(self) -> None:
        """End soon, as if the budget had ended."""
        self._interrupted = True

    # ---- rounds ----

    def run(self) -> Outcome:
        """Round by round to the end."""
        while not (reason := self._reason()):
            if not self._round.pending:
                self._begin_round()
            self._run_round()
            if not self._round.pending:
                self._settle()
        return self._end(reason)

    def _begin_round(self) -> None:
        end = self._round.end
        # Now and not when the last round ended: nothing may come between that and its save.
        if self._schedule.migrates_at(end):
            self._migrate(end)
        end = self._schedule.end_after(end)
        self._round = self._round.next(end, self._schedule.beyond(end), self._islands)

    def _migrate(self, end: int) -> None:
        migration, plans = self._settings.migration, self._settings.plans()
        assert migration
        number = end // migration.every
        if self._workers.exchange(number):
            return
        sizes = [plan.population for plan in plans]
        measures = [plan.measure for plan in plans]
        seed = self._settings.search.seed
        migrate(self._workers, sizes, migration.share, seed, number, measures)

    def _run_round(self) -> None:
        if not self._repeatable:
            self._run_asynchronous()
            return
        while self._round.pending and not self._is_over():
            self._take_all(run_round(self._workers, self._round, self._slice, self._pauses))
            if not self._workers.scoring:
                self._hot.look(self._seconds_per_step())

    def _pauses(self) -> bool:
        return self._is_over() or (self._hot.is_due and not self._workers.scoring)

    def _take_all(self, rounds: Iterable[Sequence[Slice]]) -> None:
        """What hosts do, as they do it."""
        for slices in rounds:
            for made in slices:
                self._take(made)
                self._workers.to_score(self._selection.wanted(made.offers))
            if time.monotonic() >= self._next_tell:
                self._tell(settled=False)

    def _run_asynchronous(self) -> None:
        if self._asynchronous is None:
            drawn = {n: made.counts.programs for n, made in self._latest.items()}
            self._asynchronous = Asynchronous(self._workers, self._settings, drawn)
        now = self._round
        for slices in self._asynchronous.round(now.end, self._slice, self._is_over):
            self._take_all([slices])
            now.offers += (offer for made in slices for offer in made.offers)
        self._hot.look(self._seconds_per_step())
        now.pending = set(self._islands) if self._is_over() else set()

    def _is_over(self) -> bool:
        return self._interrupted or self._is_late()

    def _take(self, made: Slice) -> None:
        self._latest[made.island] = made
        if made.best:
            self._bests[made.island] = made.best
        elif not made.has_best:
            self._bests.pop(made.island, None)

    def _select(self, offers: Sequence[Offer]) -> None:
        self._selection.learn(self._workers.scores())
        self._selection.consider(offers)

    def _settle(self) -> None:
        """What comes when no island is to go on: selection, and if that is the end of the round, an
        entry in the history and a save."""
        now = self._round
        self._select(now.offers)
        now.offers = []
        rows = now.counts(self._counts())
        if not self._selection.solved:
            now.pending = {row.island for row in rows if row.programs < now.end}
            if self._asynchronous and self._asynchronous.has_drawn(now.end):
                now.pending.clear()
        if not now.pending:
            self._history.append(rows)
            self._clocks = self._read_clocks()
            if len(self._clocks) > _MOST_CLOCKS:
                del self._clocks[1::2]
            self._save(rows)
            self._tell(settled=True)

    def _counts(self) -> tuple[Counts, ...]:
        return tuple(made.counts for _, made in sorted(self._latest.items()))

    # ---- the end ----

    def _is_late(self) -> bool:
        limit = self._settings.search.stop.seconds
        return limit is not None and self._seconds() >= limit

    def _reason(self) -> str:
        """Why the search ends now; empty while it does not."""
        if self._selection.solved:
            return "solved"
        if self._interrupted:
            return "interrupted"
        if self._is_late():
            return "seconds"
        most = self._settings.search.stop.programs
        drawn = sum(counts.programs for counts in self._counts())
        return "programs" if most is not None and drawn >= most and not self._round.pending else ""

    def _end(self, reason: str) -> Outcome:
        """Populations that are under way have their best selected too; the winner is scored on
        T_final. What this finds is saved, but not as part of the course: going on does not depend
        on where it was cut."""
        course = self._course()
        if reason != "solved":
            bests = list(self._bests.values())
            self._workers.to_score(self._selection.wanted(bests))
            self._select([*self._round.offers, *self._round.ahead, *bests])
        self._workers.to_score(self._selection.wanted_at_the_end())
        self._selection.learn(self._workers.scores())
        best = self._selection.conclude()
        solved = self._selection.solved
        self._save((), course)
        report = dataclasses.replace(self._made_report(settled=False), best=best)
        if self._report:
            self._report(report)
        return Outcome(
            solved=solved,
            reason="solved" if solved else reason,
            seed=self._settings.search.seed,
            report=report,
            best=best,
            history=tuple(self._history),
            out=self._store.folder if self._store else None,
            saved=not self._failing,
            unsaved=len(self._unsaved),
            lineage=tuple(self._selection.lineage()),
            hall=tuple(self._selection.hall()),
            goal=self._settings.search.stop.fitness,
        )

    # ---- state ----

    def _read_clocks(self) -> list[tuple[int, float, float]]:
        """Those kept, and now."""
        programs = sum(counts.programs for counts in self._counts())
        before = [clock for clock in self._clocks if clock[0] < programs]
        return [*before, (programs, self._seconds(), self._cpu_seconds())]

    def _course(self) -> dict[str, Any]:
        """What going on needs to know beside the islands; JSON."""
        return {
            "round": self._round.to_json(),
            "selection": self._selection.to_json(),
            "seconds": self._seconds(),
            "cpu_seconds": self._cpu_seconds(),
            "clocks": self._read_clocks(),
            "repeatable": self._repeatable,
            "nodes_seconds": self._seconds() - self._before[0],
            "nodes": [dataclasses.asdict(node) for node in self._workers.nodes()],
        }

    def _save(self, rows: tuple[Counts, ...], course: dict[str, Any] | None = None) -> None:
        """Save the state, or `course` instead; with `rows`, if there are any, as a report."""
        if not self._store:
            self._workers.keep()
            return
        # What ended the search has been selected.
        under_way = None if course else self._under_way()
        if rows:
            self._unsaved.append(rows)
        try:
            self._store.save(
                islands=self._workers.save(),
                reports=self._unsaved,
                course=course or self._course(),
                hall=self._selection.hall(under_way),
                lineage=self._selection.lineage(under_way),
            )
            self._unsaved.clear()
        except StateError as error:
            # The search is worth more than its record: it goes on, and tries again.
            if not self._failing and self._messages:
                self._messages(f"not saved, trying again at the next report: {error}")
            self._failing = True
            return
        if self._failing and self._messages:
            self._messages("saved again")
        self._failing = False

    def restore(self) -> None:
        """Goes on from the last save of the store."""
        assert self._store
        saved = self._store.restore()
        if saved is None:
            return
        course, islands = saved
        try:
            self._workers.load(islands)
        except (ValueError, KeyError):
            what = expected("islands as the settings have them", "others", "start anew")
            raise StateError(f"{self._store.folder}: {what}") from None
        self._round = now = Round.from_json(course["round"])
        self._selection.restore(course["selection"])
        self._workers.to_score(self._selection.wanted([*now.offers, *now.ahead]))
        self._before = (course["seconds"], course["cpu_seconds"])
        self._clocks = [tuple(clock) for clock in course.get("clocks", [])]
        self._history = [tuple(rows) for rows in read_history(self._store.folder)]
        none = Round(pending=set(self._islands))
        for slices in run_round(self._workers, none, lambda: 0.0, lambda: False):
            for made in slices:
                self._take(made)

    # ---- reports ----

    def _under_way(self) -> Offer | None:
        """The best of the populations that have not ended."""
        bests = [best for _, best in sorted(self._bests.items())]
        return max(bests, key=lambda one: one.fitness) if bests else None

    def _slice(self) -> float:
        limit = self._settings.search.stop.seconds
        seconds = self._slice_seconds
        return seconds if limit is None else min(seconds, max(0.0, limit - self._seconds()))

    def _seconds(self) -> float:
        return self._before[0] + time.monotonic() - self._started

    def _cpu_seconds(self) -> float:
        here = cpu_seconds() - self._cpu_started
        return self._before[1] + here + self._workers.cpu_seconds()

    def _steps_run(self) -> tuple[int, int]:
        both = [made.steps_run for made in self._latest.values()]
        return sum(steps for steps, _ in both), sum(native for _, native in both)

    def _seconds_per_step(self) -> float:
        """Of one training step of one task, roughly: all the time over all that was executed."""
        steps = self._steps_run()[0]
        return (self._cpu_seconds() - self._before[1]) / steps if steps else 0.0

    def _made_report(self, *, settled: bool) -> Report:
        stop = self._settings.search.stop
        rows = self._round.counts(self._counts()) if settled else self._counts()
        return Report(
            seconds=self._seconds(),
            cpu_seconds=self._cpu_seconds(),
            experiments=sum(counts.run for counts in rows),
            islands=rows,
            best=self._selection.fittest(self._under_way()),
            hot=self._hot.counts(self._steps_run()) if rows else HotCounts(),
            workers=self._settings.search.workers,
            settled=settled,
            programs_limit=stop.programs,
            seconds_limit=stop.seconds,
            nodes=tuple(self._workers.nodes()),
            repeatable=self._repeatable,
        )

    def _tell(self, *, settled: bool) -> None:
        if self._report:
            self._report(self._made_report(settled=settled))
            self._next_tell = time.monotonic() + self._slice_seconds
