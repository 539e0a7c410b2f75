"""What is built and installed: complete, under one name, and at work from any folder."""

from __future__ import annotations

import ast
import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from azc.runtime import _core
from azc.version import VERSION

ROOT = Path(__file__).parents[1]
FOLDERS = ("azc", "benchmarks", "docs", "grammar", "runtime", "tests")
MADE = {"__pycache__", "_generated", "_core.c"}
BUILD_SDIST = "import sys; from setuptools import build_meta; build_meta.build_sdist(sys.argv[1])"


def run(*command: object, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """A command's outcome, without PYTHONPATH and the like."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith("PYTHON")}
    return subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**kept, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def succeed(*command: object, cwd: Path, **environment: str) -> str:
    done = run(*command, cwd=cwd, **environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def own_files() -> set[str]:
    """Files of the tree that are not made from others."""
    found = (
        path.relative_to(ROOT) for folder in FOLDERS for path in ROOT.joinpath(folder).rglob("*")
    )
    return {
        path.as_posix()
        for path in found
        if not MADE & set(path.parts)
        and path.suffix not in (".so", ".pyc", ".pyd")
        and ROOT.joinpath(path).is_file()
    }


def built_once(shared: Path, name: str, build: Callable[[Path], object]) -> Path:
    """What `build` makes in a folder of that name, for all processes that run tests: the first
    builds it, in this tree, where two would be in each other's way."""
    folder = shared / name
    with (shared / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            made = shared / f"{name}.part"
            made.mkdir()
            build(made)
            made.rename(folder)
    return folder


@pytest.fixture(scope="module")
def sdist(common_folder: Path) -> Path:
    """The source archive of this tree."""

    def build(folder: Path) -> None:
        succeed(sys.executable, "-c", BUILD_SDIST, folder, cwd=ROOT)

    return next(built_once(common_folder, "sdist", build).glob("*.tar.gz"))


@pytest.fixture(scope="module")
def wheel(sdist: Path, common_folder: Path) -> Path:
    """The wheel that the source archive gives, compiled in haste, with nothing fetched."""
    if shutil.which(os.environ.get("CC", "cc").split()[0]) is None:
        pytest.skip("needs a C compiler")

    def build(folder: Path) -> None:
        options = ("--no-build-isolation", "--no-deps", "--no-index", "-w", folder)
        command = (sys.executable, "-m", "pip", "wheel", "-q", *options, sdist)
        succeed(*command, cwd=folder, CFLAGS="-O0", PIP_NO_CACHE_DIR="1")

    return next(built_once(common_folder, "wheel", build).glob("*.whl"))


@pytest.mark.slow
def test_sdist_holds_every_source(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert own_files() <= names
    assert {"Makefile", "LICENSE", "README.md", "pyproject.toml", "setup.py"} <= names
    assert not [name for name in names if MADE & set(Path(name).parts) or name.endswith(".so")]


def included_by(header: str) -> set[str]:
    """A header of the runtime and all of the runtime's that it takes in."""
    text = (ROOT / "runtime" / header).read_text()
    found = {header}
    for name in re.findall(r'^#include "([^"]+)"', text, re.MULTILINE):
        found |= included_by(name)
    return found


@pytest.mark.slow
def test_wheel_holds_the_package_alone(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert {name.partition("/")[0] for name in names} == {"azc", f"azc-{VERSION}.dist-info"}
    suffixes = (".py", ".pyi", ".az", ".toml", ".lark", ".typed")
    expected = {name for name in own_files() if name.startswith("azc/")}
    expected |= {f"azc/{n}" for n in own_files() if n.startswith(("grammar/", "runtime/"))}
    assert {name for name in expected if name.endswith(suffixes)} <= names
    assert len([name for name in names if name.endswith(".so")]) == 1
    assert not [name for name in names if name.endswith((".c", ".pyx", ".pxi"))]
    headers = {name.removeprefix("azc/runtime/") for name in names if name.endswith(".h")}
    assert headers == included_by("native.h") | {"azmath.h", "random.h"}  # these are exported


@pytest.mark.slow
def test_wheel_works_from_any_folder(wheel: Path, tmp_path: Path) -> None:
    target, elsewhere = tmp_path / "installed", tmp_path / "elsewhere"
    elsewhere.mkdir()
    options = ("--no-deps", "--no-index", "--target", target)
    succeed(sys.executable, "-m", "pip", "install", "-q", *options, wheel, cwd=elsewhere)
    where = "import azc; from azc.runtime import _core; print(azc.__file__, _core.__file__)"
    found = succeed(sys.executable, "-c", where, cwd=elsewhere, PYTHONPATH=str(target))
    assert found.count(str(target)) == 2
    command = (sys.executable, "-m", "azc", "run", "linear", "--task", "linear", "--tasks", "2")
    text = succeed(*command, "--json", cwd=elsewhere, PYTHONPATH=str(target))
    assert json.loads(text)["fitness"] > 0.99
    # Flags change no bit, nor does compiling against the installed headers.
    assert text_without_time(text) == text_without_time(succeed(*command, "--json", cwd=elsewhere))
    compiled = succeed(
        *(*command, "--json", "--tier", "compiled"),
        cwd=elsewhere,
        PYTHONPATH=str(target),
        AZC_CACHE_DIR=str(tmp_path / "cache"),
    )
    assert text_without_time(text) == text_without_time(compiled)
    # Search files are there, and worker processes import the same azc.
    few = ("search.stop={programs=100}", "search.islands=2", "search.workers=2")
    sets = [word for change in few for word in ("--set", change)]
    searched = run(
        *(sys.executable, "-m", "azc", "evolve", "demo", "--json", *sets),
        cwd=elsewhere,
        PYTHONPATH=str(target),
    )
    assert searched.returncode == 1, searched.stdout + searched.stderr
    assert json.loads(searched.stdout.splitlines()[-1])["programs"] >= 100


def text_without_time(text: str) -> dict[str, object]:
    document: dict[str, object] = json.loads(text)
    del document["seconds"], document["program"], document["tier"]
    return document


def test_installed_under_one_name(tmp_path: Path) -> None:
    """The folders `grammar` and `runtime` are packages of azc, and of nobody else."""
    code = (
        "import importlib.util as u, azc.grammar, azc.runtime._core; "
        "print([u.find_spec(name) for name in ('grammar', 'runtime', 'tests')])"
    )
    assert succeed(sys.executable, "-c", code, cwd=tmp_path).strip() == "[None, None, None]"


def test_sources_that_are_not_built_say_so(tmp_path: Path) -> None:
    (tmp_path / "azc").symlink_to(ROOT / "azc")
    done = run(sys.executable, "-S", "-c", "import azc; azc.load", cwd=tmp_path)
    assert done.returncode != 0
    assert "work in another folder, or build them: pip install -e ." in done.stderr


@pytest.mark.slow
def test_missing_compiler(sdist: Path, tmp_path: Path) -> None:
    options = ("--no-build-isolation", "--no-deps", "--no-index", "-w", tmp_path)
    command = (sys.executable, "-m", "pip", "wheel", *options, sdist)
    done = run(*command, cwd=tmp_path, CC="no-such-compiler")
    assert done.returncode != 0
    assert "expected one called 'no-such-compiler', found none" in done.stderr
    assert "apt install gcc" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_stub_names_what_the_module_has() -> None:
    tree = ast.parse((ROOT / "runtime" / "_core.pyi").read_text())
    stub = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    stub |= {node.target.id for node in tree.body if isinstance(node, ast.AnnAssign)}
    public = {
        name
        for name, thing in vars(_core).items()
        if not name.startswith("_")
        and getattr(thing, "__module__", _core.__name__) == _core.__name__
    }
    assert stub == public
