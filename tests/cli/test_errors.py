"""What users may do wrong, and what may go wrong: a message, an exit code, never a traceback."""

from __future__ import annotations

import errno
import os
import pty
import re
import signal
import subprocess
import sys
import time
import warnings

import pytest

from azc.cli import command_run, failures, progress
from azc.cli.base import quoted
from azc.errors import (
    AzcError,
    AzcWarning,
    CompileError,
    ParseError,
    ResourceError,
    StateError,
)

RUN = ["run", "linear.az", "--task"]
AZC = [sys.executable, "-c", "import sys; from azc.cli.main import main; sys.exit(main())"]

WRONG = [
    ["nonsense"], ["rum"], [""], ["--nonsense"], ["-x"], ["run"], ["check"], ["fmt"],
    ["show"], ["run", "linear.az"], ["run", "--task", "linear"], ["RUN"], ["a\0b"], ["\udcff"],
    ["run", "linear.az", "more.az", "--task", "linear"],
    ["run", "none.az", "--task", "linear"], ["run", ".", "--task", "linear"],
    ["run", "", "--task", "linear"], ["run", "a\0b", "--task", "linear"],
    ["run", "\udcff.az", "--task", "linear"], ["run", "x" * 5000, "--task", "linear"],
    ["run", "none/none.az", "--task", "linear"], ["run", "linear.az/x", "--task", "linear"],
    ["run", "bad.az", "--task", "linear"], ["run", "binary.az", "--task", "linear"],
    ["run", "empty\n.az", "--task", "linear"], ["run", "/dev/zero", "--task", "linear"],
    [*RUN, "linaer"], [*RUN, ""], [*RUN, "a\0b"], [*RUN, "a\0b.npz"], [*RUN, "none.npz"],
    [*RUN, "none.csv"], [*RUN, "none.csv", "--target", "y"], [*RUN, "bad.az"], [*RUN, "binary.npz"],
    [*RUN, "binary.csv", "--target", "y"], [*RUN, "binary.parquet", "--target", "y"],
    [*RUN, "folder.npz"], [*RUN, "folder.csv", "--target", "y"], [*RUN, "\udcff.npz"],
    [*RUN, "digits:3,3"], [*RUN, "digits:3,99"], [*RUN, "digits:x"], [*RUN, "linear:3"],
    [*RUN, "mnist"], [*RUN, "mnist", "--data", "none"], [*RUN, "mnist", "--data", "a\0b"],
    [*RUN, "mnist", "--data", "linear.az"], [*RUN, "x" * 5000], [*RUN, ":"], [*RUN, "/"],
    [*RUN, "linear", "--drop", "y"], [*RUN, "linear", "--test-images", "official"],
    [*RUN, "linear", "--split", "even"], [*RUN, "linear", "--separator", ";"],
    [*RUN, "linear", "--target", "y"], [*RUN, "linear", "--metric", "accuracy"],
    [*RUN, "linear", "--metric", "acuracy"], [*RUN, "linear", "--tier", "refrence"],
    [*RUN, "linear", "--tier", ""], [*RUN, "linear", "--seed", "-1"],
    [*RUN, "linear", "--seed", str(2**64)], [*RUN, "linear", "--taks", "3"],
    [*RUN, "linear", "--max-abs-error", "0"], [*RUN, "linear", "--max-abs-error", "nan"],
    [*RUN, "linear", "--max-abs-error", "-1"], [*RUN, "linear", "--max-abs-error", "much"],
    [*RUN, "linear", "--json=1"], [*RUN, "linear", "--predictions"],
    [*RUN, "linear", "--predictions", ""], [*RUN, "linear", "--predictions", "\udcff/x"],
    *([*RUN, "linear", option, value]
      for option in ("--tasks", "--features", "--train", "--valid", "--epochs")
      for value in ("0", "-3", "1.5", "x", "", "1e3", "9" * 30, "9" * 5000, "\0", "\udcff")),
    ["check", "none.az"], ["check", "."], ["check", "a\0b"], ["check", "linear.az", "--josn"],
    ["fmt", "none.az"], ["fmt", "."], ["fmt", "a\0b"], ["fmt", "\udcff"], ["fmt", "binary.az"],
    ["fmt", "/dev/zero"], ["fmt", "linear.az", "--chek"],
    ["show", "none.az"], ["show", "."], ["show", "bad.az"], ["show", "binary.az"],
    ["show", "linear.az", "--hsh"], ["show", "linear.az", "--classes", "-1"],
    ["show", "linear.az", "--classes", "99999"],
    ["ops", "none"], ["ops", "a", "b"], ["tasks", "none"], ["tasks", "--data"],
    ["library", "none"], ["library", "a\0b"], ["library", "\udcff"], ["library", "linear", "nlms"],
]  # fmt: skip


@pytest.fixture
def surroundings(files, monkeypatch):
    """Also files that are not what their names say."""
    monkeypatch.delenv("AZC_DATA", raising=False)
    for name in ("binary.az", "binary.npz", "binary.csv", "binary.parquet"):
        (files / name).write_bytes(bytes(range(256)) * 5)
    for name in ("folder.npz", "folder.csv"):
        (files / name).mkdir()
    return files


@pytest.mark.parametrize("arguments", WRONG, ids=lambda arguments: ascii(arguments)[:70])
def test_wrong_input(azc, surroundings, arguments):
    outcome = azc(*arguments)
    assert outcome.code == 2
    assert outcome.out == ""
    assert re.search(r"^(.*:\d+:\d+: )?error: ", outcome.err)
    assert "azc itself failed" not in outcome.err
    # What was given is quoted, but not at any length.
    assert len(outcome.err) < 1500


@pytest.mark.parametrize("count", ["2147483647", "100000"])
def test_too_much(azc, files, count):
    outcome = azc(*RUN, "linear", "--tasks", count, "--features", "4096")
    assert outcome.code in (1, 2)
    assert outcome.err.startswith(("error: expected ", "error: --tasks: expected "))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read any file")
@pytest.mark.parametrize("command", ["check", "fmt", "show"])
def test_unreadable(azc, files, command):
    os.chmod("linear.az", 0)
    outcome = azc(command, "linear.az")
    assert outcome.code == 2
    assert "Permission denied" in outcome.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["rum"], "error: expected a command, got 'rum'; did you mean 'run'?\n"),
        (["xyz"], "error: expected a command, got 'xyz'; the commands are cache, check, "),
        (["run"], "error: expected P.az, got none\ntry 'azc run --help'\n"),
        (["run", "linear.az"], "error: expected --task, got none\n"),
        (["run", "--taks"], "error: expected a known option, got '--taks'; did you mean --task"),
        ([*RUN, "linear", "--tasks", "-3"],
         "error: --tasks: expected a whole number from 1 to 100000, got '-3'\n"),
        ([*RUN, "linear", "--tier", "refrence"], "got 'refrence'; did you mean 'reference'?\n"),
        ([*RUN, "linaer"], "expected a known task kind, got 'linaer'; did you mean 'linear'?\n"),
    ],
)  # fmt: skip
def test_messages(azc, files, arguments, message):
    assert message in azc(*arguments).err


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize(
    "arguments",
    [["run", "none.az", "--task", "linear"], ["run", "--taks"], ["check", "none.az"],
     ["fmt", "none.az"], ["show", "bad.az"]],
    ids=" ".join,
)  # fmt: skip
def test_debug_shows_where(azc, files, arguments, before):
    outcome = azc(*(["--debug", *arguments] if before else [*arguments, "--debug"]))
    assert outcome.code == 2
    assert "Traceback" in outcome.err
    assert azc(*arguments).err in outcome.err


def test_debug_alone_changes_nothing(azc, files):
    assert azc("--debug", "ops").out == azc("ops").out == azc("ops", "--debug").out


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (ResourceError("too large", 10), 1, "error: too large\n"),
        (CompileError("no compiler"), 1, "error: no compiler\n"),
        (AzcError("wrong"), 2, "error: wrong\n"),
        (StateError("damaged"), 2, "error: damaged\n"),
        (StateError("no room", full=True), 1, "error: no room\n"),
        (FileNotFoundError(errno.ENOENT, "No such file", "x"), 2, "error: x: No such file\n"),
        (OSError(errno.ENOSPC, "No space"), 1, "error: No space\n"),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"), 2, "error: 'utf-8' codec"),
        (MemoryError(), 1, "error: out of memory"),
        (KeyboardInterrupt(), 130, "error: interrupted\n"),
        (EOFError("short"), 1, "error: azc itself failed (EOFError: short)"),
        (ZeroDivisionError("oh"), 1, "error: azc itself failed (ZeroDivisionError: oh); run it"),
        (SystemExit(3), 3, ""),
    ],
    ids=lambda value: type(value).__name__,
)
def test_classes_of_errors(azc, files, monkeypatch, error, code, message):
    def fail(_):
        raise error

    monkeypatch.setattr(command_run.TaskChoice, "make", fail)
    outcome = azc(*RUN, "linear", "--json")
    assert outcome.code == code
    assert outcome.out == ""
    assert outcome.err.lstrip("\n").startswith(message)


def test_messages_hold_nothing_that_a_terminal_acts_on(azc, files):
    outcome = azc("run", "\x1b[31mred.az", "--task", "linear")
    assert "\x1b" not in outcome.err
    assert "\x1b" not in failures.styled("a \x1b[2J b", "error")


def test_quoted():
    assert quoted("a" * 1000).endswith("…")
    assert len(quoted("a" * 1000)) < 80


def test_parse_errors_are_marked_once():
    message = "x.az:1:1: error: no"
    assert failures.styled(message, "error") == message
    assert issubclass(ParseError, AzcError)


# ---- warnings -----------------------------------------------------------------------------------


def _warning_while_tasks_are_made(monkeypatch, *calls):
    make = command_run.TaskChoice.make

    def warn(choice):
        for message, category in calls:
            warnings.warn(message, category, stacklevel=1)
        return make(choice)

    monkeypatch.setattr(command_run.TaskChoice, "make", warn)


@pytest.mark.parametrize("options", [[], ["--json"], ["--debug"]], ids=" ".join)
def test_warnings_of_azc_are_messages_said_once(azc, files, monkeypatch, options):
    first, second = "expected x,\x1b got y", "expected a, got b"
    calls = [(message, AzcWarning) for message in (first, second, first)]
    _warning_while_tasks_are_made(monkeypatch, *calls)
    before = warnings.showwarning
    outcome = azc(*RUN, "linear", *options)
    assert outcome.code == 0
    assert outcome.err == "warning: expected x,\ufffd got y\nwarning: expected a, got b\n"
    assert outcome.out.startswith("{" if "--json" in options else "task ")
    assert warnings.showwarning is before


def test_other_warnings_are_not_shown(azc, files, monkeypatch):
    _warning_while_tasks_are_made(monkeypatch, ("some library's", DeprecationWarning))
    assert azc(*RUN, "linear").err == ""


# ---- streams and signals -----------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [["ops"], ["ops", "--json"], ["library", "linear"], ["-h"]])
def test_a_reader_that_goes_is_no_error(files, arguments):
    process = subprocess.Popen([*AZC, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(timeout=60) == 1


def test_a_full_disk(files):
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full")
    with open("/dev/full", "w") as full:
        done = subprocess.run([*AZC, "ops"], stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1
    assert done.stderr == "error: No space left on device\n"


def test_closed_output(azc_process):
    code = "import os, sys; os.close(1); os.execv(sys.argv[1], sys.argv[1:])"
    done = subprocess.run([sys.executable, "-c", code, *AZC, "ops"], stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_interruption(files, options):
    arguments = [*AZC, *RUN, "linear", "--epochs", "2000000000", *options]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    time.sleep(1.5)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert out == ""
    assert err.strip() == "error: interrupted"


def _on_a_terminal(arguments: list[str], **environment: str) -> tuple[int, str]:
    """Run with all streams on a terminal; returns the exit code and what it showed."""
    pid, terminal = pty.fork()
    if pid == 0:
        names = {"TERM": "xterm", "COLUMNS": "120", **environment}
        os.environ.pop("NO_COLOR", None)
        os.environ.update(names)
        os.execv(AZC[0], [*AZC, *arguments])
    shown = b""
    while True:
        try:
            part = os.read(terminal, 65536)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        shown += part
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown.decode()


# pty.fork is safe here because the child only calls exec.
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
class TestTerminal:
    COLOUR = re.compile(r"\x1b\[(?:\d+;)*3\d")

    def test_tables_are_drawn(self, files):
        code, shown = _on_a_terminal([*RUN, "linear", "--tasks", "2"])
        assert code == 0
        assert "───" in shown
        assert "linear[1]" in shown

    def test_no_color(self, files):
        assert self.COLOUR.search(_on_a_terminal(["rum"])[1])
        for names in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
            _, shown = _on_a_terminal(["rum"], **names)
            assert shown.startswith("error: expected a command")
            arguments = [*RUN, "linear", "--epochs", "20000"]
            assert not self.COLOUR.search(_on_a_terminal(arguments, **names)[1])

    def test_long_work_shows_a_bar(self, files):
        _, shown = _on_a_terminal([*RUN, "linear", "--epochs", "60000", "--tasks", "4"])
        assert "examples" in shown
        assert "%" in shown

    def test_short_work_does_not(self, files):
        _, shown = _on_a_terminal([*RUN, "linear", "--json"])
        assert shown.startswith("{")
        assert "%" not in shown


def test_the_bar_is_removed_when_work_ends_early(monkeypatch):
    monkeypatch.setattr(progress, "_QUIET_SECONDS", 0.0)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    bar = progress.Progress("examples")

    def work():
        with bar:
            bar(1, 10)
            assert bar._bar.live.is_started
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
    assert not bar._bar.live.is_started
