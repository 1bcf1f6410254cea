"""Records that belong together, which no split divides: named groups, copies and near copies.

    records --together--> records with the column ``group`` --split, folds, hold_out--> parts

Two records are in one group if they have the same value in the column of ``--group``, if they are
copies, or if they are near copies; and, since no group may be divided, if a third record is in one
group with both. Where each record stands alone there is no column, and a split is the one that it
would be without any of this.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.data.columns import label_text
from headstart.data.field import Field, string
from headstart.data.pairs import PAIR
from headstart.data.store import stream
from headstart.errors import HeadstartError

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.data.content import Content
    from headstart.data.unit import Unit


def _take(value: Any, unit: Unit) -> tuple[str | None, str | None]:
    return value.isoformat() if isinstance(value, date) else label_text(value), None


#: Fewest records of a class that show a form in common: fewer are copies of each other.
_FORM = 10
#: The group of a record, such as a patient or an author; it is read where its column is named.
GROUP = Field(
    name="group",
    names=(),
    fits=lambda value: True,
    take=_take,
    type=string,
    size=len,
    required=False,
)


def groups_of(records: Dataset) -> np.ndarray | None:
    """Return the group (N,) int64 of each record, 0..G-1; None where each stands alone."""
    if GROUP.name not in records.column_names:
        return None
    return np.unique(np.asarray(records[GROUP.name]), return_inverse=True)[1]


def alone(records: Dataset) -> Dataset:
    """Return the records without their groups, once they have been split."""
    return records.remove_columns(GROUP.name) if GROUP.name in records.column_names else records


def together(
    records: Dataset,
    content: Content,
    notes: list[str],
    *,
    where: str,
    column: str | None = None,
    near: bool = True,
) -> Dataset:
    """Return the records with their :func:`grouping` as a column; without it if each is alone."""
    groups = grouping(records, content, notes, where=where, column=column, near=near)
    records = alone(records)
    return records if groups is None else records.add_column(GROUP.name, groups.tolist())


def grouping(
    records: Dataset,
    content: Content,
    notes: list[str],
    *,
    where: str,
    column: str | None = None,
    near: bool = True,
) -> np.ndarray | None:
    """Return the group (N,) int64 of each record, 0..G-1; None where each stands alone.

    A record without a value in ``column`` is a group of its own. Ten or more near copies that make
    up more than half of a class, or of all records where there are no classes, have a form in
    common rather than an origin: of these only exact copies stay together.

    Args:
        notes: extended by sentences on the groups.
        where: the file, for messages.
        column: that of ``--group``, whose values are in the records.
        near: whether near copies are looked for.

    Raises:
        HeadstartError: no record has a value in ``column``, or all have the same.
    """
    count = len(records)
    copies = identities(records, content)
    links = [linked(copies)]
    if near:
        links.append(linked(_near(records, content, copies, notes)))
    if column is not None:
        links.append(linked(_named(records, column, where, notes)))
    groups = joined(count, links)
    sizes = np.bincount(groups)
    if len(sizes) == count:
        return None
    if column is None:
        several = sizes[sizes > 1]
        kinds = "copies or near copies" if near else "copies"
        notes.append(
            f"{where}: {int(several.sum()):,} of {count:,} {content.noun} are {kinds} of others; "
            "these stay on one side of every split."
        )
    return groups


def shared_groups(trained: Dataset, tested: Dataset) -> Counter[str]:
    """Return how many tested records are of each named group that training records are of, too.

    Both are as they were read, before they are put :func:`together`.
    """
    named = [
        stream(records, GROUP.name) if GROUP.name in records.column_names else ()
        for records in (trained, tested)
    ]
    known = {value for value in named[0] if value is not None}
    return Counter(value for value in named[1] if value in known)


def linked(codes: np.ndarray) -> np.ndarray:
    """Return pairs (N,2) of each record and the first one of the same code (N,)."""
    _, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
    return np.stack([np.arange(len(codes)), first[inverse]], axis=1)


def joined(count: int, links: Sequence[np.ndarray]) -> np.ndarray:
    """Return the connected component (N,) int64 of each of ``count`` records, 0..G-1.

    Args:
        links: pairs (m,2) of records that belong together.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    rows, columns = np.concatenate([np.empty((0, 2), np.int64), *links]).T
    graph = coo_matrix((np.ones(len(rows), dtype=bool), (rows, columns)), shape=(count, count))
    return np.asarray(connected_components(graph, directed=False)[1], dtype=np.int64)


def _named(records: Dataset, column: str, where: str, notes: list[str]) -> np.ndarray:
    """Return the group (N,) of each record by the values of its column."""
    values: list[str | None] = (
        list(stream(records, GROUP.name))
        if GROUP.name in records.column_names
        else [None] * len(records)
    )
    known = {value for value in values if value is not None}
    missing = sum(value is None for value in values)
    if not known:
        raise HeadstartError(
            f"{where}: no record has a value in the column {column!r}; name another with --group, "
            "or leave it out."
        )
    if len(known) == 1 and not missing:
        raise HeadstartError(
            f"{where}: every record has the same value {known.pop()!r} in the column {column!r}, "
            "so no group can be held out; name another column with --group, or leave it out."
        )
    if missing:
        notes.append(
            f"{where}: {missing:,} of {len(values):,} records have no value in {column!r}; each is "
            "a group of its own."
        )
    if len(known) == len(values) - missing:
        notes.append(
            f"{where}: no two records have the same value in {column!r}, so --group changes "
            "nothing; is it the right column?"
        )
    else:
        notes.append(f"{where}: {len(known):,} groups by {column!r}, which no split divides.")
    numbers = {value: number for number, value in enumerate(sorted(known))}
    rest = iter(range(len(known), len(known) + missing))
    return np.array([next(rest) if value is None else numbers[value] for value in values])


def _sides(records: Dataset, content: Content) -> list[Dataset]:
    """Return the records; of pairs the first and the second ones."""
    if PAIR not in records.column_names:
        return [records]
    name = content.columns[0]
    return [records, records.remove_columns(name).rename_column(PAIR, name)]


def identities(records: Dataset, content: Content) -> np.ndarray:
    """Return a number (N,) per record, equal for copies; of pairs both sides are copies."""
    return _codes(np.stack([content.digests(side) for side in _sides(records, content)], axis=1))


def _near(records: Dataset, content: Content, copies: np.ndarray, notes: list[str]) -> np.ndarray:
    """Return a number (N,) per record, equal for copies and for near ones."""
    same = linked(copies)
    sides = [
        joined(len(records), [same, content.near_pairs(side, notes)])
        for side in _sides(records, content)
    ]
    found = _codes(np.stack(sides, axis=1))
    classes = _classes(records)
    cells, sizes = np.unique(np.stack([found, classes], axis=1), axis=0, return_counts=True)
    most = 2 * sizes > np.bincount(classes)[cells[:, 1]]
    common = cells[most & (sizes >= _FORM), 0]
    formed = np.isin(found, common)
    if len(np.unique(copies[formed])) > len(np.unique(found[formed])):
        notes.append(
            f"More than half of a class, {int(formed.sum()):,} {content.noun} in all, are nearly "
            "alike: they have a form in common, so that of these only exact copies stay together."
        )
    return _codes(np.stack([found, np.where(formed, 1 + _codes(copies[:, None]), 0)], axis=1))


def _classes(records: Dataset) -> np.ndarray:
    """Return the class (N,) of each record; 0 for all where labels are no names."""
    labels = records["label"] if "label" in records.column_names else []
    if not len(labels) or not isinstance(labels[0], str):
        return np.zeros(len(records), dtype=np.int64)
    return np.unique(np.asarray(labels[:], dtype=str), return_inverse=True)[1]


def _codes(rows: np.ndarray) -> np.ndarray:
    """Return a number (N,) per row of ``rows`` (N,K), equal for equal rows."""
    return np.unique(rows, axis=0, return_inverse=True)[1].reshape(-1)
