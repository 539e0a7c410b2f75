"""From emitted text to a module that runs; what is said, and what is left, when it fails."""

from __future__ import annotations

import ast
import ctypes
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable
from functools import partial
from importlib.machinery import ExtensionFileLoader
from pathlib import Path
from types import ModuleType

import pytest

from azc.compiler import toolchain as toolchains
from azc.compiler.build import Source, build
from azc.compiler.toolchain import find_toolchain, missing
from azc.errors import CompileError, ConfigError
from azc.runtime import _core

ROOT = Path(__file__).parents[2]
COMPILER = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")

if COMPILER is None:
    pytest.skip("needs a C compiler", allow_module_level=True)

#: As what is emitted: functions over raw pointers, a table of them, its address.
TEXT = """
ctypedef double (*az_function)(const double *, long) noexcept nogil

cdef double program_0(const double *x, long n) noexcept nogil:
    cdef long i
    cdef double s = 0.0
    for i in range(n):
        s = s + {factor} * x[i]
    return s

cdef az_function table[1]
table[0] = program_0
address = <size_t>&table[0]
"""


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.delenv("AZC_CFLAGS", raising=False)


def source(name: str, factor: float = 2.0, more: str = "") -> Source:
    return Source(name, TEXT.format(factor=factor) + more)


def call(name: str, path: Path, values: list[float]) -> float:
    """What the first function of a module's table makes of `values`."""
    loader = ExtensionFileLoader(name, str(path))
    spec = importlib.util.spec_from_loader(name, loader)
    assert spec is not None
    module: ModuleType = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    kind = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.POINTER(ctypes.c_double), ctypes.c_long)
    table = (ctypes.c_void_p * 1).from_address(module.address)
    address = table[0]
    assert address is not None
    array = (ctypes.c_double * len(values))(*values)
    result: float = kind(address)(array, len(values))
    return result


def script(path: Path, text: str) -> Path:
    """A compiler that answers who it is as the real one does, and otherwise does as `text` says."""
    path.write_text(
        f'#!/bin/sh\nfor word in "$@"; do case "$word" in -\\#\\#\\#) exec {COMPILER} "$@"; esac; '
        f"done\n{text}\n"
    )
    path.chmod(0o755)
    return path


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Makes CC a script."""

    def make(text: str) -> None:
        monkeypatch.setenv("CC", f"'{script(tmp_path / 'fake cc', text)}'")

    return make


def failure(sources: list[Source], directory: Path) -> str:
    """The message with which a build fails, having left nothing in `directory`."""
    with pytest.raises(CompileError) as caught:
        build(sources, find_toolchain(), directory)
    assert list(directory.iterdir()) == []
    return str(caught.value)


# ---- what it builds


@pytest.mark.parametrize(
    ("command", "cpu"), [("cc", "native"), ("cc", "portable"), ("clang", "native")]
)
def test_module_runs(
    command: str, cpu: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if shutil.which(command) is None:
        pytest.skip(f"needs {command}")
    monkeypatch.setenv("CC", command)
    name = f"azc_{command}_{cpu}"
    [built] = build([source(name)], find_toolchain(cpu), tmp_path)
    assert (built.name, built.path) == (name, tmp_path / f"{name}.so")
    assert built.cython_seconds > 0 < built.compiler_seconds
    assert call(name, built.path, [1.0, 2.5]) == 7.0
    assert [path.name for path in tmp_path.iterdir()] == [f"{name}.so"]


def test_several_at_a_time_keep_their_order(tmp_path: Path) -> None:
    # A folder that a shell or a list of words would split, and whose name is in no encoding.
    directory = tmp_path / os.fsdecode(b"a \"b' \xc3\xa9\xff$") / "new"
    sources = [source(f"azc_{i}", i, "# more\n" * i) for i in range(5)]
    seen: list[tuple[int, int]] = []
    built = build(
        sources, find_toolchain(), directory, workers=2, progress=lambda *done: seen.append(done)
    )
    assert seen == [(i, 5) for i in range(1, 6)]
    assert [call(b.name, b.path, [3.0]) for b in built] == [0.0, 3.0, 6.0, 9.0, 12.0]
    assert sorted(path.name for path in directory.iterdir()) == [f"azc_{i}.so" for i in range(5)]


def test_same_text_gives_same_bytes(tmp_path: Path) -> None:
    [first] = build([source("azc_same")], find_toolchain(), tmp_path / "one")
    [second] = build([source("azc_same")], find_toolchain(), tmp_path / "other")
    assert first.path.read_bytes() == second.path.read_bytes()


def test_nothing_to_do(tmp_path: Path) -> None:
    assert build([], find_toolchain(), tmp_path / "never made") == []
    assert not (tmp_path / "never made").exists()


def test_runtime_headers_are_found(tmp_path: Path) -> None:
    more = 'cdef extern from "vectors.h":\n    ctypedef struct az_v2\n'
    [built] = build([source("azc_headers", 1.0, more)], find_toolchain(), tmp_path)
    assert call("azc_headers", built.path, [0.5]) == 0.5


def test_works_in_a_bare_environment(tmp_path: Path) -> None:
    """No HOME, a working folder that is gone, a PYTHONPATH whose modules hide Python's own."""
    hiding, gone, out = tmp_path / "hiding", tmp_path / "gone", tmp_path / "out"
    hiding.mkdir()
    gone.mkdir()
    for name in ("Cython", "gc", "select", "shutil"):
        (hiding / f"{name}.py").write_text("raise SystemExit('wrong module')")
    code = f"""
import os
from pathlib import Path
from azc.compiler.build import Source, build
from azc.compiler.toolchain import find_toolchain
os.environ["PYTHONPATH"] = {str(hiding)!r}
os.rmdir({str(gone)!r})
source = Source("azc_bare", {TEXT.format(factor=1)!r})
[built] = build([source], find_toolchain(), Path({str(out)!r}))
print(built.path)
"""
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        cwd=gone,
        env={name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == (f"{out / 'azc_bare.so'}\n", "")


# ---- what it refuses, and says


def test_names_are_checked(tmp_path: Path) -> None:
    for name in ("", "../up", "a b", "é", "0a", "a.b"):
        with pytest.raises(ValueError, match="expected a name"):
            build([source(name)], find_toolchain(), tmp_path)
    with pytest.raises(ValueError, match="different names"):
        build([source("a"), source("a")], find_toolchain(), tmp_path)


def test_number_of_workers_is_checked(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="workers: expected a whole number from 1, got 0"):
        build([source("a")], find_toolchain(), tmp_path, workers=0)


def test_cython_error_has_its_line(tmp_path: Path) -> None:
    bad = source("azc_bad", more="cdef double y = no_such_name\n")
    message = failure([source("azc_good"), bad], tmp_path)
    line = len(bad.text.splitlines())
    assert message.startswith("expected Cython to compile the module azc_bad, got exit code 1; ")
    assert f"emitted line {line}: cdef double y = no_such_name" in message
    assert f"azc_bad.pyx:{line}:16: undeclared name not builtin: no_such_name" in message
    assert "Traceback" not in message


def test_compiler_error_has_its_line(tmp_path: Path) -> None:
    broken = "    double broken 'az_no_such_thing +' (double) nogil\n"
    text = "cdef extern from *:\n" + broken + TEXT.format(factor=1).replace("+ 1", "+ broken(s)")
    message = failure([Source("azc_bad", text)], tmp_path)
    line = next(i for i, part in enumerate(text.splitlines(), 1) if "broken(s)" in part)
    assert message.startswith(f"expected the C compiler ({find_toolchain().version}) to compile")
    assert f"emitted line {line}: s = s + broken(s) * x[i]" in message
    assert "az_no_such_thing" in message.partition("\n")[2]
    assert len(message.splitlines()) <= 42


def test_compiler_says_why(fake: Callable[[str], None], tmp_path: Path) -> None:
    fake("echo 'some note' >&2\necho 'error: too hot today' >&2\nexit 3")
    message = failure([source("azc_hot")], tmp_path / "out")
    assert "to compile the module azc_hot, got exit code 3; " in message
    assert message.endswith("some note\nerror: too hot today")


def test_endless_messages_are_cut(fake: Callable[[str], None], tmp_path: Path) -> None:
    fake("i=0; while [ $i -lt 500 ]; do i=$((i+1)); echo error $i; done; exit 1")
    message = failure([source("azc_long")], tmp_path / "out")
    assert "error 1\n" in message
    assert len(message.splitlines()) <= 42


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("kill -KILL $$", "expected enough memory for the C compiler"),
        ("echo 'fatal error: Killed signal terminated program cc1' >&2; exit 1", "enough memory"),
        ("kill -SEGV $$", "got its end by signal 11 (Segmentation fault)"),
        ("echo 'as: No space left on device' >&2; exit 1", "got a full disk; free some"),
    ],
)
def test_compiler_is_stopped(
    text: str, expected: str, fake: Callable[[str], None], tmp_path: Path
) -> None:
    fake(text)
    message = failure([source("azc_stopped")], tmp_path / "out")
    assert expected in message
    assert "; " in message


def test_compiler_goes_away(fake: Callable[[str], None], tmp_path: Path) -> None:
    fake("exit 0")
    found = find_toolchain()
    Path(found.command[0]).unlink()
    (tmp_path / "out").mkdir()
    with pytest.raises(CompileError, match="No such file or directory"):
        build([source("azc_gone")], found, tmp_path / "out")


def test_folder_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CompileError, match=r"expected to write .*'.*file/sub', got Not a dir"):
        build([source("azc_a")], find_toolchain(), tmp_path / "file" / "sub")


def test_worker_dies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\necho 'cannot start' >&2\nexit 7\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    message = failure([source("azc_a")], tmp_path / "out")
    assert "to finish, got exit code 7; " in message
    assert message.endswith("\ncannot start")


def test_python_cannot_be_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\n")  # not executable, not even for root
    monkeypatch.setattr(sys, "executable", str(program))
    with pytest.raises(CompileError, match=rf"expected to start '{program}', got Permission"):
        build([source("azc_a")], find_toolchain(), tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_exception_of_progress_ends_it(tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        build([source("azc_a"), source("azc_b")], find_toolchain(), tmp_path, progress=stop)
    assert list(tmp_path.iterdir()) == []


# ---- what is left when it is stopped

BUILD = f"""
import sys
from pathlib import Path
from azc.compiler.build import Source, build
from azc.compiler.toolchain import find_toolchain
sources = [Source(f"azc_{{i}}", {TEXT.format(factor=1)!r}) for i in range(2)]
build(sources, find_toolchain(), Path(sys.argv[1]), workers=2)
"""


def wait_for(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 30.0
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


def running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # Whoever adopts an orphan may be slow to notice its end.
    stat = Path(f"/proc/{pid}/stat")
    with_state = stat.read_text() if stat.exists() else ""
    return ") Z " not in with_state


def assert_ended(pids: Path) -> None:
    for path in pids.iterdir():
        wait_for(partial(lambda pid: not running(pid), int(path.name)), "a compiler is left")


def test_worker_is_killed(fake: Callable[[str], None], tmp_path: Path) -> None:
    """As by a machine that runs out of memory."""
    pids = tmp_path / "pids"
    pids.mkdir()
    fake(f"touch '{pids}'/$$\nkill -KILL $PPID\nsleep 600")
    assert "expected enough memory for Cython" in failure([source("azc_a")], tmp_path / "out")
    assert len(list(pids.iterdir())) == 1
    assert_ended(pids)


@pytest.mark.parametrize(
    ("number", "before"),
    [
        (signal.SIGINT, ""),
        (signal.SIGTERM, ""),
        (signal.SIGKILL, ""),
        (signal.SIGKILL, "trap '' TERM INT HUP"),
    ],
    ids=["interrupt", "terminate", "kill", "stubborn"],
)
def test_stopped_by_a_signal(
    number: signal.Signals, before: str, fake: Callable[[str], None], tmp_path: Path
) -> None:
    """Compilers that would run for minutes, each with another process, end with the user's."""
    out, pids = tmp_path / "out", tmp_path / "pids"
    pids.mkdir()
    fake(f"{before}\nsleep 600 & touch '{pids}'/$$ '{pids}'/$!\nwait")
    user = subprocess.Popen(
        [sys.executable, "-c", BUILD, str(out)], stderr=subprocess.PIPE, text=True
    )
    try:
        wait_for(lambda: len(list(pids.iterdir())) == 4 or user.poll() is not None, "no compiler")
        assert user.poll() is None
        [folder] = out.iterdir()
        assert folder.stat().st_mode & 0o777 == 0o700
        user.send_signal(number)
        _, said = user.communicate(timeout=60)
    finally:
        user.kill()
        user.wait()
    assert ("KeyboardInterrupt" in said) == (number == signal.SIGINT)
    wait_for(lambda: not list(out.iterdir()), "a folder is left")
    assert_ended(pids)


# ---- the toolchain


def test_level_is_the_runtimes() -> None:
    found = find_toolchain()
    assert found.level == _core.level()
    assert f"-DAZ_VECTOR={found.vector}" in found.flags
    best = _core.levels()[-1]
    try:
        for level in _core.levels():
            _core.use_level(level)
            lower = find_toolchain()
            assert (lower.level, lower.vector) == (level, {"avx512": 8, "avx2": 4}.get(level, 2))
            if level != best:
                assert "-march=native" not in lower.flags
    finally:
        _core.use_level(found.level)


def test_portable_asks_for_no_cpu() -> None:
    found = find_toolchain("portable")
    assert (found.cpu, found.level, found.vector) == ("portable", "baseline", 2)
    assert not [flag for flag in found.flags if flag.startswith("-m")]


def test_flags_agree_with_the_runtimes() -> None:
    """Those that decide about bits, and those of the levels, are the same as in setup.py."""
    tree = ast.parse((ROOT / "setup.py").read_text())
    values = {}
    for node in tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            if isinstance(target, ast.Name) and target.id in (
                "EXACT",
                "KERNEL_FLAGS",
                "X86_LEVELS",
            ):
                values[target.id] = ast.literal_eval(node.value)
    assert (*values["EXACT"], *values["KERNEL_FLAGS"]) == toolchains._EXACT
    levels = {name: (int(v), tuple(flags)) for name, (v, flags) in values["X86_LEVELS"].items()}
    assert levels == toolchains._LEVELS


def test_no_flag_of_own_comes_after_the_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZC_CFLAGS", "-O1 '-DX=a b' -ffp-contract=off")
    flags = find_toolchain().flags
    last = flags[flags.index("-DX=a b") + 2 :]
    assert set(toolchains._EXACT) <= set(last)


@pytest.mark.parametrize(
    "flag",
    [
        *("-Ofast", "-ffast-math", "-funsafe-math-optimizations", "-fassociative-math"),
        *("-freciprocal-math", "-ffinite-math-only", "-ffp-contract=fast", "-ffp-contract=on"),
        *("-fno-signed-zeros", "-ffp-model=fast", "-mrecip", "-mrecip=all", "-mfpmath=387"),
    ],
)
def test_inexact_flags_are_refused(flag: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZC_CFLAGS", f"-O1 {flag}")
    with pytest.raises(ConfigError, match=f"got '{flag}', which.*; leave it out"):
        find_toolchain()


@pytest.mark.parametrize("variable", ["CC", "AZC_CFLAGS"])
def test_open_quotes_are_refused(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "'cc")
    with pytest.raises(ConfigError, match=f"expected {variable} to be words"):
        find_toolchain()


def test_unknown_cpu_is_refused() -> None:
    with pytest.raises(ConfigError, match="expected cpu to be 'native' or 'portable', got 'x86'"):
        find_toolchain("x86")


def test_identity(
    fake: Callable[[str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = [find_toolchain().identity, find_toolchain("portable").identity]
    if len(_core.levels()) == 1:
        seen.pop()  # nothing but its name would tell portable from native
    assert find_toolchain().identity == seen[0]
    monkeypatch.setenv("AZC_CFLAGS", "-O1")
    seen.append(find_toolchain().identity)
    fake("exit 1")
    seen.append(find_toolchain().identity)
    monkeypatch.setattr(sysconfig, "get_config_var", lambda name: ".another-abi.so")
    toolchains._find.cache_clear()
    seen.append(find_toolchain().identity)
    toolchains._find.cache_clear()
    assert len(set(seen)) == len(seen)


def test_identity_follows_the_headers(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.h").write_text("int a;")
    seen = [toolchains._headers_hash(tmp_path)]
    (tmp_path / "sub" / "b.h").write_text("int b;")
    seen.append(toolchains._headers_hash(tmp_path))
    (tmp_path / "a.h").write_text("int c;")
    seen.append(toolchains._headers_hash(tmp_path))
    (tmp_path / "notes.txt").touch()
    assert len(set(seen)) == 3
    assert toolchains._headers_hash(tmp_path) == seen[-1]


def test_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert missing() is None
    with monkeypatch.context() as patch:
        patch.setenv("CC", "no-such-compiler -m64")
        reason = missing()
        assert reason is not None
        assert "expected CC to name a C compiler, 'no-such-compiler', got none" in reason
        assert "apt install gcc" in reason
    with monkeypatch.context() as patch:
        patch.setenv("PATH", str(tmp_path))
        assert "expected a C compiler called cc, gcc or clang, got none" in (missing() or "")
    with monkeypatch.context() as patch:
        patch.setattr(sysconfig, "get_path", lambda name: str(tmp_path))
        reason = missing() or ""
        assert f"expected Python's C headers, {str(tmp_path / 'Python.h')!r}, got none" in reason
        assert "apt install gcc python3-dev" in reason
    with monkeypatch.context() as patch:
        find_spec = importlib.util.find_spec
        patch.setattr(
            importlib.util, "find_spec", lambda name: None if name == "Cython" else find_spec(name)
        )
        toolchains._find.cache_clear()
        assert "expected Cython, got none; install it" in (missing() or "")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("echo 'tcc version 0.9.27'", "got no answer"),
        ("echo 'gcc version 8.3.0 (old)' >&2", r"got gcc version 8.3.0 \(old\); set CC"),
        ("echo 'broken' >&2; exit 9", r"got exit code 9 \(broken\)"),
    ],
)
def test_other_compilers_are_refused(
    text: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "cc"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    monkeypatch.setenv("CC", str(path))
    with pytest.raises(CompileError, match=f"to be gcc 10 or clang 13, or later, {expected}"):
        find_toolchain()


def test_setuptools_is_not_needed() -> None:
    """Cython translates without it; only who builds azc itself needs it."""
    script = """if True:
        import sys

        class Refuse:
            def find_spec(self, name, path=None, target=None):
                if name.partition(".")[0] in ("setuptools", "distutils", "_distutils_hack"):
                    raise ImportError(name)

        sys.meta_path.insert(0, Refuse())
        import Cython.Compiler.Main
        import azc.compiling
    """
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
