"""Splits and folds that divide no group, stratified as far as whole groups allow."""

from __future__ import annotations

import numpy as np

from headstart.errors import HeadstartError
from headstart.seeding import numbers


def split_groups(
    labels: np.ndarray, groups: np.ndarray, share: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return sorted indices of a train and test part.

    Groups are drawn in random order, and tested where that brings the numbers of tested records of
    their labels nearer to ``share``. Of a label that is not tested by then its smallest group is.
    Each label keeps a record for training, so that one with a single group is not tested.

    Args:
        labels: (N,) int64, 0..K-1.
        groups: (N,) int64, 0..G-1.

    Raises:
        HeadstartError: no group can be held out.
    """
    cells, counts = _cells(labels, groups)
    starts = np.flatnonzero(np.append(True, np.diff(cells[:, 0]) > 0))
    ends = np.append(starts[1:], len(cells))
    sizes = np.bincount(labels)
    wanted = np.maximum(1, np.round(share * sizes))
    tested = np.zeros(len(sizes), dtype=np.int64)
    held = np.zeros(len(starts), dtype=bool)

    def take(group: int, *, nearer: bool) -> None:
        part = slice(starts[group], ends[group])
        own = cells[part, 1]
        more = tested[own] + counts[part]
        gain = (np.abs(wanted[own] - tested[own]) - np.abs(wanted[own] - more)).sum()
        if (more < sizes[own]).all() and (gain > 0 or not nearer):
            tested[own] = more
            held[group] = True

    for group in numbers(seed, "split", "groups").permutation(len(starts)).tolist():
        take(group, nearer=True)
    whole = np.bincount(groups)
    for label in np.flatnonzero(tested == 0).tolist():
        owners = cells[cells[:, 1] == label, 0]
        for group in owners[np.argsort(whole[owners], kind="stable")].tolist():
            if not tested[label]:
                take(group, nearer=False)
    if not held.any():
        raise HeadstartError(
            "no record can be held out: all records of each label are copies of one, or of one "
            "group, and such records stay together; name others with --test or --val, or group by "
            "another column."
        )
    return np.flatnonzero(~held[groups]), np.flatnonzero(held[groups])


def deal_groups(labels: np.ndarray, groups: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Return a fold (N,) per record, 0..``count``-1, the same for a group.

    The largest groups are dealt first, each to the fold that has the smallest part of its labels.

    Args:
        labels: (N,) int64, 0..K-1.
        groups: (N,) int64, 0..G-1.
    """
    cells, counts = _cells(labels, groups)
    starts = np.flatnonzero(np.append(True, np.diff(cells[:, 0]) > 0))
    ends = np.append(starts[1:], len(cells))
    sizes = np.bincount(labels)
    filled = np.zeros((count, len(sizes)))
    totals = np.zeros(count)
    fold_of = np.empty(len(starts), dtype=np.int64)
    order = numbers(seed, "folds", "groups").permutation(len(starts))
    for group in order[np.argsort(-np.bincount(groups)[order], kind="stable")].tolist():
        part = slice(starts[group], ends[group])
        own, more = cells[part, 1], counts[part]
        crowded = (filled[:, own] / sizes[own]) @ more
        fold = int(np.lexsort((totals, crowded))[0])
        filled[fold, own] += more
        totals[fold] += more.sum()
        fold_of[group] = fold
    return fold_of[groups]


def _cells(labels: np.ndarray, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the pairs (m,2) of a group and a label that occur, in order, and their counts (m,)."""
    return np.unique(np.stack([groups, labels], axis=1), axis=0, return_counts=True)
