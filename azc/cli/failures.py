"""From exceptions to what a user sees of them: a message on standard error and an exit code.

0 done, 1 the work failed, 2 the input or the options are wrong, 130 interrupted.
"""

from __future__ import annotations

import errno
import os
import sys
import traceback

import click

from azc.errors import AzcError, CompileError, ResourceError, StateError

__all__ = ["FAILED", "WRONG_INPUT", "report", "show_error", "styled"]

FAILED, WRONG_INPUT, INTERRUPTED = 1, 2, 130

#: Names may have any length; a line of a message has not.
_MOST_CHARACTERS = 1200

#: What a path of the user's can be the cause of; other system errors mean that the work failed.
_PATH_ERRORS = frozenset(
    {
        errno.ENOENT,
        errno.EACCES,
        errno.EPERM,
        errno.EISDIR,
        errno.ENOTDIR,
        errno.EROFS,
        errno.ENAMETOOLONG,
        errno.ELOOP,
        errno.EINVAL,
    }
)


def report(error: BaseException, debug: bool) -> int:
    """Say what went wrong, with the traceback if `debug`; returns the exit code."""
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else FAILED
    if isinstance(error, OSError):
        _give_up_output()
    if isinstance(error, BrokenPipeError):
        return FAILED  # who reads our output has gone
    if debug:
        traceback.print_exception(error)
    message, code = _describe(error)
    show_error(message)
    return code


def _give_up_output() -> None:
    """Drop what standard output cannot take: the interpreter would try, and fail, again at exit."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def show_error(message: str) -> None:
    """Print `message`, marked as an error unless it is marked, and says where, already."""
    click.echo(styled(message, "error"), err=True)


def styled(message: str, severity: str) -> str:
    """`message` with its severity before it, in colour if standard error is a terminal for it."""
    mark = f"{severity}:"
    if f": {mark} " not in message.partition("\n")[0]:
        message = f"{mark} {message}"
    message = "\n".join(map(_readable, message.split("\n")))
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    if plain or not sys.stderr.isatty():
        return message
    colour = "red" if severity == "error" else "yellow"
    return message.replace(mark, click.style(mark, fg=colour, bold=True), 1)


def _readable(line: str) -> str:
    """`line` without what a terminal would act on, and without the middle if it is endless."""
    if len(line) > _MOST_CHARACTERS:
        half = _MOST_CHARACTERS // 2
        line = f"{line[:half]} … {line[-half:]}"
    return "".join(char if char.isprintable() or char == "\t" else "\ufffd" for char in line)


def _describe(error: BaseException) -> tuple[str, int]:
    if isinstance(error, click.exceptions.Abort) and isinstance(error.__cause__, EOFError):
        error = error.__cause__
    if isinstance(error, (click.exceptions.Abort, KeyboardInterrupt)):
        return "interrupted", INTERRUPTED
    if isinstance(error, click.UsageError):
        return _describe_usage(error), WRONG_INPUT
    if isinstance(error, click.ClickException):
        return error.format_message(), error.exit_code
    full = isinstance(error, StateError) and error.full
    if full or isinstance(error, (ResourceError, CompileError)):
        return str(error), FAILED
    if isinstance(error, (AzcError, UnicodeError)):
        return str(error), WRONG_INPUT
    if isinstance(error, OSError):
        file = f"{error.filename}: " if error.filename is not None else ""
        code = WRONG_INPUT if error.errno in _PATH_ERRORS else FAILED
        return f"{file}{error.strerror or error}", code
    if isinstance(error, MemoryError):
        return "out of memory; use fewer tasks, examples or features", FAILED
    name = type(error).__name__
    return f"azc itself failed ({name}: {error}); run it with --debug to see where", FAILED


def _describe_usage(error: click.UsageError) -> str:
    if isinstance(error, click.NoSuchOption):
        message = f"expected a known option, got {error.option_name!r}"
        if error.possibilities:
            message += f"; did you mean {error.possibilities[0]}?"
    elif isinstance(error, click.MissingParameter) and error.param is not None:
        option = isinstance(error.param, click.Option)
        name = error.param.opts[0] if option else error.param.human_readable_name
        message = f"expected {name}, got none"
    elif isinstance(error, click.BadParameter) and error.param is not None:
        message = f"{error.param.opts[0]}: {error.message}"
    else:
        message = error.format_message()
    if error.ctx is not None:
        message += f"\ntry '{error.ctx.command_path} --help'"
    return message
