"""Cutting pictures into patches and tiles, on whole batches."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from headstart.batch import Batch, unit_pixels
from headstart.encoders import PixelEncoder
from headstart.errors import HeadstartError

#: Networks made for pictures can do little with fewer pixels a side.
SMALLEST = 16


def plain(batch: Batch, side: int) -> Tensor:
    """Return the pictures (B,3,side,side) as they are, in 0..1; shrunk where stored larger."""
    return resize(unit_pixels(batch["pixels"]), side)


def resize(pixels: Tensor, side: int) -> Tensor:
    """Return pictures (N,3,H,H) at (N,3,side,side), without aliasing."""
    if pixels.shape[-1] == side:
        return pixels
    return F.interpolate(
        pixels, size=(side, side), mode="bilinear", align_corners=False, antialias=True
    )


def patchify(pixels: Tensor, patch: int) -> Tensor:
    """Return the patches (B,T,patch*patch*3) of pictures (B,3,S,S), row by row.

    Within a patch the order is row, column, colour, as in MAE's code.
    """
    count, colours, side, _ = pixels.shape
    grid = side // patch
    cut = pixels.reshape(count, colours, grid, patch, grid, patch)
    return cut.permute(0, 2, 4, 3, 5, 1).reshape(count, grid * grid, patch * patch * colours)


def unpatchify(patches: Tensor, patch: int) -> Tensor:
    """Return the pictures (B,3,S,S) that :func:`patchify` cut."""
    count, indices, values = patches.shape
    grid, colours = round(indices**0.5), values // patch**2
    cut = patches.reshape(count, grid, grid, patch, patch, colours)
    return cut.permute(0, 5, 1, 3, 2, 4).reshape(count, colours, grid * patch, grid * patch)


def cut(pixels: Tensor, tops: Tensor, lefts: Tensor, side: int) -> Tensor:
    """Return N squares (B,N,3,side,side) of each picture, by their upper left corners (B,N)."""
    steps = torch.arange(side, device=pixels.device)
    rows = (tops[..., None] + steps)[..., :, None]
    columns = (lefts[..., None] + steps)[..., None, :]
    image = torch.arange(len(pixels), device=pixels.device)[:, None, None, None]
    return pixels[image, :, rows, columns].permute(0, 1, 4, 2, 3).contiguous()


def side_for(encoder: PixelEncoder, side: int) -> int:
    """Return the side at which the encoder is shown tiles of ``side`` pixels.

    At least 16, and a multiple of a ViT's patch (of 16 for others, which halve it a few times).
    """
    unit = encoder.patch_size
    return -(-max(side, SMALLEST) // unit) * unit


def enlarge(tiles: Tensor, side: int) -> Tensor:
    """Return tiles (B,N,3,s,s) at (B,N,3,side,side)."""
    return resize(tiles.flatten(0, 1), side).unflatten(0, tiles.shape[:2])


def encode(encoder: PixelEncoder, tiles: Tensor) -> Tensor:
    """Return the pooled vectors (B,N,D) of tiles (B,N,3,s,s), all through the same network."""
    pooled = encoder.pool({"pixels": tiles.flatten(0, 1)})
    return pooled.unflatten(0, tiles.shape[:2])


def patch_grid(encoder: PixelEncoder, size: int, name: str) -> int:
    """Return how many patches a side a ViT sees of pictures of ``size``.

    Raises:
        HeadstartError: the size is no multiple of the patch.
    """
    patch = encoder.patch_size
    if size % patch:
        raise HeadstartError(
            f"the objective {name!r} needs pictures whose side is a multiple of the encoder's "
            f"patch of {patch} pixels, but they are {size}; choose another size or patch size."
        )
    return int(size // patch)
