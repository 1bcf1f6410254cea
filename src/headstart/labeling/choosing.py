"""Active learning on frozen vectors: which records to label next.

With few labels the choice should cover the data; with more, what a probe of the labels is uncertain
about (Hacohen et al. 2022, "Active Learning on a Budget: Opposite Strategies Suit High and Low
Budgets", https://arxiv.org/abs/2202.02794). Both are one experimental design, without and with
weights.

Every method returns indices into the pool, the most valuable first, and reads the vectors a block
at a time, so that they may be memory-mapped.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from headstart.data.vectors import unit_length
from headstart.evaluation.heads.logistic import LogisticRegression
from headstart.labeling.gaussian_process import GaussianProcess, kernel

#: Vectors that are in memory at once, and vectors that determine a probe's scaling.
BLOCK, SAMPLE = 16_384, 20_000
#: Candidates per round; records chosen in one round; and covariances in memory at once: the fewer
#: the candidates, the more records they are compared with.
CANDIDATES, ROUND, KERNEL = 4096, 1000, 2**24
#: Average number of labels per class from which on uncertainty is used: measured on the training
#: parts of IMDb, banking77 and CIFAR-10 (``docs/log.md``).
MIN_LABELS_PER_CLASS = 10


class Pool:
    """N vectors to choose from, which are centred and normalised when they are read.

    Args:
        vectors: (N,D) float32, in memory or memory-mapped.
        allowed: (N,) bool, which may be chosen (duplicates may not); all by default.
    """

    def __init__(self, vectors: np.ndarray, allowed: np.ndarray | None = None) -> None:
        self.vectors = vectors
        self.allowed = np.ones(len(vectors), bool) if allowed is None else allowed.copy()
        total = np.zeros(vectors.shape[1])
        for start in range(0, len(vectors), BLOCK):
            total += unit_length(vectors[start : start + BLOCK]).sum(0, dtype=np.float64)
        self.centre = (total / max(1, len(vectors))).astype(np.float32)

    def __len__(self) -> int:
        return len(self.vectors)

    def centred(self, vectors: np.ndarray) -> np.ndarray:
        """Return other vectors (n,D), such as of labeled records, in the space of the pool."""
        found: np.ndarray = unit_length(unit_length(vectors.astype(np.float32)) - self.centre)
        return found

    def rows(self, indices: np.ndarray) -> np.ndarray:
        """Return the vectors (n,D) at ``indices``."""
        return self.centred(self.vectors[indices])

    def blocks(self) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield the vectors in blocks, each with its slice of the pool."""
        for start in range(0, len(self), BLOCK):
            where = slice(start, min(start + BLOCK, len(self)))
            yield where, self.centred(self.vectors[where])

    def cosines(self, vector: np.ndarray) -> np.ndarray:
        """Return the cosine (N,) of each vector in the pool with one vector (D,)."""
        found = np.empty(len(self), dtype=np.float32)
        for where, block in self.blocks():
            found[where] = block @ vector
        return found


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
        method: ``coverage``, ``uncertainty`` (coverage weighted by the uncertainty of a probe),
            ``k-center``, ``badge`` or ``random``; ``auto`` is coverage, and uncertainty from
            10 labels per class on average. With fewer than two classes there is no probe, and
            coverage is used instead.
        rng: random choices; the same state gives the same records.

    Example::

        pool = Pool(vectors)
        chosen = choose(pool, vectors[:0], [], 20, rng=np.random.default_rng(0))
    """
    near = (
        pool.centred(labeled) if len(labeled) else np.empty((0, pool.vectors.shape[1]), np.float32)
    )
    known = sorted(set(labels))
    if method == "auto":
        enough = len(known) > 1 and len(labels) >= MIN_LABELS_PER_CLASS * len(known)
        method = "uncertainty" if enough else "coverage"
    if method in ("uncertainty", "badge") and len(known) < 2:
        method = "coverage"
    if method == "random":
        indices = rng.permutation(np.flatnonzero(pool.allowed))[:count]
        return Chosen(indices, ["drawn at random"] * len(indices), method)
    if method == "k-center":
        indices = k_center(pool, near, count, rng)
        return Chosen(indices, ["far from all that is labeled or named"] * len(indices), method)
    if method == "coverage":
        indices, why = design(pool, near, count, rng)
        return Chosen(indices, why, method)
    probabilities = class_probabilities(pool, labeled, np.searchsorted(known, list(labels)), rng)
    if method == "badge":
        indices = badge(pool, probabilities, count, rng)
        return Chosen(
            indices, [_ambiguity(known, probabilities[index]) for index in indices], method
        )
    indices, why = design(pool, near, count, rng, uncertainty(probabilities))
    why = [f"{x}; {_ambiguity(known, probabilities[y])}" for x, y in zip(why, indices, strict=True)]
    return Chosen(indices, why, method)


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
    first, second = np.argsort(-probabilities, kind="stable")[:2]
    return (
        f"the labels so far leave it open: {known[first]} {probabilities[first]:.2f} or "
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
        index = int(design(pool, labeled, 1, rng)[0][0] if first else distance.argmax())
        chosen.append(index)
        near = pool.cosines(pool.rows(np.array([index]))[0])
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
    """Choose greedily the records whose labels most reduce the uncertainty about all records.

    Sequential transductive experimental design (Yu, Bi and Tresp 2006, "Active Learning via
    Transductive Experimental Design", algorithm 1): each choice minimises the weighted sum over
    records of the posterior variance of a Gaussian process. It does not depend on the values of
    the labels, so a batch is chosen at once. Large pools are subsampled.

    Args:
        labeled: (L,D) vectors of labeled records, as :meth:`Pool.centred` returns them.
        weights: (N,), not negative; None is uniform.

    Returns:
        Indices (n,) into the pool, and a reason for each.
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
    candidates = _subsample(candidates, CANDIDATES, rng)
    everyone = _subsample(np.arange(len(pool)), KERNEL // max(1, len(candidates)), rng)
    ours, rows = pool.rows(candidates), pool.rows(everyone)
    covered = np.zeros(len(rows), np.float32)
    for start in range(0, len(labeled), CANDIDATES):
        covered = np.maximum(covered, kernel(labeled[start : start + CANDIDATES], rows).max(0))
    weight = np.ones(len(rows)) if weights is None else weights[everyone]
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
    return f"nearer to {count:,} records than any that is labeled or named before it"


def _subsample(indices: np.ndarray, most: int, rng: np.random.Generator) -> np.ndarray:
    return indices if len(indices) <= most else np.sort(rng.permutation(indices)[:most])


def uncertainty(probabilities: np.ndarray) -> np.ndarray:
    """Return 1 minus the margin (N,) between the two likeliest of K classes; 1 is a tie.

    Args:
        probabilities: (N,K).
    """
    if probabilities.shape[1] < 2:
        return np.zeros(len(probabilities))
    two = np.partition(probabilities, -2, axis=1)[:, -2:]
    return np.asarray(1 - (two[:, 1] - two[:, 0]))


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
