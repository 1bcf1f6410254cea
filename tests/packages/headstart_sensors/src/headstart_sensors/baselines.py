"""Features that anyone could have in an hour; pre-training has to beat them. Imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from headstart_sensors.readings import even

if TYPE_CHECKING:
    from datasets import Dataset

#: Readings that a spectrum is taken of.
LENGTH = 128


def statistics(records: Dataset) -> np.ndarray:
    """Return mean, deviation, least and largest reading (N,4) of each series."""
    rows = [np.asarray(readings) for readings in records["series"]]
    return np.array(
        [(row.mean(), row.std(), row.min(), row.max()) for row in rows], dtype=np.float32
    )


def spectrum(records: Dataset) -> np.ndarray:
    """Return how much of each frequency (N,F) is in each series, on a scale of logarithms."""
    return np.log1p(np.abs(np.fft.rfft(even(records["series"], LENGTH)))).astype(np.float32)
