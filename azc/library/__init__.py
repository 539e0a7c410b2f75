"""Programs that come with azc: text files beside this module.

>>> from azc import library
>>> program = library.load("linear")
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from azc.errors import ConfigError, expected, nearest

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

    from azc.ops import Type
    from azc.program import Program

__all__ = ["load", "names", "path", "text"]

_SUFFIX = ".az"


def names() -> list[str]:
    """The names of all programs, sorted."""
    files = (entry.name for entry in _folder().iterdir())
    return sorted(name.removesuffix(_SUFFIX) for name in files if name.endswith(_SUFFIX))


def path(name: str) -> Traversable:
    """Where the program called `name` is; raises `ConfigError` for a name that is none."""
    known = names()
    if name not in known:
        do = nearest(name, known) or "azc library lists them"
        raise ConfigError(expected("the name of a program in the library", repr(name), do))
    return _folder() / f"{name}{_SUFFIX}"


def text(name: str) -> str:
    """The text of the program called `name`, as it stands in its file."""
    return path(name).read_bytes().decode("utf-8")


def load(name: str, limits: dict[Type, int] | None = None) -> Program:
    """The program called `name`; `limits` is the number of addresses of each type in force."""
    return _parsed(name, None if limits is None else tuple(limits.items()))


@cache  # programs do not change, and an estimator asks for the same ones at every fit
def _parsed(name: str, limits: tuple[tuple[Type, int], ...] | None) -> Program:
    from azc.lang import parse

    return parse(text(name), f"{name}{_SUFFIX}", None if limits is None else dict(limits))


def _folder() -> Traversable:
    # Imported here: it costs as much time as the rest of a short command.
    from importlib.resources import files

    return files(__name__)
