"""Reading any source into records: the one door through which data comes in."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import cache as once
from functools import partial
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from headstart.data import columns
from headstart.data.audit import Audit
from headstart.data.block import Block, Choose, Located, Quarantine
from headstart.data.columnar import read_parquet, read_saved
from headstart.data.content import Content
from headstart.data.delimited import read_delimited
from headstart.data.discovery import find
from headstart.data.json_records import read_json
from headstart.data.lines import chunks, lines, whole
from headstart.data.lines import fault as text_fault
from headstart.data.sidecars import label_beside
from headstart.data.store import RecordWriter
from headstart.data.streams import EMPTY, Unreadable, plain_reasons
from headstart.data.unit import FILES, SAVED, Unit
from headstart.data.walking import shown
from headstart.errors import HeadstartError
from headstart.files import whole_file

if TYPE_CHECKING:
    from datasets import Dataset

NO_LABEL = "its label is missing or not a plain value"


def read(
    sources: Sequence[str],
    *,
    content: Content,
    content_column: str | None,
    label_column: str | None,
    document: Literal["line", "file"],
    audit: Audit,
    cache: Path | None = None,
) -> Dataset:
    """Read files, folders, globs, archives and saved datasets into memory-mapped records.

    A bad record or file is set aside in ``audit`` with its reason, and reading goes on. Memory
    stays flat however large the sources are.

    Args:
        sources: what the user named, read in this order; a folder's files are sorted by name.
        content: what the records are; its name is also that of its column.
        content_column: the column in the sources; None finds it where it is obvious.
        label_column: the same for the label; a record without a label is then set aside.
        document: in ``.txt`` files, is each line a record or each file?
        audit: told what was read and what was set aside.
        cache: folder for the Arrow file; without one it lies in a temporary folder for as long
            as the process lives. It is written anew at each call, whole or not at all.

    Returns:
        Records with the columns ``id`` (such as ``"reviews/a.txt:17"``: file and line or row,
        from 1; ``"photos/cat/1.jpg"`` where a file is one record), the content, and, where any
        record has one, ``label`` (string or None). Text is a string; a picture is a struct of
        ``bytes`` and ``path``, one of which may be None: a file's bytes are not read.

    Raises:
        HeadstartError: a source does not exist or is of an unknown kind; a column that was named
            is missing, or it is unclear which one holds the content; no record is left.
    """
    key = repr((tuple(sources), content.name, content_column, label_column, document))
    name = f"records-{hashlib.blake2b(key.encode(), digest_size=8).hexdigest()}.arrow"
    path = (cache or Path(tempfile.mkdtemp(dir=_scratch().name))) / name
    found = Audit()
    reading = _Reading(content, content_column, label_column, document, found)
    try:
        with whole_file(path) as unfinished:
            writer = RecordWriter(unfinished, content.name, content.column(), content.size)
            for unit in find(sources, found, content):
                reading.store(unit, writer)
            if not found.kept:
                raise _nothing_in(sources, found)
            writer.close()
        records = writer.open(path)
        found.duplicates = content.repeats(records, found)
    finally:
        audit.merge(found)
    return records


class _Reading:
    """One reading: the content, the options and the audit that every unit is read with."""

    def __init__(
        self,
        content: Content,
        content_column: str | None,
        label_column: str | None,
        document: Literal["line", "file"],
        audit: Audit,
    ) -> None:
        self.content, self.audit, self.document = content, audit, document
        self.content_column, self.label_column = content_column, label_column

    def store(self, unit: Unit, writer: RecordWriter) -> None:
        """Write the sound records of one unit; if it turns out to be broken, none of them."""
        if unit.kind in self.content.columnless and self.label_column:
            raise HeadstartError(
                f"{unit.name} {self.content.columnless[unit.kind]} and has no column "
                f"{self.label_column!r}; leave out --label-column, or put the "
                f"{self.content.name}s of each label into a folder of its own."
            )

        def where(number: int | str) -> str:
            if isinstance(number, str):
                return f"{unit.name}/{number}" if unit.name else number
            return f"{unit.name}:{number}" if number else unit.name

        def aside(number: int | str, reason: str) -> None:
            self.audit.quarantine(where(number), reason)

        audit, take, is_blank = self.audit, self.content.take, self.content.is_blank
        needs_label = self.label_column is not None
        start, kept, seen = writer.rows, 0, audit.aside + audit.blank
        try:
            for block in self._blocks(unit, aside):
                ids: list[str] = []
                contents: list[Any] = []
                labels: list[str | None] = []
                values = repeat(unit.label) if block.labels is None else block.labels
                for number, value, named in zip(
                    block.numbers, block.contents, values, strict=False
                ):
                    if is_blank(value):
                        audit.blank += 1
                        continue
                    label = columns.label_text(named)
                    stored, fault = take(value, unit)
                    fault = fault or _label_fault(label, needs_label)
                    if fault:
                        aside(number, fault)
                        continue
                    ids.append(where(number))
                    contents.append(stored)
                    labels.append(label)
                writer.add(ids, contents, labels)
                kept += len(ids)
        except Unreadable as reason:
            writer.drop_since(start)
            audit.quarantine(unit.name, str(reason))
            return
        if kept:
            audit.keep(unit.source, kept)
        elif audit.aside + audit.blank == seen:
            audit.quarantine(unit.name, EMPTY)

    def _blocks(self, unit: Unit, aside: Quarantine) -> Iterator[Block]:
        choose: Choose = partial(
            columns.choose,
            unit.name,
            content=self.content.name,
            content_column=self.content_column,
            label_column=self.label_column,
            names=self.content.names,
            fits=self.content.fits,
            obvious=self.content.obvious,
        )
        if unit.kind == FILES:
            found = [Located(os.path.join(unit.path, name)) for name in unit.files]
            yield Block([shown(name) for name in unit.files], found)
            return
        with plain_reasons():
            if unit.kind == SAVED:
                yield from read_saved(unit.path, choose, self.content.rows)
                return
            if unit.kind in self.content.readers:
                yield from self.content.readers[unit.kind](
                    unit, self.content_column, self.label_column
                )
                return
            with closing(unit.open()) as stream:
                if unit.kind in self.content.files:
                    labels = label_beside(unit.beside, self.label_column)
                    yield Block([0], [b"".join(chunks(stream))], labels)
                elif unit.kind in (".csv", ".tsv"):
                    yield from read_delimited(stream, unit.kind, choose, aside)
                elif unit.kind == ".parquet":
                    yield from read_parquet(stream, choose, self.content.rows)
                elif unit.kind != ".txt":
                    yield from read_json(stream, choose, aside)
                elif self.document == "file":
                    yield Block([0], [whole(stream)])
                else:
                    for first, texts in lines(chunks(stream), aside):
                        yield Block(range(first, first + len(texts)), texts)


def _label_fault(label: str | None, needed: bool) -> str | None:
    if label is None:
        return NO_LABEL if needed else None
    return NO_LABEL if text_fault(label) else None


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
    """Return a temporary folder that goes when the process ends."""
    return tempfile.TemporaryDirectory(prefix="headstart-")
