"""Builds the runtime: one extension module, its kernels compiled once per instruction-set level.

Everything else about the package is in pyproject.toml. The environment is heeded as usual: CC names
the compiler, CFLAGS and LDFLAGS add flags, which win over all of ours but EXACT; KERNEL_CFLAGS adds
some for kernels alone.
"""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import sys
import sysconfig
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, find_packages, setup
from setuptools.command.build_ext import build_ext

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from runtime import generate  # noqa: E402

# clang tells of loops that it leaves scalar; some draw random numbers and are meant to stay so.
TUNED = ["-O2", "-g0", "-ftree-vectorize", "-Wno-pass-failed"]
# No contraction to fused multiply-add and nothing of -ffast-math: all levels must give the same
# bits. -fno-math-errno and -fno-trapping-math only drop errno and floating-point exceptions, which
# nobody reads.
EXACT = [
    "-std=gnu11",
    "-fopenmp-simd",
    "-ffp-contract=off",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-fvisibility=hidden",
]
FLAGS = [*TUNED, *shlex.split(os.environ.get("CFLAGS", "")), *EXACT]
WARNINGS = ["-Wall", "-Wextra"]
# Kernels keep totals in small arrays; a canary each costs as much as the work of a small program.
KERNEL_FLAGS = ["-fno-stack-protector"]
# A tenth of the time of small programs depends on where kernels happen to lie.
ALIGNED = ["-falign-functions=64"]
# Slowest to compile first.
X86_LEVELS = {
    "avx512": (
        "8",
        ["-mavx512f", "-mavx512dq", "-mavx512vl", "-mprefer-vector-width=512"],
    ),
    "avx2": ("4", ["-mavx2"]),
    "baseline": ("2", []),
}
OTHER_LEVELS: dict[str, tuple[str, list[str]]] = {"baseline": ("2", [])}
ON_X86 = platform.machine().lower() in ("x86_64", "amd64")
LEVELS = X86_LEVELS if ON_X86 else OTHER_LEVELS
SOURCES = [
    "analysis.c",
    "canonical.c",
    "filter.c",
    "flow.c",
    "heat.c",
    "interpreter.c",
    "island.c",
    "levels.c",
    "lineage.c",
    "machine.c",
    "methods.c",
    "native.c",
    "niches.c",
    "normals.c",
    "pack.c",
    "plan.c",
    "scores.c",
    "settings.c",
    "snapshot.c",
    "space.c",
    "stages.c",
    "trial.c",
    "xxh3.c",
]

INSTALL = """
Install {what} and try again: `apt install gcc python3-dev` (Debian, Ubuntu), `dnf install gcc
python3-devel` (Fedora), `xcode-select --install` (macOS){or_else}.
"""
NO_COMPILER = """
azc needs a C compiler to build its runtime: expected one called {command!r}, found none.
""" + INSTALL.format(what="one", or_else="; or set CC to the compiler to use")
NO_HEADERS = """
azc needs Python's C headers to build its runtime: expected {path}, found none.
""" + INSTALL.format(what="them", or_else="")


class BuildRuntime(build_ext):
    """Compiles the module that Cython makes, the C files and, once per level, the kernels, all side
    by side; then links them."""

    def build_extension(self, ext: Extension) -> None:
        self._require_tools()
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            jobs = [
                pool.submit(self._compile_module, ext),
                *(pool.submit(self._compile_kernels, ext, level) for level in LEVELS),
                pool.submit(self._compile, ext, SOURCES, "plain", WARNINGS),
            ]
            ext.extra_objects = [path for job in jobs for path in job.result()]
        ext.sources = []
        super().build_extension(ext)

    def _require_tools(self) -> None:
        command = (getattr(self.compiler, "compiler_so", None) or ["cc"])[0]
        if shutil.which(command) is None:
            raise SystemExit(NO_COMPILER.format(command=command))
        paths = {sysconfig.get_path(name) for name in ("include", "platinclude")}
        headers = [Path(path, "Python.h") for path in sorted(paths)]
        if not any(header.exists() for header in headers):
            raise SystemExit(NO_HEADERS.format(path=headers[0]))

    def _compile_module(self, ext: Extension) -> list[str]:
        cythonize(ext, force=self.force, quiet=True)
        return self._compile(ext, ["_core.c"], "module", [])

    def _compile_kernels(self, ext: Extension, level: str) -> list[str]:
        vector, flags = LEVELS[level]
        macros = [("AZ_LEVEL", level), ("AZ_VECTOR", vector)]
        more = shlex.split(os.environ.get("KERNEL_CFLAGS", ""))
        flags = [*WARNINGS, *KERNEL_FLAGS, *ALIGNED, *more, *flags]
        return self._compile(ext, ["kernels.c"], level, flags, macros)

    def _compile(
        self,
        ext: Extension,
        sources: list[str],
        folder: str,
        flags: list[str],
        macros: Sequence[tuple[str, str]] = (),
    ) -> list[str]:
        objects: list[str] = self.compiler.compile(
            [os.path.join("runtime", source) for source in sources],
            output_dir=os.path.join(self.build_temp, folder),
            macros=[*ext.define_macros, *macros],
            include_dirs=ext.include_dirs,
            extra_postargs=[*FLAGS, *flags],
        )
        return objects


def files(*patterns: str) -> list[str]:
    """Files below this one's folder."""
    return sorted(str(path.relative_to(HERE)) for p in patterns for path in HERE.glob(p))


# Before anything else looks for files: emitted code is compiled against these headers, so they are
# installed.
generate.write(HERE / "runtime" / "_generated")

setup(
    packages=[*find_packages(HERE, include=["azc", "azc.*"]), "azc.grammar", "azc.runtime"],
    ext_modules=[
        Extension(
            "azc.runtime._core",
            sources=["runtime/_core.pyx"],
            include_dirs=["runtime"],
            define_macros=[("AZ_HAVE_X86_LEVELS", "1")] if ON_X86 else [],
            depends=files("runtime/*.[ch]", "runtime/*.pxi", "runtime/*.py", "azc/ops/*.py"),
        )
    ],
    cmdclass={"build_ext": BuildRuntime},
)
