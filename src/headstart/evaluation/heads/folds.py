"""What all heads do with the drawn labels: folds to cross-validate, and threads to fit with."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import Any

import numpy as np

from headstart.evaluation.draws import draw
from headstart.evaluation.heads.rows import SPANNED

#: Number of labels beyond which three folds suffice.
THREE_FOLDS = 500
#: Maximum number of labels that choose a setting: where classes are few, and where they are many.
DECIDING, DECIDING_MANY = 4000, 2000
#: Number of classes that are many, and maximum number of classes that choose a setting.
MANY, DECIDING_CLASSES = 20, 200


def deciding(classes: np.ndarray, rng: np.random.Generator) -> np.ndarray | None:
    """Return the indices of the labels that choose a setting; None for all of them.

    The optimal penalty hardly depends on the number of labels or on that of classes, whereas the
    time to find it grows with their product. Heads that begin with this call and are given the same
    state of ``rng`` are validated on the same records.
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


def deal(classes: np.ndarray, folds: int, rng: np.random.Generator) -> np.ndarray | None:
    """Assign records to stratified folds; return the fold (n,) of each.

    The number of folds is at most ``folds`` and the size of the second largest class, so that at
    least two classes remain when a fold is left out; None if that is fewer than two.
    """
    sizes = np.sort(np.bincount(classes))
    count = min(folds, int(sizes[-2]))
    if count < 2:
        return None
    order = rng.permutation(len(classes))
    order = order[np.argsort(classes[order], kind="stable")]
    parts = np.empty(len(classes), dtype=np.int64)
    parts[order] = np.arange(len(classes)) % count
    return parts


@cache
def _libraries() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def threads(rows: int) -> AbstractContextManager[Any]:
    """Limit small problems to one thread, as distributing them costs more than it saves.

    With other processes running, threads that wait for each other are ten times as slow.
    """
    return _libraries().limit(limits=1) if rows <= SPANNED else nullcontext()
