"""The records whose labels would tell the most about all others, one after the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from headstart.labeling.belief import uncertainty
from headstart.labeling.gaussian_process import GaussianProcess, kernel
from headstart.labeling.pool import Pool

#: Candidates per round; records chosen in one round; and covariances in memory at once: the fewer
#: the candidates, the more records they are compared with.
CANDIDATES, ROUND, KERNEL = 4096, 1000, 2**24

#: From indices (n,) into the pool to the class probabilities (n,K) of these records.
Believe = Callable[[np.ndarray], np.ndarray]


class Design(NamedTuple):
    """What was chosen: indices (n,) into the pool, the most valuable first, and the reasons."""

    indices: np.ndarray
    why: list[str]


def design(
    pool: Pool,
    labeled: np.ndarray,
    count: int,
    rng: np.random.Generator,
    believe: Believe | None = None,
) -> Design:
    """Choose greedily the records whose labels most reduce the uncertainty about all records.

    Sequential transductive experimental design (Yu, Bi and Tresp 2006, "Active Learning via
    Transductive Experimental Design", algorithm 1): each choice minimises the weighted sum over
    records of the posterior variance of a Gaussian process. It does not depend on the values of
    the labels, so a batch is chosen at once. Large pools are subsampled.

    Args:
        labeled: (L,D) vectors of labeled records, as :meth:`Pool.centred` returns them.
        believe: what is known of the records; each counts by how uncertain that is. Without it all
            count the same.
    """
    left = pool.allowed.copy()
    count = min(count, int(left.sum()))
    indices: list[int] = []
    why: list[str] = []
    while len(indices) < count:
        size = min(ROUND, count - len(indices))
        found, reasons = _round(pool, np.flatnonzero(left), labeled, size, rng, believe)
        left[found] = False
        labeled = np.concatenate([labeled, pool.rows(found)])
        indices += found.tolist()
        why += reasons
    return Design(np.array(indices, dtype=np.int64), why)


def _round(
    pool: Pool,
    candidates: np.ndarray,
    labeled: np.ndarray,
    count: int,
    rng: np.random.Generator,
    believe: Believe | None,
) -> tuple[np.ndarray, list[str]]:
    candidates = _subsample(candidates, CANDIDATES, rng)
    everyone = _subsample(np.arange(len(pool)), KERNEL // max(1, len(candidates)), rng)
    ours, rows = pool.rows(candidates), pool.rows(everyone)
    covered = np.zeros(len(rows), np.float32)
    for start in range(0, len(labeled), CANDIDATES):
        covered = np.maximum(covered, kernel(labeled[start : start + CANDIDATES], rows).max(0))
    weight = np.ones(len(rows)) if believe is None else uncertainty(believe(everyone))
    known = labeled[_subsample(np.arange(len(labeled)), CANDIDATES, rng)]
    process = GaussianProcess(ours, rows, known, weight.astype(np.float32), count)
    chosen: list[int] = []
    why: list[str] = []
    while len(chosen) < count:
        reduction = process.variance_reduction()
        reduction[chosen] = -np.inf
        index = int(reduction.argmax())
        process.observe(index)
        chosen.append(index)
        near = kernel(rows, ours[index][None])[:, 0]
        why.append(_reason(near > covered, len(pool)))
        covered = np.maximum(covered, near)
    return candidates[chosen], why


def _reason(nearer: np.ndarray, total: int) -> str:
    if nearer.all():
        return "no other label would tell as much about all records"
    count = max(1, round(nearer.mean() * total))
    records = "record" if count == 1 else "records"
    return f"nearer to {count:,} {records} than any that is labeled or named before it"


def _subsample(indices: np.ndarray, most: int, rng: np.random.Generator) -> np.ndarray:
    return indices if len(indices) <= most else np.sort(rng.permutation(indices)[:most])
