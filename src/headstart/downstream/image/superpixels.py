"""Superpixels: small pieces of an image, each of one colour, and what each looks like.

SLIC (Achanta et al. 2012, "SLIC Superpixels Compared to State-of-the-Art Superpixel Methods"):
k-means over colour and position, in which a pixel is compared with the nearest pieces only.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from headstart.batch import unit_pixels
from headstart.modalities.image.hog import DIRECTIONS, directions

#: Pixels between the centres at the start, rounds of k-means, and the weight of position: the
#: difference in colour, 0..1, that counts as much as a whole :data:`SPACING`.
SPACING, ROUNDS, COMPACT = 6, 5, 0.1
#: Sides in pixels of the squares around a piece that describe its surroundings.
AROUND = (15, 45)


def superpixels(image: Tensor) -> np.ndarray:
    """Return the number (H,W) int64 of each pixel's piece, for an image (3,H,W) of bytes."""
    pixels = unit_pixels(image)
    height, width = image.shape[1:]
    rows, columns = max(1, round(height / SPACING)), max(1, round(width / SPACING))
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    place = torch.stack([y, x]) * (COMPACT / SPACING)
    values = torch.cat([pixels, place]).flatten(1).T  # (HW,5)
    row, column = y * rows // height, x * columns // width
    piece = (row * columns + column).flatten()
    # A pixel may join the pieces that began in its own cell of the grid and the eight around it.
    steps = torch.tensor([-1, 0, 1])
    near = (row.flatten()[:, None, None] + steps[:, None]).clamp(0, rows - 1) * columns + (
        column.flatten()[:, None, None] + steps
    ).clamp(0, columns - 1)
    near = near.flatten(1)  # (HW,9)
    for _ in range(ROUNDS):
        centres = _means(values, piece, rows * columns)
        distances = torch.stack([(values - centres[some]).square().sum(1) for some in near.T], 1)
        piece = near.gather(1, distances.argmin(1, keepdim=True))[:, 0]
    return torch.unique(piece, return_inverse=True)[1].view(height, width).numpy()


def described(image: Tensor, pieces: np.ndarray) -> np.ndarray:
    """Return features (n,61) float32 of the pieces (H,W) of an image (3,H,W) of bytes.

    Colour and its spread, gradients by direction, the same of two larger squares around, the mean
    colour of the image, and the position.
    """
    pixels = unit_pixels(image[None])
    signed = directions(pixels)
    half = DIRECTIONS // 2
    maps = torch.cat([pixels, pixels.square(), signed[:, :half] + signed[:, half:]], 1)
    height, width = image.shape[1:]
    y, x = torch.meshgrid(torch.linspace(0, 1, height), torch.linspace(0, 1, width), indexing="ij")
    wide = [
        F.avg_pool2d(maps, side, stride=1, padding=side // 2, count_include_pad=False)[0]
        for side in AROUND
    ]
    whole = pixels.mean((2, 3))[0][:, None, None].expand(3, height, width)
    every = torch.cat([maps[0], *wide, whole, torch.stack([y, x, (x - 0.5).abs(), y * y])])
    count = int(pieces.max()) + 1
    means = _means(every.flatten(1).T, torch.from_numpy(pieces).flatten(), count)
    for start in range(0, len(maps[0]) * (1 + len(AROUND)), len(maps[0])):
        colour, squares = means[:, start : start + 3], means[:, start + 3 : start + 6]
        means[:, start + 3 : start + 6] = (squares - colour.square()).clamp(min=0).sqrt()
    return means.numpy()


def _means(values: Tensor, piece: Tensor, count: int) -> Tensor:
    """Return the mean (count,D) of the values (N,D) of each piece; 0 where it has none."""
    sums = torch.zeros(count, values.shape[1]).index_add_(0, piece, values)
    return sums / torch.bincount(piece, minlength=count).clamp(min=1)[:, None]
