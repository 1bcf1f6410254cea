"""Ranks of targets among the scores of all candidates, ties and removed candidates included."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, runtime_checkable

import numpy as np

from headstart.errors import HeadstartError

#: Maximum number of scores in memory at once.
_CELLS = 2**23

#: Parts of a row whose best scores are looked for.
_PARTS = 1024


class Histories(Protocol):
    """What each user has done so far: a list of arrays, or anything like it."""

    def __len__(self) -> int: ...

    def __getitem__(self, row: int, /) -> np.ndarray: ...


@runtime_checkable
class Selectable(Protocol):
    """Histories that know more than a list of arrays does, such as times, and keep it."""

    def select(self, rows: Iterable[int]) -> Sequence[np.ndarray]:
        """Return those of the rows."""
        ...


def select(histories: Histories, rows: Iterable[int]) -> Sequence[np.ndarray]:
    """Return the histories of the rows, in that order."""
    if isinstance(histories, Selectable):
        return histories.select(rows)
    return [histories[row] for row in rows]


def ranks(
    scores: np.ndarray, targets: np.ndarray, seen: Sequence[np.ndarray] | None = None
) -> np.ndarray:
    """Return the rank (B,) float64 of each row's target among all candidates, from 1.

    Candidates that score the same share the mean of their ranks, so that constant scores are no
    hit. All candidates are ranked: none is sampled.

    Args:
        scores: (B,I); minus infinity is allowed, NaN is not.
        targets: (B,) integers. One outside 0..I-1 is in no list: its rank is infinite.
        seen: of each row the candidates that are removed from its list. A target among them is in
            no list either: its rank is infinite. Where users come back to what they know, give
            None, which removes nothing.
    """
    targets = np.asarray(targets, dtype=np.int64)
    if scores.size and np.isnan(scores.max()):  # which NaN is the maximum of
        raise HeadstartError("scores to rank are not numbers (NaN): nothing can be ranked by them.")
    rows = np.arange(len(scores))
    known = (targets >= 0) & (targets < scores.shape[1])
    own = scores[rows, np.where(known, targets, 0)]
    # Row by row, in the cache; along an axis, numpy sums integers of eight bytes.
    pairs = list(zip(scores, own, strict=True))
    above = np.array([np.count_nonzero(row > mine) for row, mine in pairs], np.float64)
    tied = np.array([np.count_nonzero(row == mine) for row, mine in pairs], np.float64) - 1
    if seen is not None:
        owner, removed = _pairs(seen, scores.shape[1])
        values = scores[owner, removed]
        above -= np.bincount(owner[values > own[owner]], minlength=len(rows))
        tied -= np.bincount(owner[values == own[owner]], minlength=len(rows))
        known[owner[removed == targets[owner]]] = False
    return np.where(known, 1 + above + tied / 2, np.inf)


def ranks_of(
    scorer: Callable[[Sequence[np.ndarray]], np.ndarray],
    histories: Histories,
    targets: np.ndarray,
    count: int,
    keep_seen: bool = False,
) -> np.ndarray:
    """Return the ranks (B,) of targets after their histories, in chunks of bounded memory.

    Args:
        scorer: from histories to scores (b,I).
        count: I.
        keep_seen: whether the items of a history stay in its list.
    """
    at_once = max(1, _CELLS // max(1, count))
    found = [np.empty(0)]
    for start in range(0, len(targets), at_once):
        some = select(histories, range(start, min(start + at_once, len(targets))))
        found.append(
            ranks(scorer(some), targets[start : start + at_once], None if keep_seen else some)
        )
    return np.concatenate(found)


def reached(scores: np.ndarray, length: int) -> np.ndarray:
    """Return a value (B,) that the ``length`` best scores of each row reach, and few others.

    Each of as many parts of a row has one at least that reaches the least of their best.
    """
    count, parts = scores.shape[1], scores.shape[1] // _PARTS
    if length > _PARTS // 2 or parts < 2:
        return np.partition(scores, count - length, axis=1)[:, count - length]
    whole = scores[:, : parts * _PARTS]
    best = whole.reshape(len(scores), parts, _PARTS).max(1)
    return np.partition(best, _PARTS - length, axis=1)[:, _PARTS - length]


def ndcg(ranks: np.ndarray, cut: int) -> np.ndarray:
    """Return the NDCG (B,) of lists with one right candidate: 1 / log2(1 + rank) up to ``cut``."""
    return np.where(ranks <= cut, 1 / np.log2(1 + ranks), 0.0)


def _pairs(seen: Sequence[np.ndarray], count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return rows and candidates, each pair once."""
    lengths = np.fromiter(map(len, seen), np.int64, len(seen))
    flat = np.concatenate([np.empty(0, dtype=np.int64), *seen]).astype(np.int64)
    if len(flat) and not (flat.min() >= 0 and flat.max() < count):
        raise HeadstartError(f"a seen candidate is not in 0..{count - 1}: check their numbers.")
    keys = np.unique(np.repeat(np.arange(len(seen)), lengths) * count + flat)
    return keys // count, keys % count
