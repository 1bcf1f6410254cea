"""Reading any source into records: the only entry point of data."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from headstart.data.audit import Audit
from headstart.data.columns import LABEL
from headstart.data.content import Content
from headstart.data.discovery import find
from headstart.data.field import Field
from headstart.data.reading import Reading
from headstart.data.store import RecordWriter
from headstart.errors import HeadstartError
from headstart.files import scratch, whole_file

if TYPE_CHECKING:
    from datasets import Dataset


def read(
    sources: Sequence[str],
    *,
    content: Content,
    columns: Mapping[str, str],
    document: Literal["auto", "line", "file"],
    audit: Audit,
    encoding: str | None = None,
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
        document: in ``.txt`` files, is each line a record or each file? ``auto`` takes the file
            where its folder names its class, and else the line.
        audit: collects counts and quarantined records, and notes on how files are read; its ledger,
            if any, gets every row.
        encoding: that of the text files; None to detect it, see
            :mod:`headstart.data.encodings`.
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
    options = (sorted(named.items()), list(wanted), document, encoding)
    key = repr((tuple(sources), content.name, *options))
    coded = key.encode("utf-8", "surrogatepass")
    name = f"records-{hashlib.blake2b(coded, digest_size=8).hexdigest()}.arrow"
    path = (cache or Path(tempfile.mkdtemp(dir=scratch()))) / name
    found = Audit(ledger=audit.ledger)
    found.watch = audit.watch
    reading = Reading(content, list(wanted.values()), named, document, encoding, found)
    try:
        with whole_file(path) as unfinished:
            writer = RecordWriter(unfinished, reading.fields, content.columns)
            beside = {one.beside for one in reading.fields if one.beside}
            for unit in find(sources, found, content, beside):
                reading.store(unit, writer)
            if not found.kept:
                raise reading.refused or _nothing_in(sources, found)
            writer.close()
        records = writer.open(path)
        found.duplicates = content.count_repeats(records, found)
    finally:
        found.notes += reading.sentences()
        audit.merge(found)
    return records


def _nothing_in(sources: Sequence[str], audit: Audit) -> HeadstartError:
    named = ", ".join(sources[:3]) + (", ..." if len(sources) > 3 else "")
    if audit.reasons:
        (reason, count), *_ = audit.reasons.most_common(1)
        first = next(
            (row["where"] for row in audit.summary()["records"] if row["reason"] == reason), named
        )
        others = f" (set aside for this reason: {count})" if count > 1 else ""
        where = "" if named.endswith(first) else f"{first}: "
        return HeadstartError(f"no record could be read from {named}: {where}{reason}{others}.")
    blank = "all its lines are blank" if audit.blank else "it holds no file"
    return HeadstartError(f"no record could be read from {named}: {blank}; name another source.")
