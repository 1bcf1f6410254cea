"""Noise on continuous tensors (B,...), which a denoising auto-encoder removes.

Vincent et al. 2010, "Stacked Denoising Autoencoders", section 3.3.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def gaussian(clean: Tensor, amount: float, generator: torch.Generator) -> Tensor:
    """Add Gaussian noise of standard deviation ``amount``."""
    return clean + amount * torch.randn(clean.shape, generator=generator, device=clean.device)


def masking(clean: Tensor, amount: float, generator: torch.Generator) -> Tensor:
    """Set a random share ``amount`` of the values to 0."""
    return clean * (torch.rand(clean.shape, generator=generator, device=clean.device) >= amount)


def salt_and_pepper(clean: Tensor, amount: float, generator: torch.Generator) -> Tensor:
    """Set a random share ``amount`` of the values to 0 or 1, with equal probability."""
    draw = torch.rand(clean.shape, generator=generator, device=clean.device)
    return torch.where(draw < amount, (draw < amount / 2).to(clean.dtype), clean)


NOISES: dict[str, Callable[[Tensor, float, torch.Generator], Tensor]] = {
    "gaussian": gaussian,
    "masking": masking,
    "salt_and_pepper": salt_and_pepper,
}
