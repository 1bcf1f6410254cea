"""Heat maps over pictures: blue where a place says more for the class, orange where it says less.

Than the average place of the same picture, that is: what all of its places say alike shows nothing.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from headstart.deployment.explanation import Explanation, PictureEvidence
from headstart.errors import HeadstartError
from headstart.files import whole_file
from headstart.modalities.pixel_file import decode_square

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
_GAP, _LINE, _FONT = 12, 22, 15
_PAPER, _INK = (255, 255, 255), (27, 31, 36)


def shown(evidence: PictureEvidence, side: int = SIDE) -> Image.Image:
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


def overlaid(evidence: PictureEvidence, side: int = SIDE) -> Image.Image:
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


def write_sheet(found: list[Explanation], out: Path) -> None:
    """Write a PNG: each picture, its heat map beside it, and the prediction above them."""
    font = ImageFont.load_default(_FONT)
    width = 3 * _GAP + 2 * SIDE
    block = _LINE + SIDE + _LINE + _GAP
    sheet = Image.new("RGB", (width, _GAP + block * len(found)), _PAPER)
    pen = ImageDraw.Draw(sheet)
    for place, one in enumerate(found):
        assert isinstance(one.evidence, PictureEvidence)
        top = _GAP + place * block
        pen.text((_GAP, top), one.headline(), fill=_INK, font=font)
        sheet.paste(shown(one.evidence), (_GAP, top + _LINE))
        sheet.paste(overlaid(one.evidence), (2 * _GAP + SIDE, top + _LINE))
        low = top + _LINE + SIDE + 3
        pen.text((_GAP, low), f"by {one.method}", fill=_INK, font=font)
        words = zip(LEGEND[one.signed], (FOR, AGAINST), strict=True)
        left = 2 * _GAP + SIDE
        for word, colour in words:
            pen.rectangle((left, low + 3, left + 11, low + 14), fill=colour)
            pen.text((left + 16, low), word, fill=_INK, font=font)
            left += 28 + int(font.getlength(word))
    with whole_file(out) as partial:
        sheet.save(partial, format="PNG", optimize=True)


def _smooth(heat: Tensor, side: int) -> np.ndarray:
    """Return a heat map around its mean, in -1..1, at the size of its picture."""
    values = heat.numpy() - heat.mean().item()
    largest = np.abs(values).max() or 1.0
    small = Image.fromarray((values / largest).astype(np.float32), mode="F")
    grown = np.asarray(small.resize((side, side), Image.Resampling.BICUBIC))
    return np.clip(grown, -1.0, 1.0)
