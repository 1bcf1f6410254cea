"""Predict how the tiles of an image were permuted (Noroozi & Favaro 2016, "Jigsaw Puzzles")."""

from __future__ import annotations

from functools import lru_cache
from itertools import permutations as all_orders

import numpy as np
import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from headstart.batch import Batch
from headstart.config import Options
from headstart.encoders import PixelEncoder
from headstart.modalities import PixelProcessor
from headstart.objectives import Objective
from headstart.objectives.heads import projection
from headstart.objectives.losses import by_chance, token_loss
from headstart.objectives.patches import cut, encode, enlarge, side_for
from headstart.seeding import derive

TILES = 9


class JigsawOptions(Options):
    """The paper's values but for the number of permutations, which is 1,000 for ImageNet."""

    permutations: int = Field(
        64, ge=2, le=5000, description="Number of orders; the paper has 1,000."
    )
    tile: float = Field(64 / 75, gt=0, le=1, description="Side of a tile in its cell of the grid.")
    hidden: int = Field(1024, ge=1, description="Width of the layer that compares the tiles.")


class Jigsaw(Objective):
    """Classify in which of a fixed set of orders nine tiles of an image are presented.

    Each tile is cut at a random position in its cell, so that edges do not match, and is
    standardised, so that brightness is no shortcut (section 3.3, https://arxiv.org/abs/1603.09246).
    """

    family = "order and context"
    needs = frozenset({"pixels"})
    Options = JigsawOptions
    encoder: PixelEncoder
    orders: Tensor

    def __init__(
        self, encoder: PixelEncoder, processor: PixelProcessor, options: JigsawOptions
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.augment = processor.augment
        self.cell = processor.side // 3
        self.tile = max(1, round(self.cell * options.tile))
        self.side = side_for(encoder, self.tile)
        self.register_buffer("orders", torch.from_numpy(far_apart(options.permutations).copy()))
        self.head = projection([TILES * encoder.width, options.hidden, options.permutations])

    def corrupt(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Return ``tiles`` (B,9,3,s,s), and ``targets`` (B,), the index of their order."""
        pixels = self.augment(batch, generator, "weak")["pixels"]
        count, device = len(pixels), pixels.device
        targets = torch.randint(len(self.orders), (count,), generator=generator, device=device)
        corners = torch.randint(
            self.cell - self.tile + 1, (count, TILES, 2), generator=generator, device=device
        )
        cells = torch.arange(TILES, device=device)
        corners += torch.stack([cells // 3, cells % 3], 1) * self.cell
        # Tile k of the input is tile orders[target, k] of the image.
        corners = corners.gather(1, self.orders[targets][..., None].expand(-1, -1, 2))
        tiles = own_scale(cut(pixels, corners[..., 0], corners[..., 1], self.tile))
        return {"tiles": enlarge(tiles, self.side), "targets": targets}

    def preview_images(self, batch: Batch) -> dict[str, Tensor]:
        """Return the tiles in their permuted layout."""
        tiles = F.pad(batch["tiles"], (1, 1, 1, 1), value=1.0)
        rows = tiles.unflatten(1, (3, 3)).permute(0, 3, 1, 4, 2, 5)
        return {"tiles": rows.flatten(2, 3).flatten(3)}

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        vectors = encode(self.encoder, batch["tiles"])  # (B,9,D)
        results = token_loss(self.head(vectors.flatten(1)), batch["targets"])
        return by_chance(results, 1 / len(self.orders))


def own_scale(tiles: Tensor) -> Tensor:
    """Return tiles (...,3,s,s) scaled to mean 0.5 and deviation 0.25 in each channel.

    The paper uses mean 0 and deviation 1, but the encoder expects pixels near 0..1. A tile of one
    colour becomes grey.
    """
    mean = tiles.mean((-2, -1), keepdim=True)
    deviation = tiles.std((-2, -1), keepdim=True, unbiased=False)
    return 0.5 + 0.25 * (tiles - mean) / (deviation + 1e-3)


@lru_cache(maxsize=4)
def far_apart(count: int) -> np.ndarray:
    """Return ``count`` permutations (count,9) int64 of the tiles, maximally different.

    Greedy (algorithm 1): start with a random one, then add the permutation with the largest summed
    Hamming distance to those chosen. The result depends on ``count`` alone.
    """
    every = np.array(list(all_orders(range(TILES))), dtype=np.int8)
    distance = np.zeros(len(every), dtype=np.int32)
    chosen = int(np.random.default_rng(derive("jigsaw")).integers(len(every)))
    indices = []
    for _ in range(count):
        indices.append(chosen)
        distance += (every != every[chosen]).sum(1)
        distance[chosen] = np.iinfo(np.int32).min // 2
        chosen = int(distance.argmax())
    return every[indices].astype(np.int64)
