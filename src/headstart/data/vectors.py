"""Feature matrices, dense or sparse."""

from __future__ import annotations

from typing import Any

#: (N,D) float32 features: a numpy array, or a scipy sparse CSR matrix (which has no type stubs).
Matrix = Any


def unit_length(features: Matrix) -> Matrix:
    """Return the rows of ``features`` (N,D) at Euclidean length 1; a row of zeros stays."""
    from sklearn.preprocessing import normalize

    return normalize(features) if features.shape[0] else features
