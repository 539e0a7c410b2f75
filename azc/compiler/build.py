"""Emitted texts to shared objects: many at a time, in processes that are not the user's own."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from azc.checks import whole_number
from azc.compiler.toolchain import Toolchain, cython_folder, environment
from azc.errors import CompileError, expected

__all__ = ["Built", "Source", "build", "usable_cores"]

_WORKER = Path(__file__).with_name("worker.py")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,199}")
_MOST_LINES, _MOST_CHARACTERS = 40, 400
#: How long the worker may take to stop what it started and to clean up after itself.
_STOP_SECONDS = 5.0

_FULL_DISK = re.compile(r"No space left on device|Disk quota exceeded")
_NO_MEMORY = re.compile(
    r"Killed signal terminated|execute command: Killed|virtual memory exhausted|out of memory"
    r"|Cannot allocate memory|^MemoryError",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Source:
    """A module to be: its name, and its text for Cython (ASCII but for comments)."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Built:
    """A module: `path` of the shared object; seconds of CPU that Cython took, with an equal share
    of those it takes to start, and that the C compiler took with all its processes."""

    name: str
    path: Path
    cython_seconds: float
    compiler_seconds: float


class _FailedError(Exception):
    """A module of which `stage` (``cython`` or ``compiler``) ended with a `status` but 0: its exit
    code, or minus a signal. `log` is what it said."""

    def __init__(self, source: Source, stage: str, status: int, log: str) -> None:
        super().__init__(source.name, stage, status)
        self.source, self.stage, self.status, self.log = source, stage, status, log


def build(
    sources: Sequence[Source],
    toolchain: Toolchain,
    directory: Path,
    *,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Built]:
    """Compile every source to `directory`/NAME.so, replacing what is there; results in the order
    of `sources`.

    `workers` modules are compiled at a time, by default one for each core that this process may
    use; `progress` is called with how many are done and how many there are. Whatever is raised,
    Ctrl-C too, no process is left running then and no file is new. CompileError holds what the
    compiler said and the emitted line that it means.
    """
    _check(sources, workers)
    directory = Path(os.path.abspath(directory))
    try:
        return _build(sources, toolchain, directory, workers or usable_cores(), progress)
    except _FailedError as failure:
        raise _error(_with_lines(failure, toolchain, directory), toolchain, directory) from None


def _check(sources: Sequence[Source], workers: int | None) -> None:
    if workers is not None:
        whole_number("workers", workers, 1)
    names = [source.name for source in sources]
    for name in names:
        if not _NAME.fullmatch(name):
            raise ValueError(expected("a name of letters, digits and _", repr(name)))
    if len(set(names)) < len(names):
        raise ValueError(expected("modules of different names", names))


def usable_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _with_lines(failure: _FailedError, toolchain: Toolchain, directory: Path) -> _FailedError:
    """The same failure with the compiler's messages about lines of the emitted text.

    Those lines in the C text would cost every module time; a module that fails is made again.
    """
    if failure.stage == "compiler" and failure.status > 0:
        with _folder_in(directory) as folder:
            try:
                _build([failure.source], toolchain, folder, 1, None, lines=True)
            except _FailedError as again:
                return again
    return failure


def _build(
    sources: Sequence[Source],
    toolchain: Toolchain,
    directory: Path,
    workers: int,
    progress: Callable[[int, int], None] | None,
    lines: bool = False,
) -> list[Built]:
    by_name = {source.name: source for source in sources}
    built: dict[str, Built] = {}
    if not sources:
        return []
    with _folder_in(directory) as folder:
        with _disk_errors(directory):
            for source in sources:
                (folder / f"{source.name}.pyx").write_text(source.text, encoding="utf-8")
        # The longest first: what ends last should be short.
        order = sorted(by_name, key=lambda name: -len(by_name[name].text))
        with _worker(toolchain, folder, min(workers, len(order)), lines) as reports:
            for report in reports(order):
                name, stage, status, *seconds = report.split()
                if status != "0":
                    log = _read(folder / f"{name}.{stage}.log") + _disk_state(folder)
                    raise _FailedError(by_name[name], stage, int(status), log)
                built[name] = Built(name, directory / f"{name}.so", *map(float, seconds))
                if progress is not None:
                    progress(len(built), len(order))
            with _disk_errors(directory):
                for name in order:
                    os.replace(folder / f"{name}.so", built[name].path)
    return [built[source.name] for source in sources]


@contextmanager
def _folder_in(directory: Path) -> Iterator[Path]:
    """A new folder for this process's user alone, on the file system where modules will be."""
    with _disk_errors(directory):
        directory.mkdir(parents=True, exist_ok=True)
        folder = tempfile.mkdtemp(prefix=".building-", dir=directory)
    try:
        yield Path(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _disk_errors(directory: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        what = f"to write compiled modules to {str(directory)!r}"
        do = "free some room there or use another folder"
        raise CompileError(expected(what, error.strerror or error, do)) from None


@contextmanager
def _start_errors(program: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        do = "use another tier, or a Python that you may run"
        what = expected(f"to start {program!r}", error.strerror or error, do)
        raise CompileError(what) from None


@contextmanager
def _worker(
    toolchain: Toolchain, folder: Path, count: int, lines: bool
) -> Iterator[Callable[[Sequence[str]], Iterator[str]]]:
    """Starts `worker.py` on modules in `folder`; gives what, called with their names, iterates
    over its reports. On leaving, nothing of it runs and `folder` is gone."""
    if not sys.executable:
        do = "use another tier, or run azc from Python's own program"
        raise CompileError(expected("sys.executable to name Python's program", "nothing", do))
    # Nothing is imported from anywhere but the standard library and Cython's folder.
    python = (sys.executable, "-P", "-s", "-S", "-X", "utf8", str(_WORKER))
    words = (str(cython_folder()), str(folder), str(count), str(int(lines)))
    with _disk_errors(folder):
        log = (folder / "worker.log").open("wb")
    with log, _start_errors(sys.executable):
        process = subprocess.Popen(
            [*python, *words, *toolchain.command, *toolchain.flags, "--", *toolchain.link],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env={**environment(), "TMPDIR": str(folder)},
            # A terminal's Ctrl-C is for us alone: the worker's end must be ours to order.
            start_new_session=True,
            text=True,
        )
    assert process.stdin is not None
    assert process.stdout is not None
    orders, answers = process.stdin, process.stdout

    def reports(names: Sequence[str]) -> Iterator[str]:
        with suppress(BrokenPipeError):
            orders.write(" ".join(names) + "\n")
            orders.flush()
        for _ in names:
            line = answers.readline()
            if not line:
                log = _read(folder / "worker.log") + _disk_state(folder)
                raise _worker_error(process.wait(), log, folder.parent)
            yield line

    try:
        yield reports
    finally:
        with suppress(OSError):
            orders.close()
        try:
            with suppress(subprocess.TimeoutExpired):
                process.wait(_STOP_SECONDS)
        finally:
            if process.returncode != 0:
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            answers.close()


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _disk_state(folder: Path) -> str:
    """What a compiler would have said of a full disk, had there been room for saying it."""
    try:
        (folder / "probe").write_bytes(bytes(1 << 20))
    except OSError as error:
        return f"{error.strerror}\n"
    return ""


def _worker_error(status: int, log: str, directory: Path) -> CompileError:
    if _FULL_DISK.search(log):
        return _full_disk_error(directory)
    if status == -signal.SIGKILL or _NO_MEMORY.search(log):
        return _memory_error("Cython")
    last = "\n".join(log.strip().splitlines()[-_MOST_LINES:])
    what = f"the process that runs Cython ({sys.executable}) to finish"
    message = expected(what, _ending(status), "use another tier until it does")
    return CompileError(f"{message}\n{last}".rstrip())


def _full_disk_error(directory: Path) -> CompileError:
    what = f"room for compiled modules in {str(directory)!r}"
    return CompileError(expected(what, "a full disk", "free some, or use another folder"))


def _memory_error(what: str) -> CompileError:
    do = "free some, or compile with fewer workers"
    return CompileError(expected(f"enough memory for {what}", "it killed for want of it", do))


def _error(failure: _FailedError, toolchain: Toolchain, directory: Path) -> CompileError:
    name, log = failure.source.name, failure.log
    what, do = f"the C compiler ({toolchain.version})", "use another tier, or another compiler (CC)"
    if own := os.environ.get("AZC_CFLAGS"):
        do = f"check AZC_CFLAGS ({own!r})"
    if failure.stage == "cython":
        what, do = "Cython", "use another tier"
    if _FULL_DISK.search(log):
        return _full_disk_error(directory)
    if failure.status == -signal.SIGKILL or _NO_MEMORY.search(log):
        return _memory_error(what)
    message = expected(f"{what} to compile the module {name}", _ending(failure.status), do)
    number, excerpt = _excerpt(log, name)
    text = failure.source.text.splitlines()
    if 1 <= number <= len(text):
        message += f"\nemitted line {number}: {text[number - 1].strip()}"
    return CompileError(f"{message}\n{excerpt}".rstrip())


def _ending(status: int) -> str:
    if status >= 0:
        return f"exit code {status}"
    return f"its end by signal {-status} ({signal.strsignal(-status) or 'unknown'})"


def _excerpt(log: str, name: str) -> tuple[int, str]:
    """The emitted line that the first error is about (0 if none), and the lines that tell of it."""
    lines = log.splitlines()
    message = re.compile(rf"{name}\.pyx:(\d+):(\d+:)? (fatal )?(?!warning|note)")
    at = next((index for index, line in enumerate(lines) if message.match(line)), None)
    told = None if at is None else message.match(lines[at])
    if at is None:
        at = next((index for index, line in enumerate(lines) if "error" in line), 0)
    shown = [line[:_MOST_CHARACTERS] for line in lines[max(at - 12, 0) :]]
    return int(told.group(1)) if told else 0, "\n".join(shown[:_MOST_LINES])
