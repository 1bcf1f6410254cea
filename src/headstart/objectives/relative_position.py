"""Predict the relative position of two patches (Doersch et al. 2015, "Context Prediction")."""

from __future__ import annotations

from typing import Literal

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
from headstart.objectives.patches import cut, encode, enlarge, side_for

#: Rows and columns of the eight neighbours in the 3 x 3 grid; the centre is (1, 1).
NEIGHBOURS = [(row, column) for row in range(3) for column in range(3) if (row, column) != (1, 1)]


class RelativePositionOptions(Options):
    """The paper's values (section 4): a gap of half a patch, jitter of 7 in 96 pixels."""

    gap: float = Field(0.5, ge=0, le=2, description="Gap between patches, in patches.")
    jitter: float = Field(7 / 96, ge=0, le=1, description="Largest shift a way, in patches.")
    colour: Literal["keep", "project", "drop"] = Field(
        "keep",
        description="Against lens colour fringes that give the place away in camera photos: "
        "project takes out the axis from green to magenta, drop keeps one channel and noise.",
    )
    hidden: int = Field(512, ge=1, description="Width of the layer that compares the two.")


class RelativePosition(Objective):
    """Classify which of its eight neighbours is paired with the centre of a 3 x 3 grid of patches.

    See Doersch et al. 2015, https://arxiv.org/abs/1505.05192.
    """

    family = "order and context"
    needs = frozenset({"pixels"})
    Options = RelativePositionOptions
    encoder: PixelEncoder

    def __init__(
        self, encoder: PixelEncoder, processor: PixelProcessor, options: RelativePositionOptions
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.options = options
        self.augment = processor.augment
        # The 3 x 3 grid fills the image: 3 patches and 2 gaps.
        self.patch = max(1, int(processor.side / (3 + 2 * options.gap)))
        self.side = side_for(encoder, self.patch)
        self.head = projection([2 * encoder.width, options.hidden, len(NEIGHBOURS)])

    def corrupt(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Return ``tiles`` (B,2,3,s,s), centre and neighbour, and ``targets`` (B,)."""
        pixels = self.augment(batch, generator, "weak")["pixels"]
        count, device = len(pixels), pixels.device
        targets = torch.randint(len(NEIGHBOURS), (count,), generator=generator, device=device)
        indices = torch.tensor(NEIGHBOURS, device=device)[targets]
        # (B, centre or neighbour, row or column)
        indices = torch.stack([torch.ones_like(indices), indices], 1)
        reach = round(self.options.jitter * self.patch)
        if self.options.jitter and self.patch > 1:
            reach = max(reach, 1)
        shift = torch.randint(-reach, reach + 1, indices.shape, generator=generator, device=device)
        spare = pixels.shape[-1] - self.patch
        corners = ((indices * spare / 2).round().long() + shift).clamp(0, spare)
        tiles = cut(pixels, corners[..., 0], corners[..., 1], self.patch)
        if self.options.colour == "project":
            tiles = without_fringes(tiles)
        elif self.options.colour == "drop":
            tiles = one_channel(tiles, generator)
        return {"tiles": enlarge(tiles, self.side), "targets": targets}

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        vectors = encode(self.encoder, batch["tiles"])  # (B,2,D)
        results = token_loss(self.head(vectors.flatten(1)), batch["targets"])
        return by_chance(results, 1 / len(NEIGHBOURS))


def without_fringes(tiles: Tensor) -> Tensor:
    """Return tiles (...,3,s,s) without their component along a = (-1, 2, -1), green to magenta.

    Each pixel is multiplied by ``I - a^T a / (a a^T)`` (section 4.1, "Projection").
    """
    axis = tiles.new_tensor([-1.0, 2.0, -1.0]).view(3, 1, 1)
    along = (tiles * axis).sum(-3, keepdim=True) / axis.square().sum()
    return tiles - along * axis


def one_channel(tiles: Tensor, generator: torch.Generator) -> Tensor:
    """Return tiles (B,N,3,s,s) with two channels replaced by faint noise (section 4.1, "drop").

    The channel that remains is drawn for each image. The noise has a hundredth of its deviation
    and its mean, since images here do not have mean zero as in the paper.
    """
    device = tiles.device
    kept = torch.randint(3, (len(tiles),), generator=generator, device=device)
    noise = torch.randn(tiles.shape, generator=generator, device=device)
    stays = kept[:, None] == torch.arange(3, device=device)
    stays = stays[:, None, :, None, None]
    mean, deviation = (
        (f(tiles) * stays).sum(-3, keepdim=True)
        for f in (lambda t: t.mean((-2, -1), keepdim=True), lambda t: t.std((-2, -1), keepdim=True))
    )
    return torch.where(stays, tiles, mean + noise * deviation / 100)
