"""The linear support vector machine, one class against the rest."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from headstart.data.vectors import Matrix
from headstart.evaluation.heads.linear import Family, Fitted, choose, fit_at
from headstart.evaluation.heads.rows import scalings
from headstart.evaluation.heads.solver import SQUARED_HINGE

_FAMILY = Family(
    loss=SQUARED_HINGE,
    dense=(1e-5, 1e-4, 1e-3, 1e-2, 1e-1),
    sparse=(0.1, 1.0, 10.0),
    fallback=(1e-3, 1.0),
    tolerance=1e-3,
    near=1e-2,
    by_loss=False,
)


class LinearSVM:
    """A linear SVM with the squared hinge loss (Fan et al. 2008, "LIBLINEAR"), one against rest.

    C and, of dense features, the scaling are chosen by the accuracy in cross-validation; the
    scalings are those of :class:`headstart.evaluation.heads.logistic.LogisticRegression`.

    Args:
        features: (N,D) of all training records.
    """

    #: One problem a class takes too long for more, and gains nothing over a logistic regression.
    most_classes: ClassVar[int | None] = 100

    def __init__(self, features: Matrix) -> None:
        self._scalings = scalings(features)

    def fit(
        self,
        train: Matrix,
        classes: np.ndarray,
        rng: np.random.Generator,
        groups: np.ndarray | None = None,
    ) -> Fitted:
        """Fit on ``train`` (n,D) of ``classes`` (n,), two different ones at least."""
        choice = choose(_FAMILY, self._scalings, train, classes, rng, groups)
        return fit_at(_FAMILY, choice, train, classes)
