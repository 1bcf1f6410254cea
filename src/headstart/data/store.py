"""Records on disk: an Arrow file that is written in batches and opened memory-mapped."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

if TYPE_CHECKING:
    from datasets import Dataset

_ROWS = 8192
#: Characters or bytes of content that are held before they are written.
_HELD = 2**24


class RecordWriter:
    """Writes ``id``, content and ``label``; holds one batch in memory.

    Args:
        path: the Arrow file.
        content: name of the content column.
        column: its Arrow type.
        measure: gives the size of a value, about.
    """

    def __init__(
        self, path: Path, content: str, column: pa.DataType, measure: Callable[[Any], int]
    ) -> None:
        self._measure = measure
        self._schema = pa.schema([("id", pa.string()), (content, column), ("label", pa.string())])
        self._writer = pa.ipc.new_stream(str(path), self._schema)
        self._written = 0
        self._size = 0
        self._ids: list[str] = []
        self._contents: list[Any] = []
        self._labels: list[str | None] = []
        self._dropped: list[tuple[int, int]] = []

    @property
    def rows(self) -> int:
        """Rows added so far, the dropped ones included."""
        return self._written + len(self._ids)

    def add(
        self, ids: Sequence[str], contents: Sequence[Any], labels: Sequence[str | None]
    ) -> None:
        """Append records."""
        self._ids.extend(ids)
        self._contents.extend(contents)
        self._labels.extend(labels)
        self._size += sum(map(self._measure, contents))
        if len(self._ids) >= _ROWS or self._size >= _HELD:
            self._flush()

    def drop_since(self, row: int) -> None:
        """Take back every record from ``row`` on: their file turned out to be broken."""
        pending = max(0, row - self._written)
        for column in (self._ids, self._contents, self._labels):
            del column[pending:]
        if row < self._written:
            self._dropped.append((row, self._written))

    def close(self) -> None:
        """Write what is pending and end the file."""
        self._flush()
        self._writer.close()

    def open(self, path: Path) -> Dataset:
        """Return the records memory-mapped from ``path``, without ``label`` if none has one."""
        from datasets import Dataset, concatenate_datasets

        records = Dataset.from_file(str(path))
        if self._dropped:
            edges = [0, *(edge for span in self._dropped for edge in span), self._written]
            spans = zip(edges[::2], edges[1::2], strict=True)
            records = concatenate_datasets(
                [records.select(range(start, end)) for start, end in spans if start < end]
            )
        has_labels = records.data.column("label").null_count < len(records)
        return records if has_labels else records.remove_columns("label")

    def _flush(self) -> None:
        if self._ids:
            columns = [
                pa.array(values, field.type)
                for values, field in zip(
                    (self._ids, self._contents, self._labels), self._schema, strict=True
                )
            ]
            self._writer.write_batch(pa.record_batch(columns, schema=self._schema))
            self._written += len(self._ids)
        self._ids, self._contents, self._labels, self._size = [], [], [], 0


def stream(records: Dataset, column: str) -> Iterator[str]:
    """Yield one column of memory-mapped records, a batch at a time (much faster than by row)."""
    for batch in records.select_columns([column]).with_format("arrow").iter(batch_size=1000):
        yield from batch[column].to_pylist()


def with_content(records: Dataset, content: str, values: list[Any]) -> Dataset:
    """Return the records with other content."""
    from datasets import Dataset

    return Dataset.from_dict({**records[:], content: values}, features=records.features)
