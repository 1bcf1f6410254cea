"""Histograms of oriented gradients with mean colours: shape and colour of an image, coarsely.

Dalal & Triggs 2005, "Histograms of Oriented Gradients for Human Detection", in the form of
Felzenszwalb et al. 2010, "Object Detection with Discriminatively Trained Part-Based Models",
section 6: directions with and without their sign, and the texture energy of each cell.
"""

from __future__ import annotations

import math
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional as F

from headstart.batch import unit_pixels

#: Cells per side.
CELLS = 4
#: Directions over the full circle; half as many without their sign.
DIRECTIONS = 18
#: Largest share of a normalised histogram in one bin (Dalal & Triggs 2005, section 6.4).
_CLIP = 0.2
#: Weight of a texture energy (Felzenszwalb et al. 2010, section 6.2).
_TEXTURE = 1 / math.sqrt(DIRECTIONS)
#: Images at a time, so that their gradient maps fit in a CPU's cache.
_GROUP = 32


def hog_and_colour(pixels: Tensor, cells: int = CELLS) -> Tensor:
    """Return the HOG and the mean colour of ``cells`` x ``cells`` cells.

    Args:
        pixels: (B,3,H,W), bytes or floats 0..1.

    Returns:
        (B, 34 cells^2) floats: of each cell 18 signed and 9 unsigned directions, 4 texture
        energies, and red, green and blue.
    """
    return torch.cat([_features(group, cells) for group in pixels.split(_GROUP)])


def _features(pixels: Tensor, cells: int) -> Tensor:
    images = unit_pixels(pixels)
    height, width = images.shape[2:]
    signed = _pooled(directions(images), _triangles(height, cells), _triangles(width, cells))
    colours = _pooled(images, _boxes(height, cells), _boxes(width, cells))
    return torch.cat([_normalised(signed), colours], 1).flatten(1)


def directions(images: Tensor) -> Tensor:
    """Return the gradients (B,18,H,W), each shared by the two nearest directions.

    A pixel's gradient is that of its strongest channel, of the square roots of the pixels, which
    make it depend less on the light.
    """
    padded = F.pad(images.sqrt(), (1, 1, 1, 1), mode="replicate")
    across = padded[:, :, 1:-1, 2:] - padded[:, :, 1:-1, :-2]
    down = padded[:, :, 2:, 1:-1] - padded[:, :, :-2, 1:-1]
    power, strongest = (across.square() + down.square()).max(1, keepdim=True)
    angle = torch.atan2(down.gather(1, strongest), across.gather(1, strongest))
    turns = angle.mul_(DIRECTIONS / (2 * math.pi)).remainder_(DIRECTIONS)
    lower = turns.floor()
    share, strength = turns - lower, power.sqrt()
    lower = lower.long() % DIRECTIONS
    maps = images.new_zeros(len(images), DIRECTIONS, *images.shape[2:])
    maps.scatter_(1, lower, strength * (1 - share))
    return maps.scatter_(1, (lower + 1) % DIRECTIONS, strength * share)


def _normalised(signed: Tensor) -> Tensor:
    """Return (B,31,n,n) from histograms (B,18,n,n), by the four blocks around each cell."""
    unsigned = signed[:, : DIRECTIONS // 2] + signed[:, DIRECTIONS // 2 :]
    energy = unsigned.square().sum(1, keepdim=True)
    blocks = 4 * F.avg_pool2d(F.pad(energy, (1, 1, 1, 1), mode="replicate"), 2, stride=1)
    scales = (blocks + 1e-4).rsqrt()
    count = signed.shape[2]
    every = torch.cat([signed, unsigned], 1)
    parts = [
        (every * scales[:, :, top : top + count, left : left + count]).clamp(max=_CLIP)
        for top in (0, 1)
        for left in (0, 1)
    ]
    textures = [_TEXTURE * part[:, :DIRECTIONS].sum(1, keepdim=True) for part in parts]
    return torch.cat([torch.stack(parts).sum(0) / 2, *textures], 1)


def _pooled(maps: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Return weighted sums (B,C,n,n) of maps (B,C,H,W) by weights (n,H) and (n,W)."""
    return rows @ (maps @ columns.T)


@cache
def _triangles(side: int, cells: int) -> Tensor:
    """Return weights (n,side): a pixel is shared by the cells whose centres are nearest."""
    pixel, centre = (torch.arange(side) + 0.5) * cells / side, torch.arange(cells) + 0.5
    weights = (1 - (pixel - centre[:, None]).abs()).clamp(min=0)
    return weights * cells / side


@cache
def _boxes(side: int, cells: int) -> Tensor:
    """Return weights (n,side) of the means over cells; a pixel on an edge is shared."""
    edges = torch.arange(cells + 1) * side / cells
    pixel = torch.arange(side)
    upper, lower = torch.minimum(edges[1:, None], pixel + 1), torch.maximum(edges[:-1, None], pixel)
    return (upper - lower).clamp(min=0) * cells / side
