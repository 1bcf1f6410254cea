"""Bootstrap resamples of the tested units, as counts, so that any metric can be put on them.

Every outcome of one evaluation is scored on the same resamples, so that two of them can be
compared in pairs whatever the metric is (Efron and Tibshirani 1993, chapter 13).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from headstart.evaluation.metrics import Estimate, t_half_width
from headstart.seeding import derive

RESAMPLES = 500
_NORMAL = 1.959964
#: Most counts that are held at a time.
_CELLS = 2**22


@dataclass(frozen=True)
class Sampled:
    """One metric of one contender.

    Attributes:
        by_draw: (S,) its value for each draw of labels, on all tested units.
        resampled: (R,) its mean over the draws, on each resample of the tested units.
    """

    by_draw: np.ndarray
    resampled: np.ndarray

    def estimate(self, low: float = 0.0, high: float = 1.0) -> Estimate:
        """Return the mean with its 95 % interval, which covers both sources of chance.

        The spread over draws (Student's t) and over resamples are added as if independent.

        Args:
            low, high: the bounds of the metric, at which the interval is cut.
        """
        mean = float(self.by_draw.mean())
        half = float(np.hypot(t_half_width(self.by_draw), _NORMAL * self.resampled.std()))
        return Estimate(mean, max(mean - half, low), min(mean + half, high))


def resample(count: int, seed: int, statistic: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Return ``statistic`` (R,...) of bootstrap resamples of ``count`` units.

    Args:
        seed: the same seed and count give the same resamples.
        statistic: called with counts (r,count) float32, how often each unit is in each of some
            resamples; it returns (r,...), one value or more a resample.
    """
    rng = np.random.Generator(np.random.PCG64(derive(seed, "bootstrap")))
    at_once = max(1, min(RESAMPLES, _CELLS // max(1, count)))
    found = []
    for start in range(0, RESAMPLES, at_once):
        rows = min(at_once, RESAMPLES - start)
        drawn = rng.integers(0, count, (rows, count)) + np.arange(rows)[:, None] * count
        counts = np.bincount(drawn.ravel(), minlength=rows * count).reshape(rows, count)
        found.append(np.asarray(statistic(counts.astype(np.float32)), dtype=np.float64))
    return np.concatenate(found)


def averaged(values: np.ndarray, seed: int) -> Sampled:
    """Return a metric that is a mean over units: ``values`` (S,N), one a draw and unit."""
    by_unit = values.mean(0, dtype=np.float64)
    count = values.shape[1]
    return Sampled(
        values.mean(1, dtype=np.float64), resample(count, seed, lambda w: w @ by_unit / count)
    )


def ranks(values: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return the mid-ranks (r,N) that ``values`` (N,) have in each resample ``counts`` (r,N)."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    first = np.append(True, ordered[1:] != ordered[:-1])
    sizes = np.add.reduceat(counts[:, order].astype(np.float64), np.flatnonzero(first), axis=1)
    middle = np.cumsum(sizes, axis=1) - sizes + (sizes + 1) / 2
    found = np.empty(counts.shape)
    found[:, order] = middle[:, np.cumsum(first) - 1]
    return found


def correlation(left: np.ndarray, right: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return Pearson's correlation (r,) of ``left`` and ``right``, (N,) or (r,N), by resample.

    Where one of the two is constant there is none, and 0 is returned.
    """
    total = counts.sum(1, keepdims=True)
    centred = [values - (counts * values).sum(1, keepdims=True) / total for values in (left, right)]
    products = [
        (counts * one * other).sum(1)
        for one, other in ((centred[0], centred[1]), (centred[0],) * 2, (centred[1],) * 2)
    ]
    scale = np.sqrt(products[1] * products[2])
    return np.divide(products[0], scale, out=np.zeros(len(counts)), where=scale > 0)
