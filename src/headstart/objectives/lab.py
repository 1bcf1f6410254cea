"""The CIE L*a*b* colour space (D65) on tensors, and its quantisation."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

#: From linear sRGB to XYZ (IEC 61966-2-1), and the white point: its row sums.
_XYZ = ((0.4124564, 0.3575761, 0.1804375), (0.2126729, 0.7151522, 0.0721750),
        (0.0193339, 0.1191920, 0.9503041))  # fmt: skip
_CUT = 6 / 29
#: Side of a bin of a and b (Zhang et al. 2016, "Colorful Image Colorization", section 2.1).
BIN = 10


def to_lab(pixels: Tensor) -> Tensor:
    """Convert sRGB pixels (...,3,H,W) in 0..1 to L (0..100), a and b (about -110..110)."""
    pixels = pixels.float()
    linear = torch.where(
        pixels > 0.04045, ((pixels.clamp(min=0) + 0.055) / 1.055) ** 2.4, pixels / 12.92
    )
    matrix = pixels.new_tensor(_XYZ)
    x, y, z = _mix(matrix / matrix.sum(1, keepdim=True), linear).unbind(-3)
    x, y, z = (
        torch.where(v > _CUT**3, v.clamp(min=1e-8) ** (1 / 3), v / (3 * _CUT**2) + 4 / 29)
        for v in (x, y, z)
    )
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], -3)


def from_lab(lab: Tensor) -> Tensor:
    """Convert L, a, b (...,3,H,W) to sRGB pixels in 0..1; colours out of gamut are clipped."""
    lightness, a, b = lab.float().unbind(-3)
    y = (lightness + 16) / 116
    ratios = torch.stack([y + a / 500, y, y - b / 200], -3)
    ratios = torch.where(ratios > _CUT, ratios**3, 3 * _CUT**2 * (ratios - 4 / 29))
    matrix = lab.new_tensor(_XYZ, dtype=torch.float32)
    inverse = torch.linalg.inv(matrix) * matrix.sum(1)
    linear = _mix(inverse, ratios).clamp(0, 1)
    curved = 1.055 * linear.clamp(min=1e-8) ** (1 / 2.4) - 0.055
    return torch.where(linear > 0.0031308, curved, 12.92 * linear).clamp(0, 1)


def _mix(matrix: Tensor, pixels: Tensor) -> Tensor:
    # Not a matrix product: bf16 autocast would round it to three digits.
    return (matrix[:, :, None, None] * pixels.unsqueeze(-4)).sum(-3)


@lru_cache(maxsize=1)
def gamut() -> Tensor:
    """Return the sorted centres (Q,2) of the a,b bins that sRGB covers; Q = 309.

    A grid point counts if an 8-bit colour is in one of the four cells around it, so that each
    colour has all four corners of its cell. The paper has Q = 313 points of the same grid and does
    not give its rule; its file also begins at (-90, 50).
    """
    # Projected along L, the surface of the colour cube covers all that the cube covers.
    steps = torch.linspace(0, 1, 256)
    one, two = torch.meshgrid(steps, steps, indexing="ij")
    faces = [
        torch.stack([*(one, two)[:axis], torch.full_like(one, end), *(one, two)[axis:]])
        for axis in range(3)
        for end in (0.0, 1.0)
    ]
    ab = torch.stack([to_lab(face)[1:] for face in faces]).permute(0, 2, 3, 1).reshape(-1, 2)
    corners = torch.cartesian_prod(torch.arange(2), torch.arange(2))
    # A colour on the border of two cells counts for both, however it is rounded.
    slack = 0.1 * (2 * corners - 1)
    cells = torch.unique(((ab[:, None] + slack) / BIN).floor().reshape(-1, 2), dim=0)
    return torch.unique((cells[:, None] + corners).reshape(-1, 2), dim=0) * BIN


def soft_bins(ab: Tensor, bins: Tensor, neighbours: int = 5, sigma: float = 5.0) -> Tensor:
    """Return soft bin assignments (N,Q) of colours ab (N,2).

    ``exp(-d^2 / (2 sigma^2))`` over the nearest bins, normalised to sum 1 (section 2.1).
    """
    distance = torch.cdist(ab.float(), bins.float(), compute_mode="donot_use_mm_for_euclid_dist")
    near, indices = distance.topk(neighbours, dim=1, largest=False)
    # Softmax, since for distant colours the plain ratio would be 0 / 0.
    weight = F.softmax(-near.square() / (2 * sigma**2), dim=1)
    return torch.zeros_like(distance).scatter_(1, indices, weight)
