"""Explanations of many records as one picture."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from headstart.deployment.explanation import Explanation
from headstart.files import whole_file
from headstart.modalities.image.heat import (
    AGAINST,
    FOR,
    LEGEND,
    SIDE,
    ImageEvidence,
    overlaid,
    shown,
)

_GAP, _LINE, _FONT = 12, 22, 15
_PAPER, _INK = (255, 255, 255), (27, 31, 36)


def write_sheet(found: list[Explanation], out: Path) -> None:
    """Write a PNG: each picture, its heat map beside it, and the prediction above them."""
    font = ImageFont.load_default(_FONT)
    width = 3 * _GAP + 2 * SIDE
    block = _LINE + SIDE + _LINE + _GAP
    sheet = Image.new("RGB", (width, _GAP + block * len(found)), _PAPER)
    pen = ImageDraw.Draw(sheet)
    for index, one in enumerate(found):
        assert isinstance(one.evidence, ImageEvidence)
        top = _GAP + index * block
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
