"""Predict by how much an image was rotated (Gidaris et al. 2018, "RotNet", section 3)."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor

from headstart.batch import Batch
from headstart.config import Options
from headstart.encoders import PixelEncoder
from headstart.modalities import PixelProcessor
from headstart.objectives import Objective
from headstart.objectives.heads import projection
from headstart.objectives.losses import by_chance, token_loss

TURNS = 4


class RotationOptions(Options):
    """RotNet's task is fixed: 0, 90, 180 and 270 degrees, all four in each batch (section 3.1).

    The paper uses features of a middle block, since the last one represents little but rotations.
    Here the whole encoder is saved, and a hidden layer of the head replaces that last block.
    """

    hidden: int = Field(512, ge=0, description="Width of the head's first layer; 0 has none.")


class Rotation(Objective):
    """Classify rotations by 0, 90, 180 and 270 degrees; each image occurs in all four.

    See Gidaris et al. 2018, https://arxiv.org/abs/1803.07728.
    """

    family = "order and context"
    needs = frozenset({"pixels"})
    Options = RotationOptions
    encoder: PixelEncoder

    def __init__(
        self, encoder: PixelEncoder, processor: PixelProcessor, options: RotationOptions
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.augment = processor.augment
        widths = [encoder.width, *[options.hidden] * bool(options.hidden), TURNS]
        self.head = projection(widths)

    def corrupt(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Return ``pixels`` (4B,3,S,S), and ``targets`` (4B,), the number of left quarter turns."""
        pixels = self.augment(batch, generator, "weak")["pixels"]
        turned = torch.cat([torch.rot90(pixels, turn, (2, 3)) for turn in range(TURNS)])
        targets = torch.arange(TURNS, device=pixels.device).repeat_interleave(len(pixels))
        return {"pixels": turned, "targets": targets}

    def preview_images(self, batch: Batch) -> dict[str, Tensor]:
        """Return the corrupted images by their rotation."""
        parts = batch["pixels"].chunk(TURNS)
        return {f"{90 * turn} degrees": part for turn, part in enumerate(parts)}

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        pooled = self.encoder.pool({"pixels": batch["pixels"]})
        results = token_loss(self.head(pooled), batch["targets"])
        return by_chance(results, 1 / TURNS)
