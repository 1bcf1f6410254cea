"""Multinomial logistic regression with an L2 penalty.

The scaling of features and the penalty are chosen by cross-validation within the drawn labels only,
by the log loss: it distinguishes penalties where a few labels give all of them the same accuracy.
With many labels a few thousand suffice: C is the prior variance of the weights, which does not
depend on the number of labels.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from headstart.data.vectors import Matrix
from headstart.evaluation.heads.folds import THREE_FOLDS, deal, deciding, threads
from headstart.evaluation.heads.rows import (
    Scaling,
    Spanned,
    lengths,
    nonzero,
    row_space,
    scalings,
)

_DENSE_GRID = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
_SPARSE_GRID = (0.1, 1.0, 10.0, 100.0)
#: Tolerance on the gradient of a solved regression (scikit-learn's default).
TOLERANCE = 1e-4
#: Scaling, penalty, the rows in their span if all labels decided, and the accuracy on the folds.
_Choice = tuple[Scaling, float, Spanned | None, float]


@dataclass(frozen=True)
class Fitted:
    """A fitted logistic regression.

    Attributes:
        classes: (K,) that it was fitted on.
        weights: (K,D), or (1,D) for two classes.
        bias: (K,), or (1,) for two classes.
        validation: accuracy at the chosen penalty on the folds that chose it, else NaN.
    """

    scaling: Scaling
    classes: np.ndarray
    weights: np.ndarray
    bias: np.ndarray
    validation: float

    def values(self, features: Matrix) -> np.ndarray:
        """Return the logits (m,K), or (m,1) of two classes, of features (m,D)."""
        # Scaling the weights instead of the features avoids a copy.
        weights = (self.weights * self.scaling.scale).astype(np.float32)
        values = np.asarray(features @ weights.T)
        if self.scaling.unit:
            values = values / nonzero(lengths(features))[:, None]
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


class LogisticRegression:
    """Multinomial logistic regression with an L2 penalty.

    Dense features are tried in two scalings: unit rows, centred and scaled to unit variance as a
    whole, which keeps the proportions between dimensions; and every dimension standardised, for
    features that a few large dimensions dominate. Means and variances come from all training
    records, which needs no labels. Sparse rows are normalised.

    Args:
        features: (N,D) of all training records.

    Example::

        head = LogisticRegression(train)
        predicted = head.fit(train[drawn], classes[drawn], rng).predict(test)
    """

    def __init__(self, features: Matrix) -> None:
        self._grid = _SPARSE_GRID if sparse.issparse(features) else _DENSE_GRID
        # Tolerance of fits that only choose a penalty: lower for sparse features, whose losses
        # differ by less between penalties.
        self._near = TOLERANCE if sparse.issparse(features) else 10 * TOLERANCE
        self._scalings = scalings(features)

    def fit(self, train: Matrix, classes: np.ndarray, rng: np.random.Generator) -> Fitted:
        """Fit on ``train`` (n,D) of ``classes`` (n,), two different ones at least.

        If fewer than two classes have two examples, cross-validation is impossible and C = 1.
        """
        with threads(len(classes)):
            scaling, penalty, spanned, validation = self._choose(train, classes, rng)
            small, back = spanned or row_space(scaling(train))
            model = _fit(small, classes, penalty, None)
        weights, bias = back(model.coef_), model.intercept_
        return Fitted(scaling, model.classes_, weights, bias, validation)

    def _choose(self, train: Matrix, classes: np.ndarray, rng: np.random.Generator) -> _Choice:
        """Return what cross-validation prefers."""
        drawn = deciding(classes, rng)
        if drawn is not None:
            train, classes = train[drawn], classes[drawn]
        parts = deal(classes, 3 if len(classes) > THREE_FOLDS else 5, rng)
        best = np.inf
        choice: _Choice = (self._scalings[0], 1.0, None, np.nan)
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
                losses, right = [], []
                for part, (fitted, held) in enumerate(split):
                    rows, warm = known[part][0], models[part]
                    models[part] = _fit(rows, classes[fitted], penalty, warm, self._near)
                    losses.append(_log_losses(models[part], known[part][1], classes[held]))
                    right.append(models[part].predict(known[part][1]) == classes[held])
                loss = float(np.concatenate(losses).mean())
                if loss < best:
                    best = loss
                    whole = spanned if drawn is None else None
                    choice = (scaling, penalty, whole, float(np.concatenate(right).mean()))
                if loss > previous:  # the loss is approximately convex along the path
                    break
                previous = loss
        return choice


def _fit(
    rows: Matrix, classes: np.ndarray, penalty: float, warm: Any, tolerance: float = TOLERANCE
) -> Any:
    from sklearn import linear_model
    from sklearn.exceptions import ConvergenceWarning

    model = warm or linear_model.LogisticRegression(warm_start=True, max_iter=200, tol=tolerance)
    model.C = penalty
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.filterwarnings("ignore", "The number of unique classes")  # few labels are usual
        return model.fit(rows, classes)


def _log_losses(model: Any, rows: Matrix, classes: np.ndarray) -> np.ndarray:
    """Return the log loss of each row whose class the model has seen."""
    indices = np.searchsorted(model.classes_, classes)
    seen = model.classes_[np.minimum(indices, len(model.classes_) - 1)] == classes
    probabilities = model.predict_proba(rows)[np.flatnonzero(seen), indices[seen]]
    return -np.log(np.maximum(probabilities, 1e-12))
