"""Noise on any continuous tensor, batch first: what a denoising auto-encoder takes out again.

Vincent et al. 2010, "Stacked Denoising Autoencoders", section 3.3.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def gaussian(clean: Tensor, amount: float, generator: torch.Generator) -> Tensor:
    """Return the values plus noise of deviation ``amount``."""
    return clean + amount * torch.randn(clean.shape, generator=generator, device=clean.device)


def masking(clean: Tensor, amount: float, generator: torch.Generator) -> Tensor:
    """Return the values with a share of ``amount`` set to 0."""
    return clean * (torch.rand(clean.shape, generator=generator, device=clean.device) >= amount)


def salt_and_pepper(clean: Tensor, amount: float, generator: torch.Generator) -> Tensor:
    """Return the values with a share of ``amount`` set to 0 or 1, by a coin."""
    draw = torch.rand(clean.shape, generator=generator, device=clean.device)
    return torch.where(draw < amount, (draw < amount / 2).to(clean.dtype), clean)


NOISES: dict[str, Callable[[Tensor, float, torch.Generator], Tensor]] = {
    "gaussian": gaussian,
    "masking": masking,
    "salt_and_pepper": salt_and_pepper,
}
