"""Evolving programs on tasks.

>>> from azc.search import Search
>>> search = Search.from_toml("demo")
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from azc.search.report import Best, Counts, Outcome, Report

if TYPE_CHECKING:
    from azc.search.search import Search
    from azc.search.settings import Settings

__all__ = ["Best", "Counts", "Outcome", "Report", "Search", "Settings"]

# Imported on first use: who reads what a search left needs neither.
_HOME = {"Search": "azc.search.search", "Settings": "azc.search.settings"}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        value = getattr(importlib.import_module(_HOME[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'azc.search' has no attribute {name!r}")
