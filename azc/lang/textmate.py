"""Writes grammar/az.tmLanguage.json, by which editors colour .az files: ``python -m
azc.lang.textmate >grammar/az.tmLanguage.json``."""

from __future__ import annotations

import json
from typing import Any

from azc.lang.colours import QUOTES, RULES, SCOPES

__all__ = ["grammar"]


def grammar() -> str:
    """The whole grammar, JSON."""
    patterns: list[dict[str, Any]] = [_text(quote) for quote in QUOTES]
    patterns += [{"match": pattern, "name": SCOPES[name]} for pattern, name in RULES]
    head = {"name": "AutoML-Zero program", "scopeName": "source.az", "fileTypes": ["az"]}
    return json.dumps({**head, "patterns": patterns}, indent=2) + "\n"


def _text(quote: str) -> dict[str, Any]:
    # What is not closed in its line ends there, lest it take in the rest of the file.
    end = quote if len(quote) == 3 else f"{quote}|$"
    escape = {"match": r"\\.", "name": SCOPES["text"]}
    return {"begin": quote, "end": end, "name": SCOPES["text"], "patterns": [escape]}


if __name__ == "__main__":
    print(grammar(), end="")
