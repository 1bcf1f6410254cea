"""Colour augmentations: torchvision's definitions, with a factor for each sample.

All work in place on floats 0..1 (B,3,H,W) and take their factors as (B,). Samples that were not
drawn have a neutral factor (1, or 0 for hue): on a CPU changing all samples is faster than
selecting some.
"""

from __future__ import annotations

import torch
from torch import Tensor

#: Luma of ITU-R BT.601, in torchvision's digits.
LUMA = (0.2989, 0.587, 0.114)


def luma(pixels: Tensor) -> Tensor:
    """Return the brightness of each pixel (B,1,H,W)."""
    red, green, blue = pixels.split(1, dim=1)
    return red.mul(LUMA[0]).add_(green, alpha=LUMA[1]).add_(blue, alpha=LUMA[2])


def brightness_(pixels: Tensor, factor: Tensor) -> Tensor:
    """Multiply by ``factor`` (``adjust_brightness``)."""
    return pixels.mul_(_wide(factor)).clamp_(max=1.0)


def contrast_(pixels: Tensor, factor: Tensor) -> Tensor:
    """Stretch by ``factor`` around each image's mean luma (``adjust_contrast``)."""
    factor = _wide(factor)
    mean = luma(pixels.mean((2, 3), keepdim=True))
    return pixels.mul_(factor).add_(mean * (1.0 - factor)).clamp_(0.0, 1.0)


def saturation_(pixels: Tensor, factor: Tensor) -> Tensor:
    """Stretch by ``factor`` around each pixel's luma (``adjust_saturation``)."""
    grey = luma(pixels).mul_(_wide(1.0 - factor))
    return pixels.mul_(_wide(factor)).add_(grey).clamp_(0.0, 1.0)


def hue_(pixels: Tensor, turn: Tensor) -> Tensor:
    """Turn the hue by ``turn`` of the circle, -0.5..0.5 (``adjust_hue``); HSV, exact.

    With the hue h in sixths of the circle and red at 0, every channel is a trapezoid of h whose top
    lies at 0 (red), 2 (green) or -2 (blue). Read backwards this is |h| = 1 + (g + b - r - min) /
    (max - min) with the sign of g - b, so that the largest channel need not be found per pixel.
    """
    red, green, blue = pixels.split(1, dim=1)
    high = torch.maximum(torch.maximum(red, green), blue)
    low = torch.minimum(torch.minimum(red, green), blue)
    span = high.sub_(low)
    hue = (green + blue).sub_(red).sub_(low).div_(span.clamp_min(1e-12)).add_(1.0)
    hue.copysign_(green - blue).add_(_wide(6.0 * turn))
    hue.sub_(torch.round(hue / 6.0), alpha=6.0)
    red.copy_(hue)
    torch.sub(hue, 2.0, out=green)
    torch.add(hue, 2.0, out=blue)
    # ||x| - 3| - 1, cut to 0..1, is the trapezoid of period 6; the 1 is taken off with the minimum.
    pixels.abs_().sub_(3.0).abs_().clamp_(1.0, 2.0)
    return pixels.mul_(span).add_(low.sub_(span)).clamp_(0.0, 1.0)


def grey_(pixels: Tensor) -> Tensor:
    """Replace the colours by their luma (``rgb_to_grayscale``)."""
    return pixels.copy_(luma(pixels).expand_as(pixels))


def solarize_(pixels: Tensor, threshold: float) -> Tensor:
    """Invert what is at or above ``threshold`` (``solarize``)."""
    return pixels.copy_(torch.where(pixels >= threshold, 1.0 - pixels, pixels))


def _wide(factor: Tensor) -> Tensor:
    return factor.view(-1, 1, 1, 1)
