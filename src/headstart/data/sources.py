"""Reading any source into records: the only entry point of data."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cache as once
from functools import partial
from itertools import compress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from headstart.data.audit import Audit
from headstart.data.block import Block, Located, Quarantine
from headstart.data.columns import LABEL, option
from headstart.data.columns import choose as choose_columns
from headstart.data.content import Content, Reader
from headstart.data.discovery import find
from headstart.data.field import Field
from headstart.data.ledger import Ledger, with_others
from headstart.data.lines import chunks, lines, whole
from headstart.data.sidecars import label_beside
from headstart.data.store import RecordWriter
from headstart.data.streams import EMPTY, Unreadable, plain_reasons
from headstart.data.tables import TABLES, read_table
from headstart.data.unit import FILES, Unit
from headstart.data.walking import printable
from headstart.errors import HeadstartError
from headstart.files import whole_file
from headstart.registry import HOME

if TYPE_CHECKING:
    from datasets import Dataset

#: Marks a blank record, which is skipped.
_BLANK = "it is blank"


def read(
    sources: Sequence[str],
    *,
    content: Content,
    columns: Mapping[str, str],
    document: Literal["line", "file"],
    audit: Audit,
    fields: Sequence[Field] = (),
    cache: Path | None = None,
) -> Dataset:
    """Read files, folders, globs, archives and saved datasets into memory-mapped records.

    All columns are read in one pass. A bad record or file is quarantined in ``audit`` with its
    reason, and reading continues. Memory use is constant, whatever the size of the sources.

    Args:
        sources: what the user named, read in this order; a folder's files are sorted by name.
        content: the kind of the records.
        columns: from the name of a field to its column in the sources; others are found where
            they are obvious. Names of unknown fields are ignored. If the label's column is named,
            a record without a label is quarantined.
        document: in ``.txt`` files, is each line a record or each file?
        audit: collects counts and quarantined records; its ledger, if any, gets every row.
        fields: further columns of the records, in addition to those of the content and ``label``;
            one of the same name replaces either.
        cache: folder for the Arrow file; by default a temporary folder that is deleted with the
            process. The file is written again at each call, whole or not at all.

    Returns:
        Records with the columns ``id`` (such as ``"reviews/a.txt:17"``: file and line or row,
        from 1; ``"photos/cat/1.jpg"`` where a file is one record), the fields of the content,
        ``label`` (string or None), and ``fields``; of these two only what is required or any
        record has. Text is a string; a picture is a struct of ``bytes`` and ``path``, one of which
        may be None: a file's bytes are not read.

    Raises:
        HeadstartError: a source does not exist or is of an unknown kind; a named column is
            missing, or it is unclear which one holds a field; no record is left.
    """
    label = replace(LABEL, required=LABEL.name in columns)
    wanted = {field.name: field for field in (*content.fields, label, *fields)}
    named = {name: column for name, column in columns.items() if name in wanted}
    key = repr((tuple(sources), content.name, sorted(named.items()), list(wanted), document))
    name = f"records-{hashlib.blake2b(key.encode(), digest_size=8).hexdigest()}.arrow"
    path = (cache or Path(tempfile.mkdtemp(dir=_scratch().name))) / name
    found = Audit(ledger=audit.ledger)
    found.watch = audit.watch
    reading = _Reading(content, list(wanted.values()), named, document, found, audit.ledger)
    try:
        with whole_file(path) as unfinished:
            writer = RecordWriter(unfinished, reading.fields, content.columns)
            for unit in find(sources, found, content):
                reading.store(unit, writer)
            if not found.kept:
                raise _nothing_in(sources, found)
            writer.close()
        records = writer.open(path)
        found.duplicates = content.count_repeats(records, found)
    finally:
        audit.merge(found)
    return records


@dataclass
class _Reading:
    """One reading: the fields, the options and the audit that every unit is read with."""

    content: Content
    fields: list[Field]
    named: Mapping[str, str]
    document: Literal["line", "file"]
    audit: Audit
    ledger: Ledger | None = None

    def store(self, unit: Unit, writer: RecordWriter) -> None:
        """Write the valid records of one unit; none if the unit proves to be broken."""
        self._refuse_columns(unit)

        def where(number: int | str) -> str:
            if isinstance(number, str):
                return f"{unit.name}/{number}" if unit.name else number
            return f"{unit.name}:{number}" if number else unit.name

        left: list[tuple[int | str, str]] = []  # rows that their reader leaves out

        def quarantine(number: int | str, reason: str) -> None:
            audit.quarantine(where(number), reason)
            left.append((number, reason))

        audit, ledger = self.audit, self.ledger
        begin = ledger.length if ledger else 0
        start, kept, seen = writer.rows, 0, audit.quarantined + audit.blank
        try:
            for block in self._blocks(unit, quarantine):
                columns, faults = self._taken(block, unit)
                if ledger:
                    ledger.note(block, faults, left, where)
                left.clear()
                ids: list[str] = []
                for number, fault in zip(block.numbers, faults, strict=True):
                    if fault is None:
                        ids.append(where(number))
                    elif fault is _BLANK:
                        audit.blank += 1
                    else:
                        audit.quarantine(where(number), fault)
                if len(ids) < len(faults):
                    sound = [fault is None for fault in faults]
                    columns = [list(compress(values, sound)) for values in columns]
                writer.add(ids, columns)
                kept += len(ids)
                if audit.watch:
                    audit.watch(writer.rows, 0)
        except Unreadable as reason:
            writer.drop_since(start)
            audit.quarantine(unit.name, str(reason))
            if ledger:
                ledger.drop_since(begin)
                ledger.add([unit.name], [str(reason)], {})
            return
        if ledger:
            ledger.note(Block([], {}), [], left, where)
        if kept:
            audit.keep(unit.source, kept)
        elif audit.quarantined + audit.blank == seen:
            audit.quarantine(unit.name, EMPTY)

    def _taken(self, block: Block, unit: Unit) -> tuple[list[list[Any]], list[str | None]]:
        """Return the stored values of each field, and why each record is invalid, or None."""
        count, own = len(block.numbers), len(self.content.fields)
        columns: list[list[Any]] = []
        faults: list[str | None] = [None] * count
        blank = [True] * count
        for index, field in enumerate(self.fields):
            # A folder may be the label of all its files.
            rest = unit.label if field.name == LABEL.name else None
            values = block.columns.get(field.name)
            if values is None:
                values = [rest] * count
            elif len(values) != count:
                raise Unreadable(
                    f"its reader gives {len(values)} values of {field.name!r} for {count} records"
                )
            elif isinstance(values, np.ndarray):
                values = list(values) if values.ndim > 1 else values.tolist()
            column: list[Any] = []
            for row, value in enumerate(values):
                stored = fault = None
                if not field.is_blank(value):
                    blank[row] = blank[row] and index >= own
                    stored, fault = field.take(value, unit)
                if stored is None and fault is None and field.required:
                    fault = field.absent
                faults[row] = faults[row] or fault
                column.append(stored)
            columns.append(column)
        return columns, [
            _BLANK if empty else fault for empty, fault in zip(blank, faults, strict=True)
        ]

    def _refuse_columns(self, unit: Unit) -> None:
        """Refuse a unit without columns if a column was named that it must have."""
        what = self.content.columnless.get(unit.kind)
        needed = self.named.keys() - set(self.content.columns)
        if what and needed:
            name = min(needed)
            column = self.named[name]
            folders = f", or put the {self.content.noun} of each label into a folder of its own"
            raise HeadstartError(
                f"{unit.name} {what} and has no column {column!r}; leave out "
                f"{option(name, column)}{folders if name == LABEL.name else ''}."
            )

    def _blocks(self, unit: Unit, quarantine: Quarantine) -> Iterator[Block]:
        content, first = self.content, self.fields[0].name
        if unit.kind == FILES:
            found = [Located(os.path.join(unit.path, name)) for name in unit.files]
            yield Block([printable(name) for name in unit.files], {first: found})
            return
        with plain_reasons():
            if unit.kind in content.readers:
                yield from _read_by(content.readers[unit.kind], unit, self.named)
            elif unit.kind in TABLES:
                choose = partial(choose_columns, unit.name, fields=self.fields, named=self.named)
                choice = with_others(choose) if self.ledger and self.ledger.columns else choose
                yield from read_table(unit, choice, quarantine, content.rows)
            else:
                with closing(unit.open()) as stream:
                    if unit.kind in content.files:
                        beside = label_beside(unit.beside, self.named.get(LABEL.name))
                        labels = {} if beside is None else {LABEL.name: beside}
                        yield Block([0], {first: [b"".join(chunks(stream))], **labels})
                    elif self.document == "file":
                        yield Block([0], {first: [whole(stream)]})
                    else:
                        for line, texts in lines(chunks(stream), quarantine):
                            yield Block(range(line, line + len(texts)), {first: texts})


def _read_by(reader: Reader, unit: Unit, named: Mapping[str, str]) -> Iterator[Block]:
    """Yield the blocks of a reader; where one of another package fails, its file is refused."""
    try:
        with plain_reasons():
            yield from reader(unit, named)
    except (Unreadable, HeadstartError):
        raise
    except Exception as error:
        if reader.__module__.partition(".")[0] == HOME:
            raise
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise Unreadable(f"its reader cannot read it ({reason})") from error


def _nothing_in(sources: Sequence[str], audit: Audit) -> HeadstartError:
    named = ", ".join(sources[:3]) + (", ..." if len(sources) > 3 else "")
    if audit.reasons:
        (reason, count), *_ = audit.reasons.most_common(1)
        first = next(
            (row["where"] for row in audit.summary()["records"] if row["reason"] == reason), named
        )
        others = f" (set aside for this reason: {count})" if count > 1 else ""
        return HeadstartError(f"no record could be read from {named}: {first}: {reason}{others}.")
    blank = "all its lines are blank" if audit.blank else "it holds no file"
    return HeadstartError(f"no record could be read from {named}: {blank}; name another source.")


@once
def _scratch() -> tempfile.TemporaryDirectory[str]:
    """Return a temporary folder that is deleted when the process ends."""
    return tempfile.TemporaryDirectory(prefix="headstart-")
