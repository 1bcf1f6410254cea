"""Explanations of several records as one image."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from headstart.deployment.explanation import Explanation
from headstart.files import whole_file
from headstart.pages.style import AGAINST, FOR

_GAP, _LINE, _FONT = 12, 22, 15
_PAPER, _INK = (255, 255, 255), (27, 31, 36)


def write_sheet(found: list[Explanation], out: Path) -> None:
    """Write a PNG: the image of each evidence, the prediction above and the legend below it."""
    images = [image for one in found if (image := one.evidence.image())]
    font = ImageFont.load_default(_FONT)
    width = 2 * _GAP + max(image.width for image in images)
    height = _GAP + sum(image.height + 2 * _LINE + _GAP for image in images)
    sheet = Image.new("RGB", (width, height), _PAPER)
    pen = ImageDraw.Draw(sheet)
    top = _GAP
    for one, image in zip(found, images, strict=True):
        pen.text((_GAP, top), one.headline(), fill=_INK, font=font)
        sheet.paste(image, (_GAP, top + _LINE))
        low = top + _LINE + image.height + 3
        pen.text((_GAP, low), f"by {one.method}", fill=_INK, font=font)
        left = _GAP + image.width // 2 + _GAP // 2
        for word, colour in zip(one.evidence.legend, (FOR, AGAINST), strict=False):
            pen.rectangle((left, low + 3, left + 11, low + 14), fill=colour)
            pen.text((left + 16, low), word, fill=_INK, font=font)
            left += 28 + int(font.getlength(word))
        top += image.height + 2 * _LINE + _GAP
    with whole_file(out) as partial:
        sheet.save(partial, format="PNG", optimize=True)
