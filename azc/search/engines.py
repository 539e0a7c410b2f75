"""Engines: what the hosts of a search run on, by name (`search.backend`). `Workers` starts hosts
with one.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from typing import Any

from azc.errors import ConfigError, ResourceError, expected
from azc.search.hosts import Engine, Link, LostError
from azc.search.islands import Islands

__all__ = [
    "ENGINES",
    "HERE",
    "Here",
    "Processes",
    "engine_for",
    "serve",
    "slice_seconds",
]

#: Seconds between two reports, and so between two looks at the clock and at Ctrl-C; and where a
#: message takes two milliseconds of CPU time, of the driver's and the host's.
_SLICE, _SLICE_ON_RAY = 0.2, 0.5
#: The same for each island and worker of many, who would keep this process busy; and the most.
_SLICE_OF_ISLAND, _SLICE_OF_WORKER, _MOST_SLICE = 0.001, 0.004, 10.0
#: What the machine of this process is called among nodes.
HERE = "this machine"

#: Seconds that a worker may take to end.
_PATIENCE = 5.0


class _OnThisMachine:
    """Hosts have nowhere else to go, and nothing is left when they are gone."""

    def misplaced(self, links: Sequence[Link]) -> list[Link]:
        return []

    def close(self) -> None:
        pass


class Here(_OnThisMachine):
    """One host, in this process."""

    loses = False

    def start(self, arguments: Mapping[str, Any]) -> Link:
        return _Direct(Islands(**arguments))

    def wait(self, links: Sequence[Link]) -> list[Link]:
        return list(links)


class _Direct:
    """Calls the host at once, and keeps what it answers."""

    def __init__(self, host: Islands) -> None:
        self._host = host
        self._answer: Any = None
        self._error: Exception | None = None
        self.cpu_seconds = 0.0
        self.node = HERE

    def send(self, method: str, *arguments: Any) -> None:
        self._answer, self._error = None, None
        try:
            self._answer = getattr(self._host, method)(*arguments)
        except Exception as error:
            self._error = error

    def receive(self) -> Any:
        if self._error is not None:
            raise self._error
        return self._answer

    def leave(self) -> None:
        pass

    def join(self) -> None:
        pass


class Processes(_OnThisMachine):
    """A process for each host, of which so many begin at once: they are ready when there is
    something to give them."""

    loses = True

    def __init__(self, count: int = 0) -> None:
        self._spare: list[_Process] = []
        try:
            self._spare += (_Process() for _ in range(count))
        except ResourceError:
            self.close()
            raise

    def start(self, arguments: Mapping[str, Any]) -> Link:
        link = self._spare.pop() if self._spare else _Process()
        with suppress(LostError):  # which is said when it is asked
            link.begin(arguments)
        return link

    def wait(self, links: Sequence[Link]) -> list[Link]:
        by_connection = {link.connection: link for link in links if isinstance(link, _Process)}
        return [by_connection[one] for one in wait(list(by_connection))]  # type: ignore[index]

    def close(self) -> None:
        for process in self._spare:
            process.leave()
        while self._spare:
            self._spare.pop().join()


class _Process:
    """A process with a host, and the connection to it."""

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
        self.connection: Connection[Any, Any] = Connection(ours.detach())
        self.cpu_seconds = 0.0
        self.node = HERE

    def begin(self, arguments: Mapping[str, Any]) -> None:
        self._send(dict(arguments))

    def send(self, method: str, *arguments: Any) -> None:
        self._send(method, *arguments)

    def _send(self, *message: Any) -> None:
        try:
            self.connection.send(message)
        except OSError:
            raise self._lost() from None

    def receive(self) -> Any:
        try:
            result, error, self.cpu_seconds = self.connection.recv()
        except (EOFError, OSError):
            raise self._lost() from None
        if error is not None:
            raise error
        return result

    def _lost(self) -> LostError:
        self.join()
        status = self._process.returncode
        return LostError(signal.Signals(-status).name if status < 0 else f"exit code {status}")

    def leave(self) -> None:
        self.connection.close()

    def join(self) -> None:
        try:
            self._process.wait(timeout=_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def serve(handle: int) -> None:
    """What a worker process does: makes a host, calls its methods, until nobody asks more."""
    connection: Connection[Any, Any] = Connection(handle)
    host: Islands | None = None
    while True:
        try:
            first, *others = connection.recv()
        except (EOFError, OSError):
            return
        result, error = None, None
        try:
            if host is None:
                host = Islands(**first)
            else:
                result = getattr(host, first)(*others)
        except Exception as problem:
            error = problem
        try:
            connection.send((result, error, time.process_time()))
        except OSError:
            return


def _on_ray(address: str | None) -> Engine:
    # Imported here because Ray is optional.
    from azc.search.on_ray import Ray

    return Ray(address)


#: Makers by name; another engine is another entry. What they are given is how many hosts there are
#: to be, and the cluster's address.
ENGINES: dict[str, Callable[[int, str | None], Engine]] = {
    "here": lambda count, address: Here(),
    "processes": lambda count, address: Processes(count),
    "ray": lambda count, address: _on_ray(address),
}


def engine_for(backend: str, workers: int, address: str | None = None) -> Engine:
    """What a search with that many workers runs on. Raises `ConfigError` or `ResourceError`."""
    if backend == "processes":
        if address is not None:
            what = expected("none with backend 'processes'", repr(address), "use backend 'ray'")
            raise ConfigError(f"address: {what}")
        return ENGINES["here" if workers == 1 else "processes"](workers, None)
    return ENGINES[backend](workers, address)


def slice_seconds(islands: int, workers: int, backend: str) -> float:
    """How long islands are run before they are heard of."""
    many = max(_SLICE_OF_ISLAND * islands, _SLICE_OF_WORKER * workers)
    return max(_SLICE_ON_RAY if backend == "ray" else _SLICE, min(many, _MOST_SLICE))
