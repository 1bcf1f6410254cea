"""EASE: linear item-to-item regression in closed form, without order (Steck 2019)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
from scipy import sparse

from headstart.modalities.interactions.rankers import Say
from headstart.modalities.interactions.rankers.inverse import MOST, frequent, inverse
from headstart.modalities.interactions.rankers.linear import LinearRanker, scaled_popularity
from headstart.modalities.interactions.sequences import Sequences

#: Most of a user's latest items whose pairs are counted, or one user's could fill the memory.
WINDOW = 500


def presence(train: Sequences) -> sparse.csr_matrix:
    """Return which users (U,I) float32 have which items, 1 each however often.

    Of a user's items the latest 500 count.
    """
    if train.lengths.max(initial=0) > WINDOW:
        train = train.last(WINDOW)
    ones = np.ones(len(train.items), dtype=np.float32)
    parts = (ones, train.items.copy(), train.offsets.copy())  # sorted in place
    rows = sparse.csr_matrix(parts, (len(train), train.count))
    rows.sum_duplicates()
    rows.data[:] = 1
    return rows


@dataclass(frozen=True)
class Settings:
    """What is tuned.

    Attributes:
        recency: weight of an item of the history, as a share of that of the next one.
        penalty: on the diagonal of the Gram matrix.
        popularity: weight of an item's share of the most frequent item's events.
    """

    recency: float = 0.6
    penalty: float = 250.0
    popularity: float = 1e-4


class Ease:
    """The weights of all other items that predict whether a user has an item, by ridge regression.

    With the Gram matrix G of users' items and P = (G + penalty I)^-1, the weight from i to j is
    -P_ij / P_jj, and 0 from an item to itself (Steck 2019, "Embarrassingly Shallow Autoencoders for
    Sparse Data").
    """

    name: ClassVar[str] = "EASE"
    defaults: ClassVar[Settings] = Settings()
    costly: ClassVar[frozenset[str]] = frozenset({"penalty"})
    grid: ClassVar[Mapping[str, Sequence[Any]]] = {
        "recency": (0.45, 0.6, 0.75, 0.9, 1.0),
        "penalty": (30.0, 100.0, 250.0, 700.0, 2000.0),
    }

    def __init__(self, train: Sequences, say: Say = print, most: int = MOST) -> None:
        counts = train.counts()
        self._kept = frequent(counts, most, self.name, say)
        self._prior = scaled_popularity(counts)
        rows = presence(train)
        rows = rows if self._kept is None else rows[:, self._kept]
        self._gram = (rows.T @ rows).tocsr()
        self._last: tuple[float, np.ndarray] | None = None

    def fit(self, settings: Settings) -> LinearRanker:
        """Return the ranker of these settings."""
        if self._last is None or self._last[0] != settings.penalty:
            self._last = None
            self._last = (settings.penalty, self._weights(settings.penalty))
        return LinearRanker(
            self.name,
            self._last[1],
            self._prior * np.float32(settings.popularity),
            settings.recency,
            self._kept,
            settings=asdict(settings),
        )

    def _weights(self, penalty: float) -> np.ndarray:
        weights = inverse(self._gram, penalty)
        weights /= -weights.diagonal()
        weights[np.diag_indices_from(weights)] = 0
        return weights


def fit(train: Sequences, settings: Settings | None = None) -> LinearRanker:
    """Return EASE of ``train``."""
    return Ease(train).fit(settings or Settings())
