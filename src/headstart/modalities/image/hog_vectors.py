"""HOG and mean colours as vectors that are kept with an encoder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from headstart.batch import Batch
from headstart.files import write_json
from headstart.modalities import VectorProcessor
from headstart.modalities.image.content import IMAGE
from headstart.modalities.image.hog import CELLS, hog_and_colour
from headstart.modalities.image.processor import ImageProcessor
from headstart.stored import read_json

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.modalities.portable import Portable

#: Its file in an encoder folder.
FILE = "hog.json"


class HogProcessor(VectorProcessor):
    """The features of :func:`headstart.modalities.image.hog.hog_and_colour`; nothing is fitted.

    Args:
        side: pixels per side at which images are read.
    """

    content = IMAGE
    name = "HOG and colour"
    width = 34 * CELLS**2

    def __init__(self, side: int) -> None:
        self._images = ImageProcessor(side)

    def collate(self, records: Dataset, length: int) -> Batch:
        """Return ``vectors`` (B,544) of images; ``length`` is ignored."""
        pixels = self._images.collate(records, self._images.side)["pixels"]
        return {"vectors": hog_and_colour(pixels)}

    def portable(self, folder: Path, length: int) -> Portable:
        """Write ``preprocessing.json``; ``length`` is ignored."""
        from headstart.modalities.image.hog_portable import portable_hog

        return portable_hog(self._images.portable(folder, self._images.side))

    def save(self, folder: Path) -> None:
        """Write the side."""
        write_json(folder / FILE, {"side": self._images.side})

    @classmethod
    def load(cls, folder: Path) -> HogProcessor:
        """Open what :meth:`save` wrote."""
        return cls(int(read_json(folder / FILE, side=int)["side"]))
