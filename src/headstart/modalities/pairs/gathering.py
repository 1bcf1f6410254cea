"""From rows that name a picture and a caption each to pictures with all of their captions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.modalities.file_values import key as key_of
from headstart.modalities.pairs.captions import distinct
from headstart.modalities.pairs.content import has_captions, has_pictures

if TYPE_CHECKING:
    from datasets import Dataset


def complete(records: Dataset) -> Dataset:
    """Return the records that have a picture and a caption."""
    whole = has_pictures(records) & has_captions(records)
    return records if whole.all() else records.select(np.flatnonzero(whole))


def gathered(records: Dataset) -> Dataset:
    """Return one record of each picture, with the captions of all its rows, in their order.

    Data sets of captions often have a row for each caption. The first row of a picture gives the
    name of the record, and its label.
    """
    rows: dict[Any, list[int]] = {}
    for start in range(0, len(records), 1024):
        values = records[start : start + 1024]["image"]
        for index, value in enumerate(values, start):
            found = None if value is None else key_of(value)
            rows.setdefault((index,) if found is None else found, []).append(index)
    if len(rows) == len(records):
        return records
    captions = records["captions"][:]
    first = [each[0] for each in rows.values()]
    together = [
        distinct(text for index in each for text in captions[index] or []) or None
        for each in rows.values()
    ]
    import pyarrow as pa
    from datasets import Dataset

    table = records.select(first).flatten_indices().data.table
    at = table.column_names.index("captions")
    column = pa.array(together, pa.list_(pa.string()))
    return Dataset(table.set_column(at, "captions", column))
