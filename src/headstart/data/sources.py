"""Reading any source into records: the one door through which data comes in."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import cache as once
from functools import partial
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from headstart.data import columns, duplicates
from headstart.data.audit import Audit
from headstart.data.block import Aside, Block, Choose
from headstart.data.columnar import read_parquet, read_saved
from headstart.data.delimited import read_delimited
from headstart.data.discovery import SAVED, Unit, find
from headstart.data.json_records import read_json
from headstart.data.lines import LONGEST, NOT_UTF8, TOO_LONG, chunks, lines, whole
from headstart.data.store import RecordWriter
from headstart.data.streams import Unreadable, plain_reasons
from headstart.errors import HeadstartError
from headstart.files import whole_file

if TYPE_CHECKING:
    from datasets import Dataset

EMPTY = "it is empty"
NO_TEXT = "it has no text"
NOT_TEXT = "its text is not a string"
NUL = "it holds NUL bytes; remove them"
NO_LABEL = "its label is missing or not a plain value"


def read(
    sources: Sequence[str],
    *,
    content: str,
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
        content: name that the content column gets, for example ``"text"``.
        content_column: the column in the sources; None finds it where it is obvious.
        label_column: the same for the label; a record without a label is then set aside.
        document: in ``.txt`` files, is each line a record or each file?
        audit: told what was read and what was set aside.
        cache: folder for the Arrow file; without one it lies in a temporary folder for as long
            as the process lives. It is written anew at each call, whole or not at all.

    Returns:
        Records with the columns ``id`` (such as ``"reviews/a.txt:17"``: file and line or row,
        from 1), ``content`` (string) and, where any record has one, ``label`` (string or None).

    Raises:
        HeadstartError: a source does not exist or is of an unknown kind; a column that was named
            is missing, or it is unclear which one holds the content; no record is left.
    """
    key = repr((tuple(sources), content, content_column, label_column, document))
    name = f"records-{hashlib.blake2b(key.encode(), digest_size=8).hexdigest()}.arrow"
    path = (cache or Path(tempfile.mkdtemp(dir=_scratch().name))) / name
    found = Audit()
    try:
        with whole_file(path) as unfinished:
            writer = RecordWriter(unfinished, content)
            for unit in find(sources, found):
                if unit.kind == ".txt" and label_column:
                    raise HeadstartError(
                        f"{unit.name} is plain text and has no column {label_column!r}; leave out "
                        "--label-column, or put the texts of each label into a folder of its own."
                    )
                choose = partial(
                    columns.choose,
                    unit.name,
                    content=content,
                    content_column=content_column,
                    label_column=label_column,
                )
                _store(unit, document, choose, label_column is not None, writer, found)
            if not found.kept:
                raise _nothing_in(sources, found)
            writer.close()
        records = writer.open(path)
        found.duplicates = duplicates.exact(duplicates.stream(records, content))
    finally:
        audit.merge(found)
    return records


def _store(
    unit: Unit,
    document: Literal["line", "file"],
    choose: Choose,
    needs_label: bool,
    writer: RecordWriter,
    audit: Audit,
) -> None:
    """Write the sound records of one unit; if it turns out to be broken, none of them."""

    def where(number: int) -> str:
        return f"{unit.name}:{number}" if number else unit.name

    def aside(number: int, reason: str) -> None:
        audit.set_aside(where(number), reason)

    start, kept, seen = writer.rows, 0, audit.aside + audit.blank
    try:
        for block in _blocks(unit, document, choose, aside):
            ids: list[str] = []
            contents: list[str] = []
            labels: list[str | None] = []
            values = repeat(unit.label) if block.labels is None else block.labels
            for number, text, value in zip(block.numbers, block.contents, values, strict=False):
                if isinstance(text, str) and (not text or text.isspace()):
                    audit.blank += 1
                    continue
                label = columns.label_text(value)
                fault = _fault(text) or _label_fault(label, needs_label)
                if fault:
                    aside(number, fault)
                    continue
                ids.append(where(number))
                contents.append(text)
                labels.append(label)
            writer.add(ids, contents, labels)
            kept += len(ids)
    except Unreadable as reason:
        writer.drop_since(start)
        audit.set_aside(unit.name, str(reason))
        return
    if kept:
        audit.keep(unit.source, kept)
    elif audit.aside + audit.blank == seen:
        audit.set_aside(unit.name, EMPTY)


def _blocks(
    unit: Unit, document: Literal["line", "file"], choose: Choose, aside: Aside
) -> Iterator[Block]:
    with plain_reasons():
        if unit.kind == SAVED:
            yield from read_saved(unit.path, choose)
            return
        with closing(unit.open()) as stream:
            if unit.kind in (".csv", ".tsv"):
                yield from read_delimited(stream, unit.kind, choose, aside)
            elif unit.kind == ".parquet":
                yield from read_parquet(stream, choose)
            elif unit.kind != ".txt":
                yield from read_json(stream, choose, aside)
            elif document == "file":
                yield Block([0], [whole(stream)])
            else:
                for first, texts in lines(chunks(stream), aside):
                    yield Block(range(first, first + len(texts)), texts)


def _fault(text: Any) -> str | None:
    """Return why a text cannot be kept, or None."""
    if not isinstance(text, str):
        return NO_TEXT if text is None else NOT_TEXT
    if len(text) > LONGEST:
        return TOO_LONG
    if "\0" in text:
        return NUL
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:  # a lone surrogate stands for a byte that is not UTF-8
            return NOT_UTF8
    return None


def _label_fault(label: str | None, needed: bool) -> str | None:
    if label is None:
        return NO_LABEL if needed else None
    return NO_LABEL if _fault(label) else None


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
