"""`azc cache`: the compiled programs that are kept on disk."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from azc.cli.base import Command, json_option
from azc.cli.failures import FAILED, show_error, styled
from azc.cli.output import Column, print_json, print_table

if TYPE_CHECKING:
    from azc.compiler.cache import Cache, Entry

_EXAMPLES = """
azc cache
azc cache --json
azc cache --clear
"""
#: Modules in the table.
_MOST_ROWS = 20


@click.command("cache", cls=Command, examples=_EXAMPLES)
@click.option("--clear", is_flag=True, help="Remove everything.")
@json_option
@click.pass_context
def command(context: click.Context, clear: bool, as_json: bool) -> None:
    """Show or clear the cache of compiled programs.

    It is in the user's folder for caches, or in the one that AZC_CACHE_DIR names.
    """
    from azc.compiler.cache import Cache

    cache = Cache()
    if not clear:
        _show(cache, as_json)
        return
    freed = cache.clear()
    if as_json:
        document = {"directory": str(cache.directory), "freed": freed, "problem": cache.problem}
        print_json(document)
    elif not cache.problem:
        click.echo(f"{_size(freed)} removed from {cache.directory}")
    if cache.problem:
        show_error(cache.problem)
        context.exit(FAILED)


def _show(cache: Cache, as_json: bool) -> None:
    modules = cache.entries()
    if as_json:
        print_json(_document(cache, modules))
    else:
        size = sum(module.bytes for module in modules)
        functions = sum(module.functions for module in modules)
        counts = f"{_count(len(modules), 'module')} with {_count(functions, 'function')}"
        click.echo(str(cache.directory))
        click.echo(f"{counts}, {_size(size)} of at most {_size(cache.limit)}")
        if modules:
            click.echo()
            _print_modules(modules[:_MOST_ROWS])
        if (left := len(modules) - _MOST_ROWS) > 0:
            click.echo(f"and {left} more, used longer ago; 'azc cache --json' has them all")
    if cache.problem:
        click.echo(styled(cache.problem, "warning"), err=True)


def _print_modules(modules: list[Entry]) -> None:
    titles = ("functions", "size", "created", "last used")
    rows = [
        [
            module.name,
            str(module.functions) if module.sound else "",
            _size(module.bytes),
            _time(module.created),
            _time(module.last_used),
            "yes" if module.sound else "no",
        ]
        for module in modules
    ]
    numbers = [Column(title, right=True) for title in titles]
    print_table([Column("module"), *numbers, Column("sound")], rows)


def _document(cache: Cache, modules: list[Entry]) -> dict[str, Any]:
    return {
        "directory": str(cache.directory),
        "limit": cache.limit,
        "size": sum(module.bytes for module in modules),
        "functions": sum(module.functions for module in modules),
        "problem": cache.problem,
        "modules": [
            {
                "name": module.name,
                "functions": module.functions,
                "bytes": module.bytes,
                "created": module.created,
                "last_used": module.last_used,
                "sound": module.sound,
            }
            for module in modules
        ],
    }


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _size(number: float) -> str:
    for unit in ("bytes", "KiB", "MiB"):
        if number < 1024:
            return f"{number:.0f} {unit}"
        number /= 1024
    return f"{number:.1f} GiB"


def _time(seconds: float) -> str:
    try:
        return datetime.fromtimestamp(seconds).strftime("%Y-%m-%d %H:%M")
    except (OverflowError, OSError, ValueError):
        return "unknown"
