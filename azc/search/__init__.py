"""Evolving programs on tasks.

>>> from azc.search import Search
>>> search = Search.from_toml("demo")
"""

from azc.search.report import Best, Counts, Outcome, Report
from azc.search.search import Search
from azc.search.settings import Settings

__all__ = ["Best", "Counts", "Outcome", "Report", "Search", "Settings"]
