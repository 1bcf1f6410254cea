"""Images as batches: squares of bytes, and random views of whole batches."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn import functional as F

from headstart.batch import Batch, Rows, unit_pixels
from headstart.files import write_json
from headstart.modalities import PixelProcessor, Sheet
from headstart.modalities.image.content import IMAGE
from headstart.modalities.image.pixel_file import PixelFile, PixelRows
from headstart.modalities.image.recipes import SMALL
from headstart.modalities.image.squares import SQUARES

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.modalities.cells import Cells
    from headstart.modalities.portable import Portable


#: From this side on small images have smaller views.
VIEWED = 32


class ImageProcessor(PixelProcessor):
    """Turns images into squares of S x S pixels.

    Args:
        side: S.
    """

    content = IMAGE
    gives = "pixels"
    provides = frozenset({"pixels", "two_views", "multi_crop", "units", "heat_maps"})

    def __init__(self, side: int) -> None:
        self.side = side

    def rows(self, folder: Path, *, layout: str, length: int, seed: int) -> Rows:
        """Open a pixel file: ``pixels`` (n,3,S',S') uint8, S' >= S; ``layout`` is ignored."""
        return PixelRows(PixelFile(folder))

    def collate(self, records: Dataset, length: int) -> Batch:
        """Decode records into ``pixels`` (B,3,length,length) uint8.

        The shorter side is resized to ``length``, and the centre square is kept.

        Raises:
            HeadstartError: an image cannot be decoded; see :meth:`ImageModality.readable`.
        """
        rows = records[:]
        pixels = np.empty((len(rows["id"]), 3, length, length), dtype=np.uint8)
        for index, (name, value) in enumerate(zip(rows["id"], rows["image"], strict=True)):
            pixels[index] = SQUARES.require(value, length, name=name)
        return {"pixels": torch.from_numpy(pixels)}

    def views(
        self,
        batch: Batch,
        generator: torch.Generator,
        kind: str,
        *,
        local: int = 0,
        side: int | None = None,
    ) -> tuple[Batch, ...]:
        """Return two views (B,3,V,V) in 0..1 and ``local`` small crops of each picture.

        V is ``side``. Small images have views of three quarters of their side by default: crops
        enlarge objects, so a network is better on whole images at a larger side than that of its
        training crops (Touvron et al. 2019, "Fixing the train-test resolution discrepancy",
        https://arxiv.org/abs/1906.06423), and trains on nearly twice as many per minute.
        """
        from headstart.modalities.image.views import views

        if side is None:
            small = VIEWED <= self.side <= SMALL
            side = self.side * 3 // 4 // 4 * 4 if small else self.side
        return views(batch, generator, kind, side, local=local)

    def augment(self, batch: Batch, generator: torch.Generator, kind: str = "weak") -> Batch:
        """Return one view (B,3,S,S) in 0..1 of each picture."""
        from headstart.modalities.image.views import augment

        return augment(batch, generator, kind, self.side)

    def adapt(self, batch: Batch, length: int) -> Batch:
        """Return the images at ``length`` pixels a side, without aliasing."""
        if batch["pixels"].shape[-1] == length:
            return batch
        pixels = unit_pixels(batch["pixels"])
        size = (length, length)
        return {**batch, "pixels": F.interpolate(pixels, size, mode="bilinear", antialias=True)}

    def show(self, batch: Batch, corrupted: Batch, views: Mapping[str, torch.Tensor]) -> Sheet:
        """Return the images, and below them the images of the objective or its batch."""
        from headstart.modalities.image.preview import images_in

        return Sheet({"original": batch["pixels"], **(views or images_in(corrupted))})

    def units(self, record: Mapping[str, Any], length: int) -> Cells:
        """Return the cells of an image."""
        from datasets import Dataset

        from headstart.modalities.image.heat import image_units

        batch = self.collate(Dataset.from_list([dict(record)]), length)
        return image_units(record["image"], batch)

    def weak_view(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Return the images shifted and mirrored."""
        return self.augment(batch, generator, "weak")

    def weak_and_strong(
        self, batch: Batch, generator: torch.Generator, kind: str, *, alike: bool
    ) -> tuple[Batch, Batch]:
        """Return a shifted view, and a cropped and recoloured one; both shifted if ``alike``."""
        strong = ("weak" if alike else "simclr") if kind == "auto" else kind
        return self.weak_view(batch, generator), self.augment(batch, generator, strong)

    def portable(self, folder: Path, length: int) -> Portable:
        """Write ``preprocessing.json``: how images become squares of ``length`` pixels."""
        from headstart.modalities.image.portable import FILE, portable_images

        found = portable_images(length)
        write_json(folder / FILE, dict(found.settings))
        return found

    def save(self, folder: Path) -> None:
        """Write ``image.json``."""
        write_json(folder / "image.json", {"size": self.side})
