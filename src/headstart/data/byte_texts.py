"""Columns of bytes that hold texts, as Spark and some databases write them: read as texts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

#: Rows that are looked at: the first decides against a column of pictures, which are large.
_ROWS = (1, 16)
#: Share of the values that are texts in a column of texts; others are faults of their records.
_SHARE = 0.75
_BREAKS = frozenset(b"\t\n\v\f\r")

#: Gives the first rows, as many as asked for, of some columns; None where there is no row.
First = Callable[[list[str], int], "pa.RecordBatch | pa.Table | None"]


def text_columns(schema: pa.Schema, first: First) -> frozenset[str]:
    """Return the names of the columns of bytes, or of lists of them, that hold texts in UTF-8."""
    names = [field.name for field in schema if _is_bytes(field.type)]
    for count in _ROWS:
        batch = first(names, count) if names else None
        if batch is None:
            return frozenset()
        found = {name: list(_values(batch[name].to_pylist())) for name in names}
        may_be_empty = count < max(_ROWS)
        names = [name for name, values in found.items() if _are_texts(values, may_be_empty)]
    return frozenset(names)


def decoded(value: Any) -> Any:
    """Return bytes as a text, in lists as well; those that are not UTF-8 as they are."""
    if isinstance(value, list):
        return [decoded(each) for each in value]
    if not isinstance(value, bytes):
        return value
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value


def read_schema(file: str | Path) -> pa.Schema:
    """Return the columns of a Parquet file or an Arrow stream; those of texts in bytes as texts.

    Raises:
        OSError: it cannot be read.
        pyarrow.ArrowException: it is broken.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if str(file).lower().endswith(".parquet"):
        with pq.ParquetFile(file) as stored:
            schema = stored.schema_arrow
            texts = text_columns(
                schema, lambda names, count: next(stored.iter_batches(count, columns=names), None)
            )
    else:
        with pa.memory_map(str(file)) as mapped, pa.ipc.open_stream(mapped) as stream:
            schema, batch = stream.schema, next(iter(stream), None)
            texts = text_columns(schema, lambda names, count: batch and batch[:count])
    return pa.schema(
        [pa.field(one.name, pa.string()) if one.name in texts else one for one in schema]
    )


def _is_bytes(kind: pa.DataType) -> bool:
    from pyarrow import types

    if types.is_dictionary(kind) or types.is_list(kind) or types.is_large_list(kind):
        return _is_bytes(kind.value_type)
    tests = (types.is_binary, types.is_large_binary, types.is_binary_view)
    return any(test(kind) for test in (*tests, types.is_fixed_size_binary))


def _values(values: list[Any]) -> Iterator[bytes]:
    for value in values:
        if isinstance(value, list):
            yield from _values(value)
        elif value:
            yield value


def _are_texts(values: list[bytes], may_be_empty: bool) -> bool:
    if not values:
        return may_be_empty
    return sum(map(_is_text, values)) >= _SHARE * len(values)


def _is_text(value: bytes) -> bool:
    """Return whether bytes are UTF-8 without control characters; no picture is."""
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return all(byte >= 32 or byte in _BREAKS for byte in value)
