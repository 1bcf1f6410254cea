"""What all heads do with the drawn labels: folds to cross-validate, and threads to fit with."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import Any

import numpy as np

from headstart.evaluation.draws import draw
from headstart.evaluation.heads.rows import SPANNED

#: Number of labels beyond which three folds suffice, and maximum number that choose a setting.
THREE_FOLDS, DECIDING = 500, 4000


def deciding(classes: np.ndarray, rng: np.random.Generator) -> np.ndarray | None:
    """Return the indices of the labels that choose a setting; None for all of them."""
    names, codes = np.unique(classes, return_inverse=True)
    wanted = max(DECIDING, 10 * len(names))
    return draw(codes, wanted, int(rng.integers(2**62))) if len(classes) > wanted else None


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
