"""The C compiler and all that decides what it makes of a text: chosen, checked, written down."""

from __future__ import annotations

import importlib
import importlib.util
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import xxhash

from azc.errors import CompileError, ConfigError, expected
from azc.runtime import _core

__all__ = ["Toolchain", "cython_folder", "environment", "find_toolchain", "missing", "vector_for"]

#: The rest of what is emitted is a frame of Python's, slow to compile and run once: no -O3. Loops
#: of few rounds are unrolled whole at -O2 only with -fpeel-loops, which clang does not know.
_TUNED = ("-O2", "-g0", "-w", "-fPIC", "-ftree-vectorize", "-DNDEBUG")
_GCC_ONLY = ("-fpeel-loops",)
#: As in setup.py: every level and every tier gives the same bits.
_EXACT = (
    "-std=gnu11",
    "-fopenmp-simd",
    "-ffp-contract=off",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-fvisibility=hidden",
    "-fno-stack-protector",
)
#: Doubles in a register of each of the runtime's levels, and what makes a compiler use it.
_LEVELS: dict[str, tuple[int, tuple[str, ...]]] = {
    "avx512": (8, ("-mavx512f", "-mavx512dq", "-mavx512vl", "-mprefer-vector-width=512")),
    "avx2": (4, ("-mavx2",)),
    "baseline": (2, ()),
}
_ON_X86 = platform.machine().lower() in ("x86_64", "amd64")
_LINK = ("-bundle", "-undefined", "dynamic_lookup") if sys.platform == "darwin" else ("-shared",)

#: What a compiler calls itself, and the first of its releases whose vectors can do what we write.
_KINDS = (
    ("gcc", re.compile(r"^gcc version (\d+).*$", re.MULTILINE), 10),
    ("clang", re.compile(r"^.*\bclang version (\d+).*$", re.MULTILINE), 13),
)
#: Flags that let a compiler change results: sums in another order, no NaN, other divisions.
_INEXACT = re.compile(
    r"-Ofast|-ffast-math|-funsafe-math-optimizations|-fassociative-math|-freciprocal-math"
    r"|-ffinite-math-only|-fno-signed-zeros|-fsingle-precision-constant"
    r"|-ffp-contract=(?!off$).*|-ffp-model=(?!strict$|precise$).*|-mrecip(=.*)?|-mfpmath=.*"
    r"|-mdaz-ftz|-fdenormal-fp-math=.*"
)
#: Python's own variables that say where it is; all others change what it does.
_KEPT = ("PYTHONHOME", "PYTHONPLATLIBDIR", "PYTHONPYCACHEPREFIX", "PYTHONDONTWRITEBYTECODE")

_INSTALL = (
    "install {what}: `apt install gcc python3-dev` (Debian, Ubuntu), `dnf install gcc "
    "python3-devel` (Fedora), `xcode-select --install` (macOS)"
)


@dataclass(frozen=True, slots=True)
class Toolchain:
    """How to compile for a machine.

    `command` the C compiler with its fixed words, `version` what it calls itself; `cpu` ``native``
    or ``portable``; `flags` and `link` all others of its words, to compile and to link; `vector`
    doubles in a register of the runtime's `level`; `identity` a text that differs between two
    toolchains which could make different modules of the same text.
    """

    command: tuple[str, ...]
    version: str
    cpu: str
    flags: tuple[str, ...]
    link: tuple[str, ...]
    vector: int
    level: str
    identity: str


def find_toolchain(cpu: str = "native") -> Toolchain:
    """The toolchain for this machine's CPU, or for any of its kind if `cpu` is ``portable``.

    Heeds CC and AZC_CFLAGS; asks the compiler once a process. CompileError says what is missing
    and how to get it, ConfigError what is wrong with `cpu` or AZC_CFLAGS.
    """
    if cpu not in ("native", "portable"):
        raise ConfigError(expected("cpu to be 'native' or 'portable'", repr(cpu)))
    level = _level_for(cpu)
    return _find(
        cpu,
        level,
        # A level below the machine's best is asked for to go without the rest.
        cpu == "native" and _ON_X86 and level == _core.levels()[-1],
        _own_flags(),
        _command(),
        _includes(),
    )


def vector_for(cpu: str) -> int:
    """`Toolchain.vector` of code for that CPU, for which no compiler need be there."""
    return _LEVELS[_level_for(cpu)][0]


def _level_for(cpu: str) -> str:
    return _core.level() if cpu == "native" else "baseline"


def missing() -> str | None:
    """Why nothing can be compiled here; None if it can."""
    try:
        find_toolchain()
    except CompileError as error:
        return str(error)
    return None


def environment() -> dict[str, str]:
    """The environment for compilers: messages in English, Python's settings and preloaded
    libraries left out."""
    kept = {
        name: text
        for name, text in os.environ.items()
        if (not name.startswith("PYTHON") or name in _KEPT)
        and name not in ("LD_PRELOAD", "DYLD_INSERT_LIBRARIES", "GCC_COLORS")
    }
    return {**kept, "LC_ALL": "C"}


def cython_folder() -> Path:
    """The folder that Cython is imported from."""
    package = importlib.util.find_spec("Cython")
    if package is None or not package.submodule_search_locations:
        raise CompileError(expected("Cython", "none", "install it: `pip install cython`"))
    return Path(package.submodule_search_locations[0]).absolute().parent


@lru_cache(maxsize=16)
def _find(
    cpu: str,
    level: str,
    whole_machine: bool,
    own: tuple[str, ...],
    command: tuple[str, ...],
    includes: tuple[str, ...],
) -> Toolchain:
    cython_folder()
    cython: Any = importlib.import_module("Cython")
    vector, level_flags = _LEVELS[level]
    # The level's flags again: it is certain that the machine has these, whatever a compiler that
    # is older than the CPU makes of it.
    machine = (*(("-march=native",) if whole_machine else ()), *level_flags)
    kind, version, answer = _ask(command, machine)
    tuned = (*_TUNED, *(_GCC_ONLY if kind == "gcc" else ()))
    flags = (*tuned, *machine, *own, *_EXACT, f"-DAZ_VECTOR={vector}")
    # Folders are left out: what lies in them is not.
    identity = (
        f"compiler {_file_identity(command[0])} {' '.join(command[1:])} {version}",
        f"answer {_hash(answer.encode())}",
        f"flags {shlex.join([*flags, *_LINK])}",
        f"cython {cython.__version__}",
        f"python {sys.version} {sysconfig.get_config_var('EXT_SUFFIX')}",
        f"machine {sys.platform} {platform.machine()}",
        f"headers {_headers_hash(Path(includes[0]))}",
    )
    return Toolchain(
        command=command,
        version=version,
        cpu=cpu,
        flags=(*flags, *(f"-I{folder}" for folder in includes)),
        link=_LINK,
        vector=vector,
        level=level,
        identity="\n".join(identity),
    )


def _own_flags() -> tuple[str, ...]:
    text = os.environ.get("AZC_CFLAGS", "")
    flags = _words("AZC_CFLAGS", text)
    for flag in flags:
        if _INEXACT.fullmatch(flag):
            got = f"{flag!r}, which lets the compiler change them"
            raise ConfigError(
                expected("flags in AZC_CFLAGS that keep results", got, "leave it out")
            )
    return flags


def _command() -> tuple[str, ...]:
    """The compiler by its full path, since it will be run in other folders."""
    given = _words("CC", os.environ.get("CC", ""))
    for first in given[:1] or ("cc", "gcc", "clang"):
        if path := shutil.which(first):
            return (os.path.abspath(path), *given[1:])
    install = _INSTALL.format(what="one")
    if given:
        what = f"CC to name a C compiler, {given[0]!r}"
        raise CompileError(
            expected(what, "none of that name", f"unset or correct CC, or {install}")
        )
    raise CompileError(
        expected("a C compiler called cc, gcc or clang", "none", f"{install}; or set CC to one")
    )


def _words(variable: str, text: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(text))
    except ValueError as error:
        got = f"{text!r} ({error})"
        raise ConfigError(
            expected(f"{variable} to be words as in a shell", got, "close its quotes")
        ) from None


def _includes() -> tuple[str, ...]:
    """Folders of headers: the runtime's own, then Python's."""
    runtime = Path(_core.__file__).absolute().parent
    if not any(runtime.glob("*.h")):
        what = f"the runtime's C headers in {str(runtime)!r}"
        raise CompileError(expected(what, "none", "install azc again"))
    paths = [sysconfig.get_path(name) for name in ("include", "platinclude")]
    folders = [path for path in dict.fromkeys(paths) if Path(path, "Python.h").exists()]
    if not folders:
        what = f"Python's C headers, {str(Path(paths[0], 'Python.h'))!r}"
        raise CompileError(expected(what, "none", _INSTALL.format(what="them")))
    return (str(runtime), *folders)


def _ask(command: tuple[str, ...], machine: tuple[str, ...]) -> tuple[str, str, str]:
    """Kind and version of a compiler, and its answer whole: how it was built and, with
    -march=native, which CPU it sees; it compiles nothing."""
    try:
        done = subprocess.run(
            [*command, *machine, "-###", "-E", "-x", "c", os.devnull],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            cwd="/",  # clang tells of it
            env=environment(),
            text=True,
            errors="replace",
            check=False,
        )
    except OSError as error:
        what = f"{command[0]!r} to be a C compiler"
        raise CompileError(
            expected(what, error.strerror, "unset CC, or set it to one that runs")
        ) from None
    got = "no answer"
    for kind, pattern, oldest in _KINDS:
        if version := pattern.search(done.stderr):
            got = version.group().strip()
            if int(version.group(1)) >= oldest and done.returncode == 0:
                return kind, got, done.stderr
    if done.returncode:
        got = f"exit code {done.returncode} ({' '.join(done.stderr.split()[-40:])})"
    what = f"{shlex.join(command)!r} to be gcc 10 or clang 13, or later"
    raise CompileError(expected(what, got, "set CC to another compiler"))


def _file_identity(command: str) -> str:
    path = os.path.realpath(command)
    status = os.stat(path)
    return f"{path} {status.st_size} {status.st_mtime_ns}"


def _headers_hash(folder: Path) -> str:
    digest = xxhash.xxh3_128()
    for path in sorted(folder.rglob("*.h")):
        data = path.read_bytes()
        digest.update(f"{path.relative_to(folder).as_posix()} {len(data)}\n".encode())
        digest.update(data)
    return digest.hexdigest()


def _hash(data: bytes) -> str:
    return xxhash.xxh3_128_hexdigest(data)
