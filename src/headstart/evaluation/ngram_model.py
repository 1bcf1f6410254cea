"""The simple alternative to a language model: an n-gram model with Kneser-Ney smoothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

ORDER = 4
#: Keys of n-grams are 64-bit hashes, so that collisions among millions are unlikely.
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class _Level:
    """The n-grams of one order.

    Attributes:
        keys: (G,) sorted, with ``counts`` (G,) less the discount.
        contexts: (C,) sorted, with ``totals`` (C,) of the counts and ``spare`` (C,), the share of
            each that the discount leaves to the lower order.
    """

    keys: np.ndarray
    counts: np.ndarray
    contexts: np.ndarray
    totals: np.ndarray
    spare: np.ndarray


class NgramModel:
    """Interpolated Kneser-Ney (Chen and Goodman 1999, section 4.1), one discount per order.

    The highest order counts occurrences of an n-gram, lower orders the number of distinct tokens
    before it. The remaining mass is uniform over the vocabulary.

    Args:
        ids: (N,) training tokens.
        size: number of entries in the vocabulary.
        order: n, the length of the longest n-gram.
    """

    def __init__(self, ids: np.ndarray, size: int, order: int = ORDER) -> None:
        self.size = size
        self.order = max(1, min(order, len(ids)))
        self._levels: list[_Level] = []
        indices: np.ndarray | None = None
        counts: np.ndarray
        for length in range(self.order, 0, -1):
            if indices is None:
                keys = _keys(ids, length)
                _, indices, counts = np.unique(keys, return_index=True, return_counts=True)
            else:
                # Distinct n-grams one token longer, by their tokens after the first.
                keys = _keys(ids, length)[indices + 1]
                _, first, counts = np.unique(keys, return_index=True, return_counts=True)
                indices = indices[first] + 1
            self._levels.insert(0, self._level(ids, length, indices, counts))

    def nats(self, ids: np.ndarray) -> np.ndarray:
        """Return ``-log p`` (N,) of each token given those before it."""
        probability = np.full(len(ids), 1 / self.size)
        for length, level in enumerate(self._levels, start=1):
            found = probability[length - 1 :]
            keys = _keys(ids, length)
            contexts = _contexts(ids, length)
            index, known = _find(level.contexts, contexts)
            gram, seen = _find(level.keys, keys)
            counts = np.where(seen, level.counts[gram], 0.0)
            mixed = counts / level.totals[index] + level.spare[index] * found
            probability[length - 1 :] = np.where(known, mixed, found)
        return -np.log(probability)

    def _level(
        self, ids: np.ndarray, length: int, indices: np.ndarray, counts: np.ndarray
    ) -> _Level:
        once, twice = (counts == 1).sum(), (counts == 2).sum()
        discount = min(0.95, once / max(1, once + 2 * twice)) or 0.5
        contexts, owner = np.unique(_contexts(ids, length)[indices], return_inverse=True)
        totals = np.bincount(owner, weights=counts)
        kinds = np.bincount(owner)
        return _Level(
            keys=_keys(ids, length)[indices],
            counts=counts - discount,
            contexts=contexts,
            totals=totals,
            spare=discount * kinds / totals,
        )


def _keys(ids: np.ndarray, length: int) -> np.ndarray:
    """Return the key (N-length+1,) of each run of ``length`` tokens."""
    count = len(ids) - length + 1
    key = np.zeros(max(0, count), dtype=np.uint64)
    for offset in range(length):
        key = (key + ids[offset : offset + count].astype(np.uint64) + np.uint64(1)) * _MULTIPLIER
        key ^= key >> np.uint64(29)
    return key


def _contexts(ids: np.ndarray, length: int) -> np.ndarray:
    """Return the key of the tokens before the last one of each run of ``length``."""
    count = max(0, len(ids) - length + 1)
    return _keys(ids, length - 1)[:count] if length > 1 else np.zeros(count, dtype=np.uint64)


def _find(table: np.ndarray, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    index = np.searchsorted(table, keys).clip(max=len(table) - 1)
    return index, table[index] == keys
