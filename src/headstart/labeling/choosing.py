"""Active learning on frozen vectors: which records to label next.

A label is worth most where it tells much about other records, and where what the labels so far say
leaves open what it will be: so the choice is one experimental design, in which each record counts
by how uncertain the belief is that a head would have, from labels and what they spread over the
unlabeled records.

Every method returns indices into the pool, the most valuable first, and reads the vectors a block
at a time, so that they may be memory-mapped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from headstart.evaluation.heads.logistic import LogisticRegression
from headstart.labeling.belief import Belief, uncertainty
from headstart.labeling.design import Believe, design
from headstart.labeling.pool import BLOCK, Pool

#: Vectors that determine a probe's scaling.
SAMPLE = 20_000
#: Average number of labels per class from which on a probe of the labels alone weighs records:
#: measured on the training parts of IMDb, banking77 and CIFAR-10 (``docs/log.md``).
MIN_LABELS_PER_CLASS = 10
#: Uncertainty from which on a record's class counts as open.
_OPEN = 0.5


@dataclass(frozen=True)
class Chosen:
    """What to label next.

    Attributes:
        indices: (n,) into the pool, the most valuable first.
        why: a reason for each, in plain words.
        method: how they were chosen.
    """

    indices: np.ndarray
    why: list[str]
    method: str


def choose(
    pool: Pool,
    labeled: np.ndarray,
    labels: Sequence[str],
    count: int,
    *,
    method: str = "auto",
    rng: np.random.Generator,
) -> Chosen:
    """Choose ``count`` records to label, or all if there are fewer.

    Args:
        pool: the unlabeled records.
        labeled: (L,D) vectors of the labeled records, as the encoder returns them.
        labels: their L labels.
        count: records to choose.
        method: ``coverage`` (experimental design); ``propagation``, which is ``auto``: the same,
            weighted by the uncertainty of what the labels say and spread over the pool;
            ``uncertainty``: the same, weighted by the uncertainty of a probe of the labels alone,
            from 10 labels per class on average; ``k-center``, ``badge`` or ``random``. With fewer
            than two classes nothing is uncertain, and coverage is used.
        rng: random choices; the same state gives the same records.

    Example::

        pool = Pool(vectors)
        chosen = choose(pool, vectors[:0], [], 20, rng=np.random.default_rng(0))
    """
    if method == "random":
        indices = rng.permutation(np.flatnonzero(pool.allowed))[:count]
        return Chosen(indices, ["drawn at random"] * len(indices), method)
    near, known = pool.centred(labeled), sorted(set(labels))
    if method == "k-center":
        indices = k_center(pool, near, count, rng)
        return Chosen(indices, ["far from all that is labeled or named"] * len(indices), method)
    codes = np.searchsorted(known, list(labels))
    least = MIN_LABELS_PER_CLASS if method == "uncertainty" else 0
    if method == "coverage" or len(known) < 2 or len(labels) < least * len(known):
        return Chosen(*design(pool, near, count, rng), "coverage")
    if method == "badge":
        probabilities = class_probabilities(pool, labeled, codes, rng)
        indices = badge(pool, probabilities, count, rng)
        return Chosen(indices, [_ambiguity(known, probabilities[x]) for x in indices], method)
    believe = (_probed if method == "uncertainty" else _spread)(pool, labeled, codes, rng)
    found = design(pool, near, count, rng, believe)
    told = [_ambiguity(known, each) for each in believe(found.indices)]
    why = [f"{reason}; {more}" for reason, more in zip(found.why, told, strict=True)]
    return Chosen(found.indices, why, "propagation" if method == "auto" else method)


def _spread(pool: Pool, labeled: np.ndarray, codes: np.ndarray, _: np.random.Generator) -> Believe:
    """Return what the labels say, and what they spread over the pool."""
    fitted = Belief(pool.graph).fit(labeled, codes)
    return lambda indices: fitted.probabilities(np.asarray(pool.vectors[indices]))


def _probed(
    pool: Pool, labeled: np.ndarray, codes: np.ndarray, rng: np.random.Generator
) -> Believe:
    """Return what a probe of the labels alone says."""
    probabilities = class_probabilities(pool, labeled, codes, rng)
    return lambda indices: probabilities[indices]


def class_probabilities(
    pool: Pool, labeled: np.ndarray, classes: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Return the class probabilities (N,K) of the pool by a probe fitted on the labels."""
    sample = np.sort(rng.permutation(len(pool))[:SAMPLE])
    head = LogisticRegression(np.asarray(pool.vectors[sample]))
    model = head.fit(np.asarray(labeled, dtype=np.float32), classes, rng)
    parts = [
        model.probabilities(np.asarray(pool.vectors[start : start + BLOCK])).astype(np.float32)
        for start in range(0, len(pool), BLOCK)
    ]
    return np.concatenate(parts)


def _ambiguity(known: list[str], probabilities: np.ndarray) -> str:
    """Return what the labels so far say of a record, (K,)."""
    first, second = np.argsort(-probabilities, kind="stable")[:2]
    likeliest = f"{known[first]} {probabilities[first]:.2f}"
    if uncertainty(probabilities[None])[0] < _OPEN:
        return f"the labels so far say {likeliest}"
    return (
        f"the labels so far leave it open: {likeliest} or "
        f"{known[second]} {probabilities[second]:.2f}"
    )


def k_center(pool: Pool, labeled: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Choose greedily the record farthest from all that are labeled or chosen.

    The core-set of Sener and Savarese 2018 (https://arxiv.org/abs/1708.00489), section 4.2; without
    labels the first one is the most central.

    Args:
        labeled: (L,D) vectors of labeled records, as :meth:`Pool.centred` returns them.
    """
    distance = np.where(pool.allowed, _distance(pool, labeled), -1)
    chosen: list[int] = []
    while len(chosen) < min(count, int(pool.allowed.sum())):
        first = np.isinf(distance.max())
        index = int(design(pool, labeled, 1, rng).indices[0] if first else distance.argmax())
        chosen.append(index)
        near = pool.cosines(pool.rows(np.array([index]))[0])
        distance = np.minimum(distance, 1 - near)
        distance[index] = -1
    return np.array(chosen, dtype=np.int64)


def badge(
    pool: Pool, probabilities: np.ndarray, count: int, rng: np.random.Generator
) -> np.ndarray:
    """Choose by k-means++ among the last-layer gradients for the predicted labels.

    BADGE (Ash et al. 2020, "Deep Batch Active Learning by Diverse, Uncertain Gradient Lower
    Bounds", https://arxiv.org/abs/1906.03671, algorithm 1): the gradient is (p - onehot(argmax p))
    times the vector; its norm is large where the probe is uncertain. Gradients are never
    materialised: their inner products are products of those of their two factors.

    Args:
        probabilities: (N,K) of a probe.
    """
    error = probabilities.astype(np.float32).copy()
    error[np.arange(len(error)), probabilities.argmax(1)] -= 1
    size = np.square(error).sum(1)
    distance = np.where(pool.allowed, size, 0)
    chosen: list[int] = []
    while len(chosen) < min(count, int(pool.allowed.sum())):
        if chosen:
            weights = np.maximum(distance, 0).astype(np.float64) + 1e-12 * pool.allowed
            weights[chosen] = 0
            index = int(rng.choice(len(weights), p=weights / weights.sum()))
        else:
            index = int(distance.argmax())
        chosen.append(index)
        near = pool.cosines(pool.rows(np.array([index]))[0]) * (error @ error[index])
        distance = np.minimum(distance, size + size[index] - 2 * near)
    return np.array(chosen, dtype=np.int64)


def _distance(pool: Pool, labeled: np.ndarray) -> np.ndarray:
    """Return the distance (N,), 1 - cosine, to the nearest labeled record; inf without any."""
    distance = np.full(len(pool), np.inf, dtype=np.float32)
    if len(labeled):
        for where, block in pool.blocks():
            distance[where] = 1 - (block @ labeled.T).max(1)
    return distance
