"""Scores from a confusion matrix, with confidence intervals.

A score varies with the labels that are drawn and with the records that are tested. The first is
estimated from the spread over draws (Student's t), the second by resampling the tested records
(bootstrap); an interval covers both, as if independent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from headstart.data.labels import FEWEST_TESTED

SCORES = ("accuracy", "precision", "recall", "f1")
_RESAMPLES = 500
_NORMAL = 1.959964
#: Resampled counts in memory at once.
_CELLS = 2**22


@dataclass(frozen=True)
class Estimate:
    """A mean with its 95% interval; scores and differences of scores are shares of 1."""

    mean: float
    low: float
    high: float


def confusion(truth: np.ndarray, predicted: np.ndarray, classes: int) -> sparse.csr_matrix:
    """Return counts (K,K) int64: row = true class, column = predicted class.

    They are sparse: of many classes most pairs never occur.
    """
    ones = np.ones(len(truth), dtype=np.int64)
    return sparse.csr_matrix((ones, (truth, predicted)), (classes, classes))


def scores(counts: sparse.csr_matrix) -> np.ndarray:
    """Return (4,), the :data:`SCORES` of a confusion matrix (K,K).

    Precision, recall and F1 are macro averages over the classes that occur in the truth or in
    the predictions; a class that is never predicted has precision 0.
    """
    predicted, true = (np.asarray(counts.sum(axis)).ravel() for axis in (0, 1))
    return _scores(counts.diagonal(), predicted, true)


def _scores(right: np.ndarray, predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Return (...,4) from the numbers (...,K) of right, of predicted and of true members."""
    present = (predicted + true) > 0
    every_class = (
        right / np.maximum(predicted, 1),
        right / np.maximum(true, 1),
        2 * right / np.maximum(predicted + true, 1),
    )
    accuracy = right.sum(-1) / np.maximum(true.sum(-1), 1)
    macro = [value.sum(-1) / np.maximum(present.sum(-1), 1) for value in every_class]
    return np.stack([accuracy, *macro], axis=-1)


def t_half_width(values: np.ndarray) -> np.ndarray:
    """Return half the 95% t interval of the mean over draws, ``values`` (S,...); 0 for one."""
    draws = len(values)
    if draws < 2:
        return np.zeros(values.shape[1:])
    # Heads import this module, and a server would wait a second for all distributions.
    from scipy.stats import t

    return t.ppf(0.975, draws - 1) * values.std(0, ddof=1) / np.sqrt(draws)


def estimates(
    truth: np.ndarray,
    predictions: np.ndarray,
    classes: int,
    rng: np.random.Generator,
    groups: np.ndarray | None = None,
) -> dict[str, Estimate]:
    """Return the :data:`SCORES` with intervals.

    Args:
        truth: (N,) true classes.
        predictions: (S,N) predicted classes, one row a draw of labels.
        classes: K.
        rng: draws the bootstrap samples of the N tested records.
        groups: (N,) of these, which are resampled as wholes; None where each stands alone.
    """
    matrices = [confusion(truth, row, classes) for row in predictions]
    by_draw = np.stack([scores(matrix) for matrix in matrices])
    mean = by_draw.mean(0)
    if groups is None:
        variances = [_bootstrap_variance(matrix, rng) for matrix in matrices]
    else:
        variances = [_group_variance(truth, row, classes, groups, rng) for row in predictions]
    variance = np.stack(variances).mean(0)
    half = np.hypot(t_half_width(by_draw), _NORMAL * np.sqrt(variance))
    if len(truth) < FEWEST_TESTED:  # that few agree by chance shows in no resample
        half = np.maximum(half, 1 - 0.025 ** (1 / len(truth)))
    low, high = np.maximum(mean - half, 0), np.minimum(mean + half, 1)
    return {
        name: Estimate(float(mean[i]), float(low[i]), float(high[i]))
        for i, name in enumerate(SCORES)
    }


def difference(right: np.ndarray, other: np.ndarray) -> Estimate:
    """Return the paired difference in accuracy of two candidates, with its interval.

    Args:
        right: (S,N) bool, where the one was right; the same draws and records as ``other``.
        other: (S,N) bool, where the other was right.
    """
    gains = right.astype(np.float64) - other
    tested = gains.shape[1]
    by_record = gains.mean(0)
    # The bootstrap variance of a mean has a closed form; no need to resample.
    spread = by_record.std() / np.sqrt(tested)
    half = float(np.hypot(t_half_width(gains.mean(1)), _NORMAL * spread))
    mean = float(gains.mean())
    return Estimate(mean, mean - half, mean + half)


def _bootstrap_variance(matrix: sparse.csr_matrix, rng: np.random.Generator) -> np.ndarray:
    """Return (4,): resampling N records is one multinomial draw from the confusion matrix.

    Only cells with records are drawn, N at most.
    """
    tested = int(matrix.sum())
    cells = matrix.tocoo()
    sums = _sums(cells.row, cells.col, matrix.shape[0])
    return _variance(tested, cells.data / tested, sums, rng)


def _group_variance(
    truth: np.ndarray,
    predicted: np.ndarray,
    classes: int,
    groups: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Return (4,), resampling G groups (N,) of records, each with all of its records."""
    count = int(groups.max()) + 1
    members = _members(groups, count).T
    sums = [sparse.csr_matrix(members @ each) for each in _sums(truth, predicted, classes)]
    return _variance(count, np.full(count, 1 / count), sums, rng)


def _sums(true: np.ndarray, predicted: np.ndarray, classes: int) -> list[Any]:
    """Return the sparse indicators (n,K) of right, predicted and true members."""
    own = _members(true, classes)
    right = sparse.csr_matrix(own.multiply((true == predicted)[:, None]))
    return [right, _members(predicted, classes), own]


def _variance(
    count: int, share: np.ndarray, sums: list[Any], rng: np.random.Generator
) -> np.ndarray:
    """Return the variances (4,) of the scores of ``count`` draws of rows (n,) of ``sums`` (n,K)."""
    at_once = max(1, _CELLS // max(sums[0].shape))
    found = []
    for start in range(0, _RESAMPLES, at_once):
        drawn = rng.multinomial(count, share, size=min(at_once, _RESAMPLES - start))
        found.append(_scores(*(np.asarray(drawn @ each) for each in sums)))
    return np.concatenate(found).var(0)


def _members(codes: np.ndarray, classes: int) -> Any:
    """Return the sparse indicators (n,K) of the classes ``codes`` (n,)."""
    ones = np.ones(len(codes), dtype=np.int64)
    return sparse.csr_matrix((ones, (np.arange(len(codes)), codes)), (len(codes), classes))
