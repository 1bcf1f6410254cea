"""A mix of transitions at several lags, in both directions, with recency."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
from scipy import sparse

from headstart.modalities.interactions.rankers import Say
from headstart.modalities.interactions.rankers.linear import LinearRanker, scaled_popularity
from headstart.modalities.interactions.sequences import Sequences


def transitions(train: Sequences, lag: int) -> sparse.csr_matrix:
    """Return how often (I,I) float32 one item came ``lag`` events before another of its user."""
    first = np.flatnonzero(train.from_end >= lag)
    ones = np.ones(len(first), dtype=np.float32)
    pairs = (train.items[first], train.items[first + lag])
    found = sparse.csr_matrix((ones, pairs), (train.count, train.count))
    found.sum_duplicates()
    return found


def divided(weights: sparse.csr_matrix, row: float, column: float) -> sparse.csr_matrix:
    """Return weights (I,I) over powers of their row and column sums; empty ones stay 0."""
    scales = []
    for axis, power in ((1, row), (0, column)):
        sums = np.asarray(weights.sum(axis)).ravel()
        scales.append(np.where(sums > 0, np.maximum(sums, 1e-12) ** -power, 0))
    found = sparse.diags(scales[0]) @ weights @ sparse.diags(scales[1])
    return found.tocsr().astype(np.float32)


@dataclass(frozen=True)
class Settings:
    """What is tuned.

    Attributes:
        recency: weight of an item of the history, as a share of that of the next one.
        decay: weight of a lag, as a share of that of the lag before.
        lags: the longest lag.
        reverse: weight of the transitions in the other direction.
        row, column: powers of the row and column sums that the weights are divided by.
        popularity: weight of an item's share of the most frequent item's events.
    """

    recency: float = 0.6
    decay: float = 0.8
    lags: int = 10
    reverse: float = 0.5
    row: float = 0.5
    column: float = 0.25
    popularity: float = 1e-4


class MarkovMix:
    """Transitions at lags up to ``lags``, each with less weight, divided by their sums."""

    name: ClassVar[str] = "lagged Markov mix"
    defaults: ClassVar[Settings] = Settings()
    costly: ClassVar[frozenset[str]] = frozenset()
    grid: ClassVar[Mapping[str, Sequence[Any]]] = {
        "recency": (0.3, 0.45, 0.6, 0.75, 0.9),
        "decay": (0.3, 0.5, 0.65, 0.8, 0.9),
        "reverse": (0.0, 0.25, 0.5, 0.75, 1.0),
        "row": (0.25, 0.5, 0.75, 1.0),
        "column": (0.0, 0.125, 0.25, 0.375),
        "lags": (1, 5, 10, 20),
        "popularity": (1e-5, 1e-4, 1e-3, 1e-2),
    }

    def __init__(self, train: Sequences, say: Say = print) -> None:
        self._train = train
        self._lags: dict[int, sparse.csr_matrix] = {}
        self._prior = scaled_popularity(train.counts())

    def fit(self, settings: Settings) -> LinearRanker:
        """Return the ranker of these settings."""
        total = sparse.csr_matrix((self._train.count,) * 2, dtype=np.float32)
        for lag in range(1, settings.lags + 1):
            if lag not in self._lags:
                self._lags[lag] = transitions(self._train, lag)
            total = total + self._lags[lag] * np.float32(settings.decay ** (lag - 1))
        if settings.reverse:
            total = (total + total.T * np.float32(settings.reverse)).tocsr()
        return LinearRanker(
            self.name,
            divided(total, settings.row, settings.column),
            self._prior * np.float32(settings.popularity),
            settings.recency,
            settings=asdict(settings),
        )


def fit(train: Sequences, settings: Settings | None = None) -> LinearRanker:
    """Return a lagged Markov mix of ``train``."""
    return MarkovMix(train).fit(settings or Settings())
