"""Products of sparse rows with dense matrices, in two threads.

SciPy uses one thread. The parts are rows of the one product and columns of the other, so that every
sum is the same, bit by bit, as in one thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from typing import TypeVar

import numpy as np
from scipy import sparse

Part = TypeVar("Part")
Found = TypeVar("Found")

#: Least number of products that are worth a second thread, and the threads.
_LEAST, _THREADS = 2**22, 2


class SparseRows:
    """Sparse rows (n,D), CSR.

    Example::

        rows = SparseRows(tfidf)
        scores = rows.times(weights)  # (n,K)
        rows.add_transposed(scores, gradient)  # gradient (D,K) += rows' scores
    """

    def __init__(self, rows: sparse.csr_matrix) -> None:
        self._rows = rows
        self._parts = [rows[start:stop] for start, stop in _spans(rows.shape[0])]

    def times(self, weights: np.ndarray) -> np.ndarray:
        """Return the rows times ``weights`` (D,K): (n,K)."""
        if not self._is_worth(weights.shape[1]):
            return np.asarray(self._rows @ weights)
        return np.concatenate(in_threads(lambda part: part @ weights, self._parts))

    def add_transposed(self, scores: np.ndarray, total: np.ndarray) -> None:
        """Add the transposed rows times ``scores`` (n,K) to ``total`` (D,K)."""
        count = scores.shape[1]
        if not self._is_worth(count):
            total += self._rows.T @ scores
            return

        def add(span: tuple[int, int]) -> None:
            columns = slice(*span)
            total[:, columns] += self._rows.T @ np.ascontiguousarray(scores[:, columns])

        in_threads(add, _spans(count))

    def transposed_times(self, scores: np.ndarray) -> np.ndarray:
        """Return the transposed rows times ``scores`` (n,K): (D,K)."""
        if not self._is_worth(scores.shape[1]):
            return np.asarray(self._rows.T @ scores)
        total = np.zeros((self._rows.shape[1], scores.shape[1]), dtype=scores.dtype)
        self.add_transposed(scores, total)
        return total

    def _is_worth(self, count: int) -> bool:
        return count > 1 and self._rows.nnz * count >= _LEAST


def _spans(count: int) -> list[tuple[int, int]]:
    ends = [count * number // _THREADS for number in range(_THREADS + 1)]
    return [(start, stop) for start, stop in pairwise(ends) if stop > start]


def in_threads(function: Callable[[Part], Found], parts: Iterable[Part]) -> list[Found]:
    """Return what ``function`` returns for each of the parts, two at a time.

    It is for NumPy and SciPy, whose longer operations do not hold the interpreter's lock.
    """
    return list(_pool().map(function, parts))


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_THREADS)
