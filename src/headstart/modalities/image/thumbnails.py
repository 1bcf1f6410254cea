"""Thumbnails of images for pages: small, square and compressed."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from PIL import Image

from headstart.modalities.image.squares import SQUARES

if TYPE_CHECKING:
    from datasets import Dataset

_QUALITY = 60


def thumbnails(records: Dataset, side: int) -> list[bytes]:
    """Return the centre square of each image as WebP bytes of ``side`` x ``side`` pixels.

    Raises:
        HeadstartError: one cannot be decoded.
    """
    found = []
    for name, value in zip(records["id"], records["image"], strict=True):
        square = SQUARES.require(value, side, name)
        held = io.BytesIO()
        Image.fromarray(square.transpose(1, 2, 0)).save(held, format="WEBP", quality=_QUALITY)
        found.append(held.getvalue())
    return found
