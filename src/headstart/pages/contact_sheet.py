"""A grid of images: what the network is given, for the run folder and the report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from headstart.batch import unit_pixels
from headstart.files import whole_file

#: Maximum number of images in a row.
COLUMNS = 8

#: Side in pixels that images are enlarged or shrunk to, approximately.
THUMBNAIL_SIDE = 96

_GAP, _BREAK, _FONT = 4, 14, 13
_PAPER, _INK, _EDGE = (255, 255, 255), (96, 96, 96), (216, 216, 216)


def contact_sheet(
    rows: Sequence[Tensor],
    path: Path,
    *,
    names: Sequence[str] = (),
    scale: float | None = None,
) -> None:
    """Write a PNG grid: the originals in the first row, their views below.

    Args:
        rows: images (n,3,h,w), uint8 or floats in 0..1, one tensor per row. Rows may differ in
            size; smaller ones are drawn smaller. Images beyond :data:`COLUMNS` are dropped.
        path: the PNG, written atomically.
        names: a label before each row, such as ``original``.
        scale: screen pixels per image pixel. By default small images are enlarged to about
            :data:`THUMBNAIL_SIDE`, by whole factors and without smoothing, and large ones shrunk.

    Raises:
        HeadstartError: the disk is full.
    """
    rows = [row[:COLUMNS] for row in rows]
    largest = max(max(row.shape[2:]) for row in rows)
    if scale is None:
        scale = THUMBNAIL_SIDE / largest
        scale = round(scale) if scale >= 1 else scale
    cell = max(1, round(largest * scale))
    heights = [max(1, round(row.shape[2] * scale)) for row in rows]
    font = ImageFont.load_default(_FONT)
    margin = round(max((font.getlength(name) for name in names), default=0))
    margin += 2 * _GAP if margin else 0
    columns = max(len(row) for row in rows)
    width = _GAP + margin + columns * (cell + _GAP)
    height = _GAP + sum(heights) + _GAP * len(rows) + (_BREAK - _GAP) * (len(rows) > 1)

    sheet = Image.new("RGB", (width, height), _PAPER)
    pen = ImageDraw.Draw(sheet)
    top = _GAP
    for index, (row, high) in enumerate(zip(rows, heights, strict=True)):
        if index < len(names):
            spot = (margin - _GAP, top + high // 2)
            pen.text(spot, names[index], fill=_INK, font=font, anchor="rm")
        for column, pixels in enumerate(_bytes(row)):
            thumbnail = _scaled(pixels, scale)
            left = _GAP + margin + column * (cell + _GAP) + (cell - thumbnail.width) // 2
            # An outline, so that a white view is still visible.
            right, bottom = left + thumbnail.width, top + thumbnail.height
            pen.rectangle((left - 1, top - 1, right, bottom), outline=_EDGE)
            sheet.paste(thumbnail, (left, top))
        top += high + (_BREAK if index == 0 else _GAP)
    with whole_file(path) as partial:
        sheet.save(partial, format="PNG", optimize=True)


def _bytes(row: Tensor) -> Tensor:
    """Return (n,h,w,3) uint8 on the CPU; floats outside 0..1 are clamped."""
    floats = unit_pixels(row.detach().cpu()).float().nan_to_num().clamp(0.0, 1.0)
    return (floats * 255.0).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous()


def _scaled(pixels: Tensor, scale: float) -> Image.Image:
    image = Image.fromarray(pixels.numpy())
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    smooth = Image.Resampling.LANCZOS if scale < 1 else Image.Resampling.NEAREST
    return image if size == image.size else image.resize(size, smooth)
