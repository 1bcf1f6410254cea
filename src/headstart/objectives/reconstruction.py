"""Auto-encoders: reconstruct the image from its encoding."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from headstart.batch import Batch
from headstart.config import Options
from headstart.encoders import PixelEncoder
from headstart.modalities import PixelProcessor
from headstart.objectives import Objective
from headstart.objectives.decoders import GridDecoder, ImageGenerator, grid_side
from headstart.objectives.noise import NOISES
from headstart.objectives.patches import plain


class AutoEncoderOptions(Options):
    """A convolutional auto-encoder (Hinton & Salakhutdinov 2006, with DCGAN's decoder)."""

    bottleneck: Literal["pooled", "grid"] = Field(
        "pooled", description="What the decoder sees: one vector a picture, or the grid of them."
    )
    channels: int = Field(64, ge=4, description="Width of the decoder near the picture.")


class AutoEncoder(Objective):
    """Encoder and decoder, trained on the mean squared error of the reconstruction."""

    family = "reconstruction"
    needs = frozenset({"pixels", "grid"})
    Options = AutoEncoderOptions
    encoder: PixelEncoder

    def __init__(
        self, encoder: PixelEncoder, processor: PixelProcessor, options: AutoEncoderOptions
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.options = options
        self.size = processor.side
        self.decoder: nn.Module
        if options.bottleneck == "pooled":
            self.decoder = ImageGenerator(encoder.width, self.size, options.channels)
        else:
            grid = grid_side(encoder, self.size)
            self.decoder = GridDecoder(encoder.width, grid, self.size, 3, 4 * options.channels)

    def corrupt(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Return unchanged ``pixels`` (B,3,S,S), and the same as ``clean``."""
        pixels = plain(batch, self.size)
        return {"pixels": pixels, "clean": pixels}

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        error = (self.restore(batch["pixels"]) - batch["clean"]).square().mean()
        return {"loss": error}

    def restore(self, pixels: Tensor) -> Tensor:
        """Return the reconstructions (B,3,S,S) in 0..1 of ``pixels``."""
        if self.options.bottleneck == "pooled":
            code = self.encoder.pool({"pixels": pixels})  # (B,D)
        else:
            code = self.encoder({"pixels": pixels}).tokens  # (B,T,D)
        drawn: Tensor = self.decoder(code)
        return drawn.float().sigmoid()


class DenoisingOptions(AutoEncoderOptions):
    """Vincent et al. 2010: Gaussian noise for images, masking noise as in the first paper."""

    noise: Literal["gaussian", "masking", "salt_and_pepper"] = Field(
        "gaussian", description="What is done to the values."
    )
    amount: float = Field(
        0.25, gt=0, le=1, description="Deviation of Gaussian noise, or share of the values hit."
    )


class Denoising(AutoEncoder):
    """Reconstruct the clean image from a noisy one (Vincent et al. 2010)."""

    family = "reconstruction"
    Options = DenoisingOptions
    encoder: PixelEncoder
    options: DenoisingOptions

    def corrupt(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Return noisy ``pixels`` and ``clean``, both (B,3,S,S)."""
        clean = plain(batch, self.size)
        noisy = NOISES[self.options.noise](clean, self.options.amount, generator)
        return {"pixels": noisy, "clean": clean}
