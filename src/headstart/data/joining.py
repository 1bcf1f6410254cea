"""Other columns of the same records: what belongs to each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from headstart.data.audit import Audit
from headstart.errors import HeadstartError

if TYPE_CHECKING:
    from datasets import Dataset


def matched(first: Dataset, second: Dataset, reason: str, audit: Audit) -> tuple[Dataset, Dataset]:
    """Return the records of both whose ``id`` both have, in the order of the first.

    Args:
        reason: why a record that only the first have is set aside, for ``audit``.
    """
    places = {name: place for place, name in enumerate(second["id"])}
    names = list(first["id"])
    kept = [place for place, name in enumerate(names) if name in places]
    for name in names:
        if name not in places:
            audit.set_aside(name, reason)
    return first.select(kept), second.select([places[names[place]] for place in kept])


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
        reason = f"its column {column!r} holds no text"
        records, found = matched(records, read(column, Audit()), reason, audit)
        if not len(records):
            raise HeadstartError(
                f"no record has a text in its column {column!r}; check the sources' columns."
            )
        records = records.add_column(name, list(found["text"]))
    return records
