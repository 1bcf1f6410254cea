"""The inverse of a regularised Gram matrix, for rankers in closed form."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.linalg import lapack

from headstart.errors import HeadstartError
from headstart.modalities.interactions.rankers import Say

#: Most items of a Gram matrix: its inverse takes 0.6 GB and a minute of one core.
MOST = 12_500


def frequent(counts: np.ndarray, most: int, name: str, say: Say) -> np.ndarray | None:
    """Return the items (K,), ascending, that a matrix is made of; None where they are all.

    Beyond ``most`` they are the most frequent ones, which is said.
    """
    if len(counts) <= most:
        return None
    kept = np.sort(np.argsort(-counts, kind="stable")[:most])
    share = counts[kept].sum() / max(1, counts.sum())
    say(
        f"{name} knows the {most} most frequent of {len(counts)} items ({share:.0%} of the "
        "events); it orders the rest by popularity."
    )
    return kept


def inverse(gram: sparse.csr_matrix, penalty: float) -> np.ndarray:
    """Return the inverse (I,I) float32 of a Gram matrix plus ``penalty`` on its diagonal."""
    dense = np.asfortranarray(gram.toarray().T, dtype=np.float32)
    dense[np.diag_indices_from(dense)] += np.float32(penalty)
    factor, failed = lapack.spotrf(dense, lower=1, overwrite_a=1, clean=0)
    if not failed:
        factor, failed = lapack.spotri(factor, lower=1, overwrite_c=1)
    if failed:
        raise HeadstartError(
            f"the Gram matrix of {gram.shape[0]} items has no inverse with a penalty of "
            f"{penalty:g}: take a larger one."
        )
    return _mirrored(factor).T  # symmetric, and in rows


def _mirrored(lower: np.ndarray, block: int = 1024) -> np.ndarray:
    """Copy the lower triangle to the upper one, in place and in blocks."""
    count = len(lower)
    for start in range(0, count, block):
        stop = min(start + block, count)
        square = lower[start:stop, start:stop]
        square[:] = np.tril(square) + np.tril(square, -1).T
        lower[start:stop, stop:] = lower[stop:, start:stop].T
    return lower
