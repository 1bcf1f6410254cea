"""Linear classifiers of many classes, by L-BFGS in float32 with a diagonal preconditioner.

scikit-learn's solvers need several float64 copies of the weights in every step; here a step is two
matrix products in float32. The objective is that of scikit-learn: the mean loss plus
``|W|^2 / (2 C n)``, without a penalty of the bias. Along principal axes (see
:func:`headstart.evaluation.heads.rows.principal`) the Hessian is close to diagonal, and dividing by
its diagonal makes a step close to Newton's: about 15 steps suffice instead of 100.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import sparse

from headstart.data.sparse_products import SparseRows
from headstart.data.vectors import Matrix

#: Share of the objective that a step must promise, else the problem is solved.
TOLERANCE = 1e-4
_ITERATIONS = 200
#: Number of past steps that are kept, and maximum number of values in them.
_HISTORY, _KEPT = 10, 2**27
#: Number of weights of one against the rest that are solved together.
BLOCK = 2**24
#: Scores in memory at once.
_CELLS = 2**20
#: Lowest score whose probability is computed: that of lower ones is a subnormal number, or soon is
#: one in a product, and those take processors five times as long.
_LOWEST = np.float32(-60)


@dataclass(frozen=True)
class Loss:
    """A convex loss of scores.

    Attributes:
        evaluate: turns scores (n,K) of rows of classes (n,) into their gradients, in place, and
            returns the losses (n,).
        curvature: from K to the usual second derivative, for the preconditioner.
    """

    evaluate: Callable[[np.ndarray, np.ndarray], np.ndarray]
    curvature: Callable[[int], float]


def _softmax(scores: np.ndarray, codes: np.ndarray) -> np.ndarray:
    rows = np.arange(len(codes))
    scores -= scores.max(1, keepdims=True)
    own = scores[rows, codes]
    np.maximum(scores, _LOWEST, out=scores)
    np.exp(scores, out=scores)
    total = scores.sum(1)
    scores /= total[:, None]
    scores[rows, codes] -= 1
    return np.log(total) - own


def _squared_hinge(scores: np.ndarray, codes: np.ndarray) -> np.ndarray:
    rows = np.arange(len(codes))
    scores[rows, codes] *= -1
    scores += 1
    np.maximum(scores, 0, out=scores)
    losses = np.einsum("nk,nk->n", scores, scores)
    scores *= 2
    scores[rows, codes] *= -1
    return losses


def _logistic(scores: np.ndarray, codes: np.ndarray) -> np.ndarray:
    from scipy.special import expit

    own = np.flatnonzero(codes >= 0), codes[codes >= 0]
    scores[own] *= -1
    losses = np.logaddexp(0, scores).sum(1)
    np.maximum(scores, _LOWEST, out=scores)
    expit(scores, out=scores)
    scores[own] *= -1
    return losses


#: The negative log likelihood of the class.
SOFTMAX = Loss(_softmax, lambda classes: (1 - 1 / classes) / classes)
#: The sum over classes of ``max(0, 1 - y s)^2``, y = +-1: one against rest.
SQUARED_HINGE = Loss(_squared_hinge, lambda classes: 2 / classes)


@dataclass(frozen=True)
class Problem:
    """A classifier to fit: rows (n,D), the codes (n,) of their classes 0..K-1, and K.

    Attributes:
        scale: (D,K) by which weights are multiplied before they meet the rows; None is 1.
    """

    rows: Matrix
    codes: np.ndarray
    classes: int
    loss: Loss
    scale: np.ndarray | None = None

    @cached_property
    def thin(self) -> SparseRows | None:
        """Sparse rows, ready for products; None for dense ones."""
        return SparseRows(self.rows) if sparse.issparse(self.rows) else None

    def gradient(self, theta: np.ndarray, ridge: float) -> tuple[float, np.ndarray]:
        """Return the objective and its gradient (D+1,K) at weights and bias ``theta`` (D+1,K)."""
        weights = theta[:-1] if self.scale is None else theta[:-1] * self.scale
        found = np.zeros_like(theta)
        total = 0.0
        count = len(self.codes)
        # Sparse rows are not divided: each part would need a gradient of its own.
        thin = self.thin
        at_once = count if thin else max(256, _CELLS // self.classes)
        for start in range(0, count, at_once):
            rows = self.rows[start : start + at_once] if thin is None else self.rows
            scores = rows @ weights if thin is None else thin.times(weights)
            scores += theta[-1]
            losses = self.loss.evaluate(scores, self.codes[start : start + at_once])
            total += float(losses.sum(dtype=np.float64))
            if thin is None:
                found[:-1] += rows.T @ scores
            else:
                thin.add_transposed(scores, found[:-1])
            found[-1] += scores.sum(0)
        if self.scale is not None:
            found[:-1] *= self.scale
        found /= count
        found[:-1] += ridge * theta[:-1]
        square = float(np.vdot(theta[:-1], theta[:-1]))
        return total / count + ridge / 2 * square, found

    def solve(
        self, penalty: float, start: np.ndarray | None = None, tolerance: float = TOLERANCE
    ) -> np.ndarray:
        """Return weights and bias (D+1,K) at C = ``penalty``.

        Args:
            start: (D+1,K) where to begin, such as the solution at another penalty.
            tolerance: the problem is solved when the next step promises to decrease the objective
                by less than this share of it, a criterion that no scaling of the features changes.
        """
        count, width = self.rows.shape
        ridge = 1 / (penalty * count)
        rows = self.rows
        squares = rows.multiply(rows) if sparse.issparse(rows) else np.square(rows)
        curvature = self.loss.curvature(self.classes)
        diagonal = curvature * np.asarray(squares.mean(0), dtype=np.float32).reshape(-1, 1)
        if self.scale is not None:
            diagonal = diagonal * np.square(self.scale)
        bias = np.full((1, diagonal.shape[1]), curvature, dtype=np.float32)
        scale = 1 / np.concatenate([diagonal + np.float32(ridge), bias])
        theta = np.zeros((width + 1, self.classes), np.float32) if start is None else start.copy()
        return descend(lambda at: self.gradient(at, ridge), theta, scale, tolerance)


def one_against_rest(
    rows: Matrix, codes: np.ndarray, classes: int, penalty: float, tolerance: float
) -> np.ndarray:
    """Return weights and bias (D+1,K) of K logistic regressions, some solved at a time.

    Nothing is needed in memory beside the solution but a few copies of ``BLOCK`` weights.
    """
    loss = Loss(_logistic, lambda _: (1 - 1 / classes) / classes)
    found = np.empty((rows.shape[1] + 1, classes), dtype=np.float32)
    at_once = max(1, BLOCK // rows.shape[1])
    for first in range(0, classes, at_once):
        block = found[:, first : first + at_once]
        count = block.shape[1]
        inside = (codes >= first) & (codes < first + count)
        start = np.zeros(block.shape, dtype=np.float32)
        start[-1] = -np.log(classes)
        problem = Problem(rows, np.where(inside, codes - first, -1), count, loss)
        block[:] = problem.solve(penalty, start, tolerance)
    return found


def descend(
    objective: Callable[[np.ndarray], tuple[float, np.ndarray]],
    theta: np.ndarray,
    scale: np.ndarray,
    tolerance: float,
    *,
    dot: Callable[[np.ndarray, np.ndarray], float] = np.vdot,
    finish: Callable[[np.ndarray], np.ndarray] = lambda gradient: gradient,
) -> np.ndarray:
    """Minimise by L-BFGS (Nocedal and Wright 2006, algorithms 7.4 and 7.5) from ``theta``.

    Args:
        objective: from a vector to the value and its gradient there.
        scale: the inverse Hessian to begin with, a diagonal that broadcasts to ``theta``.
        tolerance: as of :meth:`Problem.solve`.
        dot: the inner product.
        finish: completes a gradient that is descended from, which those of a line search are not.
    """
    past: deque[tuple[np.ndarray, np.ndarray, float]] = deque(
        maxlen=int(np.clip(_KEPT // (2 * theta.size), 2, _HISTORY))
    )
    value, gradient = objective(theta)
    gradient = finish(gradient)
    for _ in range(_ITERATIONS):
        step = _direction(gradient, past, scale, dot)
        slope = float(dot(gradient, step))
        if -slope / 2 <= tolerance * value:
            break
        length = 1.0
        while True:
            there = theta + np.float32(length) * step
            reached, new = objective(there)
            # Beyond the precision of float32 no decrease can be seen.
            if reached <= value + 1e-4 * length * slope + 1e-7 * abs(value):
                break
            bend = reached - value - length * slope
            length *= float(np.clip(-slope * length / (2 * bend), 0.1, 0.5))
            if length < 1e-6:
                return theta
        step *= np.float32(length)
        new = finish(new)
        change = new - gradient
        theta, gradient, value = there, new, reached
        product = float(dot(step, change))
        if product > 0:
            past.append((step, change, product))
    return theta


def _direction(
    gradient: np.ndarray,
    past: deque[tuple[np.ndarray, np.ndarray, float]],
    scale: np.ndarray,
    dot: Callable[[np.ndarray, np.ndarray], float],
) -> np.ndarray:
    """Return the direction of descent: minus the inverse Hessian times the gradient."""
    found = -gradient
    shares = []
    for step, change, product in reversed(past):
        share = np.float32(dot(step, found) / product)
        found -= share * change
        shares.append(share)
    found *= scale
    if past:
        _, change, product = past[-1]
        found *= np.float32(product / dot(change, change * scale))
    for (step, change, product), share in zip(past, reversed(shares), strict=True):
        found += (share - np.float32(dot(change, found) / product)) * step
    return found
