"""Heat maps over pictures: blue where a place says more for the class, orange where it says less.

Than the average place of the same picture, that is: what all of its places say alike shows nothing.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from PIL import Image
from torch import Tensor

from headstart.errors import HeadstartError
from headstart.modalities.image.pixel_file import decode_square

#: Pixels a side that a picture is shown at.
SIDE = 288
#: Blue and orange, which no common colour blindness takes for one another.
FOR, AGAINST = (0, 114, 178), (213, 94, 0)
#: What the two colours mean, where weights have signs and where they are shares of attention.
LEGEND = {
    True: ("more for it than the average place", "less"),
    False: ("looked at more than the average place", "less"),
}
#: How much of the picture the strongest colour covers.
COVER = 0.75


def shown(evidence: ImageEvidence, side: int = SIDE) -> Image.Image:
    """Return the square of a picture that the encoder saw, enlarged or shrunk to ``side``."""
    return shown_struct(evidence.image, side)


def shown_struct(image: Mapping[str, Any], side: int) -> Image.Image:
    """Return the square of a picture given as a struct of ``bytes`` and ``path``.

    Raises:
        HeadstartError: it cannot be decoded.
    """
    found = decode_square(image, side)
    if isinstance(found, str):
        raise HeadstartError(f"a picture cannot be decoded: {found}; leave it out.")
    return Image.fromarray(np.ascontiguousarray(found.transpose(1, 2, 0)))


def overlaid(evidence: ImageEvidence, side: int = SIDE) -> Image.Image:
    """Return the picture in grey under its heat map (side,side)."""
    grey = np.asarray(shown(evidence, side).convert("L").convert("RGB"), dtype=np.float32)
    heat = _smooth(evidence.heat, side)
    strength = (COVER * np.abs(heat) ** 0.8)[:, :, None]
    colour = np.where(heat[:, :, None] > 0, np.array(FOR), np.array(AGAINST))
    mixed = grey * (1 - strength) + colour * strength
    return Image.fromarray(mixed.round().astype(np.uint8))


def png(picture: Image.Image) -> bytes:
    """Return a picture as the bytes of a PNG."""
    file = io.BytesIO()
    picture.save(file, format="PNG", optimize=True)
    return file.getvalue()


def _smooth(heat: Tensor, side: int) -> np.ndarray:
    """Return a heat map around its mean, in -1..1, at the size of its picture."""
    values = heat.numpy() - heat.mean().item()
    largest = np.abs(values).max() or 1.0
    small = Image.fromarray((values / largest).astype(np.float32), mode="F")
    grown = np.asarray(small.resize((side, side), Image.Resampling.BICUBIC))
    return np.clip(grown, -1.0, 1.0)


@dataclass(frozen=True)
class ImageEvidence:
    """The weights of the pixels (S,S) and, averaged, of cells (G,G); the struct of the picture."""

    image: dict[str, Any]
    heat: Tensor
    cells: Tensor
    unit: ClassVar[str] = "cells"

    def summary(self) -> dict[str, Any]:
        """Return ``cells``, a square of weights, row by row."""
        cells = [[round(value, 6) for value in row] for row in self.cells.tolist()]
        return {"cells": cells}
