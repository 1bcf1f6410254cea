"""Grouping numbers by counting, several times as fast as sorting them. Imports no torch."""

from __future__ import annotations

import numpy as np
from scipy import sparse


def by_group(groups: np.ndarray, count: int, order: np.ndarray | None = None) -> np.ndarray:
    """Return the order (N,) that puts members of one group together, in the order that they had.

    Args:
        groups: (N,) integers, 0..count-1.
        order: (N,) the order that they had; by default that of ``groups``.
    """
    if not len(groups):
        return np.empty(0, np.int64)
    placed = groups if order is None else groups[order]
    ones, index = np.ones(len(groups), np.int8), np.arange(len(groups))
    # Making rows of pairs is a counting sort, in which each column occurs once.
    found = sparse.csr_matrix((ones, (placed, index)), (count, len(groups))).indices
    return found if order is None else order[found]
