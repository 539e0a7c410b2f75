"""Tables as text: .csv and .tsv, packed or not, of any separator and encoding."""

from __future__ import annotations

import codecs
import csv
import io
import itertools
import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from azc.errors import TaskError, expected
from azc.tasks.categories import assembled
from azc.tasks.reading import decompressed, memory_limit, reading
from azc.tasks.tables import (
    MISSING,
    Choose,
    Columns,
    Table,
    number,
    refuse_entry,
    refuse_texts,
)
from azc.tasks.task import Array

__all__ = ["read_delimited"]

_CHUNK = 8192
_WHAT = "a CSV file"


def read_delimited(
    path: Path, choose: Choose, gaps: bool, separator: str | None, encoding: str | None
) -> Table:
    mark = _separator(path, separator)
    # Spreadsheets put a byte order mark before UTF-8.
    codec = _codec(encoding) if encoding is not None else "utf-8-sig"
    with (
        reading(path, _WHAT),
        decompressed(path, memory_limit() // 4, "use fewer rows") as stream,
    ):
        if (first := stream.peek(4)[:4]).startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
            got = "a spreadsheet or archive"
            raise TaskError(expected(f"{path} to be {_WHAT}", got, "save the sheet as CSV"))
        try:
            text = io.TextIOWrapper(stream, encoding=codec, newline="")
            lines = csv.reader(text, strict=True, delimiter=mark)
            return _parse(path, lines, choose, gaps, mark)
        except (UnicodeError, csv.Error) as error:
            do = "save it as UTF-8, or give its encoding, such as latin-1"
            if first.startswith((b"\xff\xfe", b"\xfe\xff")):
                do = "give encoding utf-16"
            if isinstance(error, csv.Error):
                do = "quotes around an entry must be closed; another separator may be needed"
            raise TaskError(expected(f"{path} to be {_WHAT}", error, do)) from None


def _separator(path: Path, given: str | None) -> str:
    if given is None:
        return "\t" if ".tsv" in path.suffixes[-2:] or ".TSV" in path.suffixes[-2:] else ","
    mark = "\t" if given in ("tab", "\\t") else given
    if len(mark) != 1 or mark in '"\r\n\0':
        raise TaskError(expected("separator to be one character, or tab", repr(given)))
    return mark


def _codec(encoding: str) -> str:
    try:
        codec = codecs.lookup(encoding)
    except (LookupError, ValueError):
        codec = None
    if codec is None or not getattr(codec, "_is_text_encoding", True):
        do = "such as utf-8, latin-1, cp1252 or utf-16"
        raise TaskError(expected("encoding to be one that Python knows", repr(encoding), do))
    return "utf-8-sig" if codec.name == "utf-8" else codec.name


def _parse(path: Path, lines: Iterator[list[str]], choose: Choose, gaps: bool, mark: str) -> Table:
    names = next(lines, None)
    if not names:
        raise TaskError(expected(f"a header line in {path}", "an empty line or file"))
    if all(number(name) is not None for name in names):
        do = "put the columns' names into the first line"
        raise TaskError(expected(f"a header line in {path}", f"numbers ({names[0]}, …)", do))
    if len(names) == 1 and (others := [other for other in ",;\t|" if other in names[0]]):
        what = f"columns separated by {_named(mark)} in {path}"
        do = f"give separator {_named(others[0])}, as --separator {_quoted(others[0])}"
        raise TaskError(expected(what, repr(names[0][:40]), do))
    columns = choose(names, ())
    label = columns.label
    blocks: list[Array] = []
    texts: list[str] = []
    words: dict[int, list[str]] = {position: [] for position in columns.encode}
    rows = (line for line in lines if line)
    start = 0
    while chunk := list(itertools.islice(rows, _CHUNK)):
        for row, line in enumerate(chunk, start):
            if len(line) != len(names):
                what = f"{len(names)} entries in row {row} of {path}"
                raise TaskError(expected(what, len(line)))
        if label is not None:
            texts += [line[label].strip() for line in chunk]
        for position, entries in words.items():
            entries += [line[position].strip() for line in chunk]
        blocks.append(_floats(path, names, columns, chunk, start, gaps))
        start += len(chunk)
    if not blocks:
        raise TaskError(expected(f"rows below the header of {path}", "none"))
    numeric = np.concatenate(blocks)
    features, X, encoded = assembled(path, names, columns, numeric, words, gaps)
    if label is None:
        return Table(path, "", features, X, None, None, is_class=False, encoded=encoded)
    parsed = [number(text) for text in texts]
    numbers = [value for value in parsed if value is not None]
    complete = len(numbers) == len(texts)
    return Table(
        path,
        names[label],
        features,
        X,
        np.array(texts),
        np.array(numbers) if complete else None,
        # Mostly numbers: the others are slips or missing values, unless classes are asked for.
        is_class=2 * len(numbers) <= len(texts),
        encoded=encoded,
    )


def _named(mark: str) -> str:
    return {",": "commas", "\t": "tab"}.get(mark, repr(mark))


def _quoted(mark: str) -> str:
    """As a shell takes it."""
    return {"\t": "tab", ",": ","}.get(mark, f"'{mark}'")


def _is_text(chunk: list[list[str]], column: int) -> bool:
    """Whether some entry is neither a number nor missing."""
    entries = {line[column].strip() for line in chunk}
    return any(number(text) is None and text.lower() not in MISSING for text in entries)


def _floats(
    path: Path,
    names: Sequence[str],
    columns: Columns,
    chunk: list[list[str]],
    start: int,
    gaps: bool,
) -> Array:
    """(rows, F) numbers of a chunk of lines, whose first row is `start`; NaN for `gaps`."""
    features = columns.features
    try:
        block = np.array([[float(line[i]) for i in features] for line in chunk])
        if np.isfinite(block).all() and not any("_" in line[i] for line in chunk for i in features):
            return block
    except ValueError:
        pass
    block = np.empty((len(chunk), len(features)))
    for row, line in enumerate(chunk, start):
        for column, i in enumerate(features):
            value = number(line[i])
            missing = line[i].strip().lower() in MISSING
            if value is None and not missing:
                got = f"{line[i]!r} in row {row}"
                if re.fullmatch(r"\s*[+-]?\d+,\d+\s*", line[i]):
                    what = f"numbers in column {names[i]!r} of {path}"
                    raise TaskError(expected(what, got, "write decimals with a point"))
                refuse_texts(path, [names[k] for k in features if _is_text(chunk, k)], got)
            if not (missing and gaps) and (value is None or not math.isfinite(value)):
                refuse_entry(path, names[i], row, line[i], missing=missing)
            block[row - start, column] = math.nan if value is None else value
    return block
