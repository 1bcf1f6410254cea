"""Weighted k nearest neighbours by cosine, which learn nothing but the labels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy import sparse

from headstart.data.vectors import Matrix, unit_length
from headstart.evaluation.heads.folds import divide

#: Maximum number of neighbours, and the temperature of their votes.
NEIGHBOURS = 200
TEMPERATURE = 0.1
#: Range of cosines that differ by rounding only.
_EQUAL = 1e-6
#: Similarities in memory at once.
_CELLS = 2**23


@dataclass(frozen=True)
class Neighbours:
    """Labeled rows that vote.

    Attributes:
        bank: (n,D) rows of length 1.
        codes: (n,) their classes, as indices into ``classes``.
        classes: (K,) the different ones.
        validation: accuracy on folds; NaN where none are possible.
    """

    bank: Matrix
    codes: np.ndarray
    classes: np.ndarray
    validation: float

    def predict(self, test: Matrix) -> np.ndarray:
        """Return the class (m,) with most votes for each row of ``test`` (m,D)."""
        found = list(_votes(self.bank, self.codes, unit_length(test), len(self.classes)))
        return self.classes[np.concatenate(found)] if found else self.classes[:0]


class NearestNeighbours:
    """Weighted k nearest neighbours.

    A neighbour of cosine similarity s votes with weight exp(s / 0.1), after Wu et al. 2018
    ("Unsupervised Feature Learning via Non-Parametric Instance Discrimination",
    https://arxiv.org/abs/1805.01978, section 3.4). k is at most 200 and the mean class size.

    Args:
        features: (N,D) of all training records; nothing is learned from them.
    """

    most_classes: ClassVar[int | None] = None

    def __init__(self, features: Matrix) -> None:
        pass

    def fit(
        self,
        train: Matrix,
        classes: np.ndarray,
        rng: np.random.Generator,
        groups: np.ndarray | None = None,
    ) -> Neighbours:
        """Keep ``train`` (n,D) of ``classes`` (n,)."""
        bank = unit_length(train)
        names, codes = np.unique(classes, return_inverse=True)
        return Neighbours(bank, codes, names, _validated(bank, codes, rng, groups))


def _validated(
    bank: Matrix, codes: np.ndarray, rng: np.random.Generator, groups: np.ndarray | None
) -> float:
    """Return the accuracy on the same folds of the same records as other heads."""
    division = divide(codes, rng, groups)
    parts = division.parts
    bank, codes = division.of(bank), np.unique(division.of(codes), return_inverse=True)[1]
    if parts is None:
        return np.nan
    right = 0
    for part in np.unique(parts):
        held = parts == part
        votes = _votes(bank[~held], codes[~held], bank[held], int(codes.max()) + 1)
        right += int((np.concatenate(list(votes)) == codes[held]).sum())
    return right / len(codes)


def _votes(bank: Matrix, codes: np.ndarray, queries: Matrix, count: int) -> Iterator[np.ndarray]:
    """Yield the elected classes of queries (m,D), some rows at a time.

    Args:
        bank: (n,D) rows that vote for the classes ``codes`` (n,), 0..K-1.
        count: K.
    """
    neighbours = min(NEIGHBOURS, max(1, len(codes) // count))
    at_once = max(1, _CELLS // len(codes))
    for start in range(0, queries.shape[0], at_once):
        similarity = queries[start : start + at_once] @ bank.T
        if sparse.issparse(similarity):
            similarity = similarity.toarray()
        rows = np.arange(len(similarity))
        nearest = np.argpartition(similarity, -neighbours, axis=1)[:, -neighbours:]
        weights = np.exp(np.take_along_axis(similarity, nearest, 1) / TEMPERATURE)
        votes = sparse.coo_matrix(
            (weights.ravel(), (np.repeat(rows, neighbours), codes[nearest].ravel())),
            shape=(len(rows), count),
        )
        elected = np.asarray(votes.tocsr().argmax(1)).ravel()
        # Where all are equally near, all vote.
        elected[np.ptp(similarity, axis=1) < _EQUAL] = np.bincount(codes).argmax()
        yield elected
