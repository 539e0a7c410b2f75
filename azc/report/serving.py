"""The page of searches that are still running, for a browser on this machine."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from azc.errors import AzcError
from azc.report.page import page, waiting
from azc.report.runs import read_run
from azc.search.database import DATABASE

__all__ = ["ADDRESS", "Served", "server"]

#: Nobody on another machine reaches it.
ADDRESS = "127.0.0.1"
#: Seconds between two looks of a browser.
_REFRESH = 10

_State = tuple[tuple[int, int] | None, ...]


class Served:
    """The page of the runs in `folders`, made anew when they have saved something."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = folders
        self._lock = threading.Lock()
        self._known: tuple[_State, bytes] | None = None

    def __call__(self) -> bytes:
        with self._lock:
            # Before reading: what is saved meanwhile is seen the next time.
            state = tuple(_stamp(folder / f"{DATABASE}{part}")
                          for folder in self._folders for part in ("", "-wal"))  # fmt: skip
            if self._known is None or self._known[0] != state:
                try:
                    runs = [read_run(folder) for folder in self._folders]
                    text = page(runs, refresh=_REFRESH)
                except AzcError as error:
                    # It may be about to begin.
                    return waiting(str(error), _REFRESH).encode()
                self._known = (state, text.encode())
            return self._known[1]


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size


def server(make: Callable[[], bytes], port: int) -> ThreadingHTTPServer:
    """A server, bound to the loopback address and to `port` (0: a free one), that answers ``/``
    with the page that `make` gives, and takes nothing. Raises `OSError`."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(body=True)

        def do_HEAD(self) -> None:
            self._answer(body=False)

        def _answer(self, *, body: bool) -> None:
            if not self._is_for_us():
                self.send_error(HTTPStatus.MISDIRECTED_REQUEST)
                return
            if self.path.partition("?")[0] != "/":
                self.send_error(HTTPStatus.NOT_FOUND)
                return
            text = make()
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(text)))
            self.send_header("Cache-Control", "no-store")
            self.send_header("X-Content-Type-Options", "nosniff")
            self.end_headers()
            if body:
                self.wfile.write(text)

        def _is_for_us(self) -> bool:
            # A page of somebody else's, whose name was made to mean this machine, is not to read.
            host = self.headers.get("Host", "").rpartition(":")[0]
            return host in (ADDRESS, "localhost")

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing: every look of the browser would be a line."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

    return Server((ADDRESS, port), Handler)
