"""A two-dimensional map of vectors, and nearest neighbours."""

from __future__ import annotations

import numpy as np

#: Principal components that t-SNE is given (van der Maaten & Hinton 2008, section 4.2, use 30).
_DIMENSIONS = 50
#: Minimum number of records for a map.
FEWEST = 8


def unit(vectors: np.ndarray) -> np.ndarray:
    """Return ``vectors`` (N,D) as float32 rows of unit length; zero rows stay zero."""
    rows = np.asarray(vectors, dtype=np.float32)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    unit_rows: np.ndarray = rows / np.maximum(lengths, 1e-12)
    return unit_rows


def flat_map(vectors: np.ndarray, seed: int) -> np.ndarray:
    """Return positions (N,2) in 0..1 of vectors (N,D), near for vectors of high cosine.

    t-SNE (van der Maaten & Hinton 2008) of the unit vectors, initialised with their principal
    components, which keeps the global structure stable (Kobak & Berens 2019,
    https://www.nature.com/articles/s41467-019-13056-x). Distances between groups mean little.
    """
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    rows = unit(vectors)
    if np.ptp(rows, axis=0).max() < 1e-6:  # all are equal, for which neither is defined
        return np.full((len(rows), 2), 0.5)
    width = min(_DIMENSIONS, *rows.shape)
    reduced = PCA(width, random_state=seed).fit_transform(rows)
    perplexity = min(30.0, (len(rows) - 1) / 3)
    flat = TSNE(2, perplexity=perplexity, init="pca", random_state=seed).fit_transform(reduced)
    low, high = flat.min(0), flat.max(0)
    positions: np.ndarray = (flat - low) / np.maximum(high - low, 1e-9)
    return positions


def nearest(vectors: np.ndarray, queries: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return indices and cosines (Q,count) of the nearest others of ``vectors[queries]``, (N,D)."""
    rows = unit(vectors)
    cosines = rows[queries] @ rows.T
    cosines[np.arange(len(queries)), queries] = -np.inf
    indices = np.argsort(-cosines, axis=1, kind="stable")[:, :count]
    return indices, np.take_along_axis(cosines, indices, axis=1)
