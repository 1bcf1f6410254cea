"""Item-kNN: the cosine of items by their users, with shrinkage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
from scipy import sparse

from headstart.modalities.interactions.rankers import Say
from headstart.modalities.interactions.rankers.ease import presence
from headstart.modalities.interactions.rankers.linear import LinearRanker, scaled_popularity
from headstart.modalities.interactions.sequences import Sequences


@dataclass(frozen=True)
class Settings:
    """What is tuned.

    Attributes:
        recency: weight of an item of the history, as a share of that of the next one.
        shrinkage: added to the denominator of the cosine.
        neighbours: of each item the most similar ones that count; 0 is all.
        popularity: weight of an item's share of the most frequent item's events.
    """

    recency: float = 0.6
    shrinkage: float = 20.0
    neighbours: int = 0
    popularity: float = 1e-4


class Neighbours:
    """The cosine of two items over their users; that of rare items is shrunk."""

    name: ClassVar[str] = "item-kNN"
    defaults: ClassVar[Settings] = Settings()
    costly: ClassVar[frozenset[str]] = frozenset()
    grid: ClassVar[Mapping[str, Sequence[Any]]] = {
        "recency": (0.45, 0.6, 0.75, 0.9, 1.0),
        "shrinkage": (0.0, 5.0, 20.0, 80.0),
        "neighbours": (20, 100, 0),
    }

    def __init__(self, train: Sequences, say: Say = print) -> None:
        rows = presence(train)
        both = (rows.T @ rows).tocoo()
        frequency = both.diagonal()
        apart = both.row != both.col
        self._row, self._column = both.row[apart], both.col[apart]
        self._both = both.data[apart]
        self._norm = np.sqrt(frequency[self._row] * frequency[self._column])
        self._prior = scaled_popularity(train.counts())

    def fit(self, settings: Settings) -> LinearRanker:
        """Return the ranker of these settings."""
        values = (self._both / (self._norm + np.float32(settings.shrinkage))).astype(np.float32)
        count = len(self._prior)
        weights = sparse.csr_matrix((values, (self._row, self._column)), (count, count))
        if settings.neighbours:
            weights = nearest(weights, settings.neighbours)
        return LinearRanker(
            self.name,
            weights,
            self._prior * np.float32(settings.popularity),
            settings.recency,
            settings=asdict(settings),
        )


def nearest(weights: sparse.csr_matrix, most: int) -> sparse.csr_matrix:
    """Return the ``most`` largest weights of each row (I,I); of equal ones the first."""
    rows = np.repeat(np.arange(weights.shape[0]), np.diff(weights.indptr))
    order = np.lexsort((weights.indices, -weights.data, rows))
    within = np.arange(len(rows)) - np.repeat(weights.indptr[:-1], np.diff(weights.indptr))
    chosen = order[within < most]
    kept = (weights.data[chosen], (rows[chosen], weights.indices[chosen]))
    return sparse.csr_matrix(kept, weights.shape)


def fit(train: Sequences, settings: Settings | None = None) -> LinearRanker:
    """Return item-kNN of ``train``."""
    return Neighbours(train).fit(settings or Settings())
