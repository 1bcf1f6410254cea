"""What all heads do with the drawn labels: folds, the choice of a setting, and threads to fit with.

The accuracy of the setting that is best on some folds is too high on the same folds: of twelve
settings that learn nothing, one is lucky (Varma and Simon 2006, "Bias in error estimation when
using cross-validation for model selection"; Tibshirani and Tibshirani 2009, "A bias correction for
the minimum error rate in cross-validation"). So the setting that a fold is counted with is chosen
by the other folds, which needs no further fits. These were fitted to records of that fold too, so
that a little of the luck remains: about 0.01 with 100 labels of two classes.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from headstart.data.vectors import Matrix
from headstart.evaluation.draws import draw
from headstart.evaluation.heads.rows import SPANNED

#: Number of labels beyond which three folds suffice.
THREE_FOLDS = 500
#: Maximum number of labels that choose a setting: where classes are few, and where they are many.
DECIDING, DECIDING_MANY = 4000, 2000
#: Number of classes that are many, and maximum number of classes that choose a setting.
MANY, DECIDING_CLASSES = 20, 200


class Division(NamedTuple):
    """The labels that choose a setting, and how they are divided into folds.

    Attributes:
        records: (m,) indices of these labels; None for all of them.
        parts: (m,) the fold of each, 0..F-1; None where no folds are possible.
    """

    records: np.ndarray | None
    parts: np.ndarray | None

    def of(self, rows: Matrix) -> Matrix:
        """Return the rows (m,...) of the labels that choose, of ``rows`` (n,...)."""
        return rows if self.records is None else rows[self.records]


def divide(
    classes: np.ndarray, rng: np.random.Generator, groups: np.ndarray | None = None
) -> Division:
    """Divide labels of ``classes`` (n,) into three folds, or five where they are few.

    A group (n,) is in one fold, as a copy that is validated on would vote for learning by heart.

    Every head begins with this call, so that all are validated on the same folds of the same
    records if they are given the same state of ``rng``.
    """
    codes = np.unique(classes, return_inverse=True)[1]
    records = deciding(codes, rng)
    chosen = codes if records is None else codes[records]
    together = groups if groups is None or records is None else groups[records]
    return Division(records, deal(chosen, 3 if len(chosen) > THREE_FOLDS else 5, rng, together))


def cross_fitted(scores: np.ndarray, *costs: np.ndarray) -> tuple[int, float]:
    """Choose among S settings by F folds; return the best one, and a score of this choice.

    Args:
        scores: (S,F) sum over the held-out records of a fold, such as the number that are right.
        costs: (S,F) likewise; the lowest sum is best, a later one decides between equals. They are
            ``-scores`` by default.

    Returns:
        The setting that is best over all folds, the first of equals; and the sum over the folds of
        the score of the setting that is best over the others.
    """
    costs = costs or (-scores,)
    folds = np.arange(scores.shape[1])

    def best(chosen: np.ndarray) -> int:
        totals = [cost[:, chosen].sum(1) for cost in reversed(costs)]
        return int(np.lexsort(totals)[0])

    total = sum(float(scores[best(folds != fold), fold]) for fold in folds)
    return best(folds >= 0), total


def deciding(classes: np.ndarray, rng: np.random.Generator) -> np.ndarray | None:
    """Return the indices of the labels that choose a setting; None for all of them.

    The optimal penalty hardly depends on the number of labels or on that of classes, whereas the
    time to find it grows with their product.
    """
    names, codes = np.unique(classes, return_inverse=True)
    seed = int(rng.integers(2**62))
    pool = np.arange(len(codes))
    if len(names) > DECIDING_CLASSES:
        pool = np.flatnonzero(np.isin(codes, rng.permutation(len(names))[:DECIDING_CLASSES]))
    most = DECIDING if len(names) <= MANY else DECIDING_MANY
    if len(pool) <= most:
        return pool if len(pool) < len(codes) else None
    return pool[draw(np.unique(codes[pool], return_inverse=True)[1], most, seed)]


def deal(
    classes: np.ndarray,
    folds: int,
    rng: np.random.Generator,
    groups: np.ndarray | None = None,
) -> np.ndarray | None:
    """Assign records to stratified folds; return the fold (n,) of each.

    The number of folds is at most ``folds`` and the size of the second largest class, so that at
    least two classes remain when a fold is left out; None if that is fewer than two. Of a group
    (n,) the first record is dealt, and the others go with it.
    """
    if groups is not None:
        _, first, codes = np.unique(groups, return_index=True, return_inverse=True)
        known = np.unique(classes[first], return_inverse=True)[1]
        parts = None if known.max() == 0 else deal(known, folds, rng)
        return None if parts is None else parts[codes]
    sizes = np.sort(np.bincount(classes))
    count = min(folds, int(sizes[-2]))
    if count < 2:
        return None
    order = rng.permutation(len(classes))
    order = order[np.argsort(classes[order], kind="stable")]
    parts = np.empty(len(classes), dtype=np.int64)
    parts[order] = np.arange(len(classes)) % count
    return parts


def shuffled(
    count: int, folds: int, rng: np.random.Generator, groups: np.ndarray | None = None
) -> np.ndarray:
    """Assign ``count`` records at random to folds of equal size; return the fold (count,) of each.

    Args:
        folds: their number, at most; fewer where there are fewer records, or groups.
        groups: (count,) records of one fold, unless all are of one group.
    """
    codes = np.arange(count) if groups is None else np.unique(groups, return_inverse=True)[1]
    if codes.max() == 0:
        codes = np.arange(count)
    units = int(codes.max()) + 1
    return (rng.permutation(units) % min(folds, units))[codes]


@cache
def _libraries() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def threads(rows: int) -> AbstractContextManager[Any]:
    """Limit small problems to one thread, as distributing them costs more than it saves.

    With other processes running, threads that wait for each other are ten times as slow.
    """
    return _libraries().limit(limits=1) if rows <= SPANNED else nullcontext()
