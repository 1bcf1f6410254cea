"""Probabilities that can be taken at their word: a temperature, and how far off they are."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

#: Least number of held-out labels that set a temperature.
FEWEST = 20
#: Bounds of the temperature, and bins of the error.
BOUNDS, BINS = (0.2, 5.0), 15


class Calibration(NamedTuple):
    """What dividing log-probabilities by a temperature changes, on held-out labels.

    Attributes:
        before, after: expected calibration error; after it, that of either half of the labels by
            the temperature of the other half, so that none sets what it is scored by.
    """

    temperature: float = 1.0
    before: float = np.nan
    after: float = np.nan


#: What leaves log-probabilities as they are.
UNCHANGED = Calibration()


def calibrated(logs: np.ndarray, codes: np.ndarray) -> Calibration:
    """Return the temperature with the lowest log loss (Guo et al. 2017, section 4.2).

    It is 1 where fewer than 20 labels were held out, or a class has a single one: measured to harm.

    Args:
        logs: (n,K) log-probabilities of labels while they were held out.
        codes: (n,) their classes; -1 where none could be right.
    """
    scored = codes >= 0
    if scored.sum() < FEWEST or not scored.all():
        return UNCHANGED
    halves = np.arange(len(codes)) % 2
    cooled = logs.copy()
    for half in (0, 1):
        others = halves != half
        cooled[~others] = at_temperature(logs[~others], _fitted(logs[others], codes[others]))
    return Calibration(
        _fitted(logs, codes), calibration_error(logs, codes), calibration_error(cooled, codes)
    )


def _fitted(logs: np.ndarray, codes: np.ndarray) -> float:
    """Return the temperature with the lowest log loss."""
    from scipy.optimize import minimize_scalar

    def loss(power: float) -> float:
        cooled = at_temperature(logs, float(np.exp(power)))
        return float(-cooled[np.arange(len(codes)), codes].mean())

    found = minimize_scalar(loss, bounds=np.log(BOUNDS), method="bounded")
    return float(np.exp(found.x))


def at_temperature(logs: np.ndarray, temperature: float) -> np.ndarray:
    """Return log-probabilities (m,K), divided by a temperature and normalised again."""
    from scipy.special import log_softmax

    if temperature == 1:
        return logs
    found: np.ndarray = log_softmax(logs / temperature, axis=1)
    return found


def calibration_error(logs: np.ndarray, codes: np.ndarray) -> float:
    """Return the expected calibration error, in 15 bins of equal width (Guo et al. 2017, eq. 3).

    Args:
        logs: (n,K) log-probabilities; codes: (n,) the classes.
    """
    best = logs.argmax(1)
    sure = np.exp(logs[np.arange(len(codes)), best])
    bins = np.minimum((sure * BINS).astype(int), BINS - 1)
    gaps = np.bincount(bins, weights=(best == codes) - sure, minlength=BINS)
    return float(np.abs(gaps).sum() / len(codes))
