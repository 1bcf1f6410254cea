"""A segment of an index: records that were added together, with the columns of their sources.

A segment is written once and never changed::

    segments/000001/records/       the records, as `datasets` saves them, to embed them again
    segments/000001/columns.arrow  `id`, and every column of the source as `of:NAME`
    vectors/000001-DIGEST/         (N,D) float32 of length 1, by one encoder

Vectors stand apart, since several encoders may have theirs of one segment.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from headstart.data.store import saved
from headstart.errors import HeadstartError
from headstart.files import whole_folder
from headstart.stored import check, opening, seal

if TYPE_CHECKING:
    from datasets import Dataset

#: Names inside the folders of an index.
RECORDS, COLUMNS, VECTORS = "records", "columns.arrow", "vectors.npy"
ID, OF = "id", "of:"
#: What to do where an index is damaged.
REMEDY = "restore it from a copy, or make it again with `headstart index --overwrite`"


class Segment:
    """The records of a segment, memory-mapped.

    Args:
        folder: where they lie.
        rows: N, as the index knows it.

    Raises:
        HeadstartError: a file is damaged; raised when it is first used.
    """

    def __init__(self, folder: Path, rows: int) -> None:
        self.folder, self.rows = folder, rows

    @cached_property
    def table(self) -> pa.Table:
        """The ids and the columns of the sources (N rows)."""
        path = self.folder / COLUMNS
        with opening(path, REMEDY):
            table = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
            if len(table) != self.rows:
                raise ValueError(f"it has {len(table)} rows, and the index {self.rows}")
        return table

    @cached_property
    def records(self) -> Dataset:
        """The records themselves."""
        with opening(self.folder / RECORDS, REMEDY):
            return saved(self.folder / RECORDS)

    @property
    def ids(self) -> pa.ChunkedArray:
        """Their ids."""
        return self.table[ID]

    @property
    def columns(self) -> list[str]:
        """Names of the columns of their sources."""
        return [name.removeprefix(OF) for name in self.table.column_names if name.startswith(OF)]

    def values(self, name: str) -> list[Any] | None:
        """Return the values of a column of the sources, or the ids; None for no such column."""
        if OF + name in self.table.column_names:
            return list(self.table[OF + name].to_pylist())
        return list(self.ids.to_pylist()) if name == ID else None

    def rows_of(self, ids: pa.Array) -> np.ndarray:
        """Return the rows whose ids are among these."""
        import pyarrow.compute as pc

        mask = pc.is_in(self.ids, value_set=ids)
        return np.flatnonzero(mask.to_numpy(zero_copy_only=False))

    def columns_of(self, rows: Sequence[int]) -> list[dict[str, Any]]:
        """Return the columns of the sources of some rows, by their names."""
        found = self.table.take(pa.array(rows, pa.int64())).to_pylist()
        return [
            {
                name.removeprefix(OF): value
                for name, value in row.items()
                if name.startswith(OF) and value is not None
            }
            for row in found
        ]


def write_segment(folder: Path, records: Dataset, table: pa.Table) -> None:
    """Write a segment, whole or not at all."""
    from headstart.deployment.search import without_progress_bars

    with whole_folder(folder) as unfinished:
        with without_progress_bars():
            records.save_to_disk(str(unfinished / RECORDS))
        path = str(unfinished / COLUMNS)
        with pa.OSFile(path, "wb") as sink, pa.ipc.new_file(sink, table.schema) as file:
            file.write_table(table.combine_chunks())
        seal(unfinished)


def open_vectors(folder: Path, rows: int, width: int) -> np.ndarray:
    """Return the vectors (N,D) of a segment, memory-mapped.

    Raises:
        HeadstartError: they are damaged.
    """
    with opening(folder / VECTORS, REMEDY):
        vectors = np.load(folder / VECTORS, mmap_mode="r", allow_pickle=False)
        if vectors.shape != (rows, width) or vectors.dtype != np.float32:
            raise ValueError(f"it holds {vectors.dtype} {vectors.shape}, not ({rows}, {width})")
    return vectors


def check_whole(folders: Iterable[Path]) -> None:
    """Compare all files of folders with what was written.

    Raises:
        HeadstartError: one is missing or damaged.
    """
    for folder in folders:
        if not folder.is_dir():
            raise HeadstartError(f"{folder} is missing; {REMEDY}.")
        check(folder)


def table_of(ids: Sequence[str], columns: Sequence[str | None]) -> pa.Table:
    """Return the table of a segment.

    A column whose values are of several types is kept as text, in JSON where it is no text.

    Args:
        columns: of each row its columns as a JSON object, or None.
    """
    rows = [json.loads(each) if each else {} for each in columns]
    arrays: dict[str, pa.Array] = {ID: pa.array(ids, pa.string())}
    for name in dict.fromkeys(name for row in rows for name in row):
        arrays[OF + name] = _array([row.get(name) for row in rows])
    return pa.table(arrays)


def joined(tables: Sequence[pa.Table]) -> pa.Table:
    """Return the rows of several segments as one table; columns of two types become text."""
    try:
        return pa.concat_tables(tables, promote_options="default")
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        names = dict.fromkeys(name for table in tables for name in table.column_names)
        return pa.table(
            {
                name: _array(
                    [
                        value
                        for table in tables
                        for value in (
                            table[name].to_pylist()
                            if name in table.column_names
                            else [None] * len(table)
                        )
                    ]
                )
                for name in names
            }
        )


def _array(values: list[Any]) -> pa.Array:
    types = {type(value) for value in values if value is not None}
    if types <= {int, float} or len(types) == 1:
        try:
            return pa.array(values)
        except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
            pass
    written = [
        value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for value in values
    ]
    return pa.array(written, pa.string())
