"""A picture of pictures: what the network is shown, for the run folder and the report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from headstart.batch import unit_pixels
from headstart.files import whole_file

#: Pictures in a row at most.
COLUMNS = 8

#: Small pictures are enlarged to about this side.
SHOWN_SIDE = 96

_GAP, _BREAK, _FONT = 4, 14, 13
_PAPER, _INK, _EDGE = (255, 255, 255), (96, 96, 96), (216, 216, 216)


def contact_sheet(
    rows: Sequence[Tensor],
    path: Path,
    *,
    names: Sequence[str] = (),
    scale: float | None = None,
) -> None:
    """Write a PNG grid: the first row holds the originals, and below each stand its views.

    Args:
        rows: pictures (n,3,h,w), bytes or floats 0..1, one tensor a row; the sides of two rows may
            differ, and then smaller ones are shown smaller. More than :data:`COLUMNS` are cut off.
        path: the PNG, written whole or not at all.
        names: a word before each row, such as ``original``.
        scale: screen pixels for a pixel; by default small pictures are enlarged to about
            :data:`SHOWN_SIDE`, by whole factors and without smoothing, and large ones shrunk to it.

    Raises:
        HeadstartError: the disk is full.
    """
    rows = [row[:COLUMNS] for row in rows]
    largest = max(max(row.shape[2:]) for row in rows)
    if scale is None:
        scale = (
            max(1, round(SHOWN_SIDE / largest)) if largest <= SHOWN_SIDE else SHOWN_SIDE / largest
        )
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
        for column, picture in enumerate(_bytes(row)):
            shown = _shown(picture, scale)
            left = _GAP + margin + column * (cell + _GAP) + (cell - shown.width) // 2
            # A hairline, so that a view that came out white is still seen.
            right, bottom = left + shown.width, top + shown.height
            pen.rectangle((left - 1, top - 1, right, bottom), outline=_EDGE)
            sheet.paste(shown, (left, top))
        top += high + (_BREAK if index == 0 else _GAP)
    with whole_file(path) as partial:
        sheet.save(partial, format="PNG", optimize=True)


def _bytes(row: Tensor) -> Tensor:
    """Return (n,h,w,3) bytes on the CPU; floats beyond 0..1 are cut, not wrapped."""
    floats = unit_pixels(row.detach().cpu()).float().nan_to_num().clamp(0.0, 1.0)
    return (floats * 255.0).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous()


def _shown(picture: Tensor, scale: float) -> Image.Image:
    image = Image.fromarray(picture.numpy())
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    smooth = Image.Resampling.LANCZOS if scale < 1 else Image.Resampling.NEAREST
    return image if size == image.size else image.resize(size, smooth)
