"""The process that `azc.compiler.build` starts: .pyx files to shared objects, several at a time.

    python worker.py CYTHON_FOLDER FOLDER COUNT LINES COMPILER [FLAG …] -- [LINK_FLAG …]

Standard input holds one line, names of modules: NAME is compiled from FOLDER/NAME.pyx to
FOLDER/NAME.so, COUNT modules at a time, told of the .pyx file's lines if LINES is 1 (which costs
time). For each a line goes to standard output when it has ended:

    NAME STAGE STATUS CYTHON_SECONDS COMPILER_SECONDS

STAGE is what it came to (``cython`` or ``compiler``, whose messages are in FOLDER/NAME.STAGE.log),
STATUS its exit code, or minus the signal that ended it. The end of standard input, which comes at
the latest with the end of whoever started this, is the order to stop: what still runs of this
process's group, which it must lead, is killed, and FOLDER is removed.

It is a file to be run, not imported: nothing of azc is needed here, and imports are half of
the time that one module takes.
"""

from __future__ import annotations

import gc
import importlib
import os
import select
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import Any

_WARM_UP = """
cdef void program(double *x, long n) noexcept nogil:
    cdef long i
    for i in range(n):
        x[i] = x[i] + 1.0
"""


def main(arguments: list[str]) -> None:
    """Does as the module says; ends the process."""
    cython_folder, folder, count, lines, *command = arguments
    # Compilers die of the signal with which `_stop` ends the group; this process outlives it.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    os.chdir(folder)
    parent = os.getppid()
    # Bytes by themselves: nothing may wait in a buffer when `select` is asked about it.
    names = _read_line(0).split()
    if names:
        sys.path.append(cython_folder)
        gc.disable()  # it would find little: a process ends with its module
        _prepare_cython()
        if len(names) > 1:
            with open("warm_up.pyx", "w", encoding="ascii") as file:
                file.write(_WARM_UP)
            _cythonize("warm_up", lines=False)
        gc.freeze()
    middle = command.index("--")

    def compile_one(name: str) -> None:
        output = (f"{name}.c", "-o", f"{name}.so")
        words = [*command[:middle], *output, *command[middle + 1 :]]
        _become_compiler(name, words, lines == "1")

    _compile_all(names, int(count), compile_one, parent)
    _stop(folder)


def _read_line(descriptor: int) -> str:
    data = b""
    while not data.endswith(b"\n"):
        part = os.read(descriptor, 1 << 16)
        if not part:
            return ""
        data += part
    return data.decode("ascii")


def _prepare_cython() -> None:
    """Imports Cython, told of ASCII alone.

    Emitted text is ASCII, and tables for a scanner that knows all letters of Unicode take as long
    to make as all else that Cython does for one program. A Cython in which they have other names
    keeps its own.
    """
    from Cython.Compiler import Lexicon, Options

    letters = {
        "unicode_start_ch_any": "_",
        "unicode_start_ch_range": "AZaz",
        "unicode_continuation_ch_any": "_",
        "unicode_continuation_ch_range": "09AZaz",
    }
    if all(hasattr(Lexicon, name) for name in letters):
        for name, text in letters.items():
            setattr(Lexicon, name, text)
    Options.docstrings = False
    Options.generate_cleanup_code = False


def _cythonize(name: str, lines: bool) -> bool:
    """Make NAME.c of NAME.pyx; False if Cython refused, having said why on standard error."""
    main: Any = importlib.import_module("Cython.Compiler.Main")
    result = main.compile(
        f"{name}.pyx",
        main.CompilationOptions(
            main.default_options,
            language_level=3,
            output_file=f"{name}.c",
            # Only what costs time; what a text means is said in it.
            compiler_directives={
                "auto_pickle": False,
                "binding": False,
                "emit_code_comments": False,
            },
            emit_linenums=lines,
        ),
    )
    return bool(result.num_errors == 0)


def _compile_all(
    names: list[str], count: int, compile_one: Callable[[str], None], parent: int
) -> None:
    """Up to `count` at a time, in the order given; returns when standard input has ended."""
    shared = time.process_time() / max(len(names), 1)
    waiting, running = names[::-1], dict[int, str]()
    ended, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    while True:
        # With a limit, in case another process of the parent's holds our standard input open.
        limit = 0.0 if waiting and len(running) < count else 1.0
        ready, _, _ = select.select([0, ended], [], [], limit)
        if 0 in ready or os.getppid() != parent:
            return
        if ended in ready:
            os.read(ended, 1 << 12)
        while running:
            pid, status, usage = os.wait4(-1, os.WNOHANG)
            if pid == 0:
                break
            seconds = usage.ru_utime + usage.ru_stime
            _report(running.pop(pid), os.waitstatus_to_exitcode(status), seconds, shared)
        if waiting and len(running) < count:
            name = waiting.pop()
            pid = os.fork()
            if pid == 0:
                compile_one(name)
            running[pid] = name


def _become_compiler(name: str, words: list[str], lines: bool) -> None:
    """In a process of its own: Cython, then the C compiler instead of it; does not return."""
    try:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGCHLD, signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        _write_to(f"{name}.cython.log")
        if _cythonize(name, lines):
            # That there is such a file says that Cython is done.
            with open(f"{name}.cpu", "w", encoding="ascii") as file:
                file.write(repr(time.process_time()))
            _write_to(f"{name}.compiler.log")
            os.execv(words[0], words)
    except BaseException:
        # The log may be on a full disk.
        with suppress(OSError):
            traceback.print_exc()
    finally:
        with suppress(OSError):
            sys.stderr.flush()
        os._exit(1)


def _write_to(path: str) -> None:
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)


def _report(name: str, status: int, seconds: float, shared: float) -> None:
    try:
        with open(f"{name}.cpu", encoding="ascii") as file:
            stage, cython = "compiler", float(file.read())
    except (OSError, ValueError):
        stage, cython = "cython", seconds
    line = f"{name} {stage} {status} {cython + shared:.6f} {max(seconds - cython, 0.0):.6f}\n"
    # Who is not there to read it ended standard input as well.
    with suppress(BrokenPipeError):
        os.write(1, line.encode("ascii"))


def _stop(folder: str) -> None:
    """Ends what runs of this process's group, removes `folder`, and ends with exit code 0."""
    os.killpg(0, signal.SIGTERM)
    deadline = time.monotonic() + 1.0
    left = True
    while left and time.monotonic() < deadline:
        try:
            if os.waitpid(-1, os.WNOHANG) == (0, 0):
                time.sleep(0.002)
        except ChildProcessError:
            left = False
    shutil.rmtree(folder, ignore_errors=True)
    if left:
        os.killpg(0, signal.SIGKILL)
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
