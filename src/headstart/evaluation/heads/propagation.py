"""Label propagation: a few labels spread over the graph of all training records.

Records that are near each other tend to have the same label, so that unlabeled ones carry labels
from one to the next. What is spread is averaged with logistic regression, which sees what all
records of a class share. It is no help where neighbours do not share labels (a film review is near
another one of the same film): cross-validation inside the labels says which it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from scipy import sparse

from headstart.data.vectors import Matrix, unit_length
from headstart.evaluation.heads.folds import divide, threads
from headstart.evaluation.heads.linear import Fitted
from headstart.evaluation.heads.logistic import LogisticRegression

#: Neighbours of each record in the graph, and the power of the cosine that weighs them.
NEIGHBOURS, POWER = 10, 3
#: Share of a record's belief that comes from its neighbours, and rounds of spreading.
ALPHA, ROUNDS = 0.7, 20
#: Maximum number of records in the graph, and of labels that are spread.
POOL, MOST = 20_000, 2000
#: Share of a uniform distribution that is mixed in before logarithms.
FLOOR = 0.02
#: Least median of what reaches a record, as a share of the mean, where a share of ``_REACH`` is
#: passed on in as many rounds; below that labels reach few records, and what they spread is noise.
_COVERAGE, _REACH, _REACHING = 0.25, 0.9, 40
#: Similarities in memory at once.
_CELLS = 2**24


def is_few(labels: int, records: int) -> bool:
    """Return whether so few of the records are labeled that the others can help."""
    return labels <= min(MOST, records / 4)


@dataclass(frozen=True)
class Propagated:
    """Logistic regression averaged with what the labels spread to.

    Attributes:
        linear: the logistic regression.
        pool: (P,D) rows of length 1 of the graph.
        beliefs: (P,K) class probabilities of these records; None where the labels reach too few.
        validation: accuracy on folds; NaN where none are possible.
    """

    linear: Fitted
    pool: np.ndarray
    beliefs: np.ndarray | None
    validation: float

    def predict(self, test: Matrix) -> np.ndarray:
        """Return the likeliest class (m,) of each row of ``test`` (m,D)."""
        return self.linear.classes[self.log_probabilities(np.asarray(test)).argmax(1)]

    def log_probabilities(self, test: np.ndarray) -> np.ndarray:
        """Return log-probabilities (m,K), up to a constant a row, of ``test`` (m,D)."""
        found = _logarithm(self.linear.probabilities(test))
        if self.beliefs is None:
            return found
        nearest, weights = neighbours(unit_length(test), self.pool)
        near = np.einsum("mk,mkc->mc", weights, self.beliefs[nearest])
        return found + _logarithm(near)


class LabelPropagation:
    """Local and global consistency on the graph of nearest neighbours, with logistic regression.

    Zhou et al. 2004 ("Learning with Local and Global Consistency", section 2), on the graph of
    Iscen et al. 2019 ("Label Propagation for Deep Semi-supervised Learning", section 4.1): the 10
    nearest neighbours of each record by cosine, weighed by its third power. The mass of each class
    is set to the square root of its share of the labels. A new record has the mean belief of its 10
    nearest; its log-probabilities are averaged with those of logistic regression. Where the labels
    reach few of the records it is logistic regression alone.

    Args:
        features: (N,D) dense features of all training records, labeled or not; a random 20,000 of
            more are the graph, where a labeled one that is left out stands at the nearest.
        first: so many of the first rows are always in the graph.

    Example::

        head = LabelPropagation(train)
        predicted = head.fit(train[drawn], classes[drawn], rng).predict(test)
    """

    #: The beliefs of all classes are in memory at once.
    most_classes: ClassVar[int | None] = 500

    def __init__(self, features: np.ndarray, first: int = 0) -> None:
        rows = np.arange(len(features))
        if len(rows) > POOL:
            drawn = np.random.Generator(np.random.PCG64(0)).permutation(rows[first:])
            rows = np.concatenate([rows[:first], drawn])[:POOL]
        self._pool = unit_length(np.asarray(features)[rows])
        self._linear = LogisticRegression(features)

    def fit(
        self,
        train: np.ndarray,
        classes: np.ndarray,
        rng: np.random.Generator,
        groups: np.ndarray | None = None,
    ) -> Propagated:
        """Fit on ``train`` (n,D) of ``classes`` (n,), two different ones at least."""
        state = rng.bit_generator.state
        linear = self._linear.fit(train, classes, rng, groups)
        # The same folds as those of logistic regression.
        rng.bit_generator.state = state
        codes = np.searchsorted(linear.classes, classes)
        sources = self._sources(train)
        whole = Propagated(
            linear, self._pool, self._spread(sources, codes, len(linear.classes)), np.nan
        )
        if whole.beliefs is None:
            return Propagated(linear, self._pool, None, linear.validation)
        accuracy = self._validated(linear, train, codes, sources, rng, groups)
        return Propagated(linear, self._pool, whole.beliefs, accuracy)

    def _validated(
        self,
        linear: Fitted,
        train: np.ndarray,
        codes: np.ndarray,
        sources: np.ndarray,
        rng: np.random.Generator,
        groups: np.ndarray | None,
    ) -> float:
        """Return the accuracy on folds, whose records stay in the graph without their labels."""
        division = divide(codes, rng, groups)
        if division.parts is None:
            return np.nan
        train, codes, sources = (division.of(each) for each in (train, codes, sources))
        right = 0
        for part in np.unique(division.parts):
            held = division.parts == part
            fitted = self._linear.fit_like(linear, train[~held], codes[~held])
            known = np.searchsorted(fitted.classes, codes[~held])
            beliefs = self._spread(sources[~held], known, len(fitted.classes))
            fold = Propagated(fitted, self._pool, beliefs, np.nan)
            right += int((fold.predict(train[held]) == codes[held]).sum())
        return right / len(codes)

    def _sources(self, train: np.ndarray) -> np.ndarray:
        """Return the record (n,) of the graph nearest to each labeled one: itself, if it is in."""
        return neighbours(unit_length(train), self._pool, 1)[0][:, 0]

    @cached_property
    def _graph(self) -> Any:
        """The normalised adjacency (P,P): D^-1/2 (W + W') D^-1/2, CSR."""
        count = len(self._pool)
        # The nearest is the record itself.
        nearest, weights = neighbours(self._pool, self._pool, NEIGHBOURS + 1, scaled=False)
        rows = np.repeat(np.arange(count), nearest.shape[1])
        weights[nearest == np.arange(count)[:, None]] = 0
        edges = sparse.csr_matrix(
            (weights.ravel(), (rows, nearest.ravel())), shape=(count, count), dtype=np.float32
        )
        edges = edges + edges.T
        degree = np.asarray(edges.sum(1)).ravel()
        scale = sparse.diags(1 / np.sqrt(np.where(degree > 0, degree, 1)).astype(np.float32))
        return (scale @ edges @ scale).tocsr()

    def _spread(self, sources: np.ndarray, codes: np.ndarray, count: int) -> np.ndarray | None:
        """Return the beliefs (P,K) of all records; None where the labels reach too few.

        Args:
            sources: (n,) the labeled records; codes: (n,) their classes, 0..K-1.
            count: K.
        """
        labels = np.zeros((len(self._pool), count), dtype=np.float32)
        np.add.at(labels, (sources, codes), 1)
        reached = self._passed_on(labels.sum(1), _REACH, _REACHING)
        if np.median(reached) < _COVERAGE * reached.mean():
            return None
        beliefs = self._passed_on(labels, ALPHA, ROUNDS)
        shares = np.sqrt(np.bincount(codes, minlength=count) / len(codes))
        beliefs = beliefs * (shares / np.maximum(beliefs.sum(0), 1e-12)).astype(np.float32)
        total = beliefs.sum(1, keepdims=True)
        return np.where(total > 0, beliefs / np.where(total > 0, total, 1), np.float32(1 / count))

    def _passed_on(self, labels: np.ndarray, share: float, rounds: int) -> np.ndarray:
        """Return what has spread (P,...) of ``labels``: (1 - share) sum over k of (share S)^k."""
        spread = start = (1 - share) * labels
        with threads(len(self._pool)):
            for _ in range(rounds):
                spread = share * (self._graph @ spread) + start
        return spread


def neighbours(
    queries: np.ndarray, pool: np.ndarray, count: int = NEIGHBOURS, *, scaled: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """Return the nearest rows of ``pool`` (P,D) by cosine: indices and weights (m,k).

    Args:
        queries: (m,D) rows of length 1, as of ``pool``.
        count: k, at most P.
        scaled: whether the weights of a row sum to 1.
    """
    count = min(count, len(pool))
    indices = np.empty((len(queries), count), dtype=np.int64)
    weights = np.empty((len(queries), count), dtype=np.float32)
    at_once = max(1, _CELLS // len(pool))
    for start in range(0, len(queries), at_once):
        cosines = queries[start : start + at_once] @ pool.T
        chosen = np.argpartition(cosines, -count, axis=1)[:, -count:]
        indices[start : start + at_once] = chosen
        weights[start : start + at_once] = np.take_along_axis(cosines, chosen, 1)
    weights = np.maximum(weights, 0) ** POWER
    if scaled:
        weights /= np.maximum(weights.sum(1, keepdims=True), 1e-12)
    return indices, weights


def _logarithm(probabilities: np.ndarray) -> np.ndarray:
    count = probabilities.shape[1]
    return np.log((1 - FLOOR) * probabilities + FLOOR / count)
