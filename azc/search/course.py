"""The course of a search: rounds, selection, migration, saving, and when it ends."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

from azc.analysis import live
from azc.errors import StateError
from azc.program import Program
from azc.search.hot import Hot, native_vector
from azc.search.islands import ORIGINS, Found, Slice
from azc.search.migration import migrate
from azc.search.report import Ancestor, Best, Counts, HotCounts, Outcome, Report
from azc.search.scoring import Scorer
from azc.search.settings import Settings
from azc.search.store import Store, read_history, read_lineage
from azc.search.workers import cpu_seconds, workers_for
from azc.tasks import Task

__all__ = ["Course"]

#: Seconds between two reports, and so between two looks at the clock and at Ctrl-C.
_SLICE = 0.2
#: Programs in the hall of fame.
_HALL = 10


class Course:
    """One run of a search, or its continuation. A context manager, which ends the workers."""

    def __init__(
        self,
        settings: Settings,
        sets: Mapping[str, list[Task]],
        store: Store | None,
        report: Callable[[Report], None] | None,
        messages: Callable[[str], None] | None,
    ) -> None:
        self._settings, self._store = settings, store
        self._report, self._messages = report, messages
        self._classes = sets["search"][0].classes
        self._scorers = {
            which: Scorer(settings, sets[which]) if sets[which] else None
            for which in ("select", "final")
        }
        search = settings.search
        epochs = settings.evaluation.epochs
        work = sum(epochs * (len(t.y_train) + len(t.y_valid)) for t in sets["search"])
        self._interval = settings.programs_per_interval(work)
        self._islands = list(range(search.islands))
        self._started, self._cpu_started = time.monotonic(), cpu_seconds()
        vector = native_vector(settings)
        self._workers = workers_for(settings, sets["search"], search.seed, search.workers, vector)
        layouts = self._workers.call_all("layouts")[0] if vector is not None else []
        self._hot = Hot(self._workers, layouts, settings.compile.hot is True)
        self._interrupted = False
        self._unsaved: list[tuple[Counts, ...]] = []
        self._failing = False
        # What follows is the state of the course, beside that of the islands.
        self._before = (0.0, 0.0)  # seconds and CPU seconds of earlier runs
        self._round_end = 0
        self._pending: set[int] = set()  # islands that have not ended the round
        self._offers: list[Found] = []  # of this round
        self._hall: list[Best] = []
        self._lineage: list[Ancestor] = []
        self._history: list[tuple[Counts, ...]] = []
        self._latest: dict[int, Slice] = {}
        self._counts: dict[int, Counts] = {}

    def __enter__(self) -> Course:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._hot.finish()
        self._workers.close()

    def interrupt(self) -> None:
        """End soon, as if the budget had ended."""
        self._interrupted = True

    # ---- rounds ----

    def run(self) -> Outcome:
        """Round by round to the end."""
        reason = self._reason()
        while not reason:
            if not self._pending:
                self._begin_round()
            self._run_round()
            if not self._pending:
                self._end_round()
            reason = self._reason()
        return self._end(reason)

    def _begin_round(self) -> None:
        """A round ends where a report or a migration is due, and no later than the budget does."""
        steps = [self._interval]
        if self._settings.migration:
            steps.append(self._settings.migration.every)
        ends = [(self._round_end // step + 1) * step for step in steps]
        most = self._settings.search.stop.programs
        if most is not None:
            ends.append(max(self._round_end + 1, -(-most // len(self._islands))))
        self._round_end = min(ends)
        self._pending = set(self._islands)

    def _run_round(self) -> None:
        while self._pending and not self._interrupted and not self._is_late():
            slices = self._workers.run(sorted(self._pending), self._round_end, self._slice())
            for made in slices:
                self._latest[made.island] = made
                self._counts[made.island] = made.counts
                self._offers.extend(made.offers)
                if made.done:
                    self._pending.discard(made.island)
            self._hot.look(self._seconds_per_step())
            if self._pending:
                self._tell(settled=False)

    def _end_round(self) -> None:
        # In an order that does not depend on which worker was faster.
        for found in sorted(self._offers, key=lambda f: (f.island, f.run, f.birth)):
            self._consider(found)
        self._offers = []
        migration = self._settings.migration
        if migration and self._round_end % migration.every == 0:
            search = self._settings.search
            number = self._round_end // migration.every
            migrate(
                self._workers,
                search.islands,
                search.population,
                migration.share,
                search.seed,
                number,
            )
        rows = tuple(self._counts[island] for island in self._islands)
        self._history.append(rows)
        self._remember_best()
        self._save(rows)
        self._tell(settled=True)

    # ---- selection ----

    def _consider(self, found: Found) -> None:
        """Scores what an island offers on T_select, and keeps the best of those."""
        program = self._simplified(found.program)
        if any(program == best.program for best in self._hall):
            return
        scorer = self._scorers["select"]
        select = scorer(program) if scorer else None
        best = Best(program, found.island, found.run, found.birth, found.fitness, select)
        self._hall = sorted([*self._hall, best], key=_rank)[:_HALL]
        if self._hall[0] is best:
            self._lineage = self._ancestors(found)

    def _remember_best(self) -> None:
        """Until a population has ended, the best of those that are under way stand for it; T_select
        is not asked about them yet."""
        if self._hall or not self._latest:
            return
        found = self._best_found()
        if found:
            self._lineage = self._ancestors(found)

    def _best_found(self) -> Found | None:
        found = [made.best for _, made in sorted(self._latest.items()) if made.best]
        return max(found, key=lambda one: one.fitness) if found else None

    def _ancestors(self, found: Found) -> list[Ancestor]:
        """The lineage of what an island found, as long as it still knows it."""
        best = self._workers.call(found.island, "best")
        if best is None or best.birth != found.birth:
            return []
        before = -1
        lineage = []
        for birth, origin, fitness, packed in self._workers.call(found.island, "ancestors"):
            program = Program.unpacked(packed)
            lineage.append(Ancestor(birth, before, ORIGINS[origin], fitness, program))
            before = birth
        return lineage

    def _simplified(self, program: Program) -> Program:
        return live(program, self._classes)

    def _best(self) -> Best | None:
        """The best of all: of those that were selected, or else of those under way."""
        found = self._best_found()
        under_way = None
        if found:
            program = self._simplified(found.program)
            under_way = Best(program, found.island, found.run, found.birth, found.fitness)
        if self._hall and (
            self._scorers["select"] or not under_way or under_way.search <= self._hall[0].search
        ):
            return self._hall[0]
        return under_way

    # ---- the end ----

    def _is_solved(self) -> bool:
        goal = self._settings.search.stop.fitness
        if goal is None or not self._hall:
            return False
        best = self._hall[0]
        reached = best.select if self._scorers["select"] else best.search
        return reached is not None and reached >= goal and best.search >= goal

    def _is_late(self) -> bool:
        limit = self._settings.search.stop.seconds
        return limit is not None and self._seconds() >= limit

    def _reason(self) -> str:
        """Why the search ends now; empty while it does not."""
        if self._is_solved():
            return "solved"
        if self._interrupted:
            return "interrupted"
        if self._is_late():
            return "seconds"
        most = self._settings.search.stop.programs
        drawn = sum(counts.programs for counts in self._counts.values())
        return "programs" if most is not None and drawn >= most and not self._pending else ""

    def _end(self, reason: str) -> Outcome:
        """Populations that are under way have their best selected too; the winner is scored on
        T_final. What this finds is saved, but not as part of the course: going on does not depend
        on where it was cut."""
        course = self._course()
        if reason != "solved":
            for found in [*self._offers, *self._under_way()]:
                self._consider(found)
        best = self._best()
        final = self._scorers["final"]
        if best and final:
            best = dataclasses.replace(best, final=final(best.program))
            if self._hall:
                self._hall[0] = best
        solved = self._is_solved()
        self._save((), course)
        report = self._made_report(settled=True)
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
            lineage=tuple(self._lineage),
        )

    def _under_way(self) -> list[Found]:
        return [made.best for _, made in sorted(self._latest.items()) if made.best]

    # ---- state ----

    def _course(self) -> dict[str, Any]:
        """What going on needs to know beside the islands; JSON."""
        return {
            "round_end": self._round_end,
            "pending": sorted(self._pending),
            "offers": [_to_json(found) for found in self._offers],
            "hall": [_to_json_best(best) for best in self._hall],
            "seconds": self._seconds(),
            "cpu_seconds": self._cpu_seconds(),
        }

    def _save(self, rows: tuple[Counts, ...], course: dict[str, Any] | None = None) -> None:
        if not self._store:
            return
        islands: dict[int, bytes] = {}
        for snapshots in self._workers.call_all("save"):
            islands |= snapshots
        best = self._best()
        hall = self._hall or ([best] if best else [])
        self._unsaved.append(rows)
        try:
            while self._unsaved:
                self._store.save(
                    rows=self._unsaved[0],
                    course=course or self._course(),
                    islands=islands,
                    hall=hall,
                    lineage=self._lineage,
                )
                del self._unsaved[0]
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
            self._workers.call_all("load", islands)
        except (ValueError, KeyError):
            raise StateError("the islands' state does not fit the settings") from None
        self._round_end = course["round_end"]
        self._pending = set(course["pending"])
        self._offers = [_from_json(found) for found in course["offers"]]
        self._hall = [_from_json_best(best) for best in course["hall"]]
        self._before = (course["seconds"], course["cpu_seconds"])
        self._history = [tuple(rows) for rows in read_history(self._store.folder)]
        self._lineage = read_lineage(self._store.folder)
        for made in self._workers.run(self._islands, 0, 0.0):
            self._latest[made.island] = made
            self._counts[made.island] = made.counts

    # ---- reports ----

    def _slice(self) -> float:
        limit = self._settings.search.stop.seconds
        left = math.inf if limit is None else max(0.0, limit - self._seconds())
        return min(_SLICE, left)

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
        rows = tuple(self._counts[island] for island in sorted(self._counts))
        return Report(
            seconds=self._seconds(),
            cpu_seconds=self._cpu_seconds(),
            experiments=sum(counts.run for counts in rows),
            islands=rows,
            best=self._best(),
            hot=self._hot.counts(self._steps_run()) if rows else HotCounts(),
            workers=self._settings.search.workers,
            settled=settled,
            programs_limit=stop.programs,
            seconds_limit=stop.seconds,
        )

    def _tell(self, *, settled: bool) -> None:
        if self._report:
            self._report(self._made_report(settled=settled))


def _rank(best: Best) -> tuple[float, float]:
    """Sorts by fitness on T_select where there is one, then on T_search, the best first."""
    select = best.search if best.select is None else best.select
    return (-select, -best.search)


# ---- the course as JSON ---------------------------------------------------------------------------


def _to_json(found: Found) -> dict[str, Any]:
    packed = [body.hex() for body in found.packed]
    return {**dataclasses.asdict(found), "packed": packed}


def _from_json(fields: dict[str, Any]) -> Found:
    setup, predict, learn = map(bytes.fromhex, fields["packed"])
    return Found(**{**fields, "packed": (setup, predict, learn)})


def _to_json_best(best: Best) -> dict[str, Any]:
    packed = [body.hex() for body in best.program.packed()]
    return {**dataclasses.asdict(dataclasses.replace(best, program=Program())), "program": packed}


def _from_json_best(fields: dict[str, Any]) -> Best:
    setup, predict, learn = map(bytes.fromhex, fields["program"])
    return Best(**{**fields, "program": Program.unpacked((setup, predict, learn))})
