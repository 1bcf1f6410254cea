"""Realistic corruptions of images: noise, blur, compression, brightness.

They follow Hendrycks and Dietterich 2019 ("Benchmarking Neural Network Robustness to Common
Corruptions and Perturbations", https://arxiv.org/abs/1903.12261), with sizes relative to the image,
so that they have the same strength at any side.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.data.store import with_content

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.modalities import Corruption

#: Standard deviation of the noise, as a share of full brightness.
_NOISE = {1: 0.04, 2: 0.08, 3: 0.16}
#: Radius of the blur, as a share of the side.
_RADIUS = {1: 0.01, 2: 0.02, 3: 0.04}
_QUALITY = {1: 50, 2: 20, 3: 8}
#: Added to the brightness, as a share of full.
_LIGHT = {1: 0.1, 2: 0.25, 3: 0.4}


def noise(pixels: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """Add Gaussian noise to an image (H,W,3) uint8."""
    drawn = rng.standard_normal(pixels.shape) * (255 * _NOISE[severity])
    return (pixels + drawn).clip(0, 255).round().astype(np.uint8)


def blur(pixels: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """Blur an image (H,W,3) uint8 with a Gaussian."""
    from PIL import Image, ImageFilter

    kernel = ImageFilter.GaussianBlur(_RADIUS[severity] * min(pixels.shape[:2]))
    return np.asarray(Image.fromarray(pixels).filter(kernel))


def jpeg(pixels: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """Compress an image (H,W,3) uint8 strongly."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=_QUALITY[severity])
    with Image.open(file) as image:
        return np.asarray(image.convert("RGB"))


def brightness(pixels: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """Brighten an image (H,W,3) uint8 until parts of it are white."""
    return (pixels + 255 * _LIGHT[severity]).clip(0, 255).round().astype(np.uint8)


def squared(records: Dataset, side: int) -> Dataset:
    """Return images as the squares that the encoder sees, so that corruptions work on these."""
    from headstart.modalities.image.squares import SQUARES

    squares = [
        _encoded(SQUARES.require(value, side, name=name).transpose(1, 2, 0))
        for value, name in zip(records["image"], records["id"], strict=True)
    ]
    return with_content(records, "image", squares)


def _decoded(value: dict[str, Any]) -> np.ndarray:
    from PIL import Image

    with Image.open(io.BytesIO(value["bytes"])) as image:
        return np.asarray(image)


def _encoded(pixels: np.ndarray) -> dict[str, Any]:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(file, "PNG", compress_level=1)
    return {"bytes": file.getvalue(), "path": None}


def _of_value(
    change: Callable[[np.ndarray, int, np.random.Generator], np.ndarray],
) -> Corruption:
    """Return a change of pixels as one of the values that :func:`squared` stores."""
    return lambda value, severity, rng: _encoded(change(_decoded(value), severity, rng))


CORRUPTIONS = {change.__name__: _of_value(change) for change in (noise, blur, jpeg, brightness)}
