"""Trials side by side: processes that run one trial after the other for the process that has the
record.

    to a worker      a JSON line at first: experiment, folder, plan, data; then one for each trial:
                     arm, seed
    from a worker    a JSON line for each: document; or interrupted; or error, a message

A worker ends when its input does, so none outlives who started it. It has a session of its own,
so that Ctrl-C comes by way of that process, once.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from types import FrameType
from typing import Any, Self

from azc.errors import AzcError, StateError, expected
from azc.paper import find
from azc.paper.experiment import Context, InterruptedTrialError
from azc.paper.plan import Plan

__all__ = ["Done", "Pool", "serve"]

_MAIN = "from azc.paper.workers import serve; serve()"
#: Seconds that a worker may take to end.
_PATIENCE = 5.0


@dataclass(frozen=True, slots=True)
class Done:
    """A trial that a worker is done with; `document` None: it was interrupted."""

    arm: str
    seed: int
    document: dict[str, Any] | None


class _Worker:
    def __init__(self, about: dict[str, Any]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _MAIN],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        assert self._process.stdin
        assert self._process.stdout
        self._in, self.out = self._process.stdin, self._process.stdout
        self.trial: tuple[str, int] | None = None
        self._send(about)

    def begin(self, arm: str, seed: int) -> None:
        self.trial = arm, seed
        self._send({"arm": arm, "seed": seed})

    def _send(self, document: dict[str, Any]) -> None:
        # A worker that has ended is told of where its output is read.
        with suppress(BrokenPipeError):
            self._in.write(json.dumps(document).encode() + b"\n")
            self._in.flush()

    def finish(self) -> Done:
        """What came of its trial; waits for it."""
        assert self.trial
        (arm, seed), self.trial = self.trial, None
        line = self.out.readline()
        if not line:
            code = self._process.wait()
            do = "go on with --resume"
            raise StateError(f"{arm}, seed {seed}: {expected('a result', f'exit code {code}', do)}")
        told = json.loads(line)
        if "error" in told:
            raise AzcError(f"{arm}, seed {seed}: {told['error']}")
        return Done(arm, seed, told["document"])

    def interrupt(self) -> None:
        if self.trial:
            self._process.send_signal(signal.SIGINT)

    def close(self) -> None:
        with suppress(BrokenPipeError):
            self._in.close()
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self.out.close()


class Pool:
    """So many workers for one experiment; a context manager, which ends them."""

    def __init__(self, name: str, context: Context, count: int) -> None:
        about = {
            "experiment": name,
            "folder": str(context.base),
            "plan": context.plan.to_json(),
            "data": context.data,
        }
        self._workers = [_Worker(about) for _ in range(count)]

    @property
    def running(self) -> list[tuple[str, int]]:
        """Arm and seed of the trials under way."""
        return [worker.trial for worker in self._workers if worker.trial]

    @property
    def idle(self) -> bool:
        """Whether a worker has nothing to do."""
        return any(worker.trial is None for worker in self._workers)

    def begin(self, arm: str, seed: int) -> None:
        """Give the trial to a worker that is idle."""
        next(worker for worker in self._workers if worker.trial is None).begin(arm, seed)

    def finished(self) -> Iterator[Done]:
        """The trials that have ended since, at least one; raises what a worker met."""
        with selectors.DefaultSelector() as selector:
            for worker in self._workers:
                if worker.trial:
                    selector.register(worker.out, selectors.EVENT_READ, worker)
            ready = [key.data for key, _ in selector.select()]
        for worker in ready:
            yield worker.finish()

    def interrupt(self) -> None:
        """Let the trials under way end as Ctrl-C ends a search."""
        for worker in self._workers:
            worker.interrupt()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.close()


def serve() -> None:
    """A worker's whole life."""
    ending = _Ending()
    results = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what is printed by mistake is no result
    lines: SimpleQueue[str] = SimpleQueue()

    def listen() -> None:
        for line in sys.stdin:
            lines.put(line)
        os._exit(0)

    threading.Thread(target=listen, daemon=True).start()
    about = json.loads(lines.get())
    experiment, plan = find(about["experiment"]), Plan.from_json(about["plan"])

    def tell(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    context = Context(None, Path(about["folder"]), plan, about["data"], tell)
    arms = {arm.name: arm for arm in plan.arms}
    while True:
        job = json.loads(lines.get())
        try:
            with ending:
                document = experiment.trial(context, arms[job["arm"]], job["seed"])
            told: dict[str, Any] = {"document": document}
        except (InterruptedTrialError, KeyboardInterrupt):
            told = {"document": None}
        except AzcError as error:
            told = {"error": str(error)}
        results.write(json.dumps(told).encode() + b"\n")
        results.flush()


class _Ending:
    """Ctrl-C ends what is done in this context, and whatever comes after it."""

    def __init__(self) -> None:
        self._asked = self._inside = False
        signal.signal(signal.SIGINT, self._handle)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self._asked = True
        if self._inside:
            raise KeyboardInterrupt

    def __enter__(self) -> None:
        if self._asked:
            raise InterruptedTrialError
        self._inside = True

    def __exit__(self, *_: object) -> None:
        self._inside = False
