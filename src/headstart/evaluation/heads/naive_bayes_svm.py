"""The naive-Bayes SVM: a linear SVM of features that are scaled by their log-count ratios."""

from __future__ import annotations

from itertools import product
from typing import Any, ClassVar

import numpy as np
from scipy import sparse

from headstart.data.vectors import Matrix, unit_length
from headstart.evaluation.heads.folds import cross_fitted, divide, threads
from headstart.evaluation.heads.linear import Fitted
from headstart.evaluation.heads.solver import SQUARED_HINGE, Problem

_GRID = (0.1, 1.0, 10.0)
_TOLERANCE = 3e-3
#: Share of a weight that is learned; the rest is the mean magnitude, which is naive Bayes.
_INTERPOLATIONS = (0.25, 1.0)


class NaiveBayesSVM:
    """A linear SVM of sparse features, scaled by how much more frequent they are in a class.

    Wang and Manning 2012 ("Baselines and Bigrams: Simple, Good Sentiment and Topic Classification",
    https://aclanthology.org/P12-2018): the feature f of a class against the rest is multiplied by
    the log ratio of its smoothed shares of records, and the weights are interpolated between those
    of the SVM and their mean magnitude. C and the interpolation are chosen by the accuracy in
    cross-validation. Rows are normalised, of whatever weighting (TF-IDF included).

    Args:
        features: (N,D) sparse, not negative, of all training records.
    """

    #: Each class has features of its own, so that time and memory grow with their product.
    most_classes: ClassVar[int | None] = 20

    def __init__(self, features: Matrix) -> None:
        if not sparse.issparse(features):
            raise ValueError("the naive-Bayes SVM needs sparse counts of features")

    def fit(
        self,
        train: Matrix,
        classes: np.ndarray,
        rng: np.random.Generator,
        groups: np.ndarray | None = None,
    ) -> Fitted:
        """Fit on ``train`` (n,D) of ``classes`` (n,), two different ones at least.

        If fewer than two classes have two examples, cross-validation is impossible; C = 1 and the
        interpolation is 1/4, as the authors recommend.
        """
        names, codes = np.unique(classes, return_inverse=True)
        rows = unit_length(train)
        with threads(len(codes)):
            penalty, share, validation = _choose(rows, codes, rng, groups)
            found, magnitude = _weights(rows, codes, penalty, None)
        return Fitted(True, names, *_interpolated(found, magnitude, share), validation)


def _choose(
    rows: Any, codes: np.ndarray, rng: np.random.Generator, groups: np.ndarray | None
) -> tuple[float, float, float]:
    """Return C, the interpolation and the accuracy in cross-validation."""
    division = divide(codes, rng, groups)
    rows, codes, parts = division.of(rows), division.of(codes), division.parts
    if parts is None:
        return 1.0, _INTERPOLATIONS[0], np.nan
    right = np.zeros((len(_GRID), len(_INTERPOLATIONS), int(parts.max()) + 1))
    for part in range(right.shape[-1]):
        held = parts == part
        names, known = np.unique(codes[~held], return_inverse=True)
        learned, tested = rows[~held], rows[held]
        found = None
        for i, penalty in enumerate(_GRID):
            found, ratios = _weights(learned, known, penalty, found)
            for j, share in enumerate(_INTERPOLATIONS):
                weights, bias = _interpolated(found, ratios, share)
                scores = np.asarray(tested @ weights) + bias
                right[i, j, part] = (names[scores.argmax(1)] == codes[held]).sum()
    best, total = cross_fitted(right.reshape(-1, right.shape[-1]))
    penalty, share = list(product(_GRID, _INTERPOLATIONS))[best]
    return penalty, share, total / len(codes)


def _weights(
    rows: Any, codes: np.ndarray, penalty: float, start: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return weights of scaled features and bias (D+1,K), and the scales (D,K).

    A feature that does not occur has weight 0.
    """
    classes = int(codes.max()) + 1
    used = np.flatnonzero(np.bincount(rows.indices, minlength=rows.shape[1]))
    where = np.append(used, rows.shape[1])
    few = rows[:, used]
    ratios = _log_count_ratios(few, codes, classes)
    problem = Problem(few, codes, classes, SQUARED_HINGE, ratios)
    found = np.zeros((rows.shape[1] + 1, classes), dtype=np.float32)
    found[where] = problem.solve(penalty, None if start is None else start[where], _TOLERANCE)
    scales = np.zeros((rows.shape[1], classes), dtype=np.float32)
    scales[used] = ratios
    return found, scales


def _log_count_ratios(rows: Any, codes: np.ndarray, classes: int) -> np.ndarray:
    """Return (D,K): how much more frequent each feature is in a class than in the rest."""
    members = sparse.csr_matrix(
        (np.ones(len(codes), np.float32), (codes, np.arange(len(codes)))), (classes, len(codes))
    )
    inside = (members @ (rows > 0).astype(np.float32)).toarray().T
    outside = inside.sum(1, keepdims=True) - inside
    inside, outside = inside + 1, outside + 1
    return np.asarray(np.log(inside / inside.sum(0)) - np.log(outside / outside.sum(0)), np.float32)


def _interpolated(
    found: np.ndarray, scales: np.ndarray, share: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the weights (D,K) of unscaled features, and the bias (K,)."""
    learned = found[:-1]
    mean = np.abs(learned).sum(0) / np.maximum(1, (scales != 0).sum(0))
    return ((1 - share) * mean + share * learned) * scales, found[-1]
