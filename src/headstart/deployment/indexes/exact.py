"""Exact nearest neighbours: every vector is compared, a block at a time, all queries at once.

::

    queries (Q,D) --unit length--> @ block.T (Q,B) --> those above the worst kept so far --> best k

Vectors are brought to unit length once and kept, as far as they fit. Of the first block a partial
sort finds the best; of later ones only what is above the worst of these is looked at, so that no
block is sorted whole.
"""

from __future__ import annotations

import numpy as np

#: Vectors that are compared at once, and queries.
CHUNK, QUERIES = 65_536, 256
#: Where fewer rows than one in so many are allowed, they are compared alone.
FEW = 4
#: Most bytes of unit vectors that are kept in memory; larger sets are normalised at each search.
KEPT = 2 * 10**9


def to_unit(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return vectors (N,D) at length 1 as float32, and which rows (N,) have none.

    A row of zeros stays; one that is not finite becomes zeros.
    """
    found = np.array(vectors, dtype=np.float32)
    # A sum is finite where all its parts are, unless they overflow, and then they have no length.
    lengths = np.sqrt(np.einsum("ij,ij->i", found, found))
    missing = ~np.isfinite(lengths)
    if missing.any():
        found[missing] = 0
        lengths[missing] = 0
    found /= np.where(lengths > 0, lengths, 1)[:, None]
    return found, missing


class UnitVectors:
    """Vectors for exact search by their cosine.

    Args:
        vectors: (N,D) of any length; memory-mapped ones stay on disk if they are many.
        are_units: they are float32 of length 1 already, and finite.

    Example::

        indices, cosines = UnitVectors(vectors).nearest(queries, 10)
    """

    def __init__(self, vectors: np.ndarray, *, are_units: bool = False) -> None:
        self.vectors, self.are_units = vectors, are_units
        self._is_kept = len(vectors) * vectors.shape[1] * 4 <= KEPT
        self._blocks: dict[tuple[int, int], tuple[np.ndarray, np.ndarray]] = {}

    def __len__(self) -> int:
        return len(self.vectors)

    def nearest(
        self, queries: np.ndarray, count: int, allowed: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the indices (Q,k) of the nearest vectors and their cosines (Q,k), best first.

        Ties keep the order of the vectors; k is ``count``, or N if that is smaller, or the number
        of allowed rows where these are few. The cosine with a row that has no vector, or is not
        allowed, is minus infinity.

        Args:
            queries: (Q,D) of any length.
            allowed: (N,) bool, the rows that may be found; all by default.
        """
        if allowed is not None and allowed.sum() * FEW < len(self):
            rows = np.flatnonzero(allowed)
            some = UnitVectors(self.vectors[rows], are_units=self.are_units)
            found, cosines = some.nearest(queries, count)
            return rows[found], cosines
        count = min(count, len(self))
        indices = np.zeros((len(queries), count), dtype=np.int64)
        cosines = np.full((len(queries), count), -np.inf, dtype=np.float32)
        for start in range(0, len(queries), QUERIES):
            part = slice(start, start + QUERIES)
            indices[part], cosines[part] = self._stacked(queries[part], count, allowed)
        return indices, cosines

    def _stacked(
        self, queries: np.ndarray, count: int, allowed: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        units, missing = to_unit(queries)
        rows = [(np.empty(0, np.int64), np.empty(0, np.float32)) for _ in units]
        worst = np.full(len(units), -np.inf, dtype=np.float32)
        for start in range(0, len(self), CHUNK):
            block, absent = self._block(start)
            left_out = absent
            if allowed is not None:
                left_out = absent | ~allowed[start : start + len(block)]
                if left_out.all() and start:
                    continue
            scores = units @ block.T
            if left_out.any():
                scores[:, left_out] = -np.inf
            scores[missing] = -np.inf
            if start < count:  # too few so far to leave any out
                every = np.arange(len(block))
                found = [every for _ in units]
            else:
                query, column = np.nonzero(scores > worst[:, None])
                found = np.split(column, np.searchsorted(query, np.arange(1, len(units))))
            for row, columns in enumerate(found):
                if len(columns):
                    rows[row] = _better(rows[row], columns + start, scores[row, columns], count)
                    worst[row] = rows[row][1][-1]
        return np.stack([row[0] for row in rows]), np.stack([row[1] for row in rows])

    def _block(self, start: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the unit vectors from ``start`` on, and which of them are missing."""
        block = self.vectors[start : start + CHUNK]
        if self.are_units:
            return np.asarray(block), np.zeros(len(block), dtype=bool)
        if not self._is_kept:
            return to_unit(block)
        known = self._blocks.get((start, len(block)))
        if known is None:
            known = self._blocks[start, len(block)] = to_unit(block)
        return known


def _better(
    kept: tuple[np.ndarray, np.ndarray], indices: np.ndarray, scores: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the ``count`` best of the kept ones and of later ones; ties keep their order."""
    if len(scores) > count:
        # Of those that tie with the last one the first are taken, which no partial sort promises.
        least = np.partition(scores, len(scores) - count)[len(scores) - count]
        some = np.flatnonzero(scores >= least)
        indices, scores = indices[some], scores[some]
    indices, scores = np.concatenate([kept[0], indices]), np.concatenate([kept[1], scores])
    best = np.argsort(-scores, kind="stable")[:count]
    return indices[best], scores[best]
