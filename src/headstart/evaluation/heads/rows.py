"""Rows of features before they are fitted: their scaling, and their coordinates in their span."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from headstart.data.vectors import Matrix, unit_length
from headstart.errors import HeadstartError

#: Coordinates of rows in their span, and the map back: see :func:`row_space`.
Spanned = tuple[Matrix, Callable[[np.ndarray], np.ndarray]]
#: Maximum number of rows whose Gram matrix is computed to find their span.
SPANNED = 2000


def check_finite(name: str, *features: Matrix | None) -> None:
    """Refuse features (N,D) of a candidate that are not numbers.

    Raises:
        HeadstartError: a value is NaN or infinite.
    """
    for matrix in features:
        if matrix is None:
            continue
        values = matrix.data if sparse.issparse(matrix) else matrix
        # A sum needs no copy; it is not finite if a value is not, and seldom otherwise.
        if not np.isfinite(values.sum(dtype=np.float64)) and not np.isfinite(values).all():
            raise HeadstartError(
                f"{name}: features contain NaN or infinite values; the encoder has diverged or its "
                "input is broken, so train it again or leave it out."
            )


def constant(features: Matrix | None) -> bool:
    """Return whether dense features (N,D) of several records are all the same."""
    if features is None or sparse.issparse(features) or len(features) < 2:
        return False
    return bool((features[1] == features[0]).all() and (features == features[0]).all())


@dataclass(frozen=True)
class Scaling:
    """An affine map of feature vectors, which are normalised first if ``unit`` is set."""

    unit: bool
    shift: np.ndarray | float
    scale: np.ndarray | float

    def __call__(self, features: Matrix) -> Matrix:
        vectors = unit_length(features) if self.unit else features
        if sparse.issparse(vectors):
            return vectors
        return (vectors - self.shift) * self.scale


def scalings(features: Matrix) -> list[Scaling]:
    """Return the candidate scalings of a linear probe of ``features`` (N,D)."""
    if sparse.issparse(features):
        return [Scaling(True, 0.0, 1.0)]
    unit = unit_length(features)
    centre, spread = unit.mean(0), features.std(0)
    # What varies less than a millionth of the widest dimension is as good as constant.
    spread = np.maximum(spread, 1e-6 * spread.max())
    return [
        Scaling(True, centre, 1 / nonzero((unit - centre).std())),
        Scaling(False, features.mean(0), 1 / nonzero(spread)),
    ]


def row_space(rows: Matrix) -> Spanned:
    """Return coordinates (n,r) of rows (n,D) in their span, and the map back.

    The weights of a regression with an L2 penalty lie in that space (the representer theorem,
    Schoelkopf et al. 2001), so that with fewer rows than columns the smaller problem has the same
    solution. The map turns its weights (K,r) into weights (K,D).
    """
    count, width = rows.shape
    if width <= count or count > SPANNED:
        return rows, lambda weights: weights
    gram = rows @ rows.T
    gram = gram.toarray() if sparse.issparse(gram) else gram
    values, vectors = np.linalg.eigh(gram.astype(np.float64))
    if values[-1] <= 0:  # all rows are zero
        return np.zeros((count, 1), dtype=np.float32), lambda weights: np.zeros(
            (len(weights), width), dtype=np.float32
        )
    nonzero = values > 1e-6 * values[-1]
    scale, vectors = np.sqrt(values[nonzero]), vectors[:, nonzero]
    small = (vectors * scale).astype(np.float32)
    return small, lambda weights: np.asarray(rows.T @ (vectors @ (weights / scale).T)).T


def principal(rows: Matrix) -> Spanned:
    """Return coordinates (n,r) of rows (n,D) along their principal axes, and the map back.

    Axes are orthogonal, so that an L2 penalty is the same there; the products of the columns with
    each other are 0, which speeds up :mod:`headstart.evaluation.heads.solver`. Of many sparse rows,
    only the columns that occur in them are kept.
    """
    count, width = rows.shape
    if count <= SPANNED and count < width:
        return row_space(rows)
    if sparse.issparse(rows):
        used = np.flatnonzero(np.bincount(rows.indices, minlength=width))
        return rows[:, used], lambda weights: _spread(weights, used, width)
    if width > SPANNED:
        return rows, lambda weights: weights
    axes = np.linalg.eigh((rows.T @ rows).astype(np.float64))[1].astype(np.float32)
    return rows @ axes, lambda weights: weights @ axes.T


def _spread(weights: np.ndarray, used: np.ndarray, width: int) -> np.ndarray:
    """Return weights (K,D) that are 0 but for the columns ``used``, one column after the other."""
    found = np.zeros((width, len(weights)), dtype=np.float32)
    found[used] = weights.T
    return found.T


def leading(rows: Matrix, rank: int, rng: np.random.Generator) -> np.ndarray:
    """Return an orthonormal basis (D,r) of the leading directions of sparse rows (n,D), r <= rank.

    They are those of a random sample of 2,000 rows.
    """
    drawn = np.sort(rng.permutation(rows.shape[0])[:SPANNED])
    sample = rows[drawn]
    if rows.shape[1] <= len(drawn):
        axes = np.linalg.eigh((sample.T @ sample).toarray().astype(np.float64))[1]
        return np.ascontiguousarray(axes[:, ::-1][:, :rank], dtype=np.float32)
    small, back = row_space(sample)
    first = np.argsort(-np.square(small).sum(0))[:rank]
    return np.ascontiguousarray(back(np.eye(small.shape[1])[first]).T, dtype=np.float32)


def lengths(rows: Matrix) -> np.ndarray:
    """Return the Euclidean lengths (n,) of rows (n,D)."""
    from sklearn.utils.extmath import row_norms

    return np.asarray(row_norms(rows))


def nonzero(spread: np.ndarray) -> np.ndarray:
    """Return spreads to divide by: 1 where there is none."""
    return np.where(spread > 0, spread, 1).astype(np.float32)
