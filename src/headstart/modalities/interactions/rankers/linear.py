"""Rankers whose scores are sums over the items of a history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import sparse

#: Weights of a history that are smaller are left out: the sum of the rest is 1% at most.
_LEAST = 1e-4


def reach(share: float, least: float = _LEAST) -> int:
    """Return how many powers of ``share``, from 0 on, are ``least`` or more."""
    if share >= 1:
        return 2**31
    return 1 if share <= 0 else int(np.log(least) / np.log(share) + 1e-9) + 1


def weighted(histories: Sequence[np.ndarray], count: int, recency: float) -> sparse.csr_matrix:
    """Return the weights (B,I) float32 of the items of each history.

    The last item has weight 1, the one before it ``recency``, then its square, and so on; those of
    an item that occurs several times are added.
    """
    most = reach(recency)
    last = [np.asarray(each)[max(0, len(each) - most) :] for each in histories]
    ends = np.cumsum([0, *map(len, last)])
    items = np.concatenate([np.empty(0, dtype=np.int64), *last])
    distance = np.repeat(ends[1:], np.diff(ends)) - 1 - np.arange(len(items))
    values = np.power(float(recency), distance).astype(np.float32)
    return sparse.csr_matrix((values, items, ends), (len(last), count))


def scaled_popularity(counts: np.ndarray) -> np.ndarray:
    """Return counts (I,) float32 as shares of the largest."""
    return (counts / max(float(counts.max(initial=0)), 1e-9)).astype(np.float32)


@dataclass(frozen=True)
class LinearRanker:
    """Scores that are the weighted sum, over the items of a history, of a row of ``weights``.

    Attributes:
        name: for tables and charts.
        weights: (I,I) float32, dense or sparse, from an item of the history to the next one;
            (K,K) where ``kept`` names K items.
        prior: (I,) float32, added to all scores: it orders what the history says nothing about.
        recency: of the weights of a history, see :func:`weighted`.
        kept: (K,) the items that ``weights`` are of; None where they are all.
        scale: (I,) or (K,) float32, what the sum is multiplied by for each item; None is 1.
        settings: what it was fitted with.
    """

    name: str
    weights: np.ndarray | sparse.csr_matrix
    prior: np.ndarray
    recency: float = 1.0
    kept: np.ndarray | None = None
    scale: np.ndarray | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)

    def scores(self, histories: Sequence[np.ndarray]) -> np.ndarray:
        """Return the scores (B,I) float32 of all items after each of B histories."""
        rows = weighted(histories, len(self.prior), self.recency)
        sums = _dense((rows if self.kept is None else rows[:, self.kept]) @ self.weights)
        if self.scale is not None:
            sums *= self.scale
        if self.kept is None:
            return np.add(sums, self.prior, out=sums)
        found = np.tile(self.prior, (rows.shape[0], 1))
        found[:, self.kept] += sums
        return found


def unmoved(name: str, prior: np.ndarray, settings: Mapping[str, Any]) -> LinearRanker:
    """Return a ranker whose scores are ``prior`` (I,), whatever the history."""
    nothing = sparse.csr_matrix((len(prior),) * 2, dtype=np.float32)
    return LinearRanker(name, nothing, prior, settings=settings)


def _dense(product: Any) -> np.ndarray:
    found = product.toarray() if sparse.issparse(product) else np.asarray(product)
    return found.astype(np.float32, copy=False)
