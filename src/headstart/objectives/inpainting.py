"""Inpainting: predict a missing block (Pathak et al. 2016, "Context Encoders")."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from headstart.batch import Batch
from headstart.config import Options
from headstart.encoders import PixelEncoder
from headstart.modalities import PixelProcessor
from headstart.objectives import Objective
from headstart.objectives.decoders import Critic, GridDecoder, grid_side
from headstart.objectives.patches import cut
from headstart.objectives.players import call_frozen

#: The paper's overlap band is 7 pixels wide in images of 128.
_PAPER_BAND = 7 / 128


class InpaintingOptions(Options):
    """The paper's values (sections 3.2 and 5; w, and the weight of the band, from its code)."""

    block: float = Field(0.5, gt=0, le=0.9, description="Side of the block, in sides.")
    position: Literal["centre", "random"] = Field("centre", description="Position of the block.")
    weight: float = Field(0.999, gt=0, le=1, description="Of the squared error; the rest is the "
                          "adversarial part (1 leaves it out).")  # fmt: skip
    band: float = Field(
        _PAPER_BAND, ge=0, lt=0.2, description="Rim of the block that is still seen, in sides."
    )
    band_weight: float = Field(10.0, ge=0, description="Weight of the error in that rim.")
    channels: int = Field(128, ge=8, description="Width of the decoder.")
    critic_channels: int = Field(32, ge=4, description="Width of the critic's first layer.")


class Inpainting(Objective):
    """A block is filled with the mean colour; encoder and decoder reconstruct it.

    A critic learns to distinguish reconstructed blocks from real ones, and the decoder to fool it.
    The hole gets the mean of the image around it, where the paper takes the mean of ImageNet; the
    band's width is proportional to the image. See https://arxiv.org/abs/1604.07379.
    """

    family = "reconstruction"
    needs = frozenset({"pixels", "grid"})
    Options = InpaintingOptions
    encoder: PixelEncoder

    def __init__(
        self, encoder: PixelEncoder, processor: PixelProcessor, options: InpaintingOptions
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.options = options
        self.augment = processor.augment
        size = processor.side
        self.block = max(2, round(size * options.block))
        band = round(size * options.band)
        self.band = min(max(band, 1) if options.band else 0, (self.block - 1) // 2)
        grid = grid_side(encoder, size)
        self.decoder = GridDecoder(
            encoder.width, grid, self.block, 3, options.channels, across=True
        )
        self.critic = Critic(self.block, 1, options.critic_channels) if options.weight < 1 else None

    def corrupt(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Return ``pixels`` (B,3,S,S) with the hole, and ``block`` (B,3,s,s), its content.

        The block is wider than the hole by the band on each side.
        """
        pixels = self.augment(batch, generator, "weak")["pixels"]
        count, size, device = len(pixels), pixels.shape[-1], pixels.device
        spare = size - self.block
        if self.options.position == "random":
            corners = torch.randint(spare + 1, (count, 2), generator=generator, device=device)
        else:
            corners = torch.full((count, 2), spare // 2, device=device)
        block = cut(pixels, corners[:, :1], corners[:, 1:], self.block).squeeze(1)
        steps = torch.arange(size, device=device)
        begin, end = corners + self.band, corners + self.block - self.band
        inside = (steps >= begin[..., None]) & (steps < end[..., None])  # (B, 2, S)
        hole = (inside[:, 0, :, None] & inside[:, 1, None, :])[:, None]
        around = (pixels * ~hole).sum((2, 3), keepdim=True) / (~hole).sum((2, 3), keepdim=True)
        return {"pixels": torch.where(hole, around, pixels), "block": block}

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        real = batch["block"]
        tokens = self.encoder({"pixels": batch["pixels"]}).tokens
        drawn = self.decoder(tokens).float().sigmoid()
        error = ((drawn - real).square() * self._weights(real)).mean()
        if self.critic is None:
            return {"loss": error, "squared_error": error}
        # The critic's loss; the reconstruction is a constant.
        on_real, on_drawn = self.critic(real).float(), self.critic(drawn.detach()).float()
        judging = F.softplus(-on_real).mean() + F.softplus(on_drawn).mean()
        # The decoder's adversarial loss; the critic is a constant.
        fooling = F.softplus(-call_frozen(self.critic, drawn).float()).mean()
        weight = self.options.weight
        return {
            "loss": weight * error + (1 - weight) * fooling + judging,
            "squared_error": error,
            "fooling": fooling,
            "critic": judging,
        }

    def _weights(self, block: Tensor) -> Tensor:
        """Return (s,s) weights: 1 in the hole, ``band_weight`` in the band around it."""
        weights = block.new_full(block.shape[-2:], self.options.band_weight)
        inner = slice(self.band, self.block - self.band)
        weights[inner, inner] = 1.0
        return weights
