"""Where islands run: in this process, or shared out to several.

A cluster's engine would be one more `Workers`: it holds hosts somewhere, each with some of the
islands, and calls their methods. Results do not depend on which is used.
"""

from __future__ import annotations

import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Collection
from multiprocessing.connection import Connection
from typing import Any, Protocol

from azc.errors import AzcError, ResourceError, expected
from azc.search.islands import Host, Slice
from azc.search.settings import Settings
from azc.tasks import Task

__all__ = ["Here", "Processes", "Workers", "cpu_seconds", "serve", "workers_for"]

#: Seconds that a worker may take to end.
_PATIENCE = 5.0


class Workers(Protocol):
    """Runs the islands of one search, wherever they are."""

    def run(self, islands: Collection[int], until: int, seconds: float) -> list[Slice]:
        """`Host.run` for all of `islands`, side by side, in the order of their numbers."""

    def call(self, island: int, method: str, *arguments: Any) -> Any:
        """A method of the host that has the island."""

    def call_all(self, method: str, *arguments: Any) -> list[Any]:
        """A method of every host."""

    def cpu_seconds(self) -> float:
        """CPU time that the workers have taken, without this process and its finished children."""

    def close(self) -> None: ...


class Here:
    """All islands in this process."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def run(self, islands: Collection[int], until: int, seconds: float) -> list[Slice]:
        return self._host.run(islands, until, seconds)

    def call(self, island: int, method: str, *arguments: Any) -> Any:
        return getattr(self._host, method)(island, *arguments)

    def call_all(self, method: str, *arguments: Any) -> list[Any]:
        return [getattr(self._host, method)(*arguments)]

    def cpu_seconds(self) -> float:
        return 0.0

    def close(self) -> None:
        pass


class Processes:
    """Islands shared out to as many processes as asked for, in turn."""

    def __init__(self, make: Callable[[tuple[int, ...]], dict[str, Any]], islands: int, count: int):
        """`make` returns the arguments of the `Host` of the islands with these numbers."""
        self._workers: list[_Worker] = []
        self._owner: dict[int, _Worker] = {}
        try:
            for first in range(count):
                share = tuple(range(first, islands, count))
                worker = _Worker()
                self._workers.append(worker)
                self._owner |= dict.fromkeys(share, worker)
                worker.send(make(share))
            for worker in self._workers:
                worker.receive()
        except BaseException:
            self.close()
            raise

    def run(self, islands: Collection[int], until: int, seconds: float) -> list[Slice]:
        shares: dict[int, list[int]] = {}
        for island in islands:
            shares.setdefault(self._workers.index(self._owner[island]), []).append(island)
        for number, share in shares.items():
            self._workers[number].send("run", share, until, seconds)
        slices = [made for number in shares for made in self._workers[number].receive()]
        return sorted(slices, key=lambda made: made.island)

    def call(self, island: int, method: str, *arguments: Any) -> Any:
        worker = self._owner[island]
        worker.send(method, island, *arguments)
        return worker.receive()

    def call_all(self, method: str, *arguments: Any) -> list[Any]:
        for worker in self._workers:
            worker.send(method, *arguments)
        return [worker.receive() for worker in self._workers]

    def cpu_seconds(self) -> float:
        return sum(worker.cpu_seconds for worker in self._workers)

    def close(self) -> None:
        for worker in self._workers:
            worker.leave()
        for worker in self._workers:
            worker.join()


class _Worker:
    """A process with a `Host`, and the connection to it."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            handle = theirs.fileno()
            # The path as here, so that the same azc is imported, and nothing of the user's that
            # happens to lie in the current folder (-P).
            path = os.pathsep.join(folder or os.getcwd() for folder in sys.path)
            try:
                self._process = subprocess.Popen(
                    [sys.executable, "-P", "-m", "azc.search.worker", str(handle)],
                    pass_fds=[handle],
                    env={**os.environ, "PYTHONPATH": path},
                    stdin=subprocess.DEVNULL,
                    start_new_session=True,  # Ctrl-C is this process's business
                )
            except OSError as error:
                ours.close()
                raise ResourceError(
                    expected("to start a worker process", error, "use fewer workers"), 0
                ) from None
        self._connection: Connection[Any, Any] = Connection(ours.detach())
        self.cpu_seconds = 0.0

    def send(self, *message: Any) -> None:
        """First the arguments of the host, then names of its methods with their arguments."""
        try:
            self._connection.send(message)
        except OSError:
            raise self._lost() from None

    def receive(self) -> Any:
        try:
            result, error, self.cpu_seconds = self._connection.recv()
        except (EOFError, OSError):
            raise self._lost() from None
        if error is not None:
            raise error
        return result

    def _lost(self) -> AzcError:
        status = self._process.wait()
        name = signal.Signals(-status).name if status < 0 else f"exit code {status}"
        do = "what was saved is whole: go on with --resume"
        return ResourceError(expected("a worker that lives", f"one that ended ({name})", do), 0)

    def leave(self) -> None:
        """Ask no more: the process ends with what it is doing."""
        self._connection.close()

    def join(self) -> None:
        try:
            self._process.wait(timeout=_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def serve(handle: int) -> None:
    """What a worker process does: makes a `Host`, calls its methods, until nobody asks more."""
    connection: Connection[Any, Any] = Connection(handle)
    host: Host | None = None
    while True:
        try:
            first, *others = connection.recv()
        except (EOFError, OSError):
            return
        result, error = None, None
        try:
            if host is None:
                host = Host(**first)
            else:
                result = getattr(host, first)(*others)
        except Exception as problem:
            error = problem
        try:
            connection.send((result, error, time.process_time()))
        except OSError:
            return


def cpu_seconds() -> float:
    """Of this process and its finished children, so that builds count."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def workers_for(
    settings: Settings, tasks: list[Task], seed: int, count: int, vector: int | None
) -> Workers:
    """The islands of a search in `count` processes, or in this one."""

    def arguments(numbers: tuple[int, ...]) -> dict[str, Any]:
        return {
            "settings": settings,
            "tasks": tasks,
            "seed": seed,
            "numbers": numbers,
            "vector": vector,
        }

    islands = settings.search.islands
    if count == 1:
        return Here(Host(**arguments(tuple(range(islands)))))
    return Processes(arguments, islands, count)
