"""Search files as text: read, parsed, changed key by key, the paths in them made absolute.

What the tables mean is in `azc.search.settings`.
"""

from __future__ import annotations

import copy
import os
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from azc import library, presets
from azc.errors import AzcError, ConfigError, Diagnostic, expected, nearest
from azc.lang import parse
from azc.lang.source import read_source
from azc.ops import Type
from azc.program import Program
from azc.tasks.spec import FILE_SUFFIXES

__all__ = [
    "apply_override",
    "find",
    "load_program",
    "locate",
    "parsed",
    "read",
    "steps_of",
    "with_paths",
]

_MAX_BYTES = 1 << 20
_PROGRAM_SUFFIX = ".az"
_STEP = re.compile(r"([^\[\]]+)((?:\[\d{1,9}\])*)")
_NUMBER = re.compile(r"\d+")
_PLACE = re.compile(r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", re.DOTALL)


def find(path: str | os.PathLike[str]) -> tuple[Path, str]:
    """The file at `path` if there is one, else the preset of that name, and what messages call it.

    Raises `ConfigError`.
    """
    if not isinstance(path, (str, os.PathLike)):
        what = "a search file, the name of a preset or a dict of settings"
        raise ConfigError(expected(what, type(path).__name__))
    name = os.fspath(path)
    if os.path.exists(name) and not os.path.isdir(name):
        return Path(name), name
    if name in presets.names():
        file = Path(str(presets.path(name)))
        return file, file.name
    if os.path.isdir(name):
        raise ConfigError(expected("a search file", f"the folder {name!r}"))
    do = nearest(name, presets.names()) or "there is no such file, and azc presets lists the names"
    raise ConfigError(expected("a search file or the name of a preset", repr(name), do))


def read(path: Path, name: str) -> dict[str, Any]:
    """The tables in the file at `path`, which messages call `name`.

    Raises `ConfigError`, with line and column of what is not TOML.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{name}: {expected('a search file', error.strerror)}") from None
    if len(data) > _MAX_BYTES:
        raise ConfigError(f"{name}: {expected(f'at most {_MAX_BYTES} bytes', 'more')}")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        message = expected("UTF-8 text", f"byte 0x{data[error.start]:02x}", "save it as UTF-8")
        raise ConfigError(str(Diagnostic(message, name, line))) from None
    return parsed(text, name)


def parsed(text: str, name: str) -> dict[str, Any]:
    """The tables in `text`, as `read` gives them."""
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ConfigError(f"{name}: {expected('valid TOML', 'brackets too deep')}") from None
    except ValueError as error:  # among them numbers too long for Python, which have no line
        raise ConfigError(_syntax_error(str(error), text, name)) from None


def _syntax_error(message: str, text: str, filename: str) -> str:
    match = _PLACE.fullmatch(message)
    if match is None:
        return f"{filename}: {expected('valid TOML', message)}"
    lines = text.replace("\r\n", "\n").split("\n")
    line = int(match[2]) if match[2] else len(lines)
    source = lines[min(line, len(lines)) - 1]
    column = int(match[3]) if match[3] else len(source) + 1
    rest = source[column - 1 :].rstrip()
    if rest:
        got = repr(rest if len(rest) <= 40 else f"{rest[:39]}…")
    else:
        got = "the end of the line" if match[2] else "the end of the file"
    what = expected("valid TOML", got, match[1][:1].lower() + match[1][1:])
    return str(Diagnostic(what, filename, line, column, source))


def apply_override(tables: dict[str, Any], text: str) -> None:
    """Change `tables` as `text` says, ``KEY.PATH=VALUE``.

    The value is TOML, or else a text without quotes; no value takes the key away. A path is
    relative to the current folder, since it was not written in the file. Raises `ConfigError`.
    """
    key, equals, given = text.partition("=")
    steps = steps_of(key)
    if not equals or not steps:
        raise ConfigError(expected("KEY=VALUE, such as search.seed=3", repr(text)))
    change: Any = _value(given)
    for step in reversed(steps):
        change = {step: change} if isinstance(step, str) else [change]
    change = locate(change, os.getcwd())
    table: Any = tables
    for depth, step in enumerate(steps, start=1):
        _check_holds(table, step, steps[: depth - 1])
        change = change[step if isinstance(step, str) else 0]
        if isinstance(table, list) and step == len(table):
            table.append({})
        if depth == len(steps):
            break
        if isinstance(step, str):
            table.setdefault(step, {} if isinstance(steps[depth], str) else [])
        table = table[step]
    if given.strip():
        table[step] = change
    elif isinstance(step, int):
        del table[step]
    else:
        table.pop(step, None)


def steps_of(path: str) -> list[str | int]:
    """The keys and numbers in a path such as ``islands[1].tasks.search.task``; none if it is no
    path."""
    steps: list[str | int] = []
    for part in path.split("."):
        match = _STEP.fullmatch(part.strip())
        if not match:
            return []
        steps += [match[1], *map(int, _NUMBER.findall(match[2]))]
    return steps


def _check_holds(table: Any, step: str | int, before: Sequence[str | int]) -> None:
    """Raise `ConfigError` unless `step` can be in `table`, which is at the steps `before`."""
    path = "".join(f".{one}" if isinstance(one, str) else f"[{one}]" for one in before)[1:]
    if isinstance(step, str):
        if not isinstance(table, dict):
            raise ConfigError(f"{path}: {expected('a table', repr(table))}")
    elif not isinstance(table, list):
        raise ConfigError(f"{path}: {expected('a list', repr(table))}")
    elif step > len(table):
        what = f"a number up to {len(table)}, which adds one" if table else "0, which is the first"
        raise ConfigError(f"{path}[{step}]: {expected(what, step)}")


def _value(text: str) -> Any:
    try:
        tables = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text.strip()
    # A line break in it could begin another key: then it is no single value.
    return tables["value"] if len(tables) == 1 else text.strip()


def locate(tables: Mapping[str, Any], folder: str | os.PathLike[str]) -> dict[str, Any]:
    """A copy of `tables` in which every path is absolute, those that are not being in `folder`."""
    return with_paths(
        tables, lambda path: os.path.abspath(os.path.join(folder, os.path.expanduser(path)))
    )


def with_paths(tables: Mapping[str, Any], change: Callable[[Any], str]) -> dict[str, Any]:
    """A copy of `tables` with ``change(path)`` instead of every path."""
    result = copy.deepcopy(dict(tables))

    def program(value: Any) -> Any:
        if isinstance(value, (list, tuple)):
            return [program(item) for item in value]
        return change(value) if isinstance(value, str) and _is_path(value) else value

    def task(value: Any) -> Any:
        spec = value.strip() if isinstance(value, str) else ""
        return change(spec) if spec.lower().endswith(FILE_SUFFIXES) else value

    def data(value: Any) -> Any:
        return change(value) if isinstance(value, (str, os.PathLike)) else value

    groups = result.get("islands")
    for part in (result, *(groups if isinstance(groups, (list, tuple)) else ())):
        _change(part, ("space", "start"), program)
        _change(part, ("budget", "baseline"), program)
        for which in ("search", "select", "final"):
            _change(part, ("tasks", which, "task"), task)
            _change(part, ("tasks", which, "data"), data)
    return result


def _change(tables: Any, keys: Sequence[str], change: Callable[[Any], Any]) -> None:
    """Replace the value at `keys` by ``change(value)``, if it is there."""
    for key in keys[:-1]:
        tables = tables.get(key) if isinstance(tables, dict) else None
    if isinstance(tables, dict) and keys[-1] in tables:
        tables[keys[-1]] = change(tables[keys[-1]])


def _is_path(name: str) -> bool:
    return name.endswith(_PROGRAM_SUFFIX) or "/" in name or os.sep in name


def load_program(
    name: str, limits: dict[Type, int] | None = None, others: Sequence[str] = ()
) -> Program:
    """The program in the file that `name` is the path of, else the library's of that name.

    `limits` is the number of addresses of each type in force, `others` what else would do
    instead. Raises `AzcError`.
    """
    if _is_path(name):
        source = read_source(name)
        return parse(source.text, source.filename, limits)
    known = library.names()
    if name not in known:
        what = f"the path of an {_PROGRAM_SUFFIX} file or the name of a program in the library"
        alternatives = "".join(f"{other!r}, " for other in others)
        do = nearest(name, [*others, *known]) or "azc library lists the names"
        raise AzcError(expected(alternatives + what, repr(name), do))
    return library.load(name, limits)
