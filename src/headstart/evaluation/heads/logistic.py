"""Multinomial logistic regression with an L2 penalty."""

from __future__ import annotations

import hashlib
from typing import ClassVar

import numpy as np
from scipy import sparse

from headstart.data.vectors import Matrix
from headstart.evaluation.heads.linear import Choice, Family, Fitted, choose, fit_at
from headstart.evaluation.heads.rows import scalings
from headstart.evaluation.heads.solver import SOFTMAX

#: The log loss chooses: it distinguishes penalties where a few labels give all of them the same
#: accuracy. Near the optimum the losses of sparse features hardly differ between penalties.
_FAMILY = Family(
    loss=SOFTMAX,
    # A path ends where the loss rises: the last one is for many classes that lie apart.
    dense=(1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0),
    sparse=(0.1, 1.0, 10.0, 100.0),
    fallback=(1.0, 1.0),
    tolerance=3e-4,
    near=1e-3,
    by_loss=True,
)


class LogisticRegression:
    """Multinomial logistic regression with an L2 penalty.

    Dense features are tried in two scalings: unit rows, centred and scaled to unit variance as a
    whole, which keeps the proportions between dimensions; and every dimension standardised, for
    features that a few large dimensions dominate. Means and variances come from all training
    records, which needs no labels. Sparse rows are normalised.

    Args:
        features: (N,D) of all training records.
        standardised: whether the second scaling is tried.

    Example::

        head = LogisticRegression(train)
        predicted = head.fit(train[drawn], classes[drawn], rng).predict(test)
    """

    most_classes: ClassVar[int | None] = None

    def __init__(self, features: Matrix, *, standardised: bool = True) -> None:
        self._scalings = scalings(features)[: None if standardised else 1]
        self._fits: dict[bytes, Fitted] = {}
        self._last: tuple[bytes, Choice] | None = None

    def fit(
        self,
        train: Matrix,
        classes: np.ndarray,
        rng: np.random.Generator,
        groups: np.ndarray | None = None,
    ) -> Fitted:
        """Fit on ``train`` (n,D) of ``classes`` (n,), two different ones at least.

        If fewer than two classes have two examples, cross-validation is impossible and C = 1.
        What was fitted to the same dense rows is not fitted again: the head ``auto`` begins with
        it.
        """
        if sparse.issparse(train):
            return fit_at(_FAMILY, self.choose(train, classes, rng, groups), train, classes)
        key = _key(train, classes, groups, rng)
        if key not in self._fits:
            choice = self.choose(train, classes, rng, groups)
            self._fits[key] = fit_at(_FAMILY, choice, train, classes)
        return self._fits[key]

    def choose(
        self,
        train: Matrix,
        classes: np.ndarray,
        rng: np.random.Generator,
        groups: np.ndarray | None = None,
    ) -> Choice:
        """Choose the scaling and the penalty alone, by the same arguments as :meth:`fit`."""
        if sparse.issparse(train):
            return choose(_FAMILY, self._scalings, train, classes, rng, groups)
        key = _key(train, classes, groups, rng)
        if key in self._fits:
            fitted = self._fits[key]
            assert fitted.setting is not None
            return Choice(*fitted.setting, fitted.validation, held=fitted.held)
        if self._last is None or self._last[0] != key:
            self._last = key, choose(_FAMILY, self._scalings, train, classes, rng, groups)
        return self._last[1]

    def fit_plainly(self, train: Matrix, classes: np.ndarray) -> Fitted:
        """Fit on ``train`` (n,D) of ``classes`` (n,) at the setting of labels that no fold has."""
        penalty = _FAMILY.fallback[sparse.issparse(train)]
        return fit_at(_FAMILY, Choice(self._scalings[0], penalty), train, classes)

    def fit_like(self, choice: Choice, train: Matrix, classes: np.ndarray) -> Fitted:
        """Fit on ``train`` (n,D) of ``classes`` (n,) at the setting that was chosen."""
        return fit_at(_FAMILY, choice._replace(spanned=None), train, classes)


def _key(
    train: np.ndarray, classes: np.ndarray, groups: np.ndarray | None, rng: np.random.Generator
) -> bytes:
    """Return a digest of all that a fit depends on."""
    key = hashlib.blake2b(str(rng.bit_generator.state).encode(), digest_size=16)
    for rows in (train, classes, *(() if groups is None else (groups,))):
        key.update(f"{rows.shape} {rows.dtype}".encode())
        key.update(np.ascontiguousarray(rows).data)
    return key.digest()
