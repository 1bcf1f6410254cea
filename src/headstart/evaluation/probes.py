"""The two probes of frozen features: regularised logistic regression, and weighted neighbours.

How features are scaled and how strongly the regression is penalised is decided by
cross-validation inside the drawn labels alone, by the log loss: it still tells penalties apart
where a handful of labels gives every one of them the same accuracy.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

#: (N,D) float32 features: a numpy array, or a scipy sparse CSR matrix (which has no type stubs).
Matrix = Any

NEIGHBOURS = 200
TEMPERATURE = 0.1
_DENSE_GRID = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
_SPARSE_GRID = (0.1, 1.0, 10.0, 100.0)
_LARGE = 5000
#: Most rows whose products with each other are computed to find the space they span.
_SPANNED = 2000
_CHUNK = 512


@dataclass(frozen=True)
class Scaling:
    """An affine map of feature vectors, after they were given length 1 if ``unit`` is set."""

    unit: bool
    shift: np.ndarray | float
    scale: np.ndarray | float

    def __call__(self, features: Matrix) -> Matrix:
        vectors = unit_length(features) if self.unit else features
        if sparse.issparse(vectors):
            return vectors
        return (vectors - self.shift) * self.scale


def unit_length(features: Matrix) -> Matrix:
    """Return the rows of ``features`` (N,D) at Euclidean length 1; a row of zeros stays."""
    from sklearn.preprocessing import normalize

    return normalize(features)


def scalings(features: Matrix) -> list[Scaling]:
    """Return the scalings that a linear probe of ``features`` (N,D) chooses from."""
    if sparse.issparse(features):
        return [Scaling(True, 0.0, 1.0)]
    unit = unit_length(features)
    centre = unit.mean(0)
    return [
        Scaling(True, centre, 1 / _nonzero((unit - centre).std())),
        Scaling(False, features.mean(0), 1 / _nonzero(features.std(0))),
    ]


class LogisticProbe:
    """Multinomial logistic regression with an L2 penalty.

    Dense features are tried in two scalings: rows of length 1, centred and brought to unit
    variance as a whole, which keeps the proportions between dimensions; and every dimension
    standardised, which suits features that a few large dimensions would drown. Their means and
    variances come from all training records, which needs no labels. Sparse rows get length 1.

    Args:
        features: (N,D) of all training records.
    """

    def __init__(self, features: Matrix) -> None:
        self._grid = _SPARSE_GRID if sparse.issparse(features) else _DENSE_GRID
        self._scalings = scalings(features)

    def predict(
        self, train: Matrix, classes: np.ndarray, test: Matrix, rng: np.random.Generator
    ) -> np.ndarray:
        """Fit on ``train`` (n,D) of ``classes`` (n,); return the classes (m,) of ``test``.

        With fewer than two examples in all classes but one there is nothing to cross-validate
        with, and the penalty is C = 1.
        """
        scaling, penalty = self._choose(train, classes, rng)
        rows = scaling(train)
        small, back = row_space(rows)
        model = _fit(small, classes, penalty, None)
        weights = back(model.coef_)
        values = np.asarray(scaling(test) @ weights.T) + model.intercept_
        if len(model.classes_) == 2:
            return model.classes_[(values[:, 0] > 0).astype(np.int64)]
        return model.classes_[values.argmax(1)]

    def _choose(
        self, train: Matrix, classes: np.ndarray, rng: np.random.Generator
    ) -> tuple[Scaling, float]:
        parts = deal(classes, 3 if len(classes) > _LARGE else 5, rng)
        best, choice = np.inf, (self._scalings[0], 1.0)
        if parts is None:
            return choice
        for scaling in self._scalings:
            rows, _ = row_space(scaling(train))
            models: list[Any] = [None] * (int(parts.max()) + 1)
            previous = np.inf
            for penalty in self._grid:
                losses = []
                for part, model in enumerate(models):
                    held = parts == part
                    models[part] = model = _fit(rows[~held], classes[~held], penalty, model)
                    losses.append(_log_losses(model, rows[held], classes[held]))
                loss = float(np.concatenate(losses).mean())
                if loss < best:
                    best, choice = loss, (scaling, penalty)
                if loss > previous:  # the loss is about convex along the path
                    break
                previous = loss
        return choice


def deal(classes: np.ndarray, folds: int, rng: np.random.Generator) -> np.ndarray | None:
    """Deal records to folds, class by class; return the fold (n,) of each.

    There are as many folds as the second largest class has examples, at most ``folds``, so that
    at least two classes remain when one fold is left out; None where that is fewer than two.
    """
    sizes = np.sort(np.bincount(classes))
    count = min(folds, int(sizes[-2]))
    if count < 2:
        return None
    order = rng.permutation(len(classes))
    order = order[np.argsort(classes[order], kind="stable")]
    parts = np.empty(len(classes), dtype=np.int64)
    parts[order] = np.arange(len(classes)) % count
    return parts


def nearest_neighbours(
    train: np.ndarray, classes: np.ndarray, test: np.ndarray, count: int
) -> np.ndarray:
    """Return the classes (m,) that weighted neighbours give to ``test`` (m,D).

    A neighbour of cosine similarity s votes with weight exp(s / 0.1), after Wu et al., 2018
    ("Unsupervised Feature Learning via Non-Parametric Instance Discrimination", section 3.4).
    At most 200 vote, and no more than a class has examples on average.

    Args:
        train: (n,D) features.
        classes: (n,) their classes, 0..K-1.
        test: (m,D) features.
        count: K.
    """
    bank, queries = unit_length(train), unit_length(test)
    neighbours = min(NEIGHBOURS, max(1, len(bank) // count))
    predicted = np.empty(len(queries), dtype=np.int64)
    for start in range(0, len(queries), _CHUNK):
        similarity = queries[start : start + _CHUNK] @ bank.T
        nearest = np.argpartition(similarity, -neighbours, axis=1)[:, -neighbours:]
        weights = np.exp(np.take_along_axis(similarity, nearest, 1) / TEMPERATURE)
        rows = np.arange(len(nearest))[:, None] * count
        votes = np.bincount(
            (rows + classes[nearest]).ravel(), weights.ravel(), minlength=len(nearest) * count
        )
        predicted[start : start + _CHUNK] = votes.reshape(-1, count).argmax(1)
    return predicted


def _fit(rows: Matrix, classes: np.ndarray, penalty: float, warm: Any) -> Any:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(warm_start=True, max_iter=200) if warm is None else warm
    model.C = penalty
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(rows, classes)


def _log_losses(model: Any, rows: Matrix, classes: np.ndarray) -> np.ndarray:
    """Return the log loss of each row whose class the model has seen."""
    places = np.searchsorted(model.classes_, classes)
    seen = model.classes_[np.minimum(places, len(model.classes_) - 1)] == classes
    chances = model.predict_proba(rows)[np.flatnonzero(seen), places[seen]]
    return -np.log(np.maximum(chances, 1e-12))


def row_space(rows: Matrix) -> tuple[Matrix, Callable[[np.ndarray], np.ndarray]]:
    """Return coordinates (n,r) of rows (n,D) in the space they span, and the way back.

    The weights of a regression with an L2 penalty lie in that space (the representer theorem,
    Schoelkopf et al. 2001), so with fewer rows than columns the smaller problem has the same
    solution. The way back turns its weights (K,r) into weights (K,D).
    """
    count, width = rows.shape
    if width <= count or count > _SPANNED:
        return rows, lambda weights: weights
    gram = rows @ rows.T
    gram = gram.toarray() if sparse.issparse(gram) else gram
    values, vectors = np.linalg.eigh(gram.astype(np.float64))
    kept = values > 1e-6 * values[-1]
    scale, vectors = np.sqrt(values[kept]), vectors[:, kept]
    small = (vectors * scale).astype(np.float32)
    return small, lambda weights: np.asarray(rows.T @ (vectors @ (weights / scale).T)).T


def _nonzero(spread: np.ndarray) -> np.ndarray:
    return np.where(spread > 0, spread, 1).astype(np.float32)
