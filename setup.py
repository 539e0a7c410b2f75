"""Builds the runtime: one extension module, its kernels compiled once per instruction-set level.

Everything else about the package is in pyproject.toml.
"""

from __future__ import annotations

import os
import platform
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from runtime import generate  # noqa: E402

# No contraction to fused multiply-add and nothing of -ffast-math: all levels must give the same
# bits. The last two only drop errno and floating-point exceptions, which nobody reads.
FLAGS = [
    "-O2",
    "-ftree-vectorize",
    "-fopenmp-simd",
    "-ffp-contract=off",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-std=gnu11",
    "-fvisibility=hidden",
]
# Kernels keep totals in small arrays; a canary each costs as much as the work of a small program.
KERNEL_FLAGS = ["-fno-stack-protector"]
X86_LEVELS = {
    "baseline": ("2", []),
    "avx2": ("4", ["-mavx2"]),
    "avx512": (
        "8",
        ["-mavx512f", "-mavx512dq", "-mavx512vl", "-mprefer-vector-width=512"],
    ),
}
OTHER_LEVELS: dict[str, tuple[str, list[str]]] = {"baseline": ("2", [])}
ON_X86 = platform.machine().lower() in ("x86_64", "amd64")
LEVELS = X86_LEVELS if ON_X86 else OTHER_LEVELS

NO_COMPILER = """
azc needs a C compiler to build its runtime: expected one called {command!r}, found none.

Install one and try again: `apt install gcc python3-dev` (Debian, Ubuntu), `dnf install gcc
python3-devel` (Fedora), `xcode-select --install` (macOS); or set CC to the compiler to use.
"""


class BuildRuntime(build_ext):
    """Compiles kernels.c once per level and links the objects into the extension."""

    def build_extension(self, ext: Extension) -> None:
        generate.write(HERE / "runtime" / "_generated")
        kernels = os.path.join("runtime", "kernels.c")

        def compile_level(item: tuple[str, tuple[str, list[str]]]) -> list[str]:
            name, (vector, flags) = item
            return self.compiler.compile(
                [kernels],
                output_dir=os.path.join(self.build_temp, name),
                macros=[("AZ_LEVEL", name), ("AZ_VECTOR", vector)],
                include_dirs=["runtime"],
                extra_postargs=FLAGS + KERNEL_FLAGS + flags,
                depends=ext.depends,
            )

        command = getattr(self.compiler, "compiler_so", None) or ["cc"]
        if shutil.which(command[0]) is None:
            raise SystemExit(NO_COMPILER.format(command=command[0]))
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            objects = list(pool.map(compile_level, LEVELS.items()))
        ext.extra_objects = [path for paths in objects for path in paths]
        super().build_extension(ext)


headers = sorted(
    str(path.relative_to(HERE))
    for path in [*(HERE / "runtime").glob("*.h"), HERE / "runtime/generate.py",
                 *(HERE / "azc/ops").glob("*.py")]
)  # fmt: skip

setup(
    ext_modules=[
        Extension(
            "azc.runtime._core",
            sources=[
                "runtime/_core.pyx",
                "runtime/analysis.c",
                "runtime/interpreter.c",
                "runtime/levels.c",
                "runtime/plan.c",
            ],
            include_dirs=["runtime"],
            define_macros=[("AZ_HAVE_X86_LEVELS", "1")] if ON_X86 else [],
            extra_compile_args=FLAGS,
            depends=headers,
        )
    ],
    cmdclass={"build_ext": BuildRuntime},
)
