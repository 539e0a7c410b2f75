"""From structures to functions that can be called: those in the process, in the cache, or built."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import shutil
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import xxhash

from azc.compiler.build import Source, build, usable_cores
from azc.compiler.cache import Cache, Located
from azc.compiler.emit import emit
from azc.compiler.structure import Structure
from azc.compiler.toolchain import Toolchain, find_toolchain
from azc.errors import CompileError, expected, warn
from azc.runtime import _core

__all__ = ["Obtained", "build_seconds", "find", "obtain", "record", "recorded"]

#: Programs of one module: beyond this, C compilers spend more time on each.
_MOST_IN_MODULE = 128
#: Instructions of one module; so one of thousands is alone.
_MOST_INSTRUCTIONS = 4096
#: What a build is expected to take before any was measured.
_FIRST_GUESS = 1.5
#: Instructions of a program whose build is a measure for others.
_USUAL = 100
_BUILD = "build seconds of one program"

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Obtained:
    """A function that can be called: `module` holds it, at `index`; None where it could not be
    kept. `built`: it was built just now."""

    native: _core.Native
    module: Path | None
    index: int
    built: bool


# By key. Modules are never unloaded, so neither is this emptied; forked children inherit it.
_loaded: dict[str, Obtained] = {}
_lock = threading.Lock()


def find(structures: Iterable[Structure], cpu: str = "native") -> dict[Structure, Obtained]:
    """Those of `structures` that are loaded, or in the cache; nothing is built. Raises
    `CompileError` where there is no C compiler to say what machine the cache is for."""
    toolchain = find_toolchain(cpu)
    keys = {structure: structure.key(toolchain.identity) for structure in structures}
    return _find(keys, Cache())


def obtain(
    structures: Sequence[Structure],
    *,
    cpu: str = "native",
    workers: int | None = None,
    progress: Progress | None = None,
) -> dict[Structure, Obtained]:
    """All of `structures`, building in batches those that are nowhere yet.

    `workers` processes build side by side (default: one per usable core). `progress` is called
    with (programs there, programs wanted). Raises `CompileError` where there is no compiler, or
    it refuses what was emitted.
    """
    toolchain = find_toolchain(cpu)
    keys = {structure: structure.key(toolchain.identity) for structure in structures}
    cache = Cache()
    there = _find(keys, cache)
    missing = [structure for structure in keys if structure not in there]
    if not missing:
        return there
    with cache.lock([keys[structure] for structure in missing]):
        # Another process may have built them while this one waited.
        there |= _find({structure: keys[structure] for structure in missing}, cache)
        missing = [structure for structure in missing if structure not in there]
        if missing:
            report = _reporting(progress, len(there), len(keys))
            there |= _build(missing, keys, toolchain, cache, workers, report)
    return there


def build_seconds(structures: Collection[Structure]) -> float:
    """Wall seconds that building these is expected to take, by what former builds of this machine
    took."""
    extra = sum(max(0, _instructions(structure) - _USUAL) for structure in structures)
    one = recorded(_BUILD, _FIRST_GUESS)
    return one * (1 + (len(structures) - 1) / 20 + extra / _USUAL)


def _instructions(structure: Structure) -> int:
    return sum(1 for _ in structure.program.instructions())


def record(name: str, value: float) -> None:
    """Keep a number that was measured on this machine."""
    Cache().record(name, value)


def recorded(name: str, guess: float) -> float:
    """The median of the last such numbers, or `guess` if there are none."""
    measured = Cache().recorded(name)
    return statistics.median(measured) if measured else guess


def _find(keys: dict[Structure, str], cache: Cache) -> dict[Structure, Obtained]:
    there = {structure: _loaded[key] for structure, key in keys.items() if key in _loaded}
    wanted = {structure: key for structure, key in keys.items() if structure not in there}
    if wanted:
        located = cache.find(wanted.values())
        for structure, key in wanted.items():
            if key in located and (native := _load_located(key, located[key])):
                there[structure] = native
    return there


def _load_located(key: str, located: Located) -> Obtained | None:
    """None where the module cannot be loaded after all: it was evicted in between, or lies where
    nothing may be executed."""
    try:
        programs = _import(located.name, located.module)
        native = _core.Native(programs, located.index)
    except (ImportError, OSError, ValueError):
        return None
    with _lock:
        return _loaded.setdefault(key, Obtained(native, located.module, located.index, False))


def _import(name: str, path: Path) -> object:
    """The capsule that a module keeps."""
    loader = importlib.machinery.ExtensionFileLoader(name, str(path))
    spec = importlib.util.spec_from_loader(name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module.programs


def _reporting(progress: Progress | None, before: int, wanted: int) -> Callable[[int], None]:
    def report(built: int) -> None:
        if progress:
            progress(before + built, wanted)

    return report


def _batches(structures: Sequence[Structure], cores: int) -> list[list[Structure]]:
    """Structures that share a module: of one layout, in as few modules as keep the cores busy,
    because each costs as much as some ten programs."""
    batches = []
    for layout in sorted({structure.layout for structure in structures}):
        alike = [structure for structure in structures if structure.layout == layout]
        modules = -(-len(alike) // _MOST_IN_MODULE)
        modules = max(modules, min(cores, len(alike) // 10), 1)
        modules = -(-modules // cores) * cores if modules > cores else modules
        size = -(-len(alike) // modules)
        batch: list[Structure] = []
        instructions = 0
        for structure in alike:
            count = _instructions(structure)
            if batch and (len(batch) == size or instructions + count > _MOST_INSTRUCTIONS):
                batches.append(batch)
                batch, instructions = [], 0
            batch.append(structure)
            instructions += count
        batches.append(batch)
    return batches


def _build(
    structures: Sequence[Structure],
    keys: dict[Structure, str],
    toolchain: Toolchain,
    cache: Cache,
    workers: int | None,
    report: Callable[[int], None],
) -> dict[Structure, Obtained]:
    batches = _batches(structures, workers or usable_cores())
    sources = []
    for batch in batches:
        joined = "".join(keys[structure] for structure in batch)
        name = f"azc_native_{xxhash.xxh3_64_hexdigest(joined.encode())}"
        sources.append(Source(name, emit(batch, toolchain.vector)))

    def finished(done: int, wanted: int) -> None:
        report(round(done / wanted * len(structures)))

    report(0)
    folder = Path(tempfile.mkdtemp(prefix="azc-"))
    started = time.perf_counter()
    try:
        built = build(sources, toolchain, folder, workers=workers, progress=finished)
        if len(structures) == 1 and _instructions(structures[0]) <= _USUAL:
            cache.record(_BUILD, time.perf_counter() - started)
        there: dict[Structure, Obtained] = {}
        for module, batch in zip(built, batches, strict=True):
            there |= _take(module.path, module.name, batch, keys, cache)
        if cache.problem:
            _warn_once(f"compiled programs are not kept: {cache.problem}")
        return there
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _take(
    path: Path, name: str, batch: Sequence[Structure], keys: dict[Structure, str], cache: Cache
) -> dict[Structure, Obtained]:
    """Puts a module into the cache, and loads it from there; or where that cannot be, from where
    it was built."""
    located = cache.add(path, name, [keys[structure] for structure in batch])
    modules = {one.module for one in located.values()} or {path}
    problem = ""
    for candidate in (*modules, path):
        try:
            programs = _import(name, candidate)
        except (ImportError, OSError) as error:
            problem = str(error)
            continue
        if problem and not cache.problem:
            do = "set AZC_CACHE_DIR to a folder from which code may be run"
            what = expected("to load compiled programs from the cache", problem, do)
            _warn_once(f"compiled programs are built anew by every process: {what}", "not loaded")
        there = {}
        kept = candidate if candidate != path else None
        for index, structure in enumerate(batch):
            new = Obtained(_core.Native(programs, index), kept, index, False)
            with _lock:
                known = _loaded.setdefault(keys[structure], new)
            there[structure] = replace(known, built=True)
        return there
    do = "set TMPDIR to a folder on a file system from which code may be run"
    message = expected("a module that can be loaded", problem, do)
    raise CompileError("; ".join(filter(None, (message, cache.problem))))


_warned: set[str] = set()


def _warn_once(message: str, what: str = "") -> None:
    """A search builds again and again; what keeps it from keeping what it built is said once, by
    the message itself or by `what` it is about."""
    if (what or message) not in _warned:
        _warned.add(what or message)
        warn(message)
