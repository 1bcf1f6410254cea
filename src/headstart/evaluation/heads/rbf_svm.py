"""The support vector machine with a Gaussian kernel, approximated by landmarks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from headstart.evaluation.heads.folds import cross_fitted, divide, threads
from headstart.evaluation.heads.linear import Family, cross_validated
from headstart.evaluation.heads.rows import Scaling, scalings
from headstart.evaluation.heads.solver import SQUARED_HINGE, Problem

#: Multiples of one over the median squared distance of two records.
GAMMAS = (0.25, 1.0)
#: Maximum number of landmarks.
LANDMARKS = 800
#: Number of rows whose distances give the median, and of rows that are mapped at once.
_MEDIAN, _CHUNK = 500, 1024
FAMILY = Family(
    loss=SQUARED_HINGE,
    dense=(0.1, 1.0, 10.0),
    sparse=(),
    fallback=(1.0, 1.0),
    tolerance=1e-3,
    near=1e-2,
    by_loss=False,
)


class _Map(NamedTuple):
    """Features whose inner products approximate the kernel ``exp(-gamma |x - y|^2)``.

    Nystroem's method (Williams and Seeger 2001, "Using the Nystroem Method to Speed Up Kernel
    Machines"): exact where all labeled rows are landmarks. Its axes are the principal ones of the
    landmarks, so that :mod:`headstart.evaluation.heads.solver` needs few steps.

    Attributes:
        scaling: of the rows.
        landmarks: (L,D) scaled.
        gamma: of the kernel.
        basis: (L,r) by which similarities to the landmarks become features.
    """

    scaling: Scaling
    landmarks: np.ndarray
    gamma: float
    basis: np.ndarray

    @classmethod
    def of(cls, landmarks: np.ndarray, scaling: Scaling, gamma: float) -> _Map:
        """Return the map of ``landmarks`` (L,D), not scaled."""
        scaled = scaling(landmarks)
        values, vectors = np.linalg.eigh(_kernel(scaled, scaled, gamma).astype(np.float64))
        kept = values > 1e-6 * values[-1]
        basis = (vectors[:, kept] / np.sqrt(values[kept]))[:, ::-1]
        return cls(scaling, scaled, gamma, basis.astype(np.float32))

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        """Return the features (m,r) of rows (m,D)."""
        return self.apply(rows, self.basis)

    def apply(self, rows: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Return the products (m,K) of the similarities to the landmarks with weights (L,K)."""
        found = np.empty((len(rows), weights.shape[1]), dtype=np.float32)
        for start in range(0, len(rows), _CHUNK):
            part = slice(start, start + _CHUNK)
            found[part] = _kernel(self.scaling(rows[part]), self.landmarks, self.gamma) @ weights
        return found


@dataclass(frozen=True)
class Fitted:
    """A fitted SVM.

    Attributes:
        features: the map of the kernel.
        weights: (L,K) of the similarities to the landmarks.
        bias: (K,).
        classes: (K,).
        validation: accuracy by cross-validation, else NaN.
    """

    features: _Map
    weights: np.ndarray
    bias: np.ndarray
    classes: np.ndarray
    validation: float

    def predict(self, test: np.ndarray) -> np.ndarray:
        """Return the classes (m,) of ``test`` (m,D)."""
        scores = self.features.apply(test, self.weights) + self.bias
        return self.classes[scores.argmax(1)]


class RBFSVM:
    """An SVM with the kernel ``exp(-gamma |x - y|^2)``, one class against the rest.

    A linear SVM with the squared hinge loss on features of the kernel by up to 800 landmarks, which
    are drawn from the labeled records: exact for fewer labels. The scaling, gamma (around one over
    the median squared distance of two records) and C are chosen by the accuracy in
    cross-validation, with the same landmarks.

    Args:
        features: (N,D) dense, of all training records.
    """

    #: One problem a class takes too long for more.
    most_classes: ClassVar[int | None] = 100

    def __init__(self, features: np.ndarray) -> None:
        self._scalings = scalings(features)
        sample = np.linspace(0, len(features) - 1, min(len(features), _MEDIAN)).astype(np.int64)
        self._spreads = [_median(scaling(features[sample])) for scaling in self._scalings]

    def fit(
        self,
        train: np.ndarray,
        classes: np.ndarray,
        rng: np.random.Generator,
        groups: np.ndarray | None = None,
    ) -> Fitted:
        """Fit on ``train`` (n,D) of ``classes`` (n,), two different ones at least."""
        names, codes = np.unique(classes, return_inverse=True)
        with threads(len(codes)):
            features, penalty, validation = self._choose(train, codes, rng, groups)
            problem = Problem(features(train), codes, len(names), FAMILY.loss)
            found = FAMILY.solve(problem, penalty, None, FAMILY.tolerance)
        return Fitted(features, features.basis @ found[:-1], found[-1], names, validation)

    def _choose(
        self,
        train: np.ndarray,
        codes: np.ndarray,
        rng: np.random.Generator,
        groups: np.ndarray | None,
    ) -> tuple[_Map, float, float]:
        """Return the map, C and the accuracy in cross-validation."""
        division = divide(codes, rng, groups)
        landmarks = train[np.sort(rng.permutation(len(train))[:LANDMARKS])]
        if division.parts is None:
            first = _Map.of(landmarks, self._scalings[0], 1 / self._spreads[0])
            return first, FAMILY.fallback[0], np.nan
        rows, codes = division.of(train), division.of(codes)
        maps = [
            _Map.of(landmarks, scaling, multiple / spread)
            for scaling, spread in zip(self._scalings, self._spreads, strict=True)
            for multiple in GAMMAS
        ]
        found = [
            cross_validated(FAMILY, features(rows), codes, division.parts, FAMILY.dense)
            for features in maps
        ]
        right = np.concatenate([each.right for each in found])
        losses = np.concatenate([each.losses for each in found])
        best, total = cross_fitted(right, -right, losses)
        which, penalty = divmod(best, len(FAMILY.dense))
        return maps[which], FAMILY.dense[penalty], total / len(codes)


def _kernel(left: np.ndarray, right: np.ndarray, gamma: float) -> np.ndarray:
    """Return ``exp(-gamma |x - y|^2)`` (m,L) of rows (m,D) and (L,D), in float32."""
    squares = [np.einsum("nd,nd->n", rows, rows) for rows in (left, right)]
    found = left @ right.T
    found *= -2
    found += squares[0][:, None] + squares[1]
    np.maximum(found, 0, out=found)
    found *= np.float32(-gamma)
    return np.exp(found, out=found)


def _median(rows: np.ndarray) -> float:
    """Return the median squared distance of two different rows; 1 if all are equal."""
    from scipy.spatial.distance import pdist

    distances = pdist(rows, "sqeuclidean")
    return float(np.median(distances[distances > 0])) if distances.any() else 1.0
