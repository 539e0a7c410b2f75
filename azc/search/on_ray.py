"""Hosts as actors on a Ray cluster.

    driver     the process that the search was begun in: keeps the course, asks the hosts
    actors     one for each host, on the nodes with the least to do for their cores
    store      Ray's, of each node: settings and tasks, put there once, which all actors read there

Ray restarts nothing and repeats nothing by itself: a host that is lost is for `Workers` to make
anew, who know how it came to be what it was. What an actor answers after it was given up on, nobody
reads.
"""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from azc.compiler import natives
from azc.errors import AzcError, ConfigError, ResourceError, expected, warn
from azc.ops import TABLE_VERSION
from azc.runtime import _core
from azc.search.cpu_time import cpu_seconds
from azc.search.hosts import Link, LostError, Packed
from azc.search.hot import native_vector
from azc.search.islands import Islands
from azc.version import VERSION

__all__ = ["Actor", "Ray"]

#: Seconds for which a node that has lost a host is given none, if there are others: it may take
#: Ray as long to notice that a node is no more.
_DOUBT = 30.0
#: Seconds for which what nodes there are is not asked again.
_FRESH = 1.0
#: What must be the same on all nodes.
_VERSIONS = (VERSION, TABLE_VERSION)
#: What a host asks Ray for beside a core. Of who asks for nothing at all, Ray puts an actor on a
#: node by chance, whichever node it was meant for.
_BYTES = 2**20
#: A level of the runtime that a node is to use instead of its best.
_LEVEL = "AZC_LEVEL"


class Ray:
    """A Ray cluster: the one at `address`, or that this process is in already, or one that is
    started on this machine, for as long as the engine is open."""

    loses = True

    def __init__(self, address: str | None = None) -> None:
        self._ray = _ray()
        self._ours = not self._ray.is_initialized()
        self._lost: dict[str, float] = {}  # nodes, and when they lost a host
        self._hosts: Counter[str] = Counter()
        self._asked: tuple[float, dict[str, tuple[str, float]]] = (0.0, {})
        self._shared: tuple[tuple[Any, ...], Any] = ((), None)
        if self._ours:
            self._connect(address or os.environ.get("RAY_ADDRESS") or "local")
        elif address is not None:
            what = expected("none, for this process is in a cluster already", repr(address))
            raise ConfigError(f"address: {what}")

    def _connect(self, address: str) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        given: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
        if address == "local":
            given |= {"include_dashboard": False}
        try:
            self._ray.init(address=address, **given)
        except (ConnectionError, RuntimeError, ValueError, OSError) as error:
            what = f"a Ray cluster at {address!r}"
            do = (
                "start one with `ray start --head`, and give the address that it tells; where it "
                "asks for a token, set RAY_AUTH_MODE=token"
            )
            raise ResourceError(expected(what, _first_line(error), do), 0) from None

    def start(self, arguments: Mapping[str, Any]) -> Link:
        shared = {name: value for name, value in arguments.items() if name != "numbers"}
        node, cpus = self._node_for_next()
        self._hosts[node] += 1
        strategy = self._ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy
        actor = self._ray.remote(self._actor()).options(
            num_cpus=cpus,
            memory=_BYTES,
            max_restarts=0,
            max_task_retries=0,
            enable_task_events=False,  # of every call Ray's own processes would keep a record
            scheduling_strategy=strategy(node_id=node, soft=True),
        )
        return _Reference(self, actor.remote(), self._put(shared), arguments["numbers"], node)

    def _actor(self) -> type[Actor]:
        return Actor

    def _put(self, shared: Mapping[str, Any]) -> Any:
        """The same objects are put into the store once."""
        values = tuple(shared.values())
        before, reference = self._shared
        if len(before) != len(values) or any(a is not b for a, b in zip(before, values)):  # noqa: B905
            reference = self._ray.put(dict(shared))
            self._shared = (values, reference)
        return reference

    def wait(self, links: Sequence[Link]) -> list[Link]:
        by_answer = {link.answer: link for link in links if isinstance(link, _Reference)}
        answers = list(by_answer)
        ready, others = self._ray.wait(answers, num_returns=1)
        if others:
            ready, _ = self._ray.wait(answers, num_returns=len(answers), timeout=0)
        return [by_answer[answer] for answer in ready]

    def misplaced(self, links: Sequence[Link]) -> list[Link]:
        here = self._nodes()
        on: dict[str, list[Link]] = {node: [] for node in here}
        for link in links:
            if isinstance(link, _Reference):
                on.setdefault(link.node_id, []).append(link)
        load = {node: len(on[node]) for node in here}
        misplaced: list[Link] = []
        to = self._to_be_given_hosts(here)
        while load:
            most = max(load, key=lambda node: load[node] / here[node][1])
            least = min(to, key=lambda node: load[node] / here[node][1])
            if load[most] / here[most][1] <= (load[least] + 1) / here[least][1]:
                break
            load[most], load[least] = load[most] - 1, load[least] + 1
            misplaced.append(on[most].pop())
        return misplaced

    def close(self) -> None:
        if self._ours:
            self._ours = False
            self._ray.shutdown()

    # ---- nodes ----

    def _nodes(self) -> dict[str, tuple[str, float]]:
        """Name and number of cores of each node that is to have hosts."""
        asked, nodes = self._asked
        if time.monotonic() - asked > _FRESH:
            alive = [node for node in self._ray.nodes() if node["Alive"]]
            cores = {node["NodeID"]: node["Resources"].get("CPU", 0.0) for node in alive}
            # A head that is to have no work is started without cores.
            some = any(cores.values())
            nodes = {
                node["NodeID"]: (_name(node), max(1.0, cores[node["NodeID"]]))
                for node in alive
                if cores[node["NodeID"]] or not some
            }
            self._asked = (time.monotonic(), nodes)
        return nodes

    def _to_be_given_hosts(self, nodes: Mapping[str, Any]) -> list[str]:
        now = time.monotonic()
        sound = [node for node in nodes if now - self._lost.get(node, now - _DOUBT) >= _DOUBT]
        return sound or list(nodes)

    def _node_for_next(self) -> tuple[str, int]:
        """The node for the next host, and the cores that it takes of those that Ray hands out:
        none where all are ours already, so that it need not wait for any."""
        nodes = self._nodes()
        to = self._to_be_given_hosts(nodes)
        node = min(to, key=lambda one: (self._hosts[one] / nodes[one][1], one))
        return node, int(self._hosts[node] < nodes[node][1])

    def left(self, node: str, lost: bool) -> None:
        """A host on that node is no more."""
        self._hosts[node] -= 1
        if lost:
            self._lost[node] = time.monotonic()
            self._asked = (0.0, {})

    def moved(self, before: str, node: str) -> str:
        """A host is on another node than it was to be on; the node's name."""
        self._hosts[before] -= 1
        self._hosts[node] += 1
        return self._nodes().get(node, ("a node", 0.0))[0]


class _Reference:
    """The way to an actor. `answer`: what Ray will have it under."""

    def __init__(
        self, engine: Ray, actor: Any, shared: Any, numbers: Sequence[int], node: str
    ) -> None:
        self._ray = engine._ray
        self._engine, self._actor = engine, actor
        self._left = self._begun = False
        self.node_id, self.node = node, engine._nodes().get(node, ("a node", 0.0))[0]
        self.cpu_seconds = 0.0
        self.answer = actor.begin.remote(shared, tuple(numbers), _VERSIONS)

    def send(self, method: str, *arguments: Any) -> None:
        self.answer = self._actor.call.remote(method, *arguments)

    def receive(self) -> Any:
        try:
            result, error, self.cpu_seconds = self._ray.get(self.answer)
        except self._ray.exceptions.RayError as problem:
            self._leave(lost=True)
            raise LostError(_became(problem, self.node)) from None
        if error is not None:
            raise error
        if not self._begun:
            self._begun = True
            if result != self.node_id:
                self.node = self._engine.moved(self.node_id, result)
                self.node_id = result
            return None
        return result

    def leave(self) -> None:
        self._leave(lost=False)

    def _leave(self, *, lost: bool) -> None:
        if not self._left:
            self._left = True
            self._engine.left(self.node_id, lost)
            self._ray.kill(self._actor, no_restart=True)

    def join(self) -> None:
        pass


class Actor:
    """What Ray runs on a node: a host, and the building of native code for it.

    Each node compiles for its own CPU, in the background, what the search finds worth it; where
    nodes share a cache (`AZC_CACHE_DIR`), what one of their kind has built is there.
    """

    def __init__(self) -> None:
        self._host: Islands | None = None
        self._wanted: dict[int, tuple[Packed, float]] = {}
        self._building: dict[int, tuple[Packed, float]] = {}
        self._thread: threading.Thread | None = None

    def begin(
        self, shared: Mapping[str, Any], numbers: tuple[int, ...], versions: tuple[str, int]
    ) -> tuple[str, Exception | None, float]:
        """Makes the host; answers as `call` does, with the node that it is on. `versions`: those
        that the search was begun with."""
        error: Exception | None = None
        node = ""
        try:
            if versions != _VERSIONS:
                what = f"azc {versions[0]} on every node, as where the search was begun"
                raise ResourceError(expected(what, _VERSIONS[0], "install the same everywhere"), 0)
            if level := os.environ.get(_LEVEL):
                _use_level(level)
            vector = None if shared["vector"] is None else native_vector(shared["settings"])
            self._host = Islands(**{**shared, "vector": vector, "numbers": numbers})
            node = _ray().get_runtime_context().get_node_id()
        except Exception as problem:
            error = problem
        return node, error, cpu_seconds()

    def call(self, method: str, *arguments: Any) -> tuple[Any, Exception | None, float]:
        """A method of `Host`: what it returned, what it raised, the CPU time of this process."""
        result, error = None, None
        assert self._host is not None
        try:
            if method == "use_native":
                result = self._use_native(*arguments)
            else:
                if method == "run":
                    self._take_built()
                result = getattr(self._host, method)(*arguments)
        except Exception as problem:
            error = problem
        return result, error, cpu_seconds()

    # ---- native code ----

    def _use_native(self, key: int, packed: Packed, least: float) -> tuple[float, bool] | None:
        assert self._host is not None
        if not self._host.compiled:
            return None
        built = self._host.use_native(key, packed, least)
        if built is None:
            self._wanted[key] = (packed, least)
            self._build()
        return built

    def _build(self) -> None:
        if self._thread is None and self._wanted:
            assert self._host is not None
            self._building, self._wanted = self._wanted, {}
            structures = [
                structure
                for packed, _ in self._building.values()
                for structure in self._host.structures(packed)
            ]
            self._thread = threading.Thread(target=_obtain, args=(structures,), daemon=True)
            self._thread.start()

    def _take_built(self) -> None:
        """What has been built in the background is used from now on; the bits are the same."""
        if self._thread is None or self._thread.is_alive():
            return
        self._thread = None
        assert self._host is not None
        for key, (packed, least) in self._building.items():
            self._host.use_native(key, packed, least)
        self._build()


def _obtain(structures: list[Any]) -> None:
    try:
        natives.obtain(list(dict.fromkeys(structures)), workers=1)
    except (AzcError, OSError, MemoryError) as error:
        warn(f"hot structures are not built on this node: {error}")


def _use_level(level: str) -> None:
    try:
        _core.use_level(level)
    except ValueError:
        what = "one of " + ", ".join(map(repr, _core.levels()))
        raise ConfigError(f"{_LEVEL}: {expected(what, repr(level))}") from None


def _ray() -> Any:
    try:
        import ray
        import ray.exceptions
        import ray.util.scheduling_strategies
    except ImportError:
        what = expected("Ray for backend 'ray'", "none", "pip install 'azc[ray]'")
        raise ConfigError(f"search.backend: {what}") from None
    return ray


def _name(node: Mapping[str, Any]) -> str:
    """Unlike those of other nodes, of which several may be on one machine."""
    return f"{node['NodeManagerHostname']} {node['NodeID'][:6]}"


def _became(problem: Exception, node: str) -> str:
    """What became of an actor; where it could not be made, Ray's last line says why."""
    what = type(problem).__name__
    lines = str(problem).strip().splitlines()
    if lines and "creation task" in lines[0]:
        what = f"{what}: {lines[-1].strip()}"
    return f"{what} on {node}"


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
