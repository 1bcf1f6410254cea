"""A cache of decoded squares, which several candidates of an evaluation read."""

from __future__ import annotations

from headstart.modalities.image.pixel_file import decode_square
from headstart.modalities.remembered import Remembered

#: From the struct of an image and a side to its square (3,side,side) uint8.
SQUARES = Remembered(decode_square, "picture")
