"""`azc`: finds the command, runs it, makes of what it raises a message and an exit code."""

from __future__ import annotations

import importlib
import io
import os
import sys
import warnings
from collections.abc import Sequence
from typing import Any

import click

from azc.cli.base import Command, debug_option
from azc.cli.failures import report, styled
from azc.errors import AzcWarning, expected, nearest
from azc.version import VERSION

__all__ = ["cli", "main"]

_PREFIX, _SUFFIX = "command_", ".py"


class Commands(click.Group):
    """A group whose commands are the modules ``command_*`` beside this one, imported on demand."""

    def list_commands(self, context: click.Context) -> list[str]:
        files = os.listdir(os.path.dirname(__file__))
        modules = (f for f in files if f.startswith(_PREFIX) and f.endswith(_SUFFIX))
        return sorted(f.removeprefix(_PREFIX).removesuffix(_SUFFIX) for f in modules)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in self.list_commands(context):
            return None
        command = importlib.import_module(f"azc.cli.{_PREFIX}{name}").command
        assert isinstance(command, Command)
        return command

    def resolve_command(
        self, context: click.Context, arguments: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name, known = arguments[0], self.list_commands(context)
        if name not in known and not name.startswith("-"):
            do = nearest(name, known) or f"the commands are {', '.join(known)}"
            raise click.UsageError(expected("a command", repr(name), do), context)
        return super().resolve_command(context, arguments)


@click.group(
    cls=Commands,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="'azc COMMAND --help' explains a command and gives examples of it.",
)
@click.version_option(VERSION, prog_name="azc", message="%(prog)s %(version)s")
@debug_option
@click.pass_context
def cli(context: click.Context) -> None:
    """Write, train and search for machine-learning algorithms made of 65 mathematical ops."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code. `arguments` are those after ``azc``."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    # Looked for here, so that it also holds for errors in the arguments themselves.
    debug = "--debug" in (given[: given.index("--")] if "--" in given else given)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            # Closed by who started azc, who wants to see nothing.
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
        if isinstance(stream, io.TextIOWrapper):
            # A name that the terminal cannot show must not end the work.
            stream.reconfigure(errors="backslashreplace")
    try:
        with warnings.catch_warnings():
            if not debug:
                warnings.simplefilter("ignore")
            _show_own_warnings()
            code = cli.main(given, prog_name="azc", standalone_mode=False, obj=debug)
        sys.stdout.flush()
    except BaseException as error:
        return report(error, debug)
    return code if isinstance(code, int) else 0


def _show_own_warnings() -> None:
    """Until the caller's `catch_warnings` ends: azc's own warnings become messages, each said
    once, wherever in the code it arises."""
    others, said = warnings.showwarning, set()

    def show(message: Warning | str, category: type[Warning], *where: Any, **details: Any) -> None:
        if not issubclass(category, AzcWarning):
            others(message, category, *where, **details)
        elif (text := str(message)) not in said:
            said.add(text)
            click.echo(styled(text, "warning"), err=True)

    warnings.simplefilter("always", AzcWarning)
    warnings.showwarning = show
