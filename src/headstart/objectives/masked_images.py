"""Masked image modeling: patches dropped before the encoder (MAE) or masked in it (SimMIM)."""

from __future__ import annotations

import math

import torch
from pydantic import Field
from torch import Tensor, nn

from headstart.batch import Batch
from headstart.config import Options
from headstart.encoders import PatchEncoder
from headstart.modalities import PixelProcessor
from headstart.objectives import Objective
from headstart.objectives.patches import patch_grid, patchify, unpatchify

#: No term compares images with each other, so more steps help more than larger batches.
BATCH = 64


class MAEOptions(Options):
    """The paper's values (He et al. 2022, section 4), the decoder smaller: there 8 x 512."""

    mask_ratio: float = Field(0.75, gt=0, lt=1, description="Share of the patches that is hidden.")
    normalize: bool = Field(True, description="Draw each patch in its own mean and deviation.")
    depth: int = Field(4, ge=1, le=24, description="Blocks of the decoder.")
    width: int = Field(0, ge=0, description="Width of the decoder; 0: half of the encoder's.")
    heads: int = Field(4, ge=1, description="Attention heads of the decoder; they divide width.")


class MAE(Objective):
    """The encoder sees a quarter of the patches; a small decoder reconstructs the others.

    The loss is the mean squared error over masked patches. With ``normalize`` the target of a patch
    is ``(x - mean) / sqrt(var + 1e-6)`` over its own pixels in all channels, ``var`` with n - 1 as
    in the authors' code; pixels are in 0..1, not normalised before. See He et al. 2022,
    https://arxiv.org/abs/2111.06377.
    """

    family = "masked prediction"
    needs = frozenset({"pixels", "patches"})
    Options = MAEOptions
    encoder: PatchEncoder
    batch_size = BATCH
    positions: Tensor

    def __init__(
        self, encoder: PatchEncoder, processor: PixelProcessor, options: MAEOptions
    ) -> None:
        # Imported here, since other networks and objectives do not need timm.
        from timm.layers.norm import LayerNorm
        from timm.models.vision_transformer import Block

        from headstart.encoders.timm_attention import attend_by_products

        super().__init__()
        self.encoder = encoder
        self.options = options
        self.augment = processor.augment
        grid = patch_grid(encoder, processor.side, "mae")
        self.total = grid * grid
        self.keep = max(1, int(self.total * (1 - options.mask_ratio)))
        heads = options.heads
        width = options.width or max(32, encoder.width // 2)
        width = (
            -(-width // (4 * heads)) * 4 * heads
        )  # sin-cos needs a multiple of 4, the heads equal parts
        self.narrow = nn.Linear(encoder.width, width)
        self.mask_token = nn.Parameter(torch.randn(width) * 0.02)
        self.register_buffer("positions", sincos_positions(grid, width), persistent=False)
        self.blocks = nn.ModuleList(
            Block(width, heads, qkv_bias=True, norm_layer=LayerNorm) for _ in range(options.depth)
        )
        attend_by_products(self.blocks)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, encoder.patch_size**2 * 3)

    def corrupt(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Return unmasked ``pixels`` (B,3,S,S), and ``kept`` (B,K): indices of visible patches."""
        pixels = self.augment(batch, generator, "weak")["pixels"]
        draw = torch.rand(len(pixels), self.total, generator=generator, device=pixels.device)
        return {"pixels": pixels, "kept": draw.argsort(1)[:, : self.keep]}

    def preview_images(self, batch: Batch) -> dict[str, Tensor]:
        """Return the images with the patches hidden from the encoder in grey."""
        hidden = torch.ones(len(batch["kept"]), self.total, device=batch["kept"].device)
        hidden = hidden.scatter(1, batch["kept"], 0.0).bool()
        return {"seen": covered(batch["pixels"], hidden, self.encoder.patch_size)}

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        pixels, kept = batch["pixels"], batch["kept"]
        tokens = self.encoder.embed({"pixels": pixels})
        seen = tokens.gather(1, kept[..., None].expand(-1, -1, tokens.shape[-1]))  # (B,K,D)
        seen = self.encoder.contextualize(seen, None, kept)
        drawn = self.decode(seen, kept)
        target = patchify(pixels, self.encoder.patch_size)
        if self.options.normalize:
            target = own_scale(target)
        hidden = torch.ones(kept.shape[0], self.total, device=kept.device).scatter(1, kept, 0.0)
        error = (drawn - target).square().mean(-1)
        return {"loss": (error * hidden).sum() / hidden.sum()}

    def decode(self, seen: Tensor, kept: Tensor) -> Tensor:
        """Return all patches (B,T,P) from the vectors (B,K,D) of those at ``kept`` (B,K)."""
        narrow = self.narrow(seen)
        masked = self.mask_token.to(narrow.dtype).expand(len(seen), self.total, -1)
        tokens = masked.scatter(1, kept[..., None].expand_as(narrow), narrow) + self.positions
        for block in self.blocks:
            tokens = block(tokens)
        drawn: Tensor = self.head(self.norm(tokens))
        return drawn.float()


class SimMIMOptions(Options):
    """The paper's values (Xie et al. 2022, section 4.1)."""

    mask_ratio: float = Field(0.6, gt=0, lt=1, description="Share of the picture that is hidden.")
    unit: int = Field(
        0, ge=0, description="Patches a side that are hidden together; 0: a sixth of the side, as "
        "the paper's 32 of 192 pixels."
    )  # fmt: skip


class SimMIM(Objective):
    """Masked patches enter the encoder as a learned vector; a linear layer predicts their pixels.

    The loss is the mean absolute error over the masked pixels, in 0..1. See Xie et al. 2022,
    https://arxiv.org/abs/2111.09886.
    """

    family = "masked prediction"
    needs = frozenset({"pixels", "patches"})
    Options = SimMIMOptions
    encoder: PatchEncoder
    batch_size = BATCH

    def __init__(
        self, encoder: PatchEncoder, processor: PixelProcessor, options: SimMIMOptions
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.augment = processor.augment
        self.grid = patch_grid(encoder, processor.side, "simmim")
        self.unit = nearest_divisor(self.grid, options.unit or self.grid / 6)
        units = (self.grid // self.unit) ** 2
        self.units, self.hide = units, min(units, math.ceil(units * options.mask_ratio))
        self.mask_token = nn.Parameter(torch.randn(encoder.width) * 0.02)
        self.head = nn.Linear(encoder.width, encoder.patch_size**2 * 3)

    def corrupt(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Return unmasked ``pixels`` (B,3,S,S), and ``hidden`` (B,T) bool."""
        pixels = self.augment(batch, generator, "weak")["pixels"]
        draw = torch.rand(len(pixels), self.units, generator=generator, device=pixels.device)
        hidden = draw.argsort(1).argsort(1) < self.hide
        side = self.grid // self.unit
        hidden = hidden.unflatten(1, (side, side))
        hidden = hidden.repeat_interleave(self.unit, 1).repeat_interleave(self.unit, 2)
        return {"pixels": pixels, "hidden": hidden.flatten(1)}

    def preview_images(self, batch: Batch) -> dict[str, Tensor]:
        """Return the images with the patches hidden from the encoder in grey."""
        return {"seen": covered(batch["pixels"], batch["hidden"], self.encoder.patch_size)}

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        hidden = batch["hidden"]
        drawn = self._draw(batch["pixels"], hidden)
        error = (drawn - patchify(batch["pixels"], self.encoder.patch_size)).abs().mean(-1)
        return {"loss": (error * hidden).sum() / hidden.sum()}

    def restore(self, pixels: Tensor, hidden: Tensor) -> Tensor:
        """Return the images (B,3,S,S) with the patches at ``hidden`` (B,T) reconstructed."""
        patch = self.encoder.patch_size
        own = patchify(pixels, patch)
        return unpatchify(torch.where(hidden[..., None], self._draw(pixels, hidden), own), patch)

    def _draw(self, pixels: Tensor, hidden: Tensor) -> Tensor:
        tokens = self.encoder.embed({"pixels": pixels})
        tokens = torch.where(hidden[..., None], self.mask_token.to(tokens.dtype), tokens)
        drawn: Tensor = self.head(self.encoder.contextualize(tokens, None))
        return drawn.float()


def covered(pixels: Tensor, hidden: Tensor, patch: int) -> Tensor:
    """Return the images (B,3,S,S) with the ``hidden`` (B,T) patches in grey."""
    patches = patchify(pixels, patch)
    return unpatchify(patches.masked_fill(hidden[..., None], 0.5), patch)


def own_scale(patches: Tensor) -> Tensor:
    """Return patches (B,T,P), each standardised to mean 0 and variance 1 (MAE, section 4)."""
    mean = patches.mean(-1, keepdim=True)
    return (patches - mean) / (patches.var(-1, keepdim=True) + 1e-6).sqrt()


def sincos_positions(grid: int, width: int) -> Tensor:
    """Return 2-D sin-cos position vectors (grid*grid,width), after Vaswani et al. 2017."""
    rates = 10000.0 ** -(torch.arange(width // 4) / (width // 4))
    angles = torch.arange(grid)[:, None] * rates
    line = torch.cat([angles.sin(), angles.cos()], 1)
    rows, columns = line[:, None].expand(-1, grid, -1), line[None].expand(grid, -1, -1)
    return torch.cat([columns, rows], 2).flatten(0, 1)


def nearest_divisor(number: int, target: float) -> int:
    """Return the divisor of ``number`` whose ratio to ``target`` is nearest to 1."""
    divisors = [d for d in range(1, number + 1) if number % d == 0]
    return min(divisors, key=lambda d: abs(math.log(d / target)))
