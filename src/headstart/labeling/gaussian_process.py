"""A Gaussian process over frozen vectors: its posterior variance after observing some labels."""

from __future__ import annotations

import numpy as np
from scipy.linalg import solve_triangular

#: Variance of the label noise, relative to a prior variance of 1: measured on the training parts of
#: IMDb, banking77 and CIFAR-10 (``docs/log.md``).
NOISE = 0.1
#: Candidates whose squared covariances are in memory at once.
_ROWS = 1024


def kernel(rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return exp(-|x - y|^2 / 2) (n,m) of unit vectors (n,D) and (m,D)."""
    found = rows @ others.T
    found -= 1
    return np.exp(found, out=found)


class GaussianProcess:
    """Posterior variance of a Gaussian process at rows (M,D), given labels at some vectors.

    The covariance (C,M) of candidates and rows is not updated at each observation: the rank-one
    updates are stored as pairs of vectors, and the variance reductions follow from one product of
    the matrix and a vector.

    Args:
        ours: (C,D) candidates.
        rows: (M,D) where the variance is to be reduced.
        labeled: (L,D) observed from the start.
        weight: (M,) of the rows.
        most: maximum number of candidates that will be observed.
    """

    def __init__(
        self,
        ours: np.ndarray,
        rows: np.ndarray,
        labeled: np.ndarray,
        weight: np.ndarray,
        most: int,
    ) -> None:
        self._ours, self._weight = ours, weight
        self._shared = kernel(ours, rows)  # (C,M)
        noisy = kernel(labeled, labeled)
        noisy[np.diag_indices_from(noisy)] += NOISE
        root = np.linalg.cholesky(noisy)
        self._known = solve_triangular(root, kernel(labeled, ours), lower=True)  # (L,C)
        self._shared -= self._known.T @ solve_triangular(root, kernel(labeled, rows), lower=True)
        self._variance = 1 - np.square(self._known).sum(0, dtype=np.float64)
        # (C,): the reduction of the rows' total variance, times the variance of a noisy label.
        self._reduction = np.empty(len(ours))
        for start in range(0, len(ours), _ROWS):
            where = slice(start, start + _ROWS)
            self._reduction[where] = np.square(self._shared[where]) @ weight
        self._seen = 0
        self._inner = np.empty((most, len(ours)), np.float32)
        self._outer = np.empty((most, len(rows)), np.float32)

    def variance_reduction(self) -> np.ndarray:
        """Return by how much observing each candidate (C,) reduces the rows' weighted variance."""
        return np.asarray(self._reduction / (self._variance + NOISE))

    def observe(self, index: int) -> None:
        """Condition on a label of the candidate at ``index``."""
        inner, outer = self._inner[: self._seen], self._outer[: self._seen]
        size = np.sqrt(self._variance[index] + NOISE).astype(np.float32)
        ours = kernel(self._ours, self._ours[index][None])[:, 0]
        ours -= self._known[:, index] @ self._known + inner[:, index] @ inner
        ours /= size
        rows = (self._shared[index] - inner[:, index] @ outer) / size
        along = self._weight * rows
        change = self._shared @ along - (outer @ along) @ inner
        self._reduction += ours * (ours * float(along @ rows) - 2 * change)
        self._variance -= np.square(ours)
        self._inner[self._seen], self._outer[self._seen] = ours, rows
        self._seen += 1
