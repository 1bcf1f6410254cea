"""A Gaussian process over frozen vectors: what labels of some records would leave it unsure of."""

from __future__ import annotations

import numpy as np
from scipy.linalg import solve_triangular

#: Variance of the noise of a label, where what is to be learned has the variance 1: measured on the
#: training parts of IMDb, banking77 and CIFAR-10 (``docs/log.md``).
NOISE = 0.1
#: Candidates whose squared covariances are in memory at one time.
_ROWS = 1024


def kernel(rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return exp(-|x - y|^2 / 2) (n,m) of vectors (n,D) and (m,D) of length 1."""
    found = rows @ others.T
    found -= 1
    return np.exp(found, out=found)


class GaussianProcess:
    """What a Gaussian process is unsure of at rows (M,D), given labels at some of them.

    The covariance (C,M) of candidates and rows is not written out anew for each that is observed:
    what each takes from it is kept as a product of two vectors, and what the candidates are worth
    follows by one product of the matrix and a vector.

    Args:
        ours: (C,D) candidates.
        labeled: (L,D) that are observed from the start.
        weight: (M,) of the rows.
        most: candidates that will be observed, at most.
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
        self._shared = kernel(ours, rows)
        noisy = kernel(labeled, labeled)
        noisy[np.diag_indices_from(noisy)] += NOISE
        root = np.linalg.cholesky(noisy)
        self._known = solve_triangular(root, kernel(labeled, ours), lower=True)  # (L,C)
        self._shared -= self._known.T @ solve_triangular(root, kernel(labeled, rows), lower=True)
        self._variance = 1 - np.square(self._known).sum(0, dtype=np.float64)
        self._fall = np.empty(len(ours))  # of all rows' variance, times that of a noisy label
        for start in range(0, len(ours), _ROWS):
            where = slice(start, start + _ROWS)
            self._fall[where] = np.square(self._shared[where]) @ weight
        self._seen = 0
        self._inner = np.empty((most, len(ours)), np.float32)
        self._outer = np.empty((most, len(rows)), np.float32)

    def worth(self) -> np.ndarray:
        """Return by how much a label of each candidate (C,) lowers the rows' variance in all."""
        return np.asarray(self._fall / (self._variance + NOISE))

    def observe(self, index: int) -> None:
        """Take in a label of the candidate at ``place``."""
        inner, outer = self._inner[: self._seen], self._outer[: self._seen]
        size = np.sqrt(self._variance[index] + NOISE).astype(np.float32)
        ours = kernel(self._ours, self._ours[index][None])[:, 0]
        ours -= self._known[:, index] @ self._known + inner[:, index] @ inner
        ours /= size
        rows = (self._shared[index] - inner[:, index] @ outer) / size
        along = self._weight * rows
        change = self._shared @ along - (outer @ along) @ inner
        self._fall += ours * (ours * float(along @ rows) - 2 * change)
        self._variance -= np.square(ours)
        self._inner[self._seen], self._outer[self._seen] = ours, rows
        self._seen += 1
