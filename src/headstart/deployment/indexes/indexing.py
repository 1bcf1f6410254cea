"""Making and changing an index: records are read, embedded and committed as a whole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.config import IndexConfig
from headstart.data.ledger import Ledger
from headstart.data.store import stream
from headstart.deployment.embed import embed
from headstart.deployment.indexes import approximate
from headstart.deployment.indexes.segments import table_of
from headstart.deployment.indexes.state import CURRENT, Lists, Vectors
from headstart.deployment.indexes.store import LISTS, Change, Store, changing, is_index
from headstart.errors import HeadstartError, did_you_mean
from headstart.evaluation.cache import digest_of_weights
from headstart.files import delete, whole_folder
from headstart.pages.result import Result
from headstart.stored import read_text, seal

if TYPE_CHECKING:
    import pyarrow as pa
    from datasets import Dataset

    from headstart.batch import Progress
    from headstart.deployment.stores import Address
    from headstart.encoders.opening import OpenedEncoder

Say = Callable[[str], None]


@dataclass(frozen=True)
class IndexReport(Result):
    """What a change of an index did.

    Attributes:
        folder: of the index, or where a store has it.
        records: that it holds now.
        added, replaced, deleted: records that changed.
        recall: share of the true nearest ten that a search finds; None where it is exact.
    """

    folder: Path | Address
    records: int
    added: int
    replaced: int
    deleted: int
    recall: float | None
    probes: int = 0

    def summary(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "out": str(self.folder),
            "records": self.records,
            "added": self.added,
            "replaced": self.replaced,
            "deleted": self.deleted,
            "search": "exact" if self.recall is None else "approximate",
            "recall": self.recall,
        }

    def __str__(self) -> str:
        changes = [
            f"{count:,} {what}"
            for what in ("added", "replaced", "deleted")
            if (count := getattr(self, what))
        ]
        how = "searched exactly"
        if self.recall is not None:
            how = (
                f"searched approximately: {self.recall:.1%} of the true nearest "
                f"{approximate.NEAREST} are found, measured on {approximate.ASKED} of its vectors"
            )
        done = ", ".join(changes) or "nothing changed"
        return f"{self.folder} holds {self.records:,} records ({done}), {how}"


def check_out(plan: IndexConfig) -> None:
    """Refuse a folder that this change is not for.

    Raises:
        HeadstartError: it holds something else, an index and no change was named, or none.
    """
    out = Path(plan.out)
    is_change = plan.add or plan.upsert or plan.delete is not None
    is_there = out.exists() and not (out.is_dir() and not any(out.iterdir()))
    if is_there and not is_index(out):
        raise HeadstartError(f"{out} exists and is no index; choose another --out.")
    is_there = is_there and (out / CURRENT).exists()  # else a killed process began to make it
    if is_there and not is_change and not plan.overwrite:
        raise HeadstartError(
            f"{out} is an index already; change it with --add, --upsert or --delete, replace it "
            "with --overwrite, or choose another --out."
        )
    if not is_there and plan.delete is not None:
        raise HeadstartError(f"there is no index {out} to delete records of; check --out.")


def change_index(
    plan: IndexConfig, opened: OpenedEncoder, say: Say, progress: Progress | None = None
) -> IndexReport:
    """Make or change an index as the options say, as a whole or not at all.

    Raises:
        HeadstartError: anything the user can fix.
    """
    out, name = Path(plan.out), opened.modality.name
    own = Vectors(
        digest_of_weights(opened.encoder, opened.processor), opened.length, opened.encoder.width
    )
    records, table = read_records(plan, opened, say)
    writer = embedding(opened, plan.batch_size, progress)
    with changing(out, name) as change:
        if plan.overwrite and not (plan.add or plan.upsert or plan.delete is not None):
            change.empty()
        elif change.state.vectors:
            _check_encoder(change, own, plan, opened)
        deleted = change.delete(ids_to_delete(plan)) if plan.delete is not None else 0
        if plan.upsert and change.state.segments:
            change.complete(own, writer)
        replaced = 0
        if records is not None:
            replaced = change.add(records, table, own, writer, replaces=plan.upsert)
        change.commit()
        if change.merged():
            change.commit()
        own = change.state.of(own.weights, own.length) or own
        own = with_lists(change, own, plan.approximate, say)
        if own != change.state.of(own.weights, own.length):
            change.use(own)
            change.commit()
        say_missing(len(ids_to_delete(plan)) - deleted, say)
        added = 0 if records is None else len(records) - replaced
        state = change.state
    lists = own.lists
    recall, probes = (lists.recall, lists.probes) if lists else (None, 0)
    rows = state.rows - state.gone
    return IndexReport(out, rows, added, replaced, deleted, recall, probes)


def complete_index(out: Path, opened: OpenedEncoder, progress: Progress | None = None) -> None:
    """Embed all records of an index with one more encoder, beside those that it knows.

    Raises:
        HeadstartError: there is no index, or it is of another kind of data.
    """
    Store.open(out)  # refuses what is no index, before anything is written
    own = Vectors(
        digest_of_weights(opened.encoder, opened.processor), opened.length, opened.encoder.width
    )
    with changing(out, opened.modality.name) as change:
        known = change.state.of(own.weights, own.length)
        if known is None or change.store.missing(known):
            change.keep(change.state.vectors[-1:])  # the latest, to go back to
            change.complete(own, embedding(opened, 32, progress))
            change.commit()


def with_lists(change: Change, own: Vectors, wanted: str, say: Say) -> Vectors:
    """Return an encoder's vectors with an approximate index, where there is to be one.

    Raises:
        HeadstartError: it is asked for and finds too few of the nearest.
    """
    if not own.segments or wanted == "off":
        return replace(own, lists=None)
    number = max(own.segments, key=lambda each: change.store.segments[each].rows)
    rows = change.store.segments[number].rows
    if wanted == "auto" and rows < approximate.FROM:
        return replace(own, lists=None)
    if own.lists is not None and own.lists.segment == number:
        return own
    if wanted == "auto" and not approximate.has_faiss():
        say("faiss is not installed, so that the search is exact: pip install 'headstart[search]'")
        return own
    name = f"{change.state.version:06d}-{own.folder(number)}"
    vectors = change.store.vectors(own, number)
    with whole_folder(change.store.folder / LISTS / name) as unfinished:
        file = unfinished / approximate.FILE
        probes, recall = approximate.build(vectors, change.store.alive[number], file)
        seal(unfinished)
    if recall < approximate.LEAST:
        delete(change.store.folder / LISTS / name)
        sentence = (
            f"an approximate index would find {recall:.1%} of the true nearest "
            f"{approximate.NEAREST} of these vectors, fewer than {approximate.LEAST:.0%}"
        )
        if wanted == "on":
            raise HeadstartError(f"{sentence}; write --approximate off.")
        say(f"{sentence}, so that the search is exact.")
        return replace(own, lists=None)
    return replace(own, lists=Lists(name, number, probes, round(recall, 4)))


def _check_encoder(change: Change, own: Vectors, plan: IndexConfig, opened: OpenedEncoder) -> None:
    """Refuse to add vectors of an encoder that the index does not know."""
    if change.state.of(own.weights, own.length) is None and (plan.inputs or plan.upsert):
        raise HeadstartError(
            f"the index {plan.out} was made with another encoder than {opened.folder}; change it "
            "with the run that made it, or make it again with --overwrite."
        )


def say_missing(count: int, say: Say) -> None:
    """Say how many ids there were none of to delete."""
    if count:
        say(f"{count:,} of the ids to delete were not in the index.")


def read_records(
    plan: IndexConfig, opened: OpenedEncoder, say: Say
) -> tuple[Dataset | None, pa.Table | None]:
    """Read the inputs, and the columns of their sources."""
    if not plan.inputs:
        return None, None
    ledger = Ledger()
    records = opened.read(plan.inputs, plan, say, ledger=ledger)
    if missing := ledger.sentence("vector"):
        say(missing)
    columns: list[str | None] = [None] * len(records)
    if ledger.kept is not None:
        columns = ledger.rows.select(np.flatnonzero(ledger.kept))["columns"]
    table = table_of([str(name) for name in stream(records, "id")], columns)
    if plan.id_column is not None:
        table = _named(table, plan.id_column)
    return records, table


def _named(table: pa.Table, column: str) -> pa.Table:
    """Return the table with a column of the sources as its ids.

    Raises:
        HeadstartError: there is no such column, or a row has no value in it.
    """
    import pyarrow as pa

    from headstart.deployment.indexes.segments import ID, OF

    if OF + column not in table.column_names:
        known = [name.removeprefix(OF) for name in table.column_names if name.startswith(OF)]
        raise HeadstartError(
            f"--id-column {column!r} is no column of the inputs{did_you_mean(column, known)}"
        )
    values = table[OF + column].to_pylist()
    if None in values or "" in values:
        row = next(index for index, value in enumerate(values) if value in (None, ""))
        raise HeadstartError(
            f"{table[ID][row].as_py()} has no value in the column {column!r}, which is to be its "
            "id; fill it in, or name another --id-column."
        )
    ids = pa.array(map(str, values), pa.string())
    return table.set_column(table.column_names.index(ID), ID, ids)


def ids_to_delete(plan: IndexConfig) -> list[str]:
    """Return the ids to delete, one in each line of a file."""
    if plan.delete is None:
        return []
    lines = read_text(Path(plan.delete)).splitlines()
    return list(dict.fromkeys(line.strip() for line in lines if line.strip()))


def embedding(
    opened: OpenedEncoder, batch_size: int, progress: Progress | None
) -> Callable[[Dataset, Path], object]:
    """Return what writes the vectors of records to a .npy file."""

    def write(records: Dataset, out: Path) -> object:
        return embed(
            opened.encoder,
            opened.processor,
            records,
            out,
            length=opened.length,
            batch_size=batch_size,
            progress=progress,
        )

    return write
