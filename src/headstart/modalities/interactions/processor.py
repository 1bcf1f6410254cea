"""Sequences of items as batches of ids."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor

from headstart.batch import Batch, Rows
from headstart.data.store import stream
from headstart.errors import HeadstartError
from headstart.files import write_json
from headstart.modalities import Processor, TokenProcessor, Vocabulary, Words
from headstart.modalities.interactions.content import INTERACTIONS
from headstart.modalities.interactions.gaps import classes_of, gap_classes, is_timed, times_of
from headstart.modalities.interactions.item_table import ItemTable
from headstart.modalities.interactions.lists import lists_of
from headstart.modalities.interactions.positions import FromEnd, from_end
from headstart.modalities.interactions.trained import Trained
from headstart.modalities.interactions.units import ItemUnits
from headstart.modalities.interactions.views import VIEWS, check_views
from headstart.modalities.tokens.batching import by_length
from headstart.modalities.tokens.token_file import (
    DocumentRows,
    PackedRows,
    TokenFile,
    write_ids,
)

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.modalities.portable import Portable

#: Ids that are no items: padding, a hidden item, one that training never saw.
PAD, MASK, UNKNOWN, FIRST = 0, 1, 2, 3
SAVED, COUNTS = "items.json", "counts.npy"
#: Columns of a record that a batch is made of.
_READ = ("items", "times")


@dataclass(frozen=True)
class ItemRow:
    """A sequence as ids, and the class of the time before each; None where times are not known."""

    ids: Sequence[int]
    gaps: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.ids)


class ItemProcessor(TokenProcessor):
    """A catalogue: the items by name, with an id each.

    Args:
        names: of the items, the commonest first; the first one has the id 3.
        counts: (3 + I,) how often each id occurs.
        table: titles, texts and categories of items, where they are known.
        timed: whether the times of events are known, so that ``gaps`` can be given.
        from_end: whether positions are counted from the latest item of a sequence.

    Attributes:
        trained: what a network with this catalogue was trained on.
    """

    content = INTERACTIONS
    gives = "input_ids"
    provides = frozenset({"vocabulary", "two_views", "mask_token", "units"})

    def __init__(
        self,
        names: Sequence[str],
        counts: np.ndarray | None = None,
        table: ItemTable | None = None,
        *,
        timed: bool = False,
        from_end: bool = False,
    ) -> None:
        self.names = list(names)
        self.table, self.trained = table, Trained()
        self.timed, self.from_end = timed, from_end
        if timed:
            self.provides = self.provides | {"gaps"}
        self.ids = {name: number for number, name in enumerate(self.names, FIRST)}
        self.vocabulary = Vocabulary(
            size=FIRST + len(self.names),
            pad_id=PAD,
            special_ids=(PAD, MASK, UNKNOWN),
            mask_id=MASK,
            unknown_id=UNKNOWN,
            counts=np.ones(FIRST + len(self.names), np.int64) if counts is None else counts,
        )
        self._starts = np.ones(self.vocabulary.size, dtype=bool)

    @classmethod
    def fitted(cls, records: Dataset, *, from_end: bool = False) -> ItemProcessor:
        """Collect the items of records."""
        counted = pc.value_counts(lists_of(records, "items").values)
        names, counts = counted.field("values"), counted.field("counts")
        order = pc.sort_indices(
            pa.table({"count": counts, "name": names}),
            sort_keys=[("count", "descending"), ("name", "ascending")],
        )
        names = names.take(order).to_pylist()
        return cls(names, timed=is_timed(records), from_end=from_end)

    def agrees_with(self, other: Processor) -> bool:
        """Return whether both have the same items."""
        return isinstance(other, ItemProcessor) and other.names == self.names

    def title_of(self, name: str) -> str:
        """Return the title of an item for people, or its id where none is known."""
        return name if self.table is None else self.table.title_of(name)

    def encode(self, items: Iterable[str]) -> list[int]:
        """Return the id of each item."""
        return [self.ids.get(name, UNKNOWN) for name in items]

    def encoded(self, records: Dataset) -> tuple[np.ndarray, np.ndarray]:
        """Return the ids (N,) of all items of records, and where each record begins (U+1,)."""
        lists = lists_of(records, "items")
        found = pc.index_in(lists.values, value_set=pa.array(self.names, pa.string()))
        return np.asarray(pc.fill_null(pc.add(found, FIRST), UNKNOWN)), lists.offsets

    def store(self, records: Dataset, folder: Path) -> np.ndarray:
        """Write the ids of the records once, and return the count of each (3 + I,)."""
        ids, offsets = self.encoded(records)
        times = times_of(records, lists_of(records, "items")) if self.timed else None
        gaps = None if times is None else classes_of(times, offsets)
        return write_ids(folder, ids, offsets, self.vocabulary.size, gaps)

    def rows(self, folder: Path, *, layout: str, length: int, seed: int) -> Rows:
        """Open stored sequences: packed, or one in each row."""
        file = TokenFile.open(folder)
        kind = PackedRows if layout == "packed" else DocumentRows
        rows: Rows = kind(file, length, seed, PAD, self._starts)
        return FromEnd(rows) if self.from_end else rows

    def collate(self, records: Dataset, length: int) -> Batch:
        """Turn records into ``input_ids`` and ``mask`` (B,T): the latest ``length`` items."""
        columns = [name for name in _READ if name in records.column_names]
        rows = zip(*(records[name] for name in columns), strict=True)
        return self.batch_of(self._rows(rows, columns, length))

    def batches(
        self, records: Dataset, length: int, size: int
    ) -> Iterator[tuple[np.ndarray, Batch]]:
        """Yield all records in batches of similar length, with little padding."""
        columns = [name for name in _READ if name in records.column_names]
        values = zip(*(stream(records, name) for name in columns), strict=True)

        def read(some: list[Any]) -> list[ItemRow]:
            return self._rows(some, columns, length)

        for indices, rows in by_length(values, read, length * size):
            yield indices, self.batch_of(rows)

    def _rows(self, values: Iterable[Any], columns: list[str], length: int) -> list[ItemRow]:
        found = []
        for each in values:
            row = dict(zip(columns, each, strict=True))
            times = row.get("times") if self.timed else None
            gaps = None if times is None else gap_classes(np.asarray(times))[-length:]
            found.append(ItemRow(self.encode(row["items"])[-length:], gaps))
        return found

    def pad(self, rows: list[list[int]]) -> Batch:
        """Turn rows of ids into a batch (B,T), as if nothing were known of their times."""
        return self.batch_of([ItemRow(row) for row in rows])

    def batch_of(self, rows: Sequence[ItemRow]) -> Batch:
        """Turn rows into ``input_ids`` and ``mask`` (B,T), T that of the longest.

        There are ``gaps`` where the catalogue is of timed events, and ``positions`` where these are
        counted from the end.
        """
        longest = max(1, max(map(len, rows), default=1))
        ids = np.full((len(rows), longest), PAD, dtype=np.int64)
        mask = np.zeros((len(rows), longest), dtype=bool)
        gaps = np.zeros((len(rows), longest), dtype=np.int64)
        for index, row in enumerate(rows):
            ids[index, : len(row)] = row.ids
            mask[index, : len(row)] = True
            if row.gaps is not None:
                gaps[index, : len(row.gaps)] = row.gaps
        batch = {"input_ids": torch.from_numpy(ids), "mask": torch.from_numpy(mask)}
        if self.timed:
            batch["gaps"] = torch.from_numpy(gaps)
        return from_end(batch) if self.from_end else batch

    def views(
        self,
        batch: Batch,
        generator: torch.Generator,
        kind: str,
        *,
        local: int = 0,
        side: int | None = None,
    ) -> tuple[Batch, ...]:
        """Return two views of each sequence; see :mod:`headstart.modalities.interactions.views`."""
        if local or side:
            raise HeadstartError("views of sequences have no pixels; leave out local and side.")
        check_views(kind)
        found = VIEWS[kind](batch, generator, PAD, MASK)
        return tuple(map(from_end, found)) if self.from_end else found

    def units(self, record: Mapping[str, Any], length: int) -> ItemUnits:
        """Return the items of a history."""
        return ItemUnits(self, record["items"], record.get("times"), length)

    def read(
        self, histories: Sequence[Sequence[str]], times: Sequence[Sequence[float]] | None
    ) -> Batch:
        """Turn histories into a batch, the items by name; one without any is of an unknown item."""
        columns = ["items"] if times is None else list(_READ)
        values = zip(*([histories] if times is None else [histories, times]), strict=True)
        rows = self._rows(values, columns, max(map(len, histories), default=1))
        return self.batch_of([row if len(row) else ItemRow([UNKNOWN]) for row in rows])

    def show(self, batch: Batch, corrupted: Batch, views: Mapping[str, Tensor]) -> Words:
        """Return the sequences as items, and below each the network's input and targets.

        Of several sequences in a row the longest is shown.
        """
        from headstart.modalities.tokens.preview import sequences_in

        if "segments" in batch:
            mask = _longest(batch)
            batch = {**batch, "mask": mask}
            if corrupted.get("mask", mask).shape == mask.shape:
                corrupted = {**corrupted, "mask": mask}
        return Words(sequences_in(batch, corrupted, self.spell, MASK, UNKNOWN))

    def spell(self, numbers: Sequence[int]) -> str:
        """Return the titles of ids, or their names."""
        special = {PAD: "", MASK: "[MASK]", UNKNOWN: "[UNKNOWN]"}
        named = [special[n] if n < FIRST else self._quoted(self.names[n - FIRST]) for n in numbers]
        return " ".join(filter(None, named))

    def _quoted(self, name: str) -> str:
        """Return the title of an item, in quotes where it has several words."""
        title = self.title_of(name)
        return f"\u201c{title}\u201d" if " " in title else title

    def portable(self, folder: Path, length: int) -> Portable:
        """Write the names of the items."""
        from headstart.modalities.interactions.portable import portable_histories

        about = {"from_end": self.from_end, "timed": self.timed}
        return portable_histories(self.names, folder, length, **about)

    def save(self, folder: Path) -> None:
        """Write ``items.json``, the counts, and the table of the items."""
        about = {"timed": self.timed, "from_end": self.from_end}
        write_json(folder / SAVED, {"items": self.names, **about})
        if self.table is not None:
            self.table.save(folder)
        self.trained.save(folder)
        if self.vocabulary.counts is not None:
            np.save(folder / COUNTS, self.vocabulary.counts)

    @classmethod
    def load(cls, folder: Path) -> ItemProcessor:
        """Reopen what :meth:`save` wrote.

        Raises:
            HeadstartError: the files do not fit each other.
        """
        stored = json.loads((folder / SAVED).read_text(encoding="utf-8"))
        names = stored["items"]
        if not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
            raise HeadstartError(
                f"{folder / SAVED} is damaged: its items are no different names; copy the folder "
                "again."
            )
        counts = np.load(folder / COUNTS) if (folder / COUNTS).is_file() else None
        if counts is not None and len(counts) != FIRST + len(names):
            raise HeadstartError(
                f"{folder}: {SAVED} has {len(names):,} items and {COUNTS} other ones; copy the "
                "folder again."
            )
        about = {name: bool(stored.get(name, False)) for name in ("timed", "from_end")}
        found = cls(names, counts, ItemTable.load(folder), **about)
        found.trained = Trained.load(folder)
        return found


def _longest(batch: Batch) -> Tensor:
    """Return the mask (B,T) of the longest sequence of each row alone."""
    segments, mask = batch["segments"], batch["mask"]
    apart = -1 - torch.arange(mask.shape[1], device=mask.device)  # padding is no sequence
    longest = segments.where(mask, apart).mode(1, keepdim=True).values
    return mask & (segments == longest)
