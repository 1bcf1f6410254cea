"""Records of interactions from histories, written once. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headstart.data.store import RecordWriter
from headstart.files import whole_file
from headstart.modalities.interactions.content import INTERACTIONS
from headstart.modalities.interactions.histories import Histories, owners

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.data.field import Field


def labels_of(table: pa.Table, histories: Histories) -> pa.Array | None:
    """Return the last label (S,) of the rows of each sequence's user; None if no row has one."""
    if "label" not in table.column_names:
        return None
    if "user" not in table.column_names:
        table = table.append_column("user", pa.nulls(len(table), pa.string()))
    table = table.filter(pc.is_valid(table["label"]))
    if not len(table):
        return None
    codes = pc.index_in(owners(table), value_set=histories.user_names)
    found = np.asarray(pc.fill_null(codes, -1))
    known = np.flatnonzero(found >= 0)
    last = np.full(len(histories.user_names), -1)
    last[found[known]] = known  # of several the last one stays
    rows_of = last[histories.users]
    labels = table["label"].take(pa.array(rows_of, mask=rows_of < 0)).combine_chunks()
    return pc.if_else(pc.equal(labels, ""), pa.scalar(None, pa.string()), labels)


def stored(
    path: Path, fields: Sequence[Field], histories: Histories, labels: pa.Array | None
) -> Dataset:
    """Write the records, whole or not at all, and return them memory-mapped."""
    with whole_file(path) as unfinished:
        writer = RecordWriter(unfinished, fields, keep=INTERACTIONS.columns)
        for which, *columns in histories.parts():
            if labels is not None:
                columns.append(labels[which])
            writer.add_arrays(histories.names[which], columns)
        writer.close()
    return writer.open(path)
