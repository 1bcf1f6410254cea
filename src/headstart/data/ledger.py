"""What became of every row of the sources: one row in, one row out.

Records are what could be read. Whoever lays results beside their rows also needs the rows that were
left out, where they stood and why, and the other columns of their sources::

    ledger = Ledger()
    records = opened.read(sources, options, say, ledger=ledger)
    for row in ledger:                      # every row of the sources, in order
        row.id, row.reason, row.columns     # reason is None where it is the next of the records
"""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from headstart.data.block import OTHER, Block, Choose, Located
from headstart.data.field import raw
from headstart.data.store import RecordWriter, stream
from headstart.files import scratch

if TYPE_CHECKING:
    from datasets import Dataset

_FIELDS = ("reason", "columns")
#: Why a record is missing whose step did not say so.
_UNKNOWN = "it was left out"


class Row(NamedTuple):
    """A row of the sources.

    Attributes:
        id: as of a record; the name of a whole file that could not be read.
        reason: why there is no record of it; None where there is one.
        columns: its values by the names of the columns; empty where the source has none.
    """

    id: str
    reason: str | None
    columns: dict[str, Any]


class Ledger:
    """Every row of the sources, on disk, in the order in which they were read.

    Args:
        columns: keep what their columns hold as well.
    """

    def __init__(self, columns: bool = True) -> None:
        self.columns = columns
        self._folder = tempfile.TemporaryDirectory(dir=scratch())
        self._path = Path(self._folder.name, "rows.arrow")
        fields = [raw(name, ()) for name in _FIELDS]
        self._writer = RecordWriter(self._path, fields, keep=_FIELDS)
        self._kept: np.ndarray | None = None
        self._reasons: dict[str, str] = {}

    # -- while the sources are read ----------------------------------------------------------

    @property
    def length(self) -> int:
        """Rows added so far."""
        return self._writer.rows

    def add(
        self,
        ids: Sequence[str],
        reasons: Sequence[str | None],
        rows: Iterable[Mapping[str, Any]],
    ) -> None:
        """Append rows, given their values by the names of the columns."""
        written = [json.dumps(row, default=_short) if row else None for row in rows]
        self._writer.add(ids, [reasons, written])

    def note(
        self,
        block: Block,
        reasons: Sequence[str | None],
        left: Sequence[tuple[int | str, str]],
        where: Callable[[int | str], str],
    ) -> None:
        """Append the rows of a block, and between them those that its reader left out.

        Args:
            reasons: why each row of the block has no record, or None.
            left: the number of each row that was left out, and why.
            where: from a number to an id.
        """
        rows = _rows(block) if self.columns else repeat({}, len(block.numbers))
        found = [
            *zip(block.numbers, reasons, rows, strict=True),
            *((number, reason, {}) for number, reason in left),
        ]
        if left:
            found.sort(key=lambda row: int(row[0]))
        self.add(
            [where(number) for number, _, _ in found],
            [reason for _, reason, _ in found],
            [row for _, _, row in found],
        )

    def drop_since(self, row: int) -> None:
        """Drop every row from ``row`` on: their file proved to be broken."""
        self._writer.drop_since(row)

    # -- when they have been read ------------------------------------------------------------

    def settle(self, records: Dataset, reasons: Mapping[str, str]) -> None:
        """Note which rows have a record in the end, and why the others have none.

        Args:
            records: those that are left after all steps, in order.
            reasons: by id, those of steps after the reading.
        """
        self._writer.close()
        kept = np.zeros(len(self.rows), dtype=bool)
        names = stream(records, "id")
        name = next(names, None)
        for index, found in enumerate(stream(self.rows, "id")):
            if found == name:
                kept[index], name = True, next(names, None)
        # Records that are no rows, such as the sentences of a file of words, stand for themselves.
        self._kept = kept if name is None else None
        self._reasons = dict(reasons)

    @cached_property
    def rows(self) -> Dataset:
        """The rows as they were written: ``id``, ``reason`` and ``columns``, memory-mapped."""
        return self._writer.open(self._path)

    @property
    def kept(self) -> np.ndarray | None:
        """Which rows (M,) have a record, bool; None where records and rows are different things."""
        return self._kept

    def __iter__(self) -> Iterator[Row]:
        kept = self.kept
        assert kept is not None, "records and rows are different things"
        start = 0
        for batch in self.rows.iter(batch_size=1000):
            values = zip(batch["id"], batch["reason"], batch["columns"], strict=True)
            for has, (name, reason, columns) in zip(kept[start:], values, strict=False):
                missing = None if has else reason or self._reasons.get(name, _UNKNOWN)
                yield Row(name, missing, json.loads(columns) if columns else {})
            start += len(batch["id"])

    def sentence(self, what: str) -> str:
        """Return how many rows have no ``what`` (a noun), why, and which; "" if all have one."""
        if self._kept is None or self._kept.all():
            return ""
        missing = [row for row in self if row.reason]
        if len(missing) == 1:
            (row,) = missing
            return f"1 of {len(self._kept):,} rows has no {what}: {row.id} ({row.reason})"
        counts = Counter(row.reason for row in missing).most_common(3)
        reasons = "; ".join(f"{count:,}: {reason}" for reason, count in counts)
        names = ", ".join(row.id for row in missing[:3]) + (", ..." if len(missing) > 3 else "")
        return f"{len(missing):,} of {len(self._kept):,} rows have no {what} ({reasons}): {names}"


def with_others(choose: Choose) -> Choose:
    """Return a choice that also takes every other column, but none of bytes, which may be large."""

    def choice(columns: Mapping[str, Sequence[Any]]) -> Mapping[str, str]:
        others = {f"{OTHER}{name}": name for name, of in columns.items() if not _is_heavy(of)}
        return {**choose(columns), **others}

    return choice


def _is_heavy(values: Sequence[Any]) -> bool:
    """Return whether a sample is one of bytes, see :func:`headstart.data.columnar.holds_bytes`."""
    first = values[0] if len(values) else None
    return isinstance(first, bytes) or (isinstance(first, dict) and "bytes" in first)


def _rows(block: Block) -> Iterator[Mapping[str, Any]]:
    """Yield all columns of each row of a table; of files, their paths."""
    if block.rows is not None:
        for row in block.rows:
            yield {name: value for name, value in row.items() if not _is_heavy([value])}
        return
    found = {k[len(OTHER) :]: of for k, of in block.columns.items() if k.startswith(OTHER)}
    found = found or {
        k: of for k, of in block.columns.items() if len(of) and isinstance(of[0], Located)
    }
    for index in range(len(block.numbers)):
        yield {name: of[index] for name, of in found.items()}


def _short(value: Any) -> str:
    """Return a value of a column that JSON has no form for."""
    return f"({len(value):,} bytes)" if isinstance(value, bytes) else str(value)
