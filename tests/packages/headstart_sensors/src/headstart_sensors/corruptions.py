"""Readings as the world delivers them: noisy, and with gaps. Imports no torch."""

from __future__ import annotations

import numpy as np

#: Standard deviation of the noise, as a share of the deviation of the series.
_NOISE = {1: 0.1, 2: 0.3, 3: 0.6}
#: Share of the readings that are lost.
_LOST = {1: 0.05, 2: 0.15, 3: 0.3}


def noise(readings: list[float], severity: int, rng: np.random.Generator) -> list[float]:
    """Add Gaussian noise to each reading."""
    row = np.asarray(readings)
    found: list[float] = (
        row + rng.standard_normal(len(row)) * _NOISE[severity] * row.std()
    ).tolist()
    return found


def dropout(readings: list[float], severity: int, rng: np.random.Generator) -> list[float]:
    """Lose single readings: the sensor repeats the one before."""
    row = np.asarray(readings)
    lost = rng.random(len(row)) < _LOST[severity]
    lost[0] = False
    found: list[float] = row[np.maximum.accumulate(np.where(lost, 0, np.arange(len(row))))].tolist()
    return found


CORRUPTIONS = {"noise": noise, "dropout": dropout}
