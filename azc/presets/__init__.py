"""Search files that come with azc: the paper's experiments and others, texts beside this module.

>>> from azc import presets
>>> text = presets.text("demo")

Programs that they start from lie beside them.
"""

from __future__ import annotations

from importlib.resources import files
from itertools import takewhile
from typing import TYPE_CHECKING

from azc.errors import ConfigError, expected, nearest

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

__all__ = ["doc", "names", "path", "text"]

_SUFFIX = ".toml"


def names() -> list[str]:
    """The names of all presets, sorted."""
    entries = (entry.name for entry in files(__name__).iterdir())
    return sorted(name.removesuffix(_SUFFIX) for name in entries if name.endswith(_SUFFIX))


def path(name: str) -> Traversable:
    """Where the preset called `name` is; raises `ConfigError` for a name that is none."""
    known = names()
    if name not in known:
        do = nearest(name, known) or "azc presets lists them"
        raise ConfigError(expected("the name of a preset", repr(name), do))
    return files(__name__) / f"{name}{_SUFFIX}"


def text(name: str) -> str:
    """The text of the preset called `name`, as it stands in its file."""
    return path(name).read_bytes().decode("utf-8")


def doc(name: str) -> str:
    """What the preset called `name` is: the comment at the head of its file."""
    head = takewhile(lambda line: line.startswith("#"), text(name).splitlines())
    return "\n".join(line.removeprefix("#").strip() for line in head)
