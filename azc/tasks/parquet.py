"""Tables in Parquet files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from azc.errors import TaskError, expected
from azc.tasks.categories import assembled
from azc.tasks.reading import memory_limit, reading, refuse_page
from azc.tasks.tables import Choose, Table, refuse_entry, refuse_texts

__all__ = ["read_parquet"]


def read_parquet(path: Path, choose: Choose, gaps: bool) -> Table:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        do = "pip install 'azc[parquet]', or convert it to .csv"
        raise TaskError(expected(f"pyarrow to read {path}", "no such package", do)) from None
    try:
        with reading(path, "a Parquet file"), path.open("rb") as start:
            refuse_page(path, start.read(512))
        with reading(path, "a Parquet file"), pq.ParquetFile(path) as file:
            schema = file.schema_arrow
            names = list(schema.names)
            columns = choose(names, _index_columns(schema))
            label = columns.label
            rows = file.metadata.num_rows
            if not rows:
                raise TaskError(expected(f"rows in {path}", "none"))
            used = [*columns.features, *columns.encode, *([] if label is None else [label])]
            if 8 * rows * len(used) > memory_limit() // 2:
                got = f"{rows:,} rows of {len(used)} columns"
                raise TaskError(expected(f"{path} to fit in memory", got))
            texts = [i for i in columns.features if not _is_numeric(pa, schema.types[i])]
            if texts:
                refuse_texts(path, [names[i] for i in texts], str(schema.types[texts[0]]))
            table = file.read(columns=[names[i] for i in used])
            if len(table.column_names) < len(used):  # a name that reads as a path into a column
                table = file.read()
        numeric = np.empty((rows, len(columns.features)))
        for column, i in enumerate(columns.features):
            numeric[:, column] = _column(pa, path, names[i], table.column(names[i]), gaps)
        words = {i: _words(pa, table.column(names[i])) for i in columns.encode}
        features, X, encoded = assembled(path, names, columns, numeric, words, gaps)
        if label is None:
            return Table(path, "", features, X, None, None, is_class=False, encoded=encoded)
        values = _column(pa, path, names[label], table.column(names[label]))
    except pa.ArrowException as error:
        got = str(error).split("\n")[0][:200]
        raise TaskError(expected(f"{path} to be a Parquet file", got, "save it again")) from None
    is_text = values.dtype.kind == "U"
    return Table(
        path,
        names[label],
        features,
        X,
        values if is_text else None,
        None if is_text else values,
        is_class=is_text or pa.types.is_boolean(table.column(names[label]).type),
        encoded=encoded,
    )


def _words(pa: Any, column: Any) -> list[str]:
    """The entries as a table of text would have them, "" where they are missing."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    return ["" if entry is None else str(entry).strip() for entry in column.to_pylist()]


def _index_columns(schema: Any) -> list[str]:
    """The columns that the writer, pandas, says are its index."""
    try:
        columns = (schema.pandas_metadata or {}).get("index_columns", [])
    except (ValueError, AttributeError):  # metadata that are no JSON, or no object
        return []
    # A range is kept as an object instead of a column.
    return [name for name in columns if isinstance(name, str)] if isinstance(columns, list) else []


def _is_numeric(pa: Any, kind: Any) -> bool:
    is_a = pa.types
    checks = (is_a.is_integer, is_a.is_floating, is_a.is_boolean, is_a.is_decimal)
    return any(check(kind) for check in checks)


def _column(
    pa: Any, path: Path, name: str, column: Any, gaps: bool | None = None
) -> npt.NDArray[Any]:
    """(n,) float64, or texts for a column of texts; nothing missing, or NaN for `gaps`, which is
    None for a target."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.cast(kind.value_type), kind.value_type
    if column.null_count and not gaps:
        row = next(i for i, valid in enumerate(column.is_valid().to_pylist()) if not valid)
        numeric = _is_numeric(pa, kind)
        what = "a number" if numeric else "a label"
        refuse_entry(path, name, row, None, what, missing=gaps is False)
    if _is_numeric(pa, kind):
        values: npt.NDArray[Any] = column.cast(pa.float64(), safe=False).to_numpy()
        bad = np.isinf(values) if gaps else ~np.isfinite(values)
        if bad.any():
            row = int(np.argmax(bad))
            got = float(values[row])
            refuse_entry(path, name, row, got, missing=got != got and gaps is False)
        return values
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return np.array(column.to_pylist(), dtype=str)
    do = "use numbers, booleans or texts"
    raise TaskError(expected(f"numbers or texts in column {name!r} of {path}", kind, do))
