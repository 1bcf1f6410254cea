"""Feature matrices, dense or sparse."""

from __future__ import annotations

from typing import Any

import numpy as np

#: (N,D) float32 features: a numpy array, or a scipy sparse CSR matrix (which has no type stubs).
Matrix = Any


def unit_length(features: Matrix) -> Matrix:
    """Return the rows of ``features`` (N,D) at Euclidean length 1; a row of zeros stays."""
    if isinstance(features, np.ndarray) and features.dtype in (np.float32, np.float64):
        # Heads call this a thousand times on a few rows, where checking them again costs more.
        lengths = np.sqrt(np.einsum("nd,nd->n", features, features))[:, None]
        return features / np.where(lengths == 0, 1, lengths)
    from sklearn.preprocessing import normalize

    return normalize(features) if features.shape[0] else features
