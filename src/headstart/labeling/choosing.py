"""Which records to label next: ways to choose among frozen vectors.

With no labels, or few, the choice must cover the data; with more, it pays to cover what a probe of
the labels is unsure of (Hacohen et al. 2022, "Active Learning on a Budget: Opposite Strategies Suit
High and Low Budgets"). Both are one design of an experiment, without and with weights.

Every way returns indices in the pool, the most worth labeling first, and touches the vectors a
block at a time, so that they may lie on disk.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from headstart.evaluation.probes import LogisticProbe
from headstart.labeling.gaussian_process import GaussianProcess, kernel

#: Vectors that are in memory at one time, and those that a probe is fitted on.
BLOCK, SAMPLE = 16_384, 20_000
#: Records to choose among; how many are chosen of them before others are drawn; and covariances
#: that are in memory at one time: the fewer candidates, the more records they are chosen for.
CANDIDATES, ROUND, KERNEL = 4096, 1000, 2**24
#: From how many labels a class on doubt counts: measured on the training parts of IMDb, banking77
#: and CIFAR-10 (``docs/log.md``).
ENOUGH = 10


class Pool:
    """N vectors to choose among, centred and brought to length 1 when they are read.

    Args:
        vectors: (N,D) float32, in memory or memory-mapped.
        allowed: (N,) bool, which may be chosen (repeats may not); all by default.
    """

    def __init__(self, vectors: np.ndarray, allowed: np.ndarray | None = None) -> None:
        self.vectors = vectors
        self.allowed = np.ones(len(vectors), bool) if allowed is None else allowed.copy()
        total = np.zeros(vectors.shape[1])
        for start in range(0, len(vectors), BLOCK):
            total += unit(np.asarray(vectors[start : start + BLOCK])).sum(0, dtype=np.float64)
        self.centre = (total / max(1, len(vectors))).astype(np.float32)

    def __len__(self) -> int:
        return len(self.vectors)

    def centred(self, vectors: np.ndarray) -> np.ndarray:
        """Return vectors (n,D) from elsewhere, such as of labeled records, as those in the pool."""
        return unit(unit(np.asarray(vectors, dtype=np.float32)) - self.centre)

    def rows(self, indices: np.ndarray) -> np.ndarray:
        """Return the vectors (n,D) at ``indices``."""
        return self.centred(self.vectors[indices])

    def blocks(self) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield all vectors, a block at a time, with where they stand."""
        for start in range(0, len(self), BLOCK):
            where = slice(start, min(start + BLOCK, len(self)))
            yield where, self.centred(self.vectors[where])

    def nearness(self, vector: np.ndarray) -> np.ndarray:
        """Return the cosine (N,) of all with one vector (D,)."""
        found = np.empty(len(self), dtype=np.float32)
        for where, block in self.blocks():
            found[where] = block @ vector
        return found


def unit(vectors: np.ndarray) -> np.ndarray:
    """Return rows (n,D) at length 1; rows of zeros stay."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.where(norms > 0, norms, 1)).astype(np.float32, copy=False)


@dataclass(frozen=True)
class Chosen:
    """What to label next.

    Attributes:
        indices: (n,) in the pool, the most worth labeling first.
        why: one reason each, in plain words.
        way: how they were chosen.
    """

    indices: np.ndarray
    why: list[str]
    way: str


def choose(
    pool: Pool,
    labeled: np.ndarray,
    labels: Sequence[str],
    count: int,
    *,
    way: str = "auto",
    rng: np.random.Generator,
) -> Chosen:
    """Choose ``count`` records to label, or as many as there are.

    Args:
        labeled: (L,D) vectors of the records that have labels, as the encoder gives them.
        labels: their L labels.
        way: ``coverage``, ``uncertainty`` (coverage of what a probe of the labels doubts),
            ``k-center``, ``badge`` or ``random``; ``auto`` is coverage, and uncertainty once
            there are 10 labels a class on average. Without two classes no probe can doubt
            anything, and coverage stands in.
    """
    near = (
        pool.centred(labeled) if len(labeled) else np.empty((0, pool.vectors.shape[1]), np.float32)
    )
    known = sorted(set(labels))
    if way == "auto":
        sure = len(known) > 1 and len(labels) >= ENOUGH * len(known)
        way = "uncertainty" if sure else "coverage"
    if way in ("uncertainty", "badge") and len(known) < 2:
        way = "coverage"
    if way == "random":
        indices = rng.permutation(np.flatnonzero(pool.allowed))[:count]
        return Chosen(indices, ["drawn at random"] * len(indices), way)
    if way == "k-center":
        indices = k_center(pool, near, count, rng)
        return Chosen(indices, ["far from all that is labeled or named"] * len(indices), way)
    if way == "coverage":
        indices, why = design(pool, near, count, rng)
        return Chosen(indices, why, way)
    chances = doubts(pool, labeled, np.searchsorted(known, list(labels)), rng)
    if way == "badge":
        indices = badge(pool, chances, count, rng)
        return Chosen(indices, [_wavering(known, chances[index]) for index in indices], way)
    indices, why = design(pool, near, count, rng, unsure(chances))
    why = [f"{x}; {_wavering(known, chances[y])}" for x, y in zip(why, indices, strict=True)]
    return Chosen(indices, why, way)


def doubts(
    pool: Pool, labeled: np.ndarray, classes: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Return the probabilities (N,K) that a probe of the labels gives to all in the pool."""
    sample = np.sort(rng.permutation(len(pool))[:SAMPLE])
    probe = LogisticProbe(np.asarray(pool.vectors[sample]))
    model = probe.fit(np.asarray(labeled, dtype=np.float32), classes, rng)
    parts = [
        model.chances(np.asarray(pool.vectors[start : start + BLOCK])).astype(np.float32)
        for start in range(0, len(pool), BLOCK)
    ]
    return np.concatenate(parts)


def _wavering(known: list[str], chances: np.ndarray) -> str:
    first, second = np.argsort(-chances, kind="stable")[:2]
    return (
        f"the labels so far leave it open: {known[first]} {chances[first]:.2f} or {known[second]} "
        f"{chances[second]:.2f}"
    )


def k_center(pool: Pool, labeled: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Choose greedily what is farthest from all that is labeled or chosen.

    The core-set of Sener and Savarese 2018, section 4.2; the first of all is the most central.

    Args:
        labeled: (L,D) vectors of labeled records, as :meth:`Pool.centred` returns them.
    """
    distance = np.where(pool.allowed, _apart(pool, labeled), -1)
    chosen: list[int] = []
    while len(chosen) < min(count, int(pool.allowed.sum())):
        first = np.isinf(distance.max())
        index = int(design(pool, labeled, 1, rng)[0][0] if first else distance.argmax())
        chosen.append(index)
        near = pool.nearness(pool.rows(np.array([index]))[0])
        distance = np.minimum(distance, 1 - near)
        distance[index] = -1
    return np.array(chosen, dtype=np.int64)


def design(
    pool: Pool,
    labeled: np.ndarray,
    count: int,
    rng: np.random.Generator,
    weights: np.ndarray | None = None,
) -> tuple[np.ndarray, list[str]]:
    """Choose greedily what leaves a regression the least uncertain about all records.

    Sequential transductive experimental design (Yu, Bi and Tresp 2006, "Active Learning via
    Transductive Experimental Design", algorithm 1): what falls the most is the sum over records,
    weighted, of the variance that a Gaussian process leaves. What the labels say does not enter,
    so a batch is chosen at once. Of very many records samples stand for all. The reasons are
    returned beside the indices.

    Args:
        labeled: (L,D) vectors of labeled records, as :meth:`Pool.centred` returns them.
        weights: (N,), not negative.
    """
    left = pool.allowed.copy()
    count = min(count, int(left.sum()))
    indices: list[int] = []
    why: list[str] = []
    while len(indices) < count:
        size = min(ROUND, count - len(indices))
        found, reasons = _round(pool, np.flatnonzero(left), labeled, size, rng, weights)
        left[found] = False
        labeled = np.concatenate([labeled, pool.rows(found)])
        indices += found.tolist()
        why += reasons
    return np.array(indices, dtype=np.int64), why


def _round(
    pool: Pool,
    candidates: np.ndarray,
    labeled: np.ndarray,
    count: int,
    rng: np.random.Generator,
    weights: np.ndarray | None,
) -> tuple[np.ndarray, list[str]]:
    candidates = _some(candidates, CANDIDATES, rng)
    everyone = _some(np.arange(len(pool)), KERNEL // max(1, len(candidates)), rng)
    ours, rows = pool.rows(candidates), pool.rows(everyone)
    covered = np.zeros(len(rows), np.float32)
    for start in range(0, len(labeled), CANDIDATES):
        covered = np.maximum(covered, kernel(labeled[start : start + CANDIDATES], rows).max(0))
    weight = np.ones(len(rows)) if weights is None else weights[everyone]
    known = labeled[_some(np.arange(len(labeled)), CANDIDATES, rng)]
    process = GaussianProcess(ours, rows, known, weight.astype(np.float32), count)
    chosen: list[int] = []
    why: list[str] = []
    while len(chosen) < count:
        worth = process.worth()
        worth[chosen] = -np.inf
        index = int(worth.argmax())
        process.observe(index)
        chosen.append(index)
        near = kernel(rows, ours[index][None])[:, 0]
        why.append(_speaks(near > covered, len(pool)))
        covered = np.maximum(covered, near)
    return candidates[chosen], why


def _speaks(nearer: np.ndarray, total: int) -> str:
    if nearer.all():
        return "no other label would tell as much about all records"
    count = max(1, round(nearer.mean() * total))
    return f"nearer to {count:,} records than any that is labeled or named before it"


def _some(indices: np.ndarray, most: int, rng: np.random.Generator) -> np.ndarray:
    return indices if len(indices) <= most else np.sort(rng.permutation(indices)[:most])


def unsure(chances: np.ndarray) -> np.ndarray:
    """Return 1 minus the margin (N,) between the two likeliest of classes (N,K); 1 is a tie."""
    if chances.shape[1] < 2:
        return np.zeros(len(chances))
    two = np.partition(chances, -2, axis=1)[:, -2:]
    return np.asarray(1 - (two[:, 1] - two[:, 0]))


def badge(pool: Pool, chances: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Choose by k-means++ among the gradients of the last layer that a guessed label would give.

    BADGE (Ash et al. 2020, "Deep Batch Active Learning by Diverse, Uncertain Gradient Lower
    Bounds", algorithm 1): the gradient is (p - onehot(argmax p)) times the vector; it is long
    where the probe is unsure. It is never written out: products of such gradients are products of
    their two factors.

    Args:
        chances: (N,K) of a probe.
    """
    error = chances.astype(np.float32).copy()
    error[np.arange(len(error)), chances.argmax(1)] -= 1
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
        near = pool.nearness(pool.rows(np.array([index]))[0]) * (error @ error[index])
        distance = np.minimum(distance, size + size[index] - 2 * near)
    return np.array(chosen, dtype=np.int64)


def _apart(pool: Pool, labeled: np.ndarray) -> np.ndarray:
    """Return the distance (N,), 1 - cosine, of all to the nearest labeled; inf without any."""
    distance = np.full(len(pool), np.inf, dtype=np.float32)
    if len(labeled):
        for where, block in pool.blocks():
            distance[where] = 1 - (block @ labeled.T).max(1)
    return distance
