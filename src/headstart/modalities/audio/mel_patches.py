"""Patches of log-mel spectrograms that k-means found, counted on a grid of time.

Coates, Ng & Lee 2011, "An analysis of single-layer networks in unsupervised feature learning":
normalised and whitened patches, centroids by k-means, and the "triangle" activation.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from headstart.modalities.spectra import on_grid

#: Frames of a patch, which has all bands; cells of time; centroids; principal components.
WIDTH, CELLS, CENTROIDS, COMPONENTS = 7, 5, 256, 48
#: Patches that the centroids are fitted on.
MOST = 50_000
#: Added to the variance of a patch, and to that of a component, so that silence stays small.
_CONTRAST, _WHITENING = 0.5, 0.05


class MelPatches:
    """Fitted centroids of patches.

    Args:
        spectra: log-mel spectrograms (M,T) of recordings, without padding.
        seed: of the sample and of k-means.
    """

    def __init__(self, spectra: Iterable[Tensor], seed: int) -> None:
        from sklearn.cluster import MiniBatchKMeans

        found = torch.cat([_patches(each[None])[0].T for each in spectra])  # (P,D)
        rng = np.random.Generator(np.random.PCG64(seed))
        chosen = np.sort(rng.permutation(len(found))[:MOST])
        rows = _normal(found[torch.from_numpy(chosen)])
        self._mean = rows.mean(0)
        centred = rows - self._mean
        values, vectors = torch.linalg.eigh(centred.T @ centred / len(rows))
        size = min(COMPONENTS, rows.shape[1])
        values, vectors = values[-size:], vectors[:, -size:]
        self._whitening = vectors / (values + _WHITENING).sqrt()
        count = min(CENTROIDS, len(rows))
        white = (centred @ self._whitening).numpy()
        means = MiniBatchKMeans(count, batch_size=4096, n_init=1, random_state=seed % 2**32)
        self._centroids = torch.from_numpy(means.fit(white).cluster_centers_).float()

    def __call__(self, mel: Tensor, frames: Tensor) -> Tensor:
        """Return how near each cell of time is to each centroid (B,256 x 5).

        Args:
            mel: (B,M,T) spectrograms.
            frames: (B,) the real frames of each.
        """
        found = _patches(mel)  # (B,D,T)
        white = (_normal(found.transpose(1, 2)) - self._mean) @ self._whitening
        distances = torch.cdist(white, self._centroids[None])
        near = (distances.mean(2, keepdim=True) - distances).clamp(min=0)
        return on_grid(near.transpose(1, 2), frames, CELLS).flatten(1)


def _patches(mel: Tensor) -> Tensor:
    """Return the frames around each frame (B,M x WIDTH,T); the ends are repeated."""
    half = WIDTH // 2
    padded = torch.nn.functional.pad(mel, (half, half), mode="replicate")
    return padded.unfold(2, WIDTH, 1).permute(0, 1, 3, 2).flatten(1, 2)


def _normal(rows: Tensor) -> Tensor:
    """Return patches (...,D) of mean 0 and about deviation 1."""
    rows = rows - rows.mean(-1, keepdim=True)
    return rows / (rows.var(-1, keepdim=True) + _CONTRAST).sqrt()
