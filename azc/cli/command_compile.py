"""`azc compile`: programs to native code."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from azc.cli.base import Command, OneOf, Whole, json_option, quoted
from azc.cli.failures import FAILED
from azc.cli.output import Column, print_json, print_table, print_verbatim
from azc.cli.programs import load_program
from azc.cli.saving import write_file
from azc.errors import ConfigError, expected

if TYPE_CHECKING:
    from azc.cli.emitting import Owners
    from azc.compiler.natives import Obtained
    from azc.compiler.structure import Structure
    from azc.compiler.toolchain import Toolchain
    from azc.program import Program

    #: Each program with what must be there to run it; and where that is.
    Chosen = list[tuple[Program, list[Structure]]]
    Functions = dict[Structure, Obtained]

_EXAMPLES = """
azc compile linear.az
azc compile models/*.az --features 8 --tasks 100
azc compile network --features 512 --tasks 1 -o out
azc compile linear --emit
"""
_MOST = 2**31 - 1
#: More give no layout that fewer would not.
_MOST_TASKS = 2**16
_MOST_CLASSES = 4096


@click.command("compile", cls=Command, examples=_EXAMPLES)
@click.argument("program_names", metavar="P.az...", nargs=-1, required=True)
@click.option(
    "--features",
    type=Whole(1, _MOST),
    default=16,
    show_default=True,
    metavar="F",
    help="Features of an example; the code is for vectors of this size.",
)
@click.option(
    "--tasks",
    type=Whole(1, _MOST_TASKS),
    default=8,
    show_default=True,
    metavar="N",
    help="How many tasks will be evaluated at once; decides on the layout of memory.",
)
@click.option(
    "--classes",
    type=Whole(0, _MOST_CLASSES),
    metavar="C",
    help="Number of classes of the tasks; with more than 2, v2 is the prediction.  "
    "[default: as each program is written]",
)
@click.option(
    "--cpu",
    type=OneOf(lambda: ("native", "portable")),
    default="native",
    show_default=True,
    help="The fastest code for this machine, or code for every one of its kind.",
)
@click.option(
    "--workers",
    type=Whole(1, _MOST),
    metavar="N",
    help="Processes that build side by side.  [default: one for each core]",
)
@click.option("--emit", is_flag=True, help="Print the Cython text, and build nothing.")
@click.option(
    "-o", "directory", metavar="DIR", help="Write each module and its Cython text there too."
)
@json_option
@click.pass_context
def command(
    context: click.Context,
    program_names: tuple[str, ...],
    features: int,
    tasks: int,
    classes: int | None,
    cpu: str,
    workers: int | None,
    emit: bool,
    directory: str | None,
    as_json: bool,
) -> None:
    """Build native code for programs, and keep it for later runs.

    P.az is a file, the name of a program from 'azc library', or - for standard input. 'azc run'
    builds what it needs by itself; this does it ahead, for many programs in one go.
    """
    if emit and (directory is not None or as_json):
        other = "--json" if directory is None else "-o"
        raise click.UsageError(expected("--emit without -o and --json", f"--emit and {other}"))
    programs = [load_program(name) for name in program_names]

    from azc.compiler.toolchain import find_toolchain, vector_for
    from azc.compiling import check_options, structures_for

    check_options(programs, features, tasks, classes)
    toolchain = None if emit else find_toolchain(cpu)
    vector = vector_for(cpu)
    chosen = [
        (program, list(structures_for(program, features, tasks, classes, vector)))
        for program in programs
    ]
    if toolchain is None:
        print_verbatim(_emitted(chosen, vector))
        return
    if directory is not None:
        _prepare(directory)
    started = time.perf_counter()
    natives = _build(chosen, cpu, workers)
    if directory is not None:
        natives = _write(Path(directory), natives, _owners(chosen), toolchain, workers)
    seconds = time.perf_counter() - started
    if as_json:
        print_json(
            {
                "features": features,
                "cpu": cpu,
                "compiler": toolchain.version,
                "seconds": seconds,
                "programs": [_document(*pair, classes, natives) for pair in chosen],
            }
        )
    else:
        _print_functions(chosen, natives)
        click.echo()
        click.echo(_summary(natives.values(), seconds, toolchain))
    # What is nowhere now was built in vain; a warning has said why.
    context.exit(0 if all(map(_module, natives.values())) else FAILED)


def _owners(chosen: Chosen) -> Owners:
    owners: Owners = {}
    for program, structures in chosen:
        for structure in structures:
            owners.setdefault(structure, []).append(program)
    return owners


def _emitted(chosen: Chosen, vector: int) -> str:
    """The text of all, a module for each layout."""
    from azc.cli.emitting import annotated

    owners = _owners(chosen)
    by_layout: dict[str, list[Structure]] = {}
    for structure in owners:
        by_layout.setdefault(structure.layout, []).append(structure)
    return "\n".join(annotated(alike, owners, vector) for alike in by_layout.values())


def _build(chosen: Chosen, cpu: str, workers: int | None) -> Functions:
    from azc.cli.progress import Progress
    from azc.compiler.natives import obtain

    wanted = [structure for _, structures in chosen for structure in structures]
    with Progress("functions") as progress:
        return obtain(wanted, cpu=cpu, workers=workers, progress=progress)


def _prepare(directory: str) -> None:
    """Create the folder, or raise `ConfigError` if no files can be written there."""
    try:
        os.makedirs(directory, exist_ok=True)
    except (OSError, ValueError) as error:
        got = f"{quoted(directory)} ({getattr(error, 'strerror', None) or error})"
        raise ConfigError(f"-o: {expected('a folder, or the name of a new one', got)}") from None
    if not os.access(directory, os.W_OK | os.X_OK):
        do = "check its permissions"
        raise ConfigError(f"-o: {expected('a folder to write in', quoted(directory), do)}")


def _write(
    directory: Path, natives: Functions, owners: Owners, toolchain: Toolchain, workers: int | None
) -> Functions:
    """Put each module and its text into the folder, where the functions then are.

    A module of the cache may hold more than is wanted now, and its text is not known then. One
    that holds only this is made instead.
    """
    from azc.cli.emitting import annotated
    from azc.cli.progress import Waiting
    from azc.compiler.build import Source, build
    from azc.compiler.cache import Cache

    functions = {entry.name: entry.functions for entry in Cache().entries() if entry.sound}
    modules: dict[Path | None, list[Structure]] = {}
    for structure in sorted(natives, key=lambda structure: natives[structure].index):
        modules.setdefault(natives[structure].module, []).append(structure)
    sources: list[Source] = []
    written: Functions = {}
    for module, structures in modules.items():
        name = module.stem.rpartition("-")[0] if module else ""
        text = annotated(structures, owners, toolchain.vector)
        whole = functions.get(name) == len(structures)
        if module and whole:
            write_file(str(directory / f"{name}.so"), module.read_bytes())
        else:
            name = f"azc_native_{_digest(structures, toolchain)}"
            sources.append(Source(name, text))
        write_file(str(directory / f"{name}.pyx"), text.encode())
        for index, structure in enumerate(structures):
            native = natives[structure]
            path, built = directory / f"{name}.so", native.built or not whole
            written[structure] = replace(native, module=path, index=index, built=built)
    with Waiting(f"building modules for {directory}"):
        build(sources, toolchain, directory, workers=workers)
    return written


def _digest(structures: list[Structure], toolchain: Toolchain) -> str:
    import xxhash

    keys = "".join(structure.key(toolchain.identity) for structure in structures)
    return xxhash.xxh3_64_hexdigest(keys.encode())


def _document(
    program: Program, structures: list[Structure], classes: int | None, natives: Functions
) -> dict[str, Any]:
    from azc.analysis import canonical_hash

    return {
        "program": program.filename,
        "hash": canonical_hash(program, classes),
        "functions": [
            {
                "layout": structure.layout,
                "module": _module(natives[structure]),
                "index": natives[structure].index,
                "built": natives[structure].built,
            }
            for structure in structures
        ],
    }


def _module(native: Obtained) -> str | None:
    return str(native.module) if native.module and native.module.exists() else None


def _print_functions(chosen: Chosen, natives: Functions) -> None:
    titles = ("program", "layout", "made")
    rows = [
        [
            program.filename,
            structure.layout,
            "just now" if natives[structure].built else "from the cache",
            _module(natives[structure]) or "not kept",
        ]
        for program, structures in chosen
        for structure in structures
    ]
    print_table([*map(Column, titles), Column("module", wraps=True)], rows)


def _summary(natives: Iterable[Obtained], seconds: float, toolchain: Toolchain) -> str:
    built = [native.built for native in natives]
    made = f"built for {toolchain.cpu} by {toolchain.version}"
    counts = {made: built.count(True), "from the cache": built.count(False)}
    parts = [
        f"{count} {'function' if count == 1 else 'functions'} {how}"
        for how, count in counts.items()
        if count
    ]
    return f"{seconds:.3f} s: {', '.join(parts)}"
