"""Patches that k-means found in images without labels, and how much of each an image has.

Coates, Lee & Ng 2011, "An Analysis of Single-Layer Networks in Unsupervised Feature Learning":
patches are normalised in contrast and whitened, and an image's patches activate the centroids that
are nearer than the mean ("triangle"), summed over the four quadrants of the image.
"""

from __future__ import annotations

import warnings

import torch
from torch import Tensor
from torch.nn import functional as F

from headstart.seeding import numbers

#: Centroids, and pixels a side of a patch.
CENTROIDS, SIDE = 400, 6
#: Pixels between patches. With 1, the paper's choice, an image takes four times as long.
STRIDE = 2
#: Patches that are clustered, and the most rounds of k-means.
PATCHES, ROUNDS = 50_000, 20
#: Added to the variance of a patch, of bytes, and to those of whitening (section 3.1.1).
CONTRAST, WHITENING = 10.0, 0.1
#: Share of the whitened variance that is kept. The last dimensions are noise.
KEPT = 0.98
#: Images at a time, so that the activations fit in a CPU's cache.
_GROUP = 8


class Patches:
    """Centroids of whitened patches.

    Whitening by principal components gives the distances of the paper's ZCA, a rotation of them,
    and lets the smallest dimensions be dropped.

    Args:
        images: (N,3,H,W) bytes, without labels.
        seed: of the patches that are drawn and of k-means.
    """

    def __init__(self, images: Tensor, seed: int) -> None:
        from sklearn.cluster import KMeans
        from sklearn.exceptions import ConvergenceWarning

        rows = _sample(images, seed)
        self._mean = rows.mean(0)
        rows = rows - self._mean
        variances, directions = torch.linalg.eigh(rows.T @ rows / len(rows))
        scales = (variances.clamp(min=0) + WHITENING).rsqrt()
        left = (variances * scales**2).flip(0).cumsum(0)  # descending: eigh's order is ascending
        size = int((left < KEPT * left[-1]).sum()) + 1
        self._whiten = (directions * scales).flip(1)[:, :size].contiguous()
        rows = rows @ self._whiten
        means = KMeans(
            min(CENTROIDS, len(rows)),
            init="random",
            n_init=1,
            max_iter=ROUNDS,
            random_state=seed % 2**32,
        )
        with warnings.catch_warnings():  # fewer different patches than centroids
            warnings.simplefilter("ignore", ConvergenceWarning)
            self._centroids = torch.from_numpy(means.fit(rows.numpy()).cluster_centers_)

    def __call__(self, pixels: Tensor) -> Tensor:
        """Return the mean activations (B,4K) in the quadrants of images (B,3,H,W) of bytes."""
        return torch.cat([self._activations(group) for group in pixels.split(_GROUP)])

    def _activations(self, pixels: Tensor) -> Tensor:
        height, width = ((side - SIDE) // STRIDE + 1 for side in pixels.shape[2:])
        rows = (_contrast(pixels, STRIDE) - self._mean) @ self._whiten  # (B,L,d)
        flat = rows.flatten(0, 1)
        squares = torch.addmm(
            self._centroids.square().sum(1), flat, self._centroids.T, alpha=-2
        ).add_(flat.square().sum(1, keepdim=True))
        distances = squares.clamp_(min=0).sqrt_()  # (BL,K)
        active = (distances.mean(1, keepdim=True) - distances).relu_()
        return (_quadrants(height, width) @ active.view(len(pixels), -1, active.shape[1])).flatten(
            1
        )


def _contrast(pixels: Tensor, stride: int) -> Tensor:
    """Return the patches (B,L,108) of images (B,3,H,W) of bytes, of mean 0 and variance 1."""
    rows = F.unfold(pixels.float(), SIDE, stride=stride).transpose(1, 2)
    variances, means = torch.var_mean(rows, 2, keepdim=True)
    return (rows - means) * (variances + CONTRAST).rsqrt()


def _sample(images: Tensor, seed: int) -> Tensor:
    """Return patches (n,108) at random positions of random images."""
    rng = numbers(seed, "patches")
    per_image = -(-PATCHES // len(images))
    drawn = []
    for group in images.split(64):
        rows = _contrast(group, 1)
        chosen = rng.integers(0, rows.shape[1], (len(rows), per_image))
        drawn.append(rows[torch.arange(len(rows))[:, None], torch.from_numpy(chosen)].flatten(0, 1))
    return torch.cat(drawn)


def _quadrants(height: int, width: int) -> Tensor:
    """Return (4,height*width): the weights of the means over the four quadrants."""
    down, across = (torch.arange(side) * 2 // side for side in (height, width))
    quadrant = (2 * down[:, None] + across).flatten()
    inside = F.one_hot(quadrant, 4).T.float()
    return inside / inside.sum(1, keepdim=True).clamp(min=1)
