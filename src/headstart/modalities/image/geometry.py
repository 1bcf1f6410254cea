"""Geometric augmentations of whole batches: crops, shifts, flips, blur and erased blocks.

Cropping, resizing and blurring are linear and separable, so for each sample they are one matrix for
the rows and one for the columns, and for a batch two batched matrix products, on CPU and GPU. Above
:data:`MATRIX_SIDE` pixels a CPU is faster with torch's resize of one image at a time. Both agree
with torchvision, antialiasing included.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from headstart.batch import unit_pixels

#: Up to this side a CPU crops by matrices: measured 7x as fast at 32 px, half as fast at 64 px.
MATRIX_SIDE = 48

#: Draws of a crop before the largest central one is taken (torchvision's RandomResizedCrop).
ATTEMPTS = 10


def draw_boxes(
    count: int,
    height: int,
    width: int,
    scale: tuple[float, float],
    ratio: tuple[float, float],
    generator: torch.Generator,
) -> Tensor:
    """Draw one crop per sample: (count,4) int64 of top, left, height, width, in pixels.

    The area is uniform in ``scale`` (a share of the image's), the logarithm of width / height is
    uniform in that of ``ratio`` (Szegedy et al. 2015, section 6; torchvision's RandomResizedCrop).
    """
    device = generator.device
    draw = torch.rand(2, ATTEMPTS, count, generator=generator, device=device)
    position = torch.rand(2, count, generator=generator, device=device)
    area = (scale[0] + draw[0] * (scale[1] - scale[0])) * (height * width)
    low, high = math.log(ratio[0]), math.log(ratio[1])
    aspect = (low + draw[1] * (high - low)).exp()
    wide, high_ = (area * aspect).sqrt().round(), (area / aspect).sqrt().round()
    fits = (wide > 0) & (wide <= width) & (high_ > 0) & (high_ <= height)
    first = fits.int().argmax(0, keepdim=True)
    found = fits.any(0)
    w = torch.where(found, wide.gather(0, first)[0], min(width, round(height * ratio[1])))
    h = torch.where(found, high_.gather(0, first)[0], min(height, round(width / ratio[0])))
    spare = torch.stack([height - h, width - w])
    # Without a fitting draw the crop is central.
    corner = torch.where(
        found, (position * (spare + 1)).floor().minimum(spare), (spare / 2).floor()
    )
    return torch.stack([corner[0], corner[1], h, w], 1).long()


def draw_shifts(
    count: int, height: int, width: int, margin: int, generator: torch.Generator
) -> Tensor:
    """Draw a box (count,4) of the image's own size in the image widened by ``margin``."""
    corner = torch.randint(
        0, 2 * margin + 1, (count, 2), generator=generator, device=generator.device
    )
    return torch.cat([corner, corner.new_tensor([[height, width]]).expand(count, 2)], 1)


def mirror_border(pixels: Tensor, margin: int) -> Tensor:
    """Return images as floats 0..1, wider by ``margin`` mirrored pixels on each side."""
    return F.pad(unit_pixels(pixels), (margin,) * 4, mode="reflect")


def crop_resize(pixels: Tensor, boxes: Tensor, flips: Tensor, size: int) -> Tensor:
    """Cut ``boxes`` (B,4) out of ``pixels`` (B,3,H,W), bytes or floats, and resize to ``size``.

    Bilinear, antialiased where it shrinks; samples where ``flips`` (B,) is True are mirrored left
    to right. Returns new floats 0..1 (B,3,size,size), contiguous.
    """
    if pixels.device.type == "cpu" and max(size, *pixels.shape[2:]) > MATRIX_SIDE:
        return _crop_each(pixels, boxes, flips, size)
    count, channels, height, width = pixels.shape
    rows = _resize_matrix(boxes[:, 0], boxes[:, 2], height, size)
    columns = _resize_matrix(boxes[:, 1], boxes[:, 3], width, size)
    columns = torch.where(flips[:, None, None], columns.flip(1), columns)
    if not pixels.is_floating_point():
        columns = columns.div_(255.0)
    # Decoders often return bytes channels last.
    flat = pixels.contiguous().float().view(count, channels * height, width)
    wide = torch.bmm(flat, columns.transpose(1, 2)).view(count, channels, height, size)
    # Rounding of the weights may leave the range by the last bit.
    return torch.matmul(rows[:, None], wide).clamp_(0.0, 1.0)


def blur_(pixels: Tensor, sigma: Tensor, radius: int) -> Tensor:
    """Blur floats (B,3,H,W) in place by Gaussians of ``sigma`` (B,) pixels, cut at ``radius``.

    Borders are mirrored, as in torchvision's ``gaussian_blur`` with a kernel of 2 radius + 1.
    """
    radius = min(radius, min(pixels.shape[2:]) - 1)
    offset = torch.arange(-radius, radius + 1, device=pixels.device)
    kernel = (-0.5 * (offset / sigma[:, None]) ** 2).softmax(1)
    count, channels, height, width = pixels.shape
    dtype = _product_dtype(pixels)
    rows, columns = (_blur_matrix(kernel, offset, side, dtype) for side in (height, width))
    # Centred on zero an image loses less in bfloat16: half a level of 255. The rows sum to one.
    flat = (pixels - 0.5).to(dtype).reshape(count, channels * height, width)
    wide = torch.bmm(flat, columns.transpose(1, 2)).view(count, channels, height, width)
    return pixels.copy_(torch.matmul(rows[:, None], wide)).add_(0.5).clamp_(0.0, 1.0)


def erase_(pixels: Tensor, boxes: Tensor) -> Tensor:
    """Blacken ``boxes`` (B,4) in place (random erasing, Zhong et al. 2020); a box may be empty."""
    top, left, high, wide = (part[:, None] for part in boxes.unbind(1))
    row = torch.arange(pixels.shape[2], device=pixels.device)
    column = torch.arange(pixels.shape[3], device=pixels.device)
    inside = ((row >= top) & (row < top + high))[:, None, :, None] & (
        (column >= left) & (column < left + wide)
    )[:, None, None, :]
    return pixels.mul_(~inside)


def _resize_matrix(start: Tensor, length: Tensor, side: int, size: int) -> Tensor:
    """Return (B,size,side): row t holds the weights of the source pixels that make pixel t.

    A triangle of half-width max(1, shrink factor) around the source coordinate of t's centre, cut
    at the crop's edges and normalised: Pillow's and torch's antialiased bilinear filter.
    """
    device = start.device
    start, length = start.float()[:, None], length.float()[:, None]
    factor = length / size
    centre = start + (torch.arange(size, device=device) + 0.5) * factor
    slope = factor.clamp(min=1.0).reciprocal()[:, None]
    pixel = torch.arange(side, device=device) + 0.5
    inside = (pixel > start) & (pixel < start + length)
    weight = (pixel - centre[:, :, None]).abs_().mul_(slope).neg_().add_(1.0).clamp_min_(0.0)
    weight.mul_(inside[:, None])
    return weight.div_(weight.sum(2, keepdim=True))


def _crop_each(pixels: Tensor, boxes: Tensor, flips: Tensor, size: int) -> Tensor:
    """:func:`crop_resize` one image at a time; bytes stay bytes, for which torch is fastest."""
    out = torch.empty(len(pixels), pixels.shape[1], size, size)
    mirrored = flips.tolist()
    for row, (top, left, high, wide) in enumerate(boxes.tolist()):
        window = pixels[row : row + 1, :, top : top + high, left : left + wide]
        done = F.interpolate(window, (size, size), mode="bilinear", antialias=True)[0]
        out[row] = done.flip(2) if mirrored[row] else done
    return out if pixels.is_floating_point() else out.div_(255.0)


def resize(pixels: Tensor, size: int) -> Tensor:
    """Return whole images (B,3,H,W) as floats 0..1 of side ``size``, antialiased."""
    pixels = unit_pixels(pixels)
    if pixels.shape[2:] == (size, size):
        return pixels
    return F.interpolate(pixels, (size, size), mode="bilinear", antialias=True)


def _blur_matrix(kernel: Tensor, offset: Tensor, side: int, dtype: torch.dtype) -> Tensor:
    """Return (B,side,side) that blurs along one axis; ``kernel`` (B,K) is at ``offset`` (K,)."""
    count, taps = kernel.shape
    position = torch.arange(side, device=kernel.device)[:, None] + offset
    index = _mirrored(position, side).expand(count, side, taps)
    matrix = kernel.new_zeros(count, side, side)
    return matrix.scatter_add_(2, index, kernel[:, None].expand(count, side, taps)).to(dtype)


def _mirrored(position: Tensor, side: int) -> Tensor:
    """Reflect positions outside 0..side-1; the edge pixel is not repeated."""
    if side == 1:
        return torch.zeros_like(position)
    folded = position.remainder(2 * side - 2)
    return torch.minimum(folded, 2 * side - 2 - folded)


def _product_dtype(pixels: Tensor) -> torch.dtype:
    """Return bfloat16 where the CPU multiplies such matrices in hardware: 5x as fast at 224 px."""
    fast = pixels.device.type == "cpu" and torch.cpu._is_amx_tile_supported()
    return torch.bfloat16 if fast else torch.float32
