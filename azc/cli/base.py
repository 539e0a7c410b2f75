"""What commands are made of: their class, `--debug`, and types of options with like messages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from azc.errors import expected, nearest

__all__ = ["Command", "OneOf", "Positive", "Whole", "debug_option", "json_option", "quoted"]

if TYPE_CHECKING:
    _WholeType = click.ParamType[int]
    _NumberType = click.ParamType[float]
    _NameType = click.ParamType[str]
else:
    # Older releases of click do not say what a type makes.
    _WholeType = _NumberType = _NameType = click.ParamType

debug_option = click.option(
    "--debug", is_flag=True, expose_value=False, help="Show the traceback of an error."
)
json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON document on standard output."
)


class Command(click.Command):
    """A command that takes `--debug` and shows `examples`, line by line, under its help."""

    def __init__(self, *args: Any, examples: str = "", **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.examples = examples
        debug_option(self)

    def format_epilog(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Examples"):
            for line in self.examples.strip().splitlines():
                formatter.write(f"{'':{formatter.current_indent}}{line.strip()}\n")


class Whole(_WholeType):
    """A whole number from `low` to `high`."""

    name = "whole number"

    def __init__(self, low: int, high: int) -> None:
        self.low, self.high = low, high

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            number = int(value)
        except ValueError:
            number = None
        if number is None or not self.low <= number <= self.high:
            self.fail(
                expected(f"a whole number from {self.low} to {self.high}", quoted(value)),
                param,
                ctx,
            )
        return number


class Positive(_NumberType):
    """A number above 0; infinity is one."""

    name = "number"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        try:
            number = float(value)
        except ValueError:
            number = 0.0
        if not number > 0.0:
            self.fail(expected("a number above 0", quoted(value)), param, ctx)
        return number


class OneOf(_NameType):
    """One of the names that `names()` returns; asked only when one is given or help is shown."""

    name = "choice"

    def __init__(self, names: Callable[[], Sequence[str]]) -> None:
        self.names = names

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        return "|".join(self.names())

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        names = self.names()
        if value not in names:
            what = f"one of {', '.join(names)}"
            self.fail(expected(what, quoted(value), nearest(str(value), names)), param, ctx)
        return str(value)


def quoted(value: object) -> str:
    """`value` as messages quote it: of any length, in one short line."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}…"
