"""The lists of items in records, as columns. Imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from datasets import Dataset


class Lists(NamedTuple):
    """The values of all lists of a column, one list after the other.

    Attributes:
        values: (N,).
        offsets: (U+1,) where each list begins.
    """

    values: pa.ChunkedArray
    offsets: np.ndarray

    @property
    def lengths(self) -> np.ndarray:
        """Number of values of each list (U,)."""
        return np.diff(self.offsets)

    @property
    def within(self) -> np.ndarray:
        """Place of each value in its list (N,), from 0."""
        return np.arange(len(self.values)) - np.repeat(self.offsets[:-1], self.lengths)


def lists_of(records: Dataset, column: str) -> Lists:
    """Return the lists of a column; one of null is empty."""
    found = arrow(records.select_columns([column]))[column]
    kind = found.type.value_type
    values = pa.chunked_array([chunk.flatten() for chunk in found.chunks], kind)
    lengths = [np.asarray(chunk.value_lengths().fill_null(0)) for chunk in found.chunks]
    return Lists(values, np.cumsum(np.concatenate([[0], *lengths]), dtype=np.int64))


def shortened(records: Dataset, ends: np.ndarray) -> Dataset:
    """Return the first ``ends`` (N,) values of all lists of each record that has any."""
    from datasets import Dataset, DatasetInfo
    from datasets.table import InMemoryTable

    batches, start = [], 0
    table = arrow(records)
    for batch in table.to_batches():
        own = ends[start : start + len(batch)]
        start += len(batch)
        rows = pa.array(own > 0)
        columns = [
            _first(column, own).filter(rows)
            if pa.types.is_list(column.type)
            else column.filter(rows)
            for column in batch.columns
        ]
        batches.append(pa.record_batch(columns, schema=batch.schema))
    whole = pa.Table.from_batches(batches, table.schema)
    return Dataset(InMemoryTable(whole), info=DatasetInfo(features=records.features))


def arrow(records: Dataset) -> pa.Table:
    """Return records as one table, of mapped memory where it can be."""
    return records.with_format("arrow")[:]


def _first(lists: pa.ListArray, ends: np.ndarray) -> pa.ListArray:
    """Return the first ``ends`` (n,) values of each list; null stays null."""
    lengths = np.asarray(lists.value_lengths().fill_null(0))
    kept = np.minimum(lengths, ends)
    begins = np.cumsum(lengths) - lengths
    within = np.arange(lengths.sum()) - np.repeat(begins, lengths)
    values = lists.flatten().filter(pa.array(within < np.repeat(kept, lengths)))
    offsets = pa.array(np.concatenate([[0], np.cumsum(kept)]), pa.int32())
    return pa.ListArray.from_arrays(offsets, values, mask=lists.is_null())
