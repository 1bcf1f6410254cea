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

    Of one that cannot be decoded there is none: no page is worth failing for.
    """
    found = []
    for value in records["image"]:
        square = SQUARES.get(value, side)
        if isinstance(square, str):
            found.append(b"")
            continue
        held = io.BytesIO()
        Image.fromarray(square.transpose(1, 2, 0)).save(held, format="WEBP", quality=_QUALITY)
        found.append(held.getvalue())
    return found
