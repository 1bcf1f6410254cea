"""Probes of frozen features: regularised logistic regression and weighted nearest neighbours.

The scaling of features and the penalty of the regression are chosen by cross-validation within the
drawn labels only, by the log loss: it distinguishes penalties where a few labels give all of them
the same accuracy. With many labels a few thousand suffice: C is the prior variance of the weights,
which does not depend on the number of labels.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from scipy import sparse

from headstart.data.vectors import Matrix, unit_length
from headstart.evaluation.draws import draw

NEIGHBOURS = 200
TEMPERATURE = 0.1
_DENSE_GRID = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
_SPARSE_GRID = (0.1, 1.0, 10.0, 100.0)
#: Number of labels beyond which three folds suffice, and maximum number that choose the penalty.
_THREE_FOLDS, _DECIDING = 500, 4000
#: Coordinates of rows in their span, and the map back: see :func:`row_space`.
Spanned = tuple[Matrix, Callable[[np.ndarray], np.ndarray]]
#: Maximum number of rows whose Gram matrix is computed to find their span.
_SPANNED = 2000
_CHUNK = 512
#: Tolerance on the gradient of a solved regression (scikit-learn's default).
TOLERANCE = 1e-4


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
    centre = unit.mean(0)
    return [
        Scaling(True, centre, 1 / _nonzero((unit - centre).std())),
        Scaling(False, features.mean(0), 1 / _nonzero(features.std(0))),
    ]


@dataclass(frozen=True)
class Fitted:
    """A fitted logistic regression.

    Attributes:
        classes: (K,) that it was fitted on.
        weights: (K,D), or (1,D) for two classes.
        bias: (K,), or (1,) for two classes.
    """

    scaling: Scaling
    classes: np.ndarray
    weights: np.ndarray
    bias: np.ndarray

    def values(self, features: Matrix) -> np.ndarray:
        """Return the logits (m,K), or (m,1) of two classes, of features (m,D)."""
        # Scaling the weights instead of the features avoids a copy.
        weights = (self.weights * self.scaling.scale).astype(np.float32)
        values = np.asarray(features @ weights.T)
        if self.scaling.unit:
            values = values / _nonzero(_lengths(features))[:, None]
        shift = np.broadcast_to(self.scaling.shift, weights.shape[1:])
        return values - weights @ shift + self.bias

    def predict(self, features: Matrix) -> np.ndarray:
        """Return the likeliest class (m,) of each."""
        values = self.values(features)
        if len(self.classes) == 2:
            return self.classes[(values[:, 0] > 0).astype(np.int64)]
        return self.classes[values.argmax(1)]

    def probabilities(self, features: Matrix) -> np.ndarray:
        """Return the class probabilities (m,K) of features (m,D)."""
        from scipy.special import expit, softmax

        values = self.values(features)
        if len(self.classes) == 2:
            return np.hstack([1 - expit(values), expit(values)])
        return np.asarray(softmax(values, axis=1))


class LogisticProbe:
    """Multinomial logistic regression with an L2 penalty.

    Dense features are tried in two scalings: unit rows, centred and scaled to unit variance as a
    whole, which keeps the proportions between dimensions; and every dimension standardised, for
    features that a few large dimensions dominate. Means and variances come from all training
    records, which needs no labels. Sparse rows are normalised.

    Args:
        features: (N,D) of all training records.

    Example::

        probe = LogisticProbe(train)
        predicted = probe.predict(train[drawn], classes[drawn], test, rng)
    """

    def __init__(self, features: Matrix) -> None:
        self._grid = _SPARSE_GRID if sparse.issparse(features) else _DENSE_GRID
        # Tolerance of fits that only choose a penalty: lower for sparse features, whose losses
        # differ by less between penalties.
        self._near = TOLERANCE if sparse.issparse(features) else 10 * TOLERANCE
        self._scalings = scalings(features)

    def predict(
        self, train: Matrix, classes: np.ndarray, test: Matrix, rng: np.random.Generator
    ) -> np.ndarray:
        """Fit on ``train`` (n,D) of ``classes`` (n,); return the classes (m,) of ``test``.

        If fewer than two classes have two examples, cross-validation is impossible and C = 1.
        """
        return self.fit(train, classes, rng).predict(test)

    def fit(self, train: Matrix, classes: np.ndarray, rng: np.random.Generator) -> Fitted:
        """Fit on ``train`` (n,D) of ``classes`` (n,), two different ones at least."""
        with _threads(len(classes)):
            scaling, penalty, spanned = self._choose(train, classes, rng)
            small, back = spanned or row_space(scaling(train))
            model = _fit(small, classes, penalty, None)
        return Fitted(scaling, model.classes_, back(model.coef_), model.intercept_)

    def _choose(
        self, train: Matrix, classes: np.ndarray, rng: np.random.Generator
    ) -> tuple[Scaling, float, Spanned | None]:
        """Return the scaling, the penalty, and the rows in their span if all labels decided."""
        deciding = _deciding(classes, rng)
        if deciding is not None:
            train, classes = train[deciding], classes[deciding]
        parts = deal(classes, 3 if len(classes) > _THREE_FOLDS else 5, rng)
        best = np.inf
        choice: tuple[Scaling, float, Spanned | None] = (self._scalings[0], 1.0, None)
        if parts is None:
            return choice
        for scaling in self._scalings:
            spanned = row_space(scaling(train))
            split = [
                (np.flatnonzero(parts != n), np.flatnonzero(parts == n)) for n in np.unique(parts)
            ]
            known = [(spanned[0][fitted], spanned[0][held]) for fitted, held in split]
            models: list[Any] = [None] * len(split)
            previous = np.inf
            for penalty in self._grid:
                losses = []
                for part, (fitted, held) in enumerate(split):
                    rows, warm = known[part][0], models[part]
                    models[part] = _fit(rows, classes[fitted], penalty, warm, self._near)
                    losses.append(_log_losses(models[part], known[part][1], classes[held]))
                loss = float(np.concatenate(losses).mean())
                if loss < best:
                    best = loss
                    choice = (scaling, penalty, spanned if deciding is None else None)
                if loss > previous:  # the loss is approximately convex along the path
                    break
                previous = loss
        return choice


def _deciding(classes: np.ndarray, rng: np.random.Generator) -> np.ndarray | None:
    """Return the indices of the labels that choose the penalty; None for all of them."""
    names, codes = np.unique(classes, return_inverse=True)
    wanted = max(_DECIDING, 10 * len(names))
    return draw(codes, wanted, int(rng.integers(2**62))) if len(classes) > wanted else None


def deal(classes: np.ndarray, folds: int, rng: np.random.Generator) -> np.ndarray | None:
    """Assign records to stratified folds; return the fold (n,) of each.

    The number of folds is at most ``folds`` and the size of the second largest class, so that at
    least two classes remain when a fold is left out; None if that is fewer than two.
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
    """Return the classes (m,) of ``test`` (m,D) by weighted k nearest neighbours.

    A neighbour of cosine similarity s votes with weight exp(s / 0.1), after Wu et al. 2018
    ("Unsupervised Feature Learning via Non-Parametric Instance Discrimination",
    https://arxiv.org/abs/1805.01978, section 3.4). k is at most 200 and the mean class size.

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


def _fit(
    rows: Matrix, classes: np.ndarray, penalty: float, warm: Any, tolerance: float = TOLERANCE
) -> Any:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    model = warm or LogisticRegression(warm_start=True, max_iter=200, tol=tolerance)
    model.C = penalty
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.filterwarnings("ignore", "The number of unique classes")  # few labels are usual
        return model.fit(rows, classes)


@cache
def _libraries() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def _threads(rows: int) -> AbstractContextManager[Any]:
    """Limit small problems to one thread, as distributing them costs more than it saves.

    With other processes running, threads that wait for each other are ten times as slow.
    """
    return _libraries().limit(limits=1) if rows <= _SPANNED else nullcontext()


def _log_losses(model: Any, rows: Matrix, classes: np.ndarray) -> np.ndarray:
    """Return the log loss of each row whose class the model has seen."""
    indices = np.searchsorted(model.classes_, classes)
    seen = model.classes_[np.minimum(indices, len(model.classes_) - 1)] == classes
    probabilities = model.predict_proba(rows)[np.flatnonzero(seen), indices[seen]]
    return -np.log(np.maximum(probabilities, 1e-12))


def row_space(rows: Matrix) -> Spanned:
    """Return coordinates (n,r) of rows (n,D) in their span, and the map back.

    The weights of a regression with an L2 penalty lie in that space (the representer theorem,
    Schoelkopf et al. 2001), so that with fewer rows than columns the smaller problem has the same
    solution. The map turns its weights (K,r) into weights (K,D).
    """
    count, width = rows.shape
    if width <= count or count > _SPANNED:
        return rows, lambda weights: weights
    gram = rows @ rows.T
    gram = gram.toarray() if sparse.issparse(gram) else gram
    values, vectors = np.linalg.eigh(gram.astype(np.float64))
    nonzero = values > 1e-6 * values[-1]
    scale, vectors = np.sqrt(values[nonzero]), vectors[:, nonzero]
    small = (vectors * scale).astype(np.float32)
    return small, lambda weights: np.asarray(rows.T @ (vectors @ (weights / scale).T)).T


def _lengths(rows: Matrix) -> np.ndarray:
    from sklearn.utils.extmath import row_norms

    return np.asarray(row_norms(rows))


def _nonzero(spread: np.ndarray) -> np.ndarray:
    return np.where(spread > 0, spread, 1).astype(np.float32)
