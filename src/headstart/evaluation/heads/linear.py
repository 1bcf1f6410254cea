"""Linear classifiers with an L2 penalty: logistic regression and the linear SVM.

The scaling of features and the penalty are chosen by cross-validation within the drawn labels.
With many labels a few thousand suffice: C is the prior variance of the weights, which does not
depend on the number of labels.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import sparse

from headstart.data.vectors import Matrix
from headstart.evaluation.heads.folds import cross_fitted, divide, threads
from headstart.evaluation.heads.row_combinations import is_wide, solve_by_rows
from headstart.evaluation.heads.rows import (
    SPANNED,
    Scaling,
    Spanned,
    lengths,
    nonzero,
    principal,
)
from headstart.evaluation.heads.solver import (
    SOFTMAX,
    SQUARED_HINGE,
    Loss,
    Problem,
    one_against_rest,
)

#: Maximum number of weights of sparse features that are solved together.
WEIGHTS = 2**25
#: Largest C of those that are not: a larger one takes three times as long, at the same accuracy.
_LARGEST = 10.0
#: Maximum number of scores of the labels that are fitted beyond the precision that matters.
EXACT = 2**16
#: Scores in memory at once.
_CELLS = 2**22


@dataclass(frozen=True)
class Family:
    """A kind of linear classifier.

    Attributes:
        loss: of the scores.
        dense, sparse: penalties C to choose from, rising, for dense and for sparse features.
        fallback: C where cross-validation is impossible, for dense and for sparse features.
        tolerance: of :meth:`Problem.solve`.
        near: the same for fits that only choose a penalty.
        by_loss: whether settings are compared by their loss, else by their accuracy.
    """

    loss: Loss
    dense: Sequence[float]
    sparse: Sequence[float]
    fallback: tuple[float, float]
    tolerance: float
    near: float
    by_loss: bool

    def solve(
        self, problem: Problem, penalty: float, start: np.ndarray | None, tolerance: float
    ) -> np.ndarray:
        """Return weights and bias (D+1,K) at C = ``penalty``."""
        if self.loss is SQUARED_HINGE and sparse.issparse(problem.rows):
            return _coordinate_descent(problem, penalty)
        if self.loss is SOFTMAX and problem.classes == 2:
            # Two opposite vectors of weights have half the penalty of their difference.
            penalty /= 2
        if start is None and is_wide(problem):
            return solve_by_rows(problem, penalty, tolerance)
        return problem.solve(penalty, start, tolerance)


@dataclass(frozen=True)
class Fitted:
    """A fitted linear classifier.

    Attributes:
        unit: whether rows are normalised first.
        classes: (K,) that it was fitted on.
        weights: (D,K).
        bias: (K,).
        validation: accuracy by cross-validation, else NaN.
        setting: the scaling and the penalty that were chosen; None where there are others.
        held: (m,K) probabilities of the labels that chose, each while it was held out, at this
            setting; None without cross-validation, and where the loss does not choose.
    """

    unit: bool
    classes: np.ndarray
    weights: np.ndarray
    bias: np.ndarray
    validation: float
    setting: tuple[Scaling, float] | None = None
    held: np.ndarray | None = None

    def predict(self, test: Matrix) -> np.ndarray:
        """Return the class (m,) of the highest score of each row of ``test`` (m,D)."""
        found = [scores.argmax(1) for scores in self._scores(test)]
        return self.classes[np.concatenate(found)] if found else self.classes[:0]

    def probabilities(self, test: Matrix) -> np.ndarray:
        """Return the class probabilities (m,K) by a logistic regression of ``test`` (m,D)."""
        from scipy.special import softmax

        found = [softmax(scores, axis=1) for scores in self._scores(test)]
        return np.concatenate(found) if found else np.empty((0, len(self.classes)))

    def _scores(self, test: Matrix) -> Iterator[np.ndarray]:
        """Yield the scores (...,K) of some rows at a time."""
        at_once = max(1, _CELLS // len(self.classes))
        for start in range(0, test.shape[0], at_once):
            rows = test[start : start + at_once]
            divisor = nonzero(lengths(rows))[:, None] if self.unit else np.float32(1)
            # Scaling the scores instead of the rows avoids a copy.
            yield np.asarray(rows @ self.weights) / divisor + self.bias


class Choice(NamedTuple):
    """What cross-validation prefers: ``spanned`` are the scaled rows, if all labels decided.

    ``held`` is that of :class:`Fitted`.
    """

    scaling: Scaling
    penalty: float
    validation: float = np.nan
    spanned: Spanned | None = None
    held: np.ndarray | None = None


def choose(
    family: Family,
    scalings: Sequence[Scaling],
    train: Matrix,
    classes: np.ndarray,
    rng: np.random.Generator,
    groups: np.ndarray | None = None,
) -> Choice:
    """Choose the scaling and the penalty of ``train`` (n,D) of ``classes`` (n,).

    If fewer than two classes have two examples, cross-validation is impossible and C is a constant.
    """
    with threads(len(classes)):
        codes = np.unique(classes, return_inverse=True)[1]
        return _choose(family, scalings, train, codes, rng, groups)


def fit_at(family: Family, choice: Choice, train: Matrix, classes: np.ndarray) -> Fitted:
    """Fit a linear classifier of ``train`` (n,D) of ``classes`` (n,) at a setting.

    With more than 33 million weights, one logistic regression against the rest is fitted for each
    class, at the C that was chosen or at 10 if that is less.
    """
    names, codes = np.unique(classes, return_inverse=True)
    with threads(len(codes)):
        # Few labels of few classes are solved at no cost beyond what can be seen.
        exact = len(codes) <= SPANNED and len(codes) * len(names) <= EXACT
        tolerance = family.tolerance / (100 if exact else 1)
        if sparse.issparse(train) and len(names) * train.shape[1] > WEIGHTS:
            rows = choice.scaling(train)
            penalty = min(choice.penalty, _LARGEST)
            found = one_against_rest(rows, codes, len(names), penalty, 10 * family.tolerance)
            weights = found[:-1]
        else:
            rows, back = choice.spanned or principal(choice.scaling(train))
            problem = Problem(rows, codes, len(names), family.loss)
            found = family.solve(problem, choice.penalty, None, tolerance)
            weights = back(found[:-1].T).T
    shift, scale = choice.scaling.shift, choice.scaling.scale
    bias = found[-1]
    if not sparse.issparse(train):
        weights = weights * np.reshape(scale, (-1, 1))
        bias = bias - np.broadcast_to(shift, train.shape[1]) @ weights
    return Fitted(
        choice.scaling.unit,
        names,
        weights.astype(np.float32, copy=False),
        bias.astype(np.float32),
        choice.validation,
        (choice.scaling, choice.penalty),
        choice.held,
    )


def _choose(
    family: Family,
    scalings: Sequence[Scaling],
    train: Matrix,
    codes: np.ndarray,
    rng: np.random.Generator,
    groups: np.ndarray | None,
) -> Choice:
    division = divide(codes, rng, groups)
    train, codes = division.of(train), division.of(codes)
    thin = sparse.issparse(train)
    if division.parts is None:
        return Choice(scalings[0], family.fallback[thin], np.nan, None)
    settings: list[tuple[Scaling, float, Spanned | None]] = []
    found: list[Tried] = []
    for scaling in scalings:
        spanned = principal(scaling(train))
        penalties = family.sparse if thin else family.dense
        found.append(cross_validated(family, spanned[0], codes, division.parts, penalties))
        kept = spanned if division.records is None else None
        settings += [(scaling, penalty, kept) for penalty in penalties[: len(found[-1].right)]]
    right = np.concatenate([each.right for each in found])
    losses = np.concatenate([each.losses for each in found])
    best, total = cross_fitted(right, *((losses,) if family.by_loss else (-right, losses)))
    scaling, penalty, kept = settings[best]
    held = [each for tried in found for each in tried.held]
    return Choice(scaling, penalty, total / len(codes), kept, held[best] if held else None)


class Tried(NamedTuple):
    """Sums over the held-out records of each fold, of P penalties.

    Attributes:
        right: (P,F) number that are right.
        losses: (P,F) losses of those of known classes.
        held: the probabilities (n,K) of each penalty, 0 for a class that no other fold has; ()
            where the loss does not choose.
    """

    right: np.ndarray
    losses: np.ndarray
    held: Sequence[np.ndarray]


def cross_validated(
    family: Family, rows: Matrix, codes: np.ndarray, parts: np.ndarray, penalties: Sequence[float]
) -> Tried:
    """Try rising penalties on rows (n,D) of classes ``codes`` (n,) in the folds ``parts`` (n,).

    Where the loss chooses, no higher penalties are tried once it rises.
    """
    folds = [_Fold(family, rows, codes, parts == part) for part in np.unique(parts)]
    right, losses, held = [], [], []
    for penalty in penalties:
        found = [fold.at(penalty) for fold in folds]
        losses.append([loss for loss, _ in found])
        right.append([count for _, count in found])
        if family.by_loss:
            held.append(np.zeros((len(codes), int(codes.max()) + 1), dtype=np.float32))
            for fold in folds:
                fold.believe(held[-1])
        # The loss is approximately convex along the path.
        if family.by_loss and len(losses) > 1 and sum(losses[-1]) > sum(losses[-2]):
            break
    return Tried(np.array(right), np.array(losses), held)


class _Fold:
    """One fold of records that a classifier of the others is tested on, at rising penalties."""

    def __init__(self, family: Family, rows: Matrix, codes: np.ndarray, held: np.ndarray) -> None:
        self._names, known = np.unique(codes[~held], return_inverse=True)
        self._family, self._held = family, held
        self._problem = Problem(rows[~held], known, len(self._names), family.loss)
        self._rows, self._codes = rows[held], codes[held]
        self._found: np.ndarray | None = None

    def at(self, penalty: float) -> tuple[float, int]:
        """Return the loss of held-out records of known classes, and how many of all are right."""
        family = self._family
        self._found = family.solve(self._problem, penalty, self._found, family.near)
        scores = self._scores(self._found)
        right = self._names[scores.argmax(1)] == self._codes
        known = np.isin(self._codes, self._names)
        own = np.searchsorted(self._names, self._codes[known])
        losses = family.loss.evaluate(scores[known], own)
        return float(losses.sum(dtype=np.float64)), int(right.sum())

    def believe(self, probabilities: np.ndarray) -> None:
        """Write the held-out records' rows of ``probabilities`` (n,K), at the last penalty."""
        from scipy.special import softmax

        assert self._found is not None
        found = softmax(self._scores(self._found), axis=1)
        probabilities[np.ix_(self._held, self._names)] = found

    def _scores(self, theta: np.ndarray) -> np.ndarray:
        return np.asarray(self._rows @ theta[:-1]) + theta[-1]


def _coordinate_descent(problem: Problem, penalty: float) -> np.ndarray:
    """Return weights and bias (D+1,K) of one class against the rest, by liblinear.

    Its dual coordinate descent (Hsieh et al. 2008) is faster with sparse rows.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.svm import LinearSVC

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = LinearSVC(C=penalty, tol=1e-3, random_state=0).fit(problem.rows, problem.codes)
    found = np.vstack([model.coef_.T, model.intercept_]).astype(np.float32)
    return np.hstack([-found, found]) if problem.classes == 2 else found
