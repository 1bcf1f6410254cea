"""What series look like: a line on white."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
from headstart.modalities.preview import Preview
from PIL import Image, ImageDraw

if TYPE_CHECKING:
    from datasets import Dataset

_PAPER, _INK = (255, 255, 255), (0, 114, 178)


def lines(records: Dataset, side: int) -> list[Preview]:
    """Return the name of each record and, unless ``side`` is 0, its line as an image."""
    found = []
    for name, readings in zip(records["id"], records["series"], strict=True):
        held = io.BytesIO()
        if side:
            drawn(np.asarray(readings), side).save(held, format="WEBP", lossless=True)
        found.append(Preview(str(name), held.getvalue()))
    return found


def drawn(readings: np.ndarray, side: int) -> Image.Image:
    """Return a series (T,) as a line, an image of ``side`` x ``side`` pixels."""
    image = Image.new("RGB", (side, side), _PAPER)
    low, high = float(readings.min()), float(readings.max())
    x = np.linspace(1, side - 2, len(readings))
    y = side - 2 - (readings - low) / ((high - low) or 1.0) * (side - 3)
    ImageDraw.Draw(image).line(list(zip(x.tolist(), y.tolist(), strict=True)), fill=_INK)
    return image
