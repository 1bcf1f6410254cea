"""Heat maps over images: blue where a position is more evidence for the class, orange where less.

Weights are relative to the mean of the image, so a constant offset is not visible.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image
from torch import Tensor

from headstart.batch import unit_pixels
from headstart.errors import HeadstartError
from headstart.modalities.cells import LEGEND, Cells, rounded, shades
from headstart.modalities.image.pixel_file import decode_square
from headstart.pages.markup import Markup, data_address, tag
from headstart.pages.style import AGAINST, FOR

if TYPE_CHECKING:
    from rich.console import RenderableType

    from headstart.batch import Batch

#: Pixels per side of a displayed image, and between two images.
SIDE, GAP = 288, 12
#: Opacity of the strongest colour.
COVER = 0.75


def image_units(image: Mapping[str, Any], batch: Batch) -> Cells:
    """Return the cells of an image; a removed one takes the mean colour.

    Args:
        image: a struct of ``bytes`` and ``path``.
        batch: ``pixels`` (1,3,S,S) of it.
    """
    pixels = {"pixels": unit_pixels(batch["pixels"])}

    def show(heat: Tensor, cells: Tensor, label: str, signed: bool) -> ImageEvidence:
        return ImageEvidence(image, heat, cells, LEGEND[signed])

    def content(row: Tensor) -> dict[str, Any]:
        values = (row * 255).round().byte().permute(1, 2, 0).contiguous().numpy()
        return {"bytes": _png(Image.fromarray(values)), "path": None}

    return Cells(pixels, "pixels", content=content, show=show)


@dataclass(frozen=True)
class ImageEvidence:
    """The weights of the pixels (S,S) and, averaged, of cells (G,G); the struct of the picture."""

    struct: Mapping[str, Any]
    heat: Tensor
    cells: Tensor
    legend: Sequence[str]

    @property
    def weights(self) -> list[float]:
        """Of the cells, row by row."""
        found: list[float] = self.cells.flatten().tolist()
        return found

    def summary(self) -> dict[str, Any]:
        """Return ``cells``, a square of weights, row by row."""
        return {"cells": rounded(self.cells)}

    def lines(self) -> list[RenderableType]:
        from rich.text import Text

        key = "  (the darker, the more a place mattered; --out X.png shows it)"
        return [*shades(self.cells), Text(key, "dim")]

    def html(self) -> Markup:
        figures = [
            tag(
                "figure",
                tag("img", src=data_address(_png(image), "png"), alt=words),
                tag("figcaption", words),
            )
            for image, words in [
                (self.cropped(), "the picture, as the encoder crops it"),
                (self.overlaid(), "what mattered, over the picture in grey"),
            ]
        ]
        return tag("div", *figures, class_="heatmaps")

    def image(self) -> Image.Image:
        """Return the image next to its heat map."""
        sheet = Image.new("RGB", (2 * SIDE + GAP, SIDE), (255, 255, 255))
        sheet.paste(self.cropped(), (0, 0))
        sheet.paste(self.overlaid(), (SIDE + GAP, 0))
        return sheet

    def cropped(self) -> Image.Image:
        """Return the square (SIDE,SIDE) of the image that the encoder reads.

        Raises:
            HeadstartError: it cannot be decoded.
        """
        found = decode_square(self.struct, SIDE)
        if isinstance(found, str):
            raise HeadstartError(f"a picture cannot be decoded: {found}; leave it out.")
        return Image.fromarray(np.ascontiguousarray(found.transpose(1, 2, 0)))

    def overlaid(self) -> Image.Image:
        """Return the image in grey under its heat map (SIDE,SIDE)."""
        grey = np.asarray(self.cropped().convert("L").convert("RGB"), dtype=np.float32)
        heat = _smooth(self.heat, SIDE)
        strength = (COVER * np.abs(heat) ** 0.8)[:, :, None]
        colour = np.where(heat[:, :, None] > 0, np.array(FOR), np.array(AGAINST))
        mixed = grey * (1 - strength) + colour * strength
        return Image.fromarray(mixed.round().astype(np.uint8))


def _png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, format="PNG", optimize=True)
    return file.getvalue()


def _smooth(heat: Tensor, side: int) -> np.ndarray:
    """Return a heat map around its mean, in -1..1, at the size of its picture."""
    values = heat.numpy() - heat.mean().item()
    largest = np.abs(values).max() or 1.0
    small = Image.fromarray((values / largest).astype(np.float32), mode="F")
    grown = np.asarray(small.resize((side, side), Image.Resampling.BICUBIC))
    return np.clip(grown, -1.0, 1.0)
