"""Cut batches of images into patches and tiles."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from headstart.batch import Batch, unit_pixels
from headstart.encoders import PixelEncoder
from headstart.errors import HeadstartError

#: Smallest side, in pixels, from which image networks can learn.
SMALLEST = 16


def plain(batch: Batch, side: int) -> Tensor:
    """Return the unaugmented images (B,3,side,side) in 0..1, resized if stored larger."""
    return resize(unit_pixels(batch["pixels"]), side)


def resize(pixels: Tensor, side: int) -> Tensor:
    """Resize images (N,3,H,H) to (N,3,side,side), with anti-aliasing."""
    if pixels.shape[-1] == side:
        return pixels
    return F.interpolate(
        pixels, size=(side, side), mode="bilinear", align_corners=False, antialias=True
    )


def patchify(pixels: Tensor, patch: int) -> Tensor:
    """Return the patches (B,T,patch*patch*3) of images (B,3,S,S), row by row.

    Within a patch the order is row, column, channel, as in MAE's code.
    """
    count, colours, side, _ = pixels.shape
    grid = side // patch
    cut = pixels.reshape(count, colours, grid, patch, grid, patch)
    return cut.permute(0, 2, 4, 3, 5, 1).reshape(count, grid * grid, patch * patch * colours)


def unpatchify(patches: Tensor, patch: int) -> Tensor:
    """Invert :func:`patchify`: return images (B,3,S,S)."""
    count, total, values = patches.shape
    grid, colours = round(total**0.5), values // patch**2
    cut = patches.reshape(count, grid, grid, patch, patch, colours)
    return cut.permute(0, 5, 1, 3, 2, 4).reshape(count, colours, grid * patch, grid * patch)


def cut(pixels: Tensor, tops: Tensor, lefts: Tensor, side: int) -> Tensor:
    """Return N squares (B,N,3,side,side) of each image, given their top left corners (B,N)."""
    steps = torch.arange(side, device=pixels.device)
    rows = (tops[..., None] + steps)[..., :, None]
    columns = (lefts[..., None] + steps)[..., None, :]
    image = torch.arange(len(pixels), device=pixels.device)[:, None, None, None]
    return pixels[image, :, rows, columns].permute(0, 1, 4, 2, 3).contiguous()


def side_for(encoder: PixelEncoder, side: int) -> int:
    """Return the size in which tiles of ``side`` pixels enter the encoder.

    At least 16, and a multiple of a ViT's patch (of 16 for convolutions, which downsample).
    """
    unit = encoder.patch_size
    return -(-max(side, SMALLEST) // unit) * unit


def enlarge(tiles: Tensor, side: int) -> Tensor:
    """Resize tiles (B,N,3,s,s) to (B,N,3,side,side)."""
    return resize(tiles.flatten(0, 1), side).unflatten(0, tiles.shape[:2])


def encode(encoder: PixelEncoder, tiles: Tensor) -> Tensor:
    """Return the pooled vectors (B,N,D) of tiles (B,N,3,s,s)."""
    pooled = encoder.pool({"pixels": tiles.flatten(0, 1)})  # (B N, D)
    return pooled.unflatten(0, tiles.shape[:2])


def patch_grid(encoder: PixelEncoder, size: int, name: str) -> int:
    """Return the number of patches per side of images of ``size`` pixels.

    Raises:
        HeadstartError: the size is not a multiple of the patch size.
    """
    patch = encoder.patch_size
    if size % patch:
        raise HeadstartError(
            f"the objective {name!r} needs pictures whose side is a multiple of the encoder's "
            f"patch of {patch} pixels, but they are {size}; choose another size or patch size."
        )
    return int(size // patch)
