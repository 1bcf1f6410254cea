"""SLIT: ridge regression, in closed form, from the past items of a user to the next ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
from scipy import sparse

from headstart.modalities.interactions.rankers import Say
from headstart.modalities.interactions.rankers.inverse import MOST, frequent, inverse
from headstart.modalities.interactions.rankers.linear import (
    LinearRanker,
    reach,
    scaled_popularity,
)
from headstart.modalities.interactions.sequences import Sequences

#: Weights of past and future items that are smaller are left out, and at most so many are kept.
_LEAST, _WINDOW = 0.01, 50


def splits(train: Sequences, past: float, future: float) -> tuple[sparse.csr_matrix, ...]:
    """Return past and future items (N,I) float32 after each event; of a user's last both are empty.

    Args:
        past: weight of an item as a share of that of the next one.
        future: weight of an item as a share of that of the one before it.
    """
    count = len(train.items)
    before = np.arange(count) - np.repeat(train.offsets[:-1], train.lengths)
    after = train.from_end
    found = []
    for share, room, step in ((past, before, -1), (future, after - 1, 1)):
        rows, columns, values = [], [], []
        for distance in range(min(reach(share, _LEAST), _WINDOW)):
            some = np.flatnonzero((room >= distance) & (after > 0))
            if not len(some):
                break
            rows.append(some)
            columns.append(train.items[some + (step * distance + (step > 0))])
            values.append(np.full(len(some), share**distance, dtype=np.float32))
        empty = [np.empty(0, dtype=np.int64)]
        where = np.concatenate(empty + rows), np.concatenate(empty + columns)
        found.append(
            sparse.csr_matrix(
                (np.concatenate([np.empty(0, dtype=np.float32), *values]), where),
                (count, train.count),
            )
        )
    return tuple(found)


@dataclass(frozen=True)
class Settings:
    """What is tuned.

    Attributes:
        recency: weight of an item of the history when it is scored, as a share of that of the
            next one.
        past, future: of the weights of past and future items, see :func:`splits`.
        penalty: on the diagonal of the Gram matrix of the past.
        column: power of the item's frequency that its scores are divided by.
        popularity: weight of an item's share of the most frequent item's events.
    """

    recency: float = 0.7
    past: float = 0.6
    future: float = 0.0
    penalty: float = 100.0
    column: float = 0.25
    popularity: float = 1e-4


class Slit:
    """The weights of past items that predict the next ones, by ridge regression.

    Each event of a user divides the sequence in two: with the past S and the future T of all of
    them, W = (S'S + penalty I)^-1 S'T (Choi et al. 2021, "Session-aware Linear Item-Item Models for
    Session-based Recommendation"). Columns are divided by a power of the item's frequency.
    """

    name: ClassVar[str] = "SLIT"
    defaults: ClassVar[Settings] = Settings()
    costly: ClassVar[frozenset[str]] = frozenset({"past", "future", "penalty"})
    grid: ClassVar[Mapping[str, Sequence[Any]]] = {
        "recency": (0.45, 0.6, 0.7, 0.8, 0.9),
        "column": (0.0, 0.125, 0.25, 0.375),
        "penalty": (10.0, 30.0, 100.0, 300.0, 1000.0),
        "future": (0.0, 0.5, 0.8),
        "past": (0.3, 0.45, 0.6, 0.7, 0.8, 0.9),
    }

    def __init__(self, train: Sequences, say: Say = print, most: int = MOST) -> None:
        self._train = train
        self._counts = train.counts()
        self._kept = frequent(self._counts, most, self.name, say)
        self._prior = scaled_popularity(self._counts)
        self._last: dict[str, tuple[tuple[float, ...], Any]] = {}

    def fit(self, settings: Settings) -> LinearRanker:
        """Return the ranker of these settings."""
        kept = slice(None) if self._kept is None else self._kept
        counts = np.maximum(self._counts[kept], 1).astype(np.float32)
        scale = counts ** np.float32(-settings.column)
        return LinearRanker(
            self.name,
            self._weights(settings),
            self._prior * np.float32(settings.popularity),
            settings.recency,
            self._kept,
            scale,
            asdict(settings),
        )

    def _weights(self, chosen: Settings) -> np.ndarray:
        """Return the weights (K,K); what does not change from setting to setting is kept."""
        key = (chosen.past, chosen.future, chosen.penalty)
        if self._last.get("weights", ((),))[0] != key:
            self._last.pop("weights", None)
            past, future = splits(self._train, chosen.past, chosen.future)
            if self._kept is not None:
                past, future = past[:, self._kept], future[:, self._kept]
            of_past = (chosen.past, chosen.penalty)
            if self._last.get("inverse", ((),))[0] != of_past:
                self._last.pop("inverse", None)
                gram = (past.T @ past).tocsr()
                self._last["inverse"] = (of_past, inverse(gram, chosen.penalty))
            cross = (future.T @ past).tocsr()
            product = np.ascontiguousarray((cross @ self._last["inverse"][1]).T)
            self._last["weights"] = (key, product)
        return self._last["weights"][1]


def fit(train: Sequences, settings: Settings | None = None) -> LinearRanker:
    """Return SLIT of ``train``."""
    return Slit(train).fit(settings or Settings())
