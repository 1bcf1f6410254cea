"""Readings as arrays of one length. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

#: Where :meth:`headstart_sensors.modality.SeriesModality.prepare` stores them.
STORED = "series.npy"


def even(series: Iterable[Sequence[float]], length: int) -> np.ndarray:
    """Return series (N,T) float32 at ``length`` readings; others are interpolated linearly."""
    rows = [np.asarray(readings, dtype=np.float32) for readings in series]
    at = np.linspace(0.0, 1.0, length)
    found = [
        row if len(row) == length else np.interp(at, np.linspace(0.0, 1.0, len(row)), row)
        for row in rows
    ]
    return np.stack(found).astype(np.float32) if found else np.zeros((0, length), np.float32)
