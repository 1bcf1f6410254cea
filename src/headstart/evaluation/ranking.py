"""How well rankings of all items name what comes next, and what they recommend.

All items are ranked. A ranking among a sample of them favours what is popular and changes the
order of rankers (Krichene and Rendle 2020, "On Sampled Metrics for Item Recommendation").

The measures of one user come from the rank of one target, see
:func:`headstart.data.target_ranks.ranks`: ties share the mean of their ranks, seen items are
removed, and a target that was itself removed is never recommended.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from headstart.data.target_ranks import Histories, reached, select
from headstart.data.target_ranks import ndcg as ndcg
from headstart.data.target_ranks import ranks as ranks
from headstart.evaluation.metrics import Estimate
from headstart.evaluation.protocols.resampling import averaged

CUTS = (5, 10, 20)
#: Of the lists whose variety is measured.
_TOP = 10
#: Maximum number of scores in memory at once.
_CELLS = 2**23

#: From histories of b users to scores (b,I).
Scorer = Callable[[Sequence[np.ndarray]], np.ndarray]


@dataclass(frozen=True)
class Ranked:
    """The ranks of the targets of all users, and the lists that they would be shown.

    Attributes:
        ranks: (B,) of the targets, from 1; infinite where the target is never recommended.
        lists: (B,k) the items with the highest scores, best first; -1 where there are no more.
    """

    ranks: np.ndarray
    lists: np.ndarray


def rank_all(
    scorer: Scorer,
    histories: Histories,
    targets: np.ndarray,
    count: int,
    *,
    keep_seen: bool = False,
) -> Ranked:
    """Rank all items after each history, in chunks of bounded memory.

    Args:
        targets: (B,) the item that comes next.
        count: I, number of items.
        keep_seen: whether items of the history stay in its list, for data in which users come back
            to what they know.
    """
    found, lists = [np.empty(0)], [np.empty((0, min(_TOP, count)), dtype=np.int64)]
    for some, wanted in _chunks(histories, targets, count):
        scores = scorer(some)
        seen = None if keep_seen else some
        found.append(ranks(scores, wanted, seen))
        lists.append(top(scores, seen, _TOP))
    return Ranked(np.concatenate(found), np.concatenate(lists))


def top(scores: np.ndarray, seen: Sequence[np.ndarray] | None, length: int) -> np.ndarray:
    """Return the items (B,k) with the highest scores, best first; of equal ones the first.

    Items in ``seen``, or with a score of minus infinity, are in no list; where fewer than k are
    left, the rest is -1.
    """
    length = min(length, scores.shape[1])
    lists = np.full((len(scores), length), -1, dtype=np.int64)
    if length == 0 or not len(scores):
        return lists
    removed: Sequence[np.ndarray | None] = [None] * len(scores) if seen is None else seen
    most = max((len(each) for each in removed if each is not None), default=0)
    least = reached(scores, min(length + most, scores.shape[1]))
    # Row by row, in the cache, and without a copy of the scores.
    for index, (row, bound, gone) in enumerate(zip(scores, least, removed, strict=True)):
        items = np.flatnonzero((row >= bound) if bound > -np.inf else (row > bound))
        if gone is not None and len(gone):
            items = items[~np.isin(items, gone)]
        best = items[np.lexsort((items, -row[items]))[:length]]
        lists[index, : len(best)] = best
    return lists


def hits(ranks: np.ndarray, cut: int) -> np.ndarray:
    """Return 1 (B,) where the target is among the first ``cut`` items, else 0."""
    return (ranks <= cut).astype(np.float64)


def reciprocal(ranks: np.ndarray, cut: int) -> np.ndarray:
    """Return one over the rank (B,) where it is ``cut`` or less, else 0."""
    return np.where(ranks <= cut, 1 / ranks, 0.0)


#: Measures of one user by name; their mean over users is HR, NDCG or MRR.
MEASURES: dict[str, Callable[[np.ndarray, int], np.ndarray]] = {
    "HR": hits,
    "NDCG": ndcg,
    "MRR": reciprocal,
}


def measured(
    ranks: np.ndarray, seed: int, cuts: Sequence[int] = CUTS, groups: np.ndarray | None = None
) -> dict[str, Estimate]:
    """Return HR, NDCG and MRR at each cut, as ``"NDCG@10"``, with 95% intervals over users.

    Args:
        ranks: (B,) of the targets, or (S,B) of S pre-trainings.
        groups: (B,) int64 of the users; those of one group are resampled together.
    """
    rows = np.atleast_2d(ranks)
    return {
        f"{name}@{cut}": averaged(measure(rows, cut), seed, groups).estimate()
        for cut in cuts
        for name, measure in MEASURES.items()
    }


def difference(
    left: np.ndarray,
    right: np.ndarray,
    seed: int,
    measure: str = "NDCG",
    cut: int = 10,
    groups: np.ndarray | None = None,
) -> Estimate:
    """Return how much higher ``left`` is than ``right``, with the 95% interval of the difference.

    Both ranked the targets of the same users, which are resampled in pairs.

    Args:
        left, right: ranks (B,), or (S,B) of S pre-trainings; where one has several and the other
            a single one, that one is the same for all.
        groups: as of :func:`measured`.
    """
    of = MEASURES[measure]
    values = of(np.atleast_2d(left), cut) - of(np.atleast_2d(right), cut)
    sampled = averaged(values, seed, groups)
    return type(sampled)(sampled.by_draw, sampled.by_resample, low=-1.0).estimate()


@dataclass(frozen=True)
class Variety:
    """What the lists of all users contain.

    Attributes:
        coverage: share of the catalogue that is in a list at least.
        gini: how unequally the items are recommended; 0 is all alike, near 1 is one for all.
        popularity: mean percentile of the recommended items by their number of events, from 0, the
            rarest, to 1; items with as many events share the middle of their percentiles.
        novelty: mean -log2 of the recommended items' share of the events, each item counted as if
            it had one event more.
    """

    coverage: float
    gini: float
    popularity: float
    novelty: float


def variety(lists: np.ndarray, counts: np.ndarray) -> Variety:
    """Return what ``lists`` (B,k) of items contain; -1 is no item.

    Args:
        counts: (I,) the number of events of each item, in the records that were fitted on.
    """
    shown = lists[lists >= 0]
    if not len(shown):
        return Variety(0.0, 0.0, 0.0, 0.0)
    often = np.bincount(shown, minlength=len(counts))
    ordered = np.sort(counts)
    below, upto = (np.searchsorted(ordered, counts, side) for side in ("left", "right"))
    percentile = (below + upto) / 2 / len(counts)
    shares = (counts + 1) / (counts.sum() + len(counts))
    return Variety(
        coverage=float((often > 0).mean()),
        gini=gini(often),
        popularity=float(percentile[shown].mean()),
        novelty=float(-np.log2(shares[shown]).mean()),
    )


def gini(amounts: np.ndarray) -> float:
    """Return the Gini coefficient of amounts (I,): 0 where all are equal, (I-1)/I at most."""
    ordered = np.sort(amounts).astype(np.float64)
    total, count = ordered.sum(), len(ordered)
    if total <= 0:
        return 0.0
    return float((2 * np.arange(1, count + 1) - count - 1) @ ordered / (count * total))


def _chunks(
    histories: Histories, targets: np.ndarray, count: int
) -> Iterator[tuple[Sequence[np.ndarray], np.ndarray]]:
    at_once = max(1, _CELLS // max(1, count))
    for start in range(0, len(targets), at_once):
        stop = min(start + at_once, len(targets))
        yield select(histories, range(start, stop)), targets[start:stop]
