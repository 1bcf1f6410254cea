"""Changing what a store has: records are read, embedded, and written in batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.config import IndexConfig
from headstart.deployment.indexes.exact import to_unit
from headstart.deployment.indexes.indexing import (
    IndexReport,
    embedding,
    ids_to_delete,
    read_records,
    say_missing,
)
from headstart.deployment.indexes.segments import ID, OF
from headstart.deployment.indexes.store import known_already, refuse_twice
from headstart.deployment.search import described
from headstart.deployment.stores import About, Address, Row, VectorStore, open_store
from headstart.errors import HeadstartError
from headstart.evaluation.cache import digest_of_weights
from headstart.files import scratch

if TYPE_CHECKING:
    import pyarrow as pa
    from datasets import Dataset

    from headstart.batch import Progress
    from headstart.encoders.opening import OpenedEncoder

#: Records that are written at once.
_AT_ONCE = 256


def change_store(
    plan: IndexConfig,
    address: Address,
    opened: OpenedEncoder,
    say: Callable[[str], None],
    progress: Progress | None = None,
) -> IndexReport:
    """Make or change an index in a store, as the options say.

    Raises:
        HeadstartError: anything the user can fix.
    """
    if plan.approximate == "on":
        raise HeadstartError(
            "a search in a store is exact, as long as it takes; leave out --approximate."
        )
    store = open_store(address, make=True)
    weights = digest_of_weights(opened.encoder, opened.processor)
    own = About(weights, opened.length, opened.encoder.width, opened.modality.name)
    _check(plan, address, store.about(), own, opened)
    records, table = read_records(plan, opened, say)
    ids = [] if table is None else table[ID].to_pylist()
    refuse_twice(ids)
    gone = ids_to_delete(plan)
    with TemporaryDirectory(dir=scratch()) as folder, store.changing():
        vectors = None
        if records is not None:
            file = Path(folder) / "vectors.npy"
            embedding(opened, plan.batch_size, progress)(records, file)
            vectors = np.load(file, mmap_mode="r", allow_pickle=False)
        about = store.about()
        _check(plan, address, about, own, opened)
        known = set() if about is None or plan.overwrite else _known(store, [*ids, *gone])
        if known and plan.add:
            raise known_already(len(known), [name for name in ids if name in known][:3])
        about = own if about is None or plan.overwrite else about
        columns = _columns(about, table)
        # Where a change is no single step, a search is refused until it is done.
        begun = replace(about, columns=columns, whole=False)
        if store.about() is None or plan.overwrite:
            store.create(begun)
        else:
            store.describe(begun)
        if records is not None and vectors is not None:
            for rows in _rows(records, table, vectors, opened):
                store.write(rows, columns)
        if gone:
            store.remove(gone)
        store.describe(replace(begun, whole=True))
        count = store.count()
    deleted = len(known & set(gone))
    say_missing(len(gone) - deleted, say)
    replaced = len(known & set(ids))
    return IndexReport(address, count, len(ids) - replaced, replaced, deleted, None)


def _check(
    plan: IndexConfig,
    address: Address,
    about: About | None,
    own: About,
    opened: OpenedEncoder,
) -> None:
    """Refuse a change that this store is not for."""
    is_change = plan.add or plan.upsert or plan.delete is not None
    if about is None:
        if plan.delete is not None:
            raise HeadstartError(f"there is no index {address} to delete records of; check --out.")
        return
    if plan.overwrite:
        return
    if not is_change:
        raise HeadstartError(
            f"{address} is an index already; change it with --add, --upsert or --delete, replace "
            "it with --overwrite, or choose another --out."
        )
    if not about.whole and not plan.upsert:
        raise HeadstartError(
            f"an earlier change of {address} was cut off, or goes on; repeat it with --upsert."
        )
    if about.modality != own.modality:
        raise HeadstartError(
            f"{address} is an index of the kind of data {about.modality!r}, and this run reads "
            f"{own.modality!r}; choose another --out."
        )
    if (about.weights, about.length) != (own.weights, own.length):
        raise HeadstartError(
            f"the index {address} was made with another encoder than {opened.folder}; change it "
            "with the run that made it, or make it again with --overwrite."
        )


def _known(store: VectorStore, ids: list[str]) -> set[str]:
    found: set[str] = set()
    for start in range(0, len(ids), _AT_ONCE):
        found |= store.known(ids[start : start + _AT_ONCE])
    return found


def _columns(about: About, table: pa.Table | None) -> tuple[str, ...]:
    """Return the columns that a store knows, then those that are new."""
    names = [] if table is None else table.column_names
    new = [name.removeprefix(OF) for name in names if name.startswith(OF)]
    return tuple(dict.fromkeys([*about.columns, *new]))


def _rows(
    records: Dataset, table: Any, vectors: np.ndarray, opened: OpenedEncoder
) -> Iterator[list[Row]]:
    """Yield the records with their vectors, a batch at a time."""
    for start in range(0, len(records), _AT_ONCE):
        stop = min(start + _AT_ONCE, len(records))
        previews = described(records.select(range(start, stop)), opened.modality)
        units = to_unit(np.asarray(vectors[start:stop], dtype=np.float32))[0]
        part = table.slice(start, stop - start).to_pylist()
        rows = []
        for row, preview, unit in zip(part, previews, units, strict=True):
            columns = {
                name.removeprefix(OF): value
                for name, value in row.items()
                if name.startswith(OF) and value is not None
            }
            shown = {**preview, **({"record": columns} if columns else {})}
            rows.append(Row(str(row[ID]), unit, shown, columns))
        yield rows
