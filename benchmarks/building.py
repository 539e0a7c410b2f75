"""What compiling costs: cold builds in batches, one program from a cold start, and the cache.

    python benchmarks/building.py [--programs 1 10 100 1000] [--repeat 3] [--layout lanes]

The programs are random: ops drawn evenly from all 65, addresses from 8 scalars, 6 vectors and 3
matrices, until one has 22 to 30 live instructions; no two have the same structure. They are built
for 16 features (regression). Every build is a new process with an empty cache; what is timed is
`obtain`, with azc imported and the programs read: emitting, Cython, the C compiler, loading.

CPU seconds count all processes; the shares are of these, `rest` being the cache, loading and
processes. Time per program and core is wall time times cores, by programs.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from common import cpu

from azc.analysis import live
from azc.compiler import natives
from azc.compiler.build import usable_cores
from azc.compiler.structure import LAYOUTS, Structure, structure_of
from azc.compiler.toolchain import find_toolchain
from azc.lang import parse
from azc.ops import OPS, ConstantKind, Type
from azc.program import Instruction, Program

FEATURES = 16
LIVE = range(22, 31)
ADDRESSES = {Type.SCALAR: 8, Type.VECTOR: 6, Type.MATRIX: 3}
_OPS = [op for op in OPS if op.output]

#: A cold start: what a user's first program waits for.
_COLD = """
import time
started = time.perf_counter()
import sys, azc
program = azc.load(sys.argv[1])
azc.compile  # imported on first use
imported = time.perf_counter()
azc.compile([program], features=int(sys.argv[2]))
print(imported - started, time.perf_counter() - imported)
"""


# ---- programs -----------------------------------------------------------------------------------


def _instruction(rng: np.random.Generator) -> Instruction:
    op = _OPS[rng.integers(len(_OPS))]
    assert op.output is not None
    # Scalar 0 and vector 0 are the label and the features.
    out = int(rng.integers(op.output is not Type.MATRIX, ADDRESSES[op.output]))
    inputs = tuple(int(rng.integers(ADDRESSES[kind])) for kind in op.inputs)
    constants = tuple(
        float(rng.random() if kind is ConstantKind.INDEX else rng.uniform(kind.low, kind.high))
        for kind in op.constants
    )
    return Instruction(op, out, inputs, constants)


def random_programs(count: int, layout: str) -> list[Program]:
    """Programs of different structures, the same every time."""
    rng = np.random.default_rng(26)
    programs: dict[Structure, Program] = {}
    while len(programs) < count:
        bodies = [tuple(_instruction(rng) for _ in range(size)) for size in (12, 26, 32)]
        program = Program(*bodies)
        if sum(1 for _ in live(program).instructions()) in LIVE:
            programs.setdefault(structure(program, layout), program)
    return list(programs.values())


def structure(program: Program, layout: str) -> Structure:
    return structure_of(program, classes=0, features=FEATURES, layout=layout)[0]


# ---- in a process of its own --------------------------------------------------------------------


def cpu_seconds() -> float:
    usages = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def obtaining(path: str, layout: str, again: int) -> dict[str, Any]:
    """Obtain the programs in a file; what that took. `again`: how often, once they are there."""
    structures = [structure(parse(text), layout) for text in json.loads(Path(path).read_text())]
    started = time.perf_counter()
    find_toolchain()
    asking = time.perf_counter() - started
    emitting, built = 0.0, []
    emit, build = natives.emit, natives.build

    def timed_emit(*arguments: Any) -> str:
        nonlocal emitting
        before = time.process_time()
        text = emit(*arguments)
        emitting += time.process_time() - before
        return text

    def noted_build(*arguments: Any, **options: Any) -> Any:
        built.extend(build(*arguments, **options))
        return built

    natives.emit, natives.build = timed_emit, noted_build
    cpu_before, started = cpu_seconds(), time.perf_counter()
    natives.obtain(structures)
    wall, cpu_spent = time.perf_counter() - started, cpu_seconds() - cpu_before
    repeated = []
    for _ in range(again):
        started = time.perf_counter()
        natives.obtain(structures)
        repeated.append(time.perf_counter() - started)
    return {
        "asking": asking,
        "wall": wall,
        "cpu": cpu_spent,
        "emit": emitting,
        "cython": sum(module.cython_seconds for module in built),
        "compiler": sum(module.compiler_seconds for module in built),
        "modules": len(built),
        "again": statistics.median(repeated) if repeated else 0.0,
    }


def in_new_process(programs: Path, cache: Path, layout: str, again: int = 0) -> dict[str, Any]:
    command = [sys.executable, __file__, "--obtain", str(programs), "--layout", layout]
    environment = {**os.environ, "AZC_CACHE_DIR": str(cache)}
    done = subprocess.run(
        [*command, "--again", str(again)], env=environment, check=True, stdout=subprocess.PIPE
    )
    return json.loads(done.stdout)


# ---- what is printed ----------------------------------------------------------------------------


def spread(values: Sequence[float], unit: float = 1.0, digits: int = 2) -> str:
    low, middle, high = (f(values) / unit for f in (min, statistics.median, max))
    return f"{middle:.{digits}f} ({low:.{digits}f}–{high:.{digits}f})"


def written(folder: Path, programs: Sequence[Program]) -> Path:
    path = folder / f"programs{len(programs)}.json"
    path.write_text(json.dumps([str(program) for program in programs]))
    return path


def empty_caches(folder: Path) -> Iterator[Path]:
    while True:
        yield Path(tempfile.mkdtemp(prefix="cache", dir=folder))


def batches(
    programs: Sequence[Program], counts: Sequence[int], folder: Path, layout: str, repeat: int
) -> None:
    cores = usable_cores()
    print("\n1. Cold builds: median (min–max) wall s; ms of CPU and ms per core, per program")
    print(
        "programs  modules  wall s               CPU s  CPU ms  ms per core  "
        " emit  Cython  compiler   rest"
    )
    for count in counts:
        path, caches = written(folder, programs[:count]), empty_caches(folder)
        # The longest builds are steady enough, and take minutes.
        rounds = repeat if count <= 100 else 1
        measured = [in_new_process(path, next(caches), layout) for _ in range(rounds)]
        middle = sorted(measured, key=lambda one: one["wall"])[len(measured) // 2]
        parts = [middle[name] / middle["cpu"] for name in ("emit", "cython", "compiler")]
        print(
            f"{count:8} {middle['modules']:8}  {spread([one['wall'] for one in measured]):18} "
            f"{middle['cpu']:7.2f} {middle['cpu'] / count * 1e3:7.1f} "
            f"{middle['wall'] * cores / count * 1e3:12.1f}  {parts[0]:5.0%} {parts[1]:7.0%} "
            f"{parts[2]:9.0%} {1 - sum(parts):6.0%}"
        )


def cold_start(program: Program, folder: Path, repeat: int) -> None:
    """One program, with everything that a user waits for."""
    path, caches = folder / "program.az", empty_caches(folder)
    path.write_text(str(program))
    walls, imports, builds = [], [], []
    for cache in (next(caches) for _ in range(repeat)):
        environment = {**os.environ, "AZC_CACHE_DIR": str(cache)}
        command = [sys.executable, "-c", _COLD, str(path), str(FEATURES)]
        started = time.perf_counter()
        done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE)
        walls.append(time.perf_counter() - started)
        importing, building = map(float, done.stdout.split())
        imports.append(importing)
        builds.append(building)
    print("\n2. One program from a cold start: median (min–max) s")
    print(f"whole process                         {spread(walls)}")
    print(f"of which azc.compile                  {spread(builds)}")
    print(f"of which importing and reading it     {spread(imports)}")


def from_cache(programs: Sequence[Program], folder: Path, layout: str, repeat: int) -> None:
    print("\n3. From the cache, in new processes: median (min–max) ms")
    print("programs                      obtain            again          asking the compiler")
    cache = next(empty_caches(folder))
    many, one = written(folder, programs[:100]), written(folder, programs[100:101])
    first = folder / "first.json"
    first.write_text(json.dumps([str(programs[0])]))
    in_new_process(many, cache, layout)
    in_new_process(one, cache, layout)
    cases: list[tuple[str, Path]] = [
        ("1, alone in its module", one),
        ("1, of a module of several", first),
        ("100, built together", many),
    ]
    measured: dict[str, list[dict[str, Any]]] = {name: [] for name, _ in cases}
    for _ in range(repeat):
        for name, path in cases:
            measured[name].append(in_new_process(path, cache, layout, again=100))
    column: Callable[[str, str], str] = lambda name, key: spread(  # noqa: E731
        [one[key] for one in measured[name]], 1e-3
    )
    for name, _ in cases:
        print(f"{name:26}  {column(name, 'wall'):20} {column(name, 'again'):16}"
              f" {column(name, 'asking')}")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--programs", type=int, nargs="+", default=[1, 10, 100, 1000])
    parser.add_argument("--repeat", type=int, default=3, help="of builds; of loading 4 times that")
    parser.add_argument("--layout", choices=LAYOUTS, default=LAYOUTS[0])
    parser.add_argument("--obtain", help=argparse.SUPPRESS)
    parser.add_argument("--again", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.obtain:
        print(json.dumps(obtaining(options.obtain, options.layout, options.again)))
        return
    programs = random_programs(max(*options.programs, 101), options.layout)
    sizes = [sum(1 for _ in live(program).instructions()) for program in programs]
    print(
        f"{cpu()}, {usable_cores()} cores; {find_toolchain().version}; {options.layout} layout; "
        f"{len(programs)} programs of {min(sizes)} to {max(sizes)} live instructions, "
        f"{statistics.mean(sizes):.1f} on average"
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        batches(programs, options.programs, folder, options.layout, options.repeat)
        cold_start(programs[0], folder, options.repeat)
        from_cache(programs, folder, options.layout, 4 * options.repeat)


if __name__ == "__main__":
    main()
