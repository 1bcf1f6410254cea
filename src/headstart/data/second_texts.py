"""Other columns of the same records: the texts that belong to each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from headstart.data.audit import Audit
from headstart.errors import HeadstartError

if TYPE_CHECKING:
    from datasets import Dataset


def with_columns(
    records: Dataset,
    columns: Mapping[str, str],
    read: Callable[[str, Audit], Dataset],
    audit: Audit,
) -> Dataset:
    """Return the records that have all of these columns, with each as a column of its new name.

    Args:
        records: with ``id`` and ``text``.
        columns: from the new name to the column in the sources.
        read: ``read(column, audit)`` returns records whose ``text`` is what that column holds.
        audit: told which records lack one.

    Raises:
        HeadstartError: no record has them all.
    """
    for name, column in columns.items():
        found = read(column, Audit())
        places = {key: place for place, key in enumerate(found["id"])}
        kept = [place for place, key in enumerate(records["id"]) if key in places]
        for key in records["id"]:
            if key not in places:
                audit.set_aside(key, f"its column {column!r} holds no text")
        if not kept:
            raise HeadstartError(
                f"no record has a text in its column {column!r}; check the sources' columns."
            )
        records = records.select(kept)
        texts = found.select([places[key] for key in records["id"]])["text"]
        records = records.add_column(name, list(texts))
    return records
