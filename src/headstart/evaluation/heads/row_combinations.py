"""Linear classifiers of few wide rows, solved for the multiples of the rows that weights are.

Weights of an L2 penalty are combinations of the rows, ``W = X' A`` (the representer theorem,
Schoelkopf, Herbrich and Smola 2001), and so is every gradient and every step of L-BFGS that begins
at 0. With 15,000 rows of 200,000 columns and 150 classes a vector has 2 million numbers in place of
30 million. Inner products of weights are those of ``A`` with ``X X' A``, which is kept beside it:
it is a combination of what is there already, but for one product with the rows in each step.
"""

from __future__ import annotations

import numpy as np

from headstart.data.sparse_products import SparseRows
from headstart.evaluation.heads.solver import Problem, descend


def is_wide(problem: Problem) -> bool:
    """Return whether the rows of a problem are sparse, without scale, and fewer than columns."""
    count, width = problem.rows.shape
    return problem.thin is not None and problem.scale is None and count < width


def solve_by_rows(problem: Problem, penalty: float, tolerance: float) -> np.ndarray:
    """Return weights and bias (D+1,K) at C = ``penalty``, as :meth:`Problem.solve` does.

    Args:
        problem: of rows for which :func:`is_wide` holds.
        tolerance: as there.
    """
    rows = problem.thin
    assert rows is not None
    count, ridge = len(problem.codes), np.float32(1 / (penalty * len(problem.codes)))
    curvature = problem.loss.curvature(problem.classes)
    whole = (2 * count + 1, problem.classes)

    def objective(at: np.ndarray) -> tuple[float, np.ndarray]:
        combined, scores, bias = _parts(at, count)
        reached = scores + bias
        losses = problem.loss.evaluate(reached, problem.codes)  # reached: gradients of the scores
        value = float(losses.sum(dtype=np.float64)) / count
        value += float(ridge) / 2 * float(np.vdot(combined, scores))
        found = np.empty(whole, dtype=np.float32)
        np.divide(reached, count, out=found[:count])
        found[-1] = found[:count].sum(0)
        found[:count] += ridge * combined
        return value, found

    def finish(gradient: np.ndarray) -> np.ndarray:
        gradient[count:-1] = _scores(rows, gradient[:count])
        return gradient

    def dot(one: np.ndarray, other: np.ndarray) -> float:
        inside = np.vdot(one[:count], other[count:-1])
        return float(inside) + float(np.vdot(one[-1], other[-1]))

    start = np.zeros(whole, dtype=np.float32)
    steepest = finish(objective(start)[1])
    bend = np.vdot(steepest[count:-1], steepest[count:-1])
    bend /= max(np.vdot(steepest[:count], steepest[count:-1]), np.finfo(np.float32).tiny)
    scale = np.full((whole[0], 1), 1 / (curvature * bend / count + ridge), dtype=np.float32)
    scale[-1] = 1 / curvature
    solved = descend(objective, start, scale, tolerance, dot=dot, finish=finish)
    return np.vstack([rows.transposed_times(solved[:count]), solved[-1:]])


def _parts(vector: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return multiples of the rows (n,K), the scores (n,K) that they give, and the bias (K,)."""
    return vector[:count], vector[count:-1], vector[-1]


def _scores(rows: SparseRows, combined: np.ndarray) -> np.ndarray:
    """Return the scores (n,K) of the rows by the weights that ``combined`` (n,K) of them are."""
    return rows.times(rows.transposed_times(combined))
