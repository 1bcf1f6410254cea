"""Classifiers that are fitted on frozen features, one a file.

What a head learns from labels is chosen by cross-validation within the drawn labels only: scaling,
penalty, kernel, dimension. All heads have one contract::

    head = HEADS["logistic regression"](features)  # (N,D) of all training records, no labels
    fitted = head.fit(features[drawn], classes[drawn], rng)
    fitted.predict(test), fitted.validation
"""

from __future__ import annotations

from typing import ClassVar, Protocol

import numpy as np

from headstart.data.vectors import Matrix
from headstart.registry import Registry


class FittedHead(Protocol):
    """A classifier that is fitted on the drawn labels."""

    @property
    def validation(self) -> float:
        """Accuracy by cross-validation within the drawn labels, at the chosen setting.

        NaN where no folds are possible, as with one record a class.
        """
        ...

    def predict(self, test: Matrix) -> np.ndarray:
        """Return the likeliest class (m,) of each row of ``test`` (m,D)."""
        ...


class Head(Protocol):
    """A classifier of the features of certain records; it may be fitted many times.

    Attributes:
        most_classes: maximum number of classes that it can learn in a reasonable time; None is any.
    """

    most_classes: ClassVar[int | None]

    def fit(
        self,
        train: Matrix,
        classes: np.ndarray,
        rng: np.random.Generator,
        groups: np.ndarray | None = None,
    ) -> FittedHead:
        """Fit on ``train`` (n,D) of ``classes`` (n,) int64, two different ones at least.

        Args:
            rng: deals the folds; the same state gives the same head.
            groups: (n,) int64, records that no fold divides; None where each stands alone.
        """
        ...


#: Each entry is called with the features (N,D) of all training records, drawn or not, and returns a
#: :class:`Head`; ``auto`` also takes class names and blocks. The naive-Bayes SVM and low-rank
#: averages take sparse features, the RBF SVM and ``auto`` dense ones, the others both.
HEADS = Registry(
    "head",
    {
        "logistic regression": "headstart.evaluation.heads.logistic:LogisticRegression",
        "linear SVM": "headstart.evaluation.heads.linear_svm:LinearSVM",
        "naive Bayes SVM": "headstart.evaluation.heads.naive_bayes_svm:NaiveBayesSVM",
        "RBF SVM": "headstart.evaluation.heads.rbf_svm:RBFSVM",
        "low-rank averages": "headstart.evaluation.heads.low_rank:LowRankAverages",
        "auto": "headstart.evaluation.heads.auto:Auto",
        "kNN": "headstart.evaluation.heads.neighbours:NearestNeighbours",
        "nearest template": "headstart.evaluation.heads.nearest_template:NearestTemplate",
    },
    group="headstart.heads",
    members=("fit",),
)
