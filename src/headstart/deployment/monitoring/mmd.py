"""Whether two samples of vectors are of one distribution: the kernel two-sample test.

The statistic is the unbiased squared maximum mean discrepancy with a Gaussian kernel, whose width
is the median distance (Gretton et al. 2012, https://jmlr.org/papers/v13/gretton12a.html, Lemma 6).
Its p-value comes from permutations, so that it holds at any size and for any features.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

#: Permutations are drawn until so many are at least as extreme (Besag and Clifford 1991): what is
#: plainly alike takes some dozens, and only what is plainly different takes all.
EXTREME = 10
#: Permutations at once, and at most.
BATCH, MOST = 250, 40_000

#: From n permutations, as the indices (n,m) of the second sample, to their statistics (n,).
Statistic = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Tested:
    """A statistic with its p-value."""

    statistic: float
    p_value: float


def kernel(features: np.ndarray) -> np.ndarray:
    """Return the Gaussian kernel (N,N) of features (N,D), with zeros on its diagonal."""
    features = np.asarray(features, dtype=np.float32)
    squares = np.einsum("ij,ij->i", features, features)
    distances = squares[:, None] + squares[None, :] - 2 * (features @ features.T)
    np.maximum(distances, 0, out=distances)
    above = distances[np.triu_indices(len(features), 1)]
    positive = above[above > 1e-12]
    width = float(np.median(positive)) if len(positive) else 1.0
    found: np.ndarray = np.exp(-distances / width)
    np.fill_diagonal(found, 0)
    return found


def discrepancy(similarities: np.ndarray, second: int) -> Statistic:
    """Return the unbiased squared discrepancy of a kernel (N,N) as a function of permutations.

    Args:
        second: m, the size of the second sample.
    """
    total, m = len(similarities), second
    n = total - m
    rows = similarities.sum(1, dtype=np.float64)
    every = float(rows.sum())

    def statistic(drawn: np.ndarray) -> np.ndarray:
        chosen = np.zeros((total, len(drawn)), dtype=np.float32)
        chosen[drawn.T, np.arange(len(drawn))[None, :]] = 1
        inside = np.einsum("ij,ij->j", chosen, similarities @ chosen).astype(np.float64)
        touched = rows @ chosen
        first = (every - 2 * touched + inside) / (n * (n - 1))
        found: np.ndarray = first + inside / (m * (m - 1)) - 2 * (touched - inside) / (n * m)
        return found

    return statistic


def permuted(
    statistic: Statistic, total: int, second: int, level: float, generator: np.random.Generator
) -> Tested:
    """Return the statistic of the last ``second`` of ``total`` records, and its p-value.

    Args:
        level: the level that the p-value is compared with: it decides how many permutations there
            are, so that a p-value below it is possible.
    """
    observed = float(statistic(np.arange(total - second, total)[None, :])[0])
    most = min(MOST, max(1000, int(4 / level)))
    drawn = extreme = 0
    slack = 1e-9 * abs(observed)  # the same sample gives the same number but for rounding
    while drawn < most:
        count = min(BATCH, most - drawn)
        order = np.argpartition(generator.random((count, total)), second - 1, axis=1)
        reached = np.flatnonzero(statistic(order[:, :second]) >= observed - slack)
        if extreme + len(reached) >= EXTREME:
            last = int(reached[EXTREME - extreme - 1])
            return Tested(observed, EXTREME / (drawn + last + 1))
        extreme += len(reached)
        drawn += count
    return Tested(observed, (extreme + 1) / (drawn + 1))


def mmd_test(
    baseline: np.ndarray, new: np.ndarray, level: float, generator: np.random.Generator
) -> Tested:
    """Return the discrepancy of two samples (N,D) and (M,D), and its p-value.

    Example::

        mmd_test(features_of_last_year, features_of_today, 0.05, np.random.default_rng(0)).p_value
    """
    both = np.concatenate([baseline, new])
    statistic = discrepancy(kernel(both), len(new))
    return permuted(statistic, len(both), len(new), level, generator)


def witness(baseline: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Return (M,) how much each new record speaks for a difference, the most foreign highest.

    It is the witness function of the discrepancy: the mean similarity to the new sample less that
    to the baseline.
    """
    n, m = len(baseline), len(new)
    similarities = kernel(np.concatenate([baseline, new]))[n:]
    found: np.ndarray = similarities[:, n:].sum(1) / max(1, m - 1) - similarities[:, :n].sum(1) / n
    return found
