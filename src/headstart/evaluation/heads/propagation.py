"""Label propagation: a few labels spread over the graph of nearest neighbours of all records.

Records that are near each other tend to have the same label, so that unlabeled ones carry labels
from one to the next. It is no help where neighbours do not share labels (a film review is near
another one of the same film): cross-validation inside the labels says which it is.
"""

from __future__ import annotations

import hashlib
import math
from functools import cached_property
from typing import Any

import numpy as np
from scipy import sparse

from headstart.data.sparse_products import SparseRows, in_threads
from headstart.data.vectors import unit_length
from headstart.evaluation.heads.folds import threads

#: Neighbours of each record in the graph, and the power of the cosine that weighs them.
NEIGHBOURS, POWER = 10, 3
#: Share of a record's belief that comes from its neighbours, and what may be missing of what is
#: spread, as a share of the labels.
ALPHA, TOLERANCE = 0.7, 1e-3
#: The same where class names are all that spreads: fewer sources, farther away.
FAR = 0.9
#: Maximum number of records in the graph, of labels that are spread, and of classes.
POOL, MOST, CLASSES = 20_000, 2000, 500
#: Least median of what reaches a record, as a share of the mean, where a share of ``_REACH`` is
#: passed on; below that labels reach few records, and what they spread is noise.
COVERAGE, _REACH = 0.25, 0.9
#: Similarities in memory at once, in each of two threads.
_CELLS = 2**23


def is_few(labels: int, records: int) -> bool:
    """Return whether so few of the records are labeled that the others can help."""
    return labels <= min(MOST, records / 4)


class Graph:
    """The graph of nearest neighbours of records, over which labels are spread.

    Local and global consistency (Zhou et al. 2004, "Learning with Local and Global Consistency",
    section 2), on the graph of Iscen et al. 2019 ("Label Propagation for Deep Semi-supervised
    Learning", section 4.1): the 10 nearest neighbours of each record by cosine, weighed by its
    third power. The mass of each class is set to the square root of its share of the labels.

    Args:
        features: (P,D) dense features of the records.

    Example::

        graph = Graph(features)
        beliefs = graph.spread(graph.sources(features[labeled]), classes[labeled], count=10)
    """

    def __init__(self, features: np.ndarray) -> None:
        #: (P,D) rows of length 1.
        self.rows = unit_length(np.asarray(features))
        self._known: dict[bytes, tuple[np.ndarray, np.ndarray]] = {}

    def sources(self, features: np.ndarray) -> np.ndarray:
        """Return the record (n,) of the graph nearest to each row (n,D): itself, if it is in."""
        return neighbours(unit_length(features), self.rows, 1)[0][:, 0]

    def coverage(self, sources: np.ndarray) -> float:
        """Return how evenly labels at ``sources`` (n,) reach the records: the median / the mean.

        Below :data:`COVERAGE` most of the records are beyond their reach, such as those of a pool
        that has little to do with the labeled ones.
        """
        mass = np.bincount(sources, minlength=len(self.rows)).astype(np.float32)
        reached = self._passed_on(mass[:, None], _REACH)
        return float(np.median(reached) / max(float(reached.mean()), 1e-12))

    def agreement(self, sources: np.ndarray, codes: np.ndarray) -> tuple[float, int]:
        """Return which share of neighbouring labeled records have the same class, and of how many.

        Args:
            sources: (n,) the labeled records; codes: (n,) their classes.
        """
        edges = self._edges[sources][:, sources].tocoo()
        return float((codes[edges.row] == codes[edges.col]).mean()) if edges.nnz else 0.0, edges.nnz

    def mass(
        self, sources: np.ndarray, codes: np.ndarray, count: int, share: float = ALPHA
    ) -> np.ndarray:
        """Return what reaches each record (P,K) of labels, which is linear in them.

        Args:
            sources: (n,) the labeled records; codes: (n,) their classes, 0..K-1.
            count: K.
            share: of a record's belief that comes from its neighbours.
        """
        labels = np.zeros((len(self.rows), count), dtype=np.float32)
        if not len(sources):
            return labels
        np.add.at(labels, (sources, codes), 1)
        return self._passed_on(labels, share)

    def spread(self, sources: np.ndarray, codes: np.ndarray, count: int) -> np.ndarray:
        """Return the beliefs (P,K) of all records that labels spread to; see :meth:`mass`."""
        return believed_of(self.mass(sources, codes, count), codes)

    def believed(self, features: np.ndarray, beliefs: np.ndarray) -> np.ndarray:
        """Return the mean ``beliefs`` (P,K) of the nearest records of each row (m,D): (m,K)."""
        nearest, weights = self._nearest(features)
        found = np.zeros((len(nearest), beliefs.shape[1]), dtype=np.float32)
        for neighbour, weight in zip(nearest.T, weights.T, strict=True):
            found += weight[:, None] * beliefs[neighbour]
        return found

    def _nearest(self, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the nearest records of each row (m,D), see :func:`neighbours`.

        They are kept, as the same records are tested after every draw of labels.
        """
        rows = np.ascontiguousarray(features)
        key = hashlib.blake2b(rows.data, digest_size=16).digest()
        if key not in self._known:
            self._known[key] = neighbours(unit_length(rows), self.rows)
        return self._known[key]

    @cached_property
    def _edges(self) -> Any:
        """The symmetric weights (P,P): W + W', CSR."""
        count = len(self.rows)
        # The nearest is the record itself.
        nearest, weights = neighbours(self.rows, self.rows, NEIGHBOURS + 1, scaled=False)
        rows = np.repeat(np.arange(count), nearest.shape[1])
        weights[nearest == np.arange(count)[:, None]] = 0
        edges = sparse.csr_matrix(
            (weights.ravel(), (rows, nearest.ravel())), shape=(count, count), dtype=np.float32
        )
        edges = (edges + edges.T).tocsr()
        edges.eliminate_zeros()
        return edges

    @cached_property
    def _normalised(self) -> Any:
        """The normalised adjacency (P,P): D^-1/2 (W + W') D^-1/2, CSR."""
        degree = np.asarray(self._edges.sum(1)).ravel()
        scale = sparse.diags(1 / np.sqrt(np.where(degree > 0, degree, 1)).astype(np.float32))
        return (scale @ self._edges @ scale).tocsr()

    def _passed_on(self, labels: np.ndarray, share: float) -> np.ndarray:
        """Return what has spread (P,K) of ``labels``: (1 - share) sum over k of (share S)^k.

        By Chebyshev iteration (Golub and Varga 1961, "Chebyshev semi-iterative methods"), as the
        eigenvalues of S are within -1..1. It is linear in the labels, like the sum itself.
        """
        adjacency = SparseRows(self._normalised)
        start = (1 - share) * labels
        before, spread, weight = np.zeros_like(start), start, 2.0
        for _ in range(rounds_of(share) - 1):
            weight = 1 / (1 - share**2 * weight / 4)
            passed = share * adjacency.times(spread)
            before, spread = spread, weight * (passed + start - before) + before
        return spread


def rounds_of(share: float) -> int:
    """Return the rounds of spreading after which at most :data:`TOLERANCE` is missing."""
    rate = share / (1 + math.sqrt(1 - share**2))
    return math.ceil(math.log(TOLERANCE / 2) / math.log(rate))


def believed_of(mass: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Return the beliefs (P,K) that follow from :meth:`Graph.mass` (P,K) of labels ``codes`` (n,).

    Records that no label reaches prefer no class.
    """
    count = mass.shape[1]
    mass = np.maximum(mass, 0)  # what is missing of a spread may have any sign
    shares = np.sqrt(np.bincount(codes, minlength=count) / len(codes))
    beliefs = mass * (shares / np.maximum(mass.sum(0), 1e-12)).astype(np.float32)
    total = beliefs.sum(1, keepdims=True)
    return np.where(total > 0, beliefs / np.where(total > 0, total, 1), np.float32(1 / count))


def neighbours(
    queries: np.ndarray,
    pool: np.ndarray,
    count: int = NEIGHBOURS,
    *,
    power: int = POWER,
    scaled: bool = True,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the nearest rows of ``pool`` (P,D) by cosine: indices and weights (m,k).

    Args:
        queries: (m,D) rows of length 1, as of ``pool``.
        count: k, at most P.
        power: of the cosines, as weights.
        scaled: whether the weights of a row sum to 1.
    """
    count = min(count, len(pool))
    indices = np.empty((len(queries), count), dtype=np.int64)
    weights = np.empty((len(queries), count), dtype=np.float32)
    at_once = max(1, _CELLS // len(pool))

    def search(start: int) -> None:
        cosines = queries[start : start + at_once] @ pool.T
        chosen = np.argpartition(cosines, -count, axis=1)[:, -count:]
        indices[start : start + at_once] = chosen
        weights[start : start + at_once] = np.take_along_axis(cosines, chosen, 1)

    # Choosing takes longer than the products, and NumPy chooses in one thread.
    with threads(1):
        in_threads(search, range(0, len(queries), at_once))
    weights = np.maximum(weights, 0) ** power
    if scaled:
        weights /= np.maximum(weights.sum(1, keepdims=True), 1e-12)
    return indices, weights
