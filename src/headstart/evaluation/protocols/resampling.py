"""Bootstrap resamples of the tested units, as counts, for any metric.

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
#: Maximum number of counts in memory at once.
_CELLS = 2**22


@dataclass(frozen=True)
class Sampled:
    """One metric of one candidate.

    Attributes:
        by_draw: (S,) its value for each draw of labels, on all tested units.
        by_resample: (S,R) its value for each draw on each resample of the tested units.
        low, high: the bounds of the metric.
    """

    by_draw: np.ndarray
    by_resample: np.ndarray
    low: float = 0.0
    high: float = 1.0

    def estimate(self) -> Estimate:
        """Return the mean with its 95% interval, which covers both sources of variance.

        The spreads over draws (Student's t) and over resamples are added; the interval is clipped
        to the bounds.
        """
        mean = float(self.by_draw.mean())
        tested = np.sqrt(over_units(self.by_resample))
        half = float(np.hypot(t_half_width(self.by_draw), _NORMAL * tested))
        return Estimate(mean, max(mean - half, self.low), min(mean + half, self.high))


def resample(
    count: int,
    seed: int,
    statistic: Callable[[np.ndarray], np.ndarray],
    groups: np.ndarray | None = None,
) -> np.ndarray:
    """Return ``statistic`` (R,...) of bootstrap resamples of ``count`` units.

    Args:
        seed: the same seed and count give the same resamples.
        statistic: called with counts (r,count) float32, how often each unit is in each of r
            resamples; it returns (r,...), one or more values per resample.
        groups: (count,) int64, 0..G-1: whole groups are resampled, as copies, or the records of one
            patient, are no independent evidence (the cluster bootstrap of Davison and Hinkley 1997,
            section 3.8).
    """
    units = count if groups is None else int(groups.max()) + 1
    rng = np.random.Generator(np.random.PCG64(derive(seed, "bootstrap")))
    at_once = max(1, min(RESAMPLES, _CELLS // max(1, count)))
    found = []
    for start in range(0, RESAMPLES, at_once):
        rows = min(at_once, RESAMPLES - start)
        drawn = rng.integers(0, units, (rows, units)) + np.arange(rows)[:, None] * units
        counts = np.bincount(drawn.ravel(), minlength=rows * units).reshape(rows, units)
        counts = counts if groups is None else counts[:, groups]
        found.append(np.asarray(statistic(counts.astype(np.float32)), dtype=np.float64))
    return np.concatenate(found)


def interaction(by_resample: np.ndarray) -> float:
    """Return the variance e^2 / N of a draw's score from the interaction of draws and units.

    In a table of S draws and N units, with variances a^2 of the draws, b^2 of the units and e^2 of
    their interaction, the scores of draws vary by a^2 + e^2 / N, those of one draw over resamples
    of the units by (b^2 + e^2) / N, and the mean over draws by (b^2 + e^2 / S) / N.

    Args:
        by_resample: (S,R) scores, S > 1.
    """
    draws = len(by_resample)
    alone, together = by_resample.var(axis=1).mean(), by_resample.mean(0).var()
    return max(0.0, float(alone - together)) * draws / (draws - 1)


def over_units(by_resample: np.ndarray) -> float:
    """Return the variance of a mean over draws that comes from the choice of tested units.

    The interaction of draws and units is in the variance between draws as well, and is subtracted
    here, so that it counts once: see :func:`interaction`.

    Args:
        by_resample: (S,R) scores; with a single draw the interaction cannot be separated.
    """
    together = float(by_resample.mean(0).var())
    draws = len(by_resample)
    return together if draws < 2 else max(0.0, together - interaction(by_resample) / draws)


def averaged(values: np.ndarray, seed: int, groups: np.ndarray | None = None) -> Sampled:
    """Return a metric that is a mean over units of ``values`` (S,N), one per draw and unit.

    Args:
        groups: (N,) of the units, which are resampled as wholes; None where each is alone.
    """
    rows = values.astype(np.float32)
    found = resample(
        values.shape[1], seed, lambda counts: counts @ rows.T / counts.sum(1, keepdims=True), groups
    )
    return Sampled(values.mean(1, dtype=np.float64), found.T)


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

    0 where one of the two is constant.
    """
    total = counts.sum(1, keepdims=True)
    centred = [values - (counts * values).sum(1, keepdims=True) / total for values in (left, right)]
    products = [
        (counts * one * other).sum(1)
        for one, other in ((centred[0], centred[1]), (centred[0],) * 2, (centred[1],) * 2)
    ]
    scale = np.sqrt(products[1] * products[2])
    return np.divide(products[0], scale, out=np.zeros(len(counts)), where=scale > 0)
