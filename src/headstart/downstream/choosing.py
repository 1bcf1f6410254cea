"""Which records to label next: ways to choose among frozen vectors.

With no labels, or few, the choice must cover the data; with more, it pays to ask about what a
probe of the labels is unsure of, and not about the same thing twice (Hacohen et al. 2022, "Active
Learning on a Budget: Opposite Strategies Suit High and Low Budgets").

Every way returns places in the pool, the most worth labeling first, and touches the vectors a
block at a time, so that they may lie on disk.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from headstart.evaluation.probes import LogisticProbe

#: Vectors that are in memory at one time, and those that clusters are found on.
BLOCK, SAMPLE = 16_384, 20_000
#: Most clusters, neighbours that typicality is measured on, and members of a cluster that are
#: compared (Hacohen et al. 2022, appendix F.1: 500 and 20; clusters below 5 are passed over).
CLUSTERS, NEIGHBOURS, MEMBERS, SMALLEST = 500, 20, 1500, 5
#: Few clusters are looked for from several starts: one start may miss a small group.
STARTS, FEW = 5, 100
#: From so many labels a class on, doubt says more than coverage: measured on the training parts
#: of IMDb, banking77 and CIFAR-10 (``docs/log.md``).
ENOUGH = 20


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

    def place(self, vectors: np.ndarray) -> np.ndarray:
        """Return vectors (n,D) from elsewhere, such as of labeled records, as those in the pool."""
        return unit(unit(np.asarray(vectors, dtype=np.float32)) - self.centre)

    def rows(self, places: np.ndarray) -> np.ndarray:
        """Return the vectors (n,D) at ``places``."""
        return self.place(self.vectors[places])

    def blocks(self) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield all vectors, a block at a time, with where they stand."""
        for start in range(0, len(self), BLOCK):
            where = slice(start, min(start + BLOCK, len(self)))
            yield where, self.place(self.vectors[where])

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
        places: (n,) in the pool, the most worth labeling first.
        why: one reason each, in plain words.
        way: how they were chosen.
    """

    places: np.ndarray
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
        way: ``typical`` (coverage), ``unsure`` (doubt of a probe, spread over clusters),
            ``k-center``, ``badge`` or ``random``; ``auto`` is typical, and unsure once there
            are 20 labels a class on average. Without two classes no probe can doubt anything,
            and typical stands in.
    """
    near = pool.place(labeled) if len(labeled) else np.empty((0, pool.vectors.shape[1]), np.float32)
    known = sorted(set(labels))
    if way == "auto":
        way = "unsure" if len(known) > 1 and len(labels) >= ENOUGH * len(known) else "typical"
    if way in ("unsure", "badge") and len(known) < 2:
        way = "typical"
    if way == "random":
        places = rng.permutation(np.flatnonzero(pool.allowed))[:count]
        return Chosen(places, ["drawn at random"] * len(places), way)
    if way == "k-center":
        places = k_center(pool, near, count, rng)
        return Chosen(places, ["far from all that is labeled or named"] * len(places), way)
    if way == "typical":
        places, why = typical(pool, near, count, rng)
        return Chosen(places, why, way)
    chances = doubts(pool, labeled, np.searchsorted(known, list(labels)), rng)
    spread = badge if way == "badge" else unsure_clusters
    places = spread(pool, chances, count, rng)
    return Chosen(places, [_wavering(known, chances[place]) for place in places], way)


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
        labeled: (L,D) vectors of labeled records, as :meth:`Pool.place` returns them.
    """
    distance = np.where(pool.allowed, _apart(pool, labeled), -1)
    chosen: list[int] = []
    while len(chosen) < min(count, int(pool.allowed.sum())):
        place = _first(pool, rng) if np.isinf(distance.max()) else int(distance.argmax())
        chosen.append(place)
        near = pool.nearness(pool.rows(np.array([place]))[0])
        distance = np.minimum(distance, 1 - near)
        distance[place] = -1
    return np.array(chosen, dtype=np.int64)


def typical(
    pool: Pool, labeled: np.ndarray, count: int, rng: np.random.Generator
) -> tuple[np.ndarray, list[str]]:
    """Choose the most typical record of each cluster that has no label, the largest first.

    TypiClust (Hacohen et al. 2022, algorithm 1): as many clusters as there will be labels, and of
    each the record whose 20 nearest neighbours in it are nearest. Clusters with the fewest labels
    come first, so that all are asked about before one is asked about again. The reasons are
    returned beside the places.

    Args:
        labeled: (L,D) vectors of labeled records, as :meth:`Pool.place` returns them.
    """
    count = min(count, int(pool.allowed.sum()))
    cluster, centres = clusters(pool, min(len(labeled) + count, CLUSTERS), rng)
    members = [np.flatnonzero((cluster == number) & pool.allowed) for number in range(len(centres))]
    asked = np.zeros(len(centres), dtype=np.int64)
    if len(labeled):
        asked += np.bincount((labeled @ centres.T).argmax(1), minlength=len(centres))
    sizes = [len(found) for found in members]
    orders: dict[int, list[int]] = {}
    chosen: list[int] = []
    why: list[str] = []
    while len(chosen) < count:
        open_ = [number for number in range(len(centres)) if len(members[number])]
        large = [number for number in open_ if len(members[number]) >= SMALLEST] or open_
        best = min(large, key=lambda number: (asked[number], -len(members[number])))
        if best not in orders:
            orders[best] = list(by_typicality(pool, members[best], rng))
        place = orders[best].pop(0)
        members[best] = members[best][members[best] != place]
        state = f"with {asked[best]:,} labeled or named" if asked[best] else "with no label yet"
        why.append(f"typical of a group of {sizes[best]:,} records {state}")
        asked[best] += 1
        chosen.append(place)
    return np.array(chosen, dtype=np.int64), why


def clusters(pool: Pool, count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return the cluster (N,) of every vector by k-means, and the centres (k,D) at length 1.

    Centres are found on a sample of the vectors that may be chosen.
    """
    from sklearn.cluster import KMeans

    places = np.flatnonzero(pool.allowed)
    if len(places) > SAMPLE:
        places = np.sort(rng.permutation(places)[:SAMPLE])
    count = min(count, len(places))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # fewer different vectors than clusters
        seed, starts = int(rng.integers(2**31)), STARTS if count <= FEW else 1
        model = KMeans(count, n_init=starts, max_iter=30, random_state=seed)
        model.fit(pool.rows(places))
    centres = unit(model.cluster_centers_)
    cluster = np.empty(len(pool), dtype=np.int32)
    for where, block in pool.blocks():
        cluster[where] = (block @ centres.T).argmax(1)
    return cluster, centres


def by_typicality(pool: Pool, members: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return members (n,) of a cluster, the most typical first: that with the nearest neighbours.

    Of a large cluster a sample is compared; the others follow in any order.
    """
    order = rng.permutation(members)
    looked, rest = order[:MEMBERS], order[MEMBERS:]
    vectors = pool.rows(looked)
    neighbours = min(NEIGHBOURS, len(looked) - 1)
    if not neighbours:
        return order
    near = vectors @ vectors.T
    np.fill_diagonal(near, -np.inf)
    nearest = -np.partition(-near, neighbours - 1, axis=1)[:, :neighbours]
    distances = np.sqrt(np.maximum(2 - 2 * nearest, 0)).mean(1)
    return np.concatenate([looked[np.argsort(distances, kind="stable")], rest])


def unsure(chances: np.ndarray) -> np.ndarray:
    """Return 1 minus the margin (N,) between the two likeliest of classes (N,K); 1 is a tie."""
    if chances.shape[1] < 2:
        return np.zeros(len(chances))
    two = np.partition(chances, -2, axis=1)[:, -2:]
    return 1 - (two[:, 1] - two[:, 0])


def by_margin(pool: Pool, chances: np.ndarray, count: int) -> np.ndarray:
    """Choose what the probe is least sure of (Scheffer et al. 2001), by chances (N,K)."""
    doubt = np.where(pool.allowed, unsure(chances), -1)
    return np.argsort(-doubt, kind="stable")[: min(count, int(pool.allowed.sum()))]


def unsure_clusters(
    pool: Pool, chances: np.ndarray, count: int, rng: np.random.Generator, *, among: int = 10
) -> np.ndarray:
    """Choose what the probe is least sure of in each of ``count`` clusters of the doubtful.

    The doubtful are the ``among`` times ``count`` with the smallest margin (after Citovsky et al.
    2021, "Batch Active Learning at Scale", which clusters first).
    """
    doubt = unsure(chances)
    looked = by_margin(pool, chances, among * count)
    part = Pool(pool.vectors[looked])
    part.centre = pool.centre
    cluster, _ = clusters(part, count, rng)
    chosen: list[int] = []
    order = np.argsort(-doubt[looked], kind="stable")
    seen: set[int] = set()
    for place in order:
        if int(cluster[place]) not in seen:
            seen.add(int(cluster[place]))
            chosen.append(int(looked[place]))
    left = [int(looked[place]) for place in order if int(looked[place]) not in set(chosen)]
    return np.array((chosen + left)[:count], dtype=np.int64)


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
            place = int(rng.choice(len(weights), p=weights / weights.sum()))
        else:
            place = int(distance.argmax())
        chosen.append(place)
        near = pool.nearness(pool.rows(np.array([place]))[0]) * (error @ error[place])
        distance = np.minimum(distance, size + size[place] - 2 * near)
    return np.array(chosen, dtype=np.int64)


def _apart(pool: Pool, labeled: np.ndarray) -> np.ndarray:
    """Return the distance (N,), 1 - cosine, of all to the nearest labeled; inf without any."""
    distance = np.full(len(pool), np.inf, dtype=np.float32)
    if len(labeled):
        for where, block in pool.blocks():
            distance[where] = 1 - (block @ labeled.T).max(1)
    return distance


def _first(pool: Pool, rng: np.random.Generator) -> int:
    places = np.flatnonzero(pool.allowed)
    sample = rng.permutation(places)[:MEMBERS]
    return int(by_typicality(pool, sample, rng)[0])
