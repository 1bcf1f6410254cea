"""Records on disk: an Arrow file that is written in batches and opened memory-mapped."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from headstart.files import scratch

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.data.field import Field

_ROWS = 8192
#: Characters or bytes of content that are buffered before they are written.
_HELD = 2**24


class RecordWriter:
    """Writes ``id`` and the fields of records; buffers one batch in memory.

    Args:
        path: the Arrow file.
        fields: the columns after ``id``.
        keep: names of those that records have even where none has a value.
    """

    def __init__(self, path: Path, fields: Sequence[Field], keep: Collection[str] = ()) -> None:
        self._fields, self._keep = fields, keep
        columns = [("id", pa.string()), *((field.name, field.type()) for field in fields)]
        self._schema = pa.schema(columns)
        self._writer = pa.ipc.new_stream(str(path), self._schema)
        self._written = 0
        self._size = 0
        self._ids: list[str] = []
        self._columns: list[list[Any]] = [[] for _ in fields]
        self._dropped: list[tuple[int, int]] = []

    @property
    def rows(self) -> int:
        """Rows added so far, the dropped ones included."""
        return self._written + len(self._ids)

    def add(self, ids: Sequence[str], columns: Sequence[Sequence[Any]]) -> int:
        """Append records, given the values of each field; return their approximate bytes."""
        self._ids.extend(ids)
        added = 0
        for field, column, values in zip(self._fields, self._columns, columns, strict=True):
            column.extend(values)
            added += field.sizes(values)
        self._size += added
        if len(self._ids) >= _ROWS or self._size >= _HELD:
            self._flush()
        return added

    def add_arrays(self, ids: pa.Array, columns: Sequence[pa.Array]) -> None:
        """Write records whose columns are Arrow's, at once."""
        self._flush()
        self._writer.write_batch(pa.record_batch([ids, *columns], schema=self._schema))
        self._written += len(ids)

    def drop_since(self, row: int) -> None:
        """Drop every record from ``row`` on: their file proved to be broken."""
        pending = max(0, row - self._written)
        for column in (self._ids, *self._columns):
            del column[pending:]
        if row < self._written:
            self._dropped.append((row, self._written))

    def close(self) -> None:
        """Write what is pending and end the file."""
        self._flush()
        self._writer.close()

    def open(self, path: Path) -> Dataset:
        """Return the records memory-mapped from ``path``.

        A column that is not required and in which no record has a value is left out, unless it is
        one to keep.
        """
        from datasets import Dataset, concatenate_datasets

        records = Dataset.from_file(str(path))
        if self._dropped:
            edges = [0, *(edge for span in self._dropped for edge in span), self._written]
            spans = zip(edges[::2], edges[1::2], strict=True)
            records = concatenate_datasets(
                [records.select(range(start, end)) for start, end in spans if start < end]
            )
        empty = [
            field.name
            for field in self._fields
            if not field.required
            and field.name not in self._keep
            and records.data.column(field.name).null_count == len(records)
        ]
        return records.remove_columns(empty) if empty else records

    def _flush(self) -> None:
        if self._ids:
            columns = [
                pa.array(values, field.type)
                for values, field in zip([self._ids, *self._columns], self._schema, strict=True)
            ]
            self._writer.write_batch(pa.record_batch(columns, schema=self._schema))
            self._written += len(self._ids)
        self._ids, self._columns, self._size = [], [[] for _ in self._fields], 0


def stream(records: Dataset, column: str) -> Iterator[str]:
    """Yield one column of memory-mapped records, a batch at a time (much faster than by row)."""
    for batch in records.select_columns([column]).with_format("arrow").iter(batch_size=1000):
        yield from batch[column].to_pylist()


def with_content(records: Dataset, content: str, values: list[Any]) -> Dataset:
    """Return the records with other content."""
    from datasets import Dataset

    return Dataset.from_dict({**records[:], content: values}, features=records.features)


def saved(folder: Path) -> Dataset:
    """Return the records that ``Dataset.save_to_disk`` wrote, memory-mapped.

    The working folder counts where the name is relative, and Arrow opens none that is not UTF-8:
    it is opened by a link that is.
    """
    from datasets import load_from_disk

    found = os.path.abspath(folder)
    try:
        found.encode()
    except UnicodeEncodeError:
        link = os.path.join(tempfile.mkdtemp(dir=scratch()), "records")
        os.symlink(found, link)
        found = link
    return load_from_disk(found)
