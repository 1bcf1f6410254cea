"""Predict an image's colours from its lightness (Zhang et al. 2016)."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from headstart.batch import Batch
from headstart.config import Options
from headstart.encoders import PixelEncoder
from headstart.modalities import PixelProcessor
from headstart.objectives import Objective
from headstart.objectives.decoders import GridDecoder, grid_side
from headstart.objectives.lab import from_lab, gamut, soft_bins, to_lab
from headstart.objectives.losses import accuracy, gather, majority

#: Colours are predicted at a quarter of the image's resolution, as in the paper.
COARSER = 4


class ColorizationOptions(Options):
    """The values of "Colorful Image Colorization" (Zhang et al. 2016, sections 2.1 to 2.3)."""

    uniform: float = Field(
        0.5, gt=0, le=1, description="Weight of the uniform in the prior that rebalances colours."
    )
    neighbours: int = Field(5, ge=1, le=50, description="Bins that share a colour.")
    sigma: float = Field(5.0, gt=0, description="Width of the Gaussian by which they share it.")
    memory: float = Field(
        0.99, ge=0, lt=1, description="Decay, a step, of the mean from which the prior is known."
    )
    channels: int = Field(128, ge=8, description="Width of the decoder.")


class Colorization(Objective):
    """Predict the distribution of colours at each position from the lightness alone.

    All three input channels hold the lightness, in 0..1. The paper measures the prior of the
    colours on ImageNet beforehand; here it is a running mean over the batches of all processes that
    starts uniform. See Zhang et al. 2016, https://arxiv.org/abs/1603.08511.
    """

    family = "reconstruction"
    needs = frozenset({"pixels", "grid"})
    Options = ColorizationOptions
    encoder: PixelEncoder
    bins: Tensor
    prior: Tensor

    def __init__(
        self, encoder: PixelEncoder, processor: PixelProcessor, options: ColorizationOptions
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.options = options
        self.augment = processor.augment
        self.coarse = max(1, processor.side // COARSER)
        self.register_buffer("bins", gamut().clone())
        self.register_buffer("prior", torch.full((len(self.bins),), 1 / len(self.bins)))
        self.head = GridDecoder(
            encoder.width,
            grid_side(encoder, processor.side),
            self.coarse,
            len(self.bins),
            options.channels,
        )

    def corrupt(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Return ``pixels`` (B,3,S,S), the lightness in each channel, and ``ab`` (B,2,S/4,S/4)."""
        lab = to_lab(self.augment(batch, generator, "weak")["pixels"])
        lightness = (lab[:, :1] / 100).clamp(0, 1)
        ab = F.adaptive_avg_pool2d(lab[:, 1:], self.coarse)
        return {"pixels": lightness.expand(-1, 3, -1, -1).contiguous(), "ab": ab}

    def preview_images(self, batch: Batch) -> dict[str, Tensor]:
        """Return the encoder's input and the target colours."""
        return {"seen": batch["pixels"], "wanted": _painted(batch["pixels"], batch["ab"])}

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        logits = self._logits(batch["pixels"]).permute(0, 2, 3, 1).flatten(0, 2)  # (B s s, Q)
        ab = batch["ab"].permute(0, 2, 3, 1).flatten(0, 2)
        shares = soft_bins(ab, self.bins, self.options.neighbours, self.options.sigma)
        if self.training:
            seen = gather(shares.mean(0, keepdim=True)).mean(0)
            self.prior.lerp_(seen, 1 - self.options.memory)
        nearest = shares.argmax(1)
        weight = balance(self.prior, self.options.uniform)[nearest]
        each = F.cross_entropy(logits, shares, reduction="none")
        return {
            "loss": (weight * each).mean(),
            "plain_loss": each.mean(),
            "accuracy": accuracy(logits, nearest),
            "accuracy_chance": majority(nearest, len(self.bins)),
        }

    def decode(self, pixels: Tensor, temperature: float = 0.38) -> Tensor:
        """Return colour images (B,3,S,S) in 0..1 for lightness ``pixels`` (B,3,S,S) in 0..1.

        The colour is the annealed mean, the mean under ``softmax(log p / T)`` (section 2.3,
        equation 5): T = 1 gives the plain mean, T near 0 the most likely colour.
        """
        ab = annealed_mean(self._logits(pixels), self.bins, temperature)  # (B,2,S/4,S/4)
        return _painted(pixels, ab)

    def _logits(self, pixels: Tensor) -> Tensor:
        logits: Tensor = self.head(self.encoder({"pixels": pixels}).tokens)
        return logits.float()


def _painted(lightness: Tensor, ab: Tensor) -> Tensor:
    ab = F.interpolate(ab, size=lightness.shape[-2:], mode="bilinear")
    return from_lab(torch.cat([lightness[:, :1].float() * 100, ab], 1))


def balance(prior: Tensor, uniform: float) -> Tensor:
    """Return the weight (Q,) of each bin; rare colours weigh more (section 2.2, equation 4).

    ``w = ((1 - u) p + u / Q)^-1``, scaled so that its mean under the prior is 1.
    """
    weight = 1 / ((1 - uniform) * prior + uniform / len(prior))
    return weight / (prior * weight).sum()


def annealed_mean(logits: Tensor, bins: Tensor, temperature: float) -> Tensor:
    """Return the colours ab (B,2,h,w) of logits (B,Q,h,w)."""
    shares = (logits / temperature).softmax(1)
    return (shares[:, :, None] * bins[None, :, :, None, None]).sum(1)
