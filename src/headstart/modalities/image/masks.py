"""Masks as label ids, also where a tool saved their classes as levels of grey.

A mask has one id per pixel, and 255 is a pixel without a label. Many tools write the object as 255,
or several classes as levels from black to white: the values of all masks of a source show which.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from headstart.modalities.image.decode import BadImage

#: Id of unlabeled pixels in a mask.
IGNORED = 255

NOT_MASK = "its mask is no picture of one label id a pixel (grey or palette, 8 bits)"
LOSSY = "its mask is a JPEG, which blurs label ids; save it as a PNG"

#: Most levels of grey that are told from label ids.
_LEVELS = 17
#: Values so near to black or white are blurred black or white, if nearly all pixels are.
_NEAR, _NEARLY_ALL = 32, 0.95


def mask_ids(value: Mapping[str, Any]) -> np.ndarray:
    """Return a mask as label ids (H,W) uint8; of a palette the indices, not the colours.

    Args:
        value: ``path``, and ``levels``, the grey value of each id, where there are such; other
            values have the id of the nearest.

    Raises:
        BadImage: it is damaged, or does not have one id per pixel.
    """
    ids, _ = stored(value)
    levels = value.get("levels")
    if not levels:
        return ids
    distance = np.abs(np.arange(256)[:, None] - np.asarray(levels))
    table: np.ndarray = distance.argmin(1).astype(np.uint8)
    return table[ids]


def stored(value: Mapping[str, Any]) -> tuple[np.ndarray, bool]:
    """Return a mask as it is saved (H,W) uint8, and whether its format is exact.

    Grey that was saved as colours, or in 16 bits, is read as what it is.

    Raises:
        BadImage: it is damaged, or does not have one id per pixel.
    """
    from PIL import Image

    try:
        with Image.open(value["path"]) as image:
            return _grey(np.asarray(image)), image.format != "JPEG"
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        raise BadImage(NOT_MASK) from None


def _grey(array: np.ndarray) -> np.ndarray:
    """Return the one value of each pixel, where there is one of 8 bits."""
    if array.ndim == 3:
        colours = array[..., : array.shape[2] - 1 + array.shape[2] % 2]
        opaque = array.shape[2] % 2 or (array[..., -1] == 255).all()
        if not opaque or (colours != colours[..., :1]).any():
            raise BadImage(NOT_MASK)
        array = colours[..., 0]
    if array.dtype != bool and (array.dtype.kind not in "ui" or not _bytes(array)):
        raise BadImage(NOT_MASK)
    return array.astype(np.uint8)


def _bytes(array: np.ndarray) -> bool:
    return bool(array.min(initial=0) >= 0 and array.max(initial=0) <= 255)


def grey_levels(counts: np.ndarray) -> list[int]:
    """Return the grey value of each class, or nothing where masks hold label ids.

    Classes are levels of grey if all of them, and no other values, are evenly spaced from 0 to 255,
    or if nearly all pixels are close to 0 or to 255 and blurred.

    Args:
        counts: (256,) pixels of all masks by value.

    Example::

        grey_levels(np.bincount([0, 128, 255], minlength=256))  # [0, 128, 255]
    """
    values = np.flatnonzero(counts)
    if 2 <= len(values) <= _LEVELS:
        even = np.linspace(0, 255, len(values))
        if np.abs(values - even).max() < 1:
            return [int(value) for value in values]
    low, high = counts[: _NEAR + 1], counts[255 - _NEAR :]
    blurred = low[1:].any() and high[:-1].any() and low[0] and high[-1]
    if blurred and low.sum() + high.sum() >= _NEARLY_ALL * counts.sum():
        return [0, 255]
    return []


def level_notes(levels: list[int]) -> list[str]:
    """Return a sentence on masks that hold levels of grey."""
    if not levels:
        return []
    named = ", ".join(map(str, levels))
    ids = ", ".join(map(str, range(len(levels))))
    return [
        f"the masks hold the grey levels {named}, which were read as the label ids {ids}; here 255 "
        "is no unlabeled pixel"
    ]
