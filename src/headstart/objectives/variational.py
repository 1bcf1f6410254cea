"""The variational auto-encoder (Kingma & Welling 2014)."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from headstart.batch import Batch
from headstart.config import Options
from headstart.encoders import PixelEncoder
from headstart.modalities import PixelProcessor
from headstart.objectives import Objective
from headstart.objectives.decoders import ImageGenerator
from headstart.objectives.losses import full_precision
from headstart.objectives.patches import plain

#: One step of 8 bits; a smaller deviation would let the likelihood grow without bound.
_FINEST = math.log(1 / 255)
#: Close to what a decoder soon reaches; from 1 the posterior would collapse to the prior first.
_FIRST = math.log(0.1)


class VAEOptions(Options):
    """Kingma & Welling 2014; beta of Higgins et al. 2017."""

    latent: int = Field(128, ge=1, description="Size of the latent vectors.")
    beta: float = Field(1.0, ge=0, description="Weight of the divergence from the prior.")
    likelihood: Literal["gaussian", "bernoulli"] = Field(
        "gaussian", description="Of a value given the latent vector; the Gaussian learns one "
        "deviation for all values."
    )  # fmt: skip
    channels: int = Field(64, ge=4, description="Width of the decoder near the picture.")


class VAE(Objective):
    """A variational auto-encoder whose posterior is a linear layer on the pooled vector.

    The loss is the negative evidence lower bound in nats, divided by the number of values of an
    image. The deviation of the Gaussian is learned as by Rybkin et al. 2021 ("sigma-VAE"). See
    Kingma & Welling 2014, https://arxiv.org/abs/1312.6114.
    """

    family = "generation"
    needs = frozenset({"pixels"})
    Options = VAEOptions
    encoder: PixelEncoder

    def __init__(
        self, encoder: PixelEncoder, processor: PixelProcessor, options: VAEOptions
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.options = options
        self.size = processor.side
        self.posterior = nn.Linear(encoder.width, 2 * options.latent)
        self.generator = ImageGenerator(options.latent, self.size, options.channels)
        self.log_deviation = (
            nn.Parameter(torch.tensor(_FIRST)) if options.likelihood == "gaussian" else None
        )

    def corrupt(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Return unchanged ``pixels`` (B,3,S,S), and ``noise`` (B,latent) from N(0, 1)."""
        pixels = plain(batch, self.size)
        size = (len(pixels), self.options.latent)
        noise = torch.randn(size, generator=generator, device=pixels.device)
        return {"pixels": pixels, "noise": noise}

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        pixels = batch["pixels"]
        pooled = self.encoder.pool({"pixels": pixels})
        mean, log_variance = self.posterior(pooled).float().chunk(2, 1)
        latent = mean + (log_variance / 2).exp() * batch["noise"]
        logits = self.generator(latent).float()
        reconstruction = self._negative_log_likelihood(logits, pixels).flatten(1).sum(1).mean()
        divergence = kl_from_standard(mean, log_variance).mean()
        values = pixels[0].numel()
        return {
            "loss": (reconstruction + self.options.beta * divergence) / values,
            "reconstruction": reconstruction / values,
            "divergence": divergence,
        }

    def _negative_log_likelihood(self, logits: Tensor, pixels: Tensor) -> Tensor:
        """Return ``-log p(x | z)`` (B,3,S,S) of each value."""
        if self.log_deviation is None:
            return F.binary_cross_entropy_with_logits(logits, pixels, reduction="none")
        log_deviation = self.log_deviation.clamp(min=_FINEST)
        deviations = (pixels - logits.sigmoid()) / log_deviation.exp()
        return deviations.square() / 2 + log_deviation + math.log(2 * math.pi) / 2

    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        """Return images (count,3,S,S) in 0..1: the decoder's means at latents from N(0, 1)."""
        return self.generator.sample(count, generator)

    def save_head(self, folder: Path) -> bool:
        """Write what :meth:`ImageGenerator.load` opens."""
        self.generator.save(folder, "vae")
        return True


@full_precision
def kl_from_standard(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Return ``KL(N(m, s^2) || N(0, 1))`` (B,) in nats: ``-1/2 sum(1 + log s^2 - m^2 - s^2)``.

    Source: Kingma & Welling 2014, appendix B.
    """
    return -0.5 * (1 + log_variance - mean.square() - log_variance.exp()).sum(1)
