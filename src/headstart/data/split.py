"""Splitting records: labeled ones, train and test, folds, a validation part."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from headstart.data.audit import Audit
from headstart.data.group_splits import deal_groups, split_groups
from headstart.data.groups import groups_of
from headstart.data.store import stream
from headstart.errors import HeadstartError
from headstart.seeding import derive, numbers

if TYPE_CHECKING:
    from datasets import Dataset

_HASHES = 2**64


def labeled(records: Dataset, source: str, audit: Audit) -> Dataset:
    """Return the records that have a label; the others are quarantined in ``audit``.

    Raises:
        HeadstartError: no record has a label.
    """
    if "label" not in records.column_names:
        raise HeadstartError(
            f"{source} has no labels; name their column with --column label=COLUMN, or put the "
            "texts of each label into a folder of its own."
        )
    known = np.array([label is not None for label in stream(records, "label")])
    for name in stream(records.select(np.flatnonzero(~known)), "id"):
        audit.drop(name, "it has no label")
    return records if known.all() else records.select(np.flatnonzero(known))


def split(
    labels: Sequence[str],
    test_share: float = 0.2,
    seed: int = 0,
    groups: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return sorted indices (n,) int64 of a stratified train and test part.

    Every label has the same share in both parts; one that occurs once is in the training part.
    With groups the shares are as near to that as whole groups allow; a label all of whose records
    are in one group is in the training part.

    Args:
        groups: (N,) int64, records that stay together; None where each stands alone.

    Raises:
        HeadstartError: fewer than two labels, none that occurs twice, or no group that can be
            held out.
    """
    of_label = _by_label(labels)
    if max(len(indices) for indices in of_label.values()) < 2:
        raise HeadstartError(
            "every label occurs only once, so no record can be held out; label more records of "
            "each."
        )
    if groups is not None:
        return split_groups(_codes(labels), groups, test_share, seed)
    test = []
    for label, indices in of_label.items():
        drawn = _shuffled(indices, seed, "split", label)
        count = min(max(1, round(test_share * len(indices))), len(indices) - 1)
        test.append(drawn[:count])
    chosen = np.sort(np.concatenate(test))
    return np.setdiff1d(np.arange(len(labels)), chosen), chosen


def folds(
    labels: Sequence[str],
    count: int,
    seed: int = 0,
    where: str = "the labeled records",
    groups: np.ndarray | None = None,
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return ``count`` stratified (train, test) pairs of sorted indices; the tests are disjoint.

    Args:
        where: the file of the labels, for messages.
        groups: (N,) int64, records that stay together; None where each stands alone.

    Raises:
        HeadstartError: fewer than two labels, or a label with fewer records, or groups, than folds.
    """
    of_label = _by_label(labels)
    units = {
        label: len(rows) if groups is None else len(np.unique(groups[rows]))
        for label, rows in of_label.items()
    }
    rare = sorted((units[label], label) for label in of_label if units[label] < count)
    if rare:
        fewest, label = rare[0]
        others = f", and {len(rare) - 1:,} more have too few" if len(rare) > 1 else ""
        fewer = f"use --folds {fewest}, " if fewest > 1 else ""
        what = "record(s)" if groups is None else "group(s) of records that stay together"
        raise HeadstartError(
            f"{where}: the label {label!r} has {fewest} {what}, fewer than the {count} "
            f"folds{others}; {fewer}label more records, or leave such labels out."
        )
    fold_of = np.empty(len(labels), dtype=np.int64)
    dealt = 0
    for label, indices in of_label.items():
        fold_of[_shuffled(indices, seed, "folds", label)] = (
            np.arange(dealt, dealt + len(indices)) % count
        )
        dealt += len(indices)
    if groups is not None:
        fold_of = deal_groups(_codes(labels), groups, count, seed)
    return [
        (np.flatnonzero(fold_of != fold), np.flatnonzero(fold_of == fold)) for fold in range(count)
    ]


def hold_out(
    records: Dataset, share: float, seed: int, groups: np.ndarray | None = None
) -> tuple[Dataset, Dataset]:
    """Split ``records`` into (train, held out) by a hash of their ``id``.

    A record's part depends only on its id and the seed, so it does not change when others are
    added. With a share above 0 and two records or more, neither part is empty. Of a group the id of
    its first record decides; where that leaves a part empty or holds out more than half, groups are
    drawn until the share is reached.

    Args:
        groups: (N,) int64, records that stay together; by default those of the records
            (:mod:`headstart.data.groups`).

    Raises:
        HeadstartError: all records are in one group.
    """
    count = len(records)
    if share <= 0 or count < 2:
        return records, records.select(range(0))
    key = derive(seed, "hold_out").to_bytes(8, "big")
    hashes = np.empty(count, dtype=np.uint64)
    for index, name in enumerate(stream(records, "id")):
        digest = hashlib.blake2b(name.encode(), digest_size=8, key=key).digest()
        hashes[index] = int.from_bytes(digest, "big")
    groups = groups_of(records) if groups is None else groups
    if groups is not None:
        hashes = hashes[np.unique(groups, return_index=True)[1]][groups]
    held = hashes < np.uint64(min(share * _HASHES, _HASHES - 1))
    if groups is not None and not 0 < held.sum() <= count / 2:
        kept, chosen = split_groups(np.zeros(count, dtype=np.int64), groups, share, seed)
        return records.select(kept), records.select(chosen)
    if not held.any():
        held[hashes.argmin()] = True
    if held.all():
        held[hashes.argmax()] = False
    return records.select(np.flatnonzero(~held)), records.select(np.flatnonzero(held))


def _by_label(labels: Sequence[str]) -> dict[str, np.ndarray]:
    """Return the indices of each label, labels in order; a single label is refused."""
    names, codes = np.unique(np.asarray(labels, dtype=object), return_inverse=True)
    if len(names) < 2:
        found = f"only {names[0]!r} occurs" if len(names) else "there are none"
        raise HeadstartError(
            f"two or more different labels are needed, but {found}; check --column label=COLUMN."
        )
    return {str(name): np.flatnonzero(codes == code) for code, name in enumerate(names)}


def _codes(labels: Sequence[str]) -> np.ndarray:
    """Return the label (N,) int64 of each record, 0..K-1."""
    return np.unique(np.asarray(labels, dtype=object), return_inverse=True)[1]


def _shuffled(indices: np.ndarray, seed: int, purpose: str, label: str) -> np.ndarray:
    return numbers(seed, purpose, label).permutation(indices)
