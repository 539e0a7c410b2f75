"""Hosts of a search in this process that are lost at chosen moments."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from azc.errors import StateError
from azc.search import engines
from azc.search.hosts import LostError
from azc.search.islands import Islands


class Losable(engines._Direct):
    """`host`: it, or why there is none."""

    def __init__(self, host: Any, engine: Beside) -> None:
        super().__init__(host)
        self.lost = False
        self.engine = engine
        self._error = host if isinstance(host, Exception) else None

    def send(self, method: str, *arguments: Any) -> None:
        number = self.engine.asked[method]
        self.engine.asked[method] += 1
        self.lost |= (method, number, "before") in self.engine.moments
        if not self.lost:
            super().send(method, *arguments)
        self.lost |= (method, number, "after") in self.engine.moments

    def receive(self) -> Any:
        if self.lost:
            raise LostError("gone")
        return super().receive()


class Beside(engines.Here):
    """Several hosts in this process. One is lost whenever it was waited for so often (`losses`);
    and at `moments`: before or after it did what it was asked, by a method, and how often all
    hosts had been asked for that before."""

    loses = True

    def __init__(
        self, losses: Iterable[int] = (), moments: Iterable[tuple[str, int, str]] = ()
    ) -> None:
        self.links: list[Losable] = []
        self.calls, self.losses = 0, set(losses)
        self.asked: Counter[str] = Counter()
        self.moments = set(moments)

    def start(self, arguments: Any) -> Any:
        try:
            link = Losable(Islands(**arguments), self)
        except StateError as error:
            link = Losable(error, self)
        self.links.append(link)
        return link

    def wait(self, links: Any) -> Any:
        self.calls += 1
        if self.calls in self.losses:
            links[0].lost = True
        return super().wait(links)
