"""What exported files say of the program they are made of."""

from __future__ import annotations

from azc.use.export.subject import Subject

__all__ = ["docstring", "in_comment", "indented_listing"]


def docstring(subject: Subject) -> str:
    """The program's own words for a docstring of Python's, with an empty line behind them."""
    text = _printable(subject.program.doc.strip())
    text = text.replace("\\", "\\\\").replace('"""', "'''")
    return f"{text}\n\n" if text else ""


def in_comment(text: str) -> str:
    """The text for a comment of C's, which it does not end."""
    text = _printable(text).replace("*/", "* /").replace("/*", "/ *")
    # At the end of a line it would join the next to it; trigraphs are its old spelling.
    return text.replace("\\", "/").replace("??", "? ?")


def indented_listing(subject: Subject) -> str:
    """The live instructions, as azc writes them."""
    lines = (f"    {line}".rstrip() for line in subject.listing.splitlines())
    return "As azc writes it:\n\n" + "\n".join(lines) + "\n"


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() or char == "\n" else "?" for char in text)
