"""Whole images as rows: never cropped to squares, randomly scaled and cropped while training.

Images are resized to a common longer side, and the images of a batch are padded at the bottom and
on the right. Boxes and masks are transformed alike.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from headstart.errors import HeadstartError
from headstart.modalities.image.decode import BadImage, decode
from headstart.seeding import uniform

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.batch import Batch

#: Sides of a batch are multiples of this, so that each map of a network covers whole cells.
MULTIPLE = 32
#: Pixel value around smaller images of a batch: a middle grey.
PADDING = 114
#: An image is enlarged or reduced by up to this factor, at random.
ZOOM = 1.4
#: A box that a window cuts is kept if at least this share of its area is left.
LEFT = 0.3
#: Most bytes of decoded images in the cache.
REMEMBERED = 2**30


@dataclass(frozen=True)
class View:
    """A view of an image: scaled, then cropped to a window, then perhaps flipped.

    Attributes:
        native: (height, width) of the original image.
        scaled: the same after scaling.
        corner: top and left of the window in the scaled image.
        window: its height and width.
        mirrored: flipped left to right.
    """

    native: tuple[int, int]
    scaled: tuple[int, int]
    corner: tuple[int, int]
    window: tuple[int, int]
    mirrored: bool = False

    @classmethod
    def plain(cls, native: tuple[int, int], side: int) -> View:
        """Return the view of a whole image, its longer side resized to ``side``."""
        scaled = _scaled(native, side / max(native))
        return cls(native, scaled, (0, 0), scaled)

    @classmethod
    def drawn(cls, native: tuple[int, int], side: int, draws: Sequence[float]) -> View:
        """Return the view for four numbers in [0, 1): zoom, top, left and flip.

        The window is never larger than the image of :meth:`plain`.
        """
        room = _scaled(native, side / max(native))
        scaled = _scaled(native, side / max(native) * ZOOM ** (2 * draws[0] - 1))
        window = (min(room[0], scaled[0]), min(room[1], scaled[1]))
        top, left = (
            int(draw * (whole - part + 1))
            for draw, whole, part in zip(draws[1:3], scaled, window, strict=True)
        )
        return cls(native, scaled, (top, left), window, draws[3] < 0.5)

    def image(self, image: Tensor) -> Tensor:
        """Return the view (3,h,w) of an image (3,H,W) uint8 of any scale."""
        if image.shape[1:] != self.scaled:
            image = F.interpolate(image[None], self.scaled, mode="bilinear", antialias=True)[0]
        return self._cut(image)

    def mask(self, ids: Tensor) -> Tensor:
        """Return the view (h,w) of a mask (H,W) uint8; ids are never interpolated."""
        if ids.shape != self.scaled:
            ids = F.interpolate(ids[None, None], self.scaled, mode="nearest-exact")[0, 0]
        return self._cut(ids)

    def boxes(self, boxes: Tensor) -> tuple[Tensor, Tensor]:
        """Return boxes (n,4) of the original image in the view (n,4), and which are visible (n,).

        A box is visible if at least :data:`LEFT` of its area is in the window.
        """
        seen = boxes * self._ratio() - boxes.new_tensor([*self.corner[::-1], *self.corner[::-1]])
        whole = _area(seen)
        height, width = self.window
        seen = seen.clamp(min=0).minimum(seen.new_tensor([width, height, width, height]))
        kept = (_area(seen) >= LEFT * whole) & (_area(seen) > 0)
        return self._mirror(seen), kept

    def native_boxes(self, boxes: Tensor) -> Tensor:
        """Return boxes (n,4) of the view in pixels of the original image."""
        found = self._mirror(boxes) + boxes.new_tensor([*self.corner[::-1], *self.corner[::-1]])
        height, width = self.native
        most = boxes.new_tensor([width, height, width, height])
        return (found / self._ratio()).clamp(min=0).minimum(most)

    def _ratio(self) -> Tensor:
        down, across = (s / n for s, n in zip(self.scaled, self.native, strict=True))
        return torch.tensor([across, down, across, down])

    def _mirror(self, boxes: Tensor) -> Tensor:
        if not self.mirrored:
            return boxes
        width, (left, top, right, bottom) = self.window[1], boxes.unbind(1)
        return torch.stack([width - right, top, width - left, bottom], 1)

    def _cut(self, image: Tensor) -> Tensor:
        (top, left), (height, width) = self.corner, self.window
        part = image[..., top : top + height, left : left + width]
        return part.flip(-1) if self.mirrored else part


#: ``marks(indices, views, (H, W))`` returns the targets of the images at these indices of the
#: records, in their views, padded for a batch of images (H,W).
Marks = Callable[[Sequence[int], Sequence[View], tuple[int, int]], "Batch"]


class Scenes:
    """Records of images as rows, with their boxes or masks.

    A batch has ``pixels`` (B,3,H,W) uint8, padded; ``window`` (B,2), the height and width of each
    image within the padding, and ``native`` (B,2), those of the original; and what ``marks`` adds.

    Args:
        records: with the columns ``id`` and ``image``.
        side: pixels of an image's longer side.
        marks: returns the targets; None where the records have none.
        seed: for training: zoom, window and flip are functions of it, the epoch and the index.
            Without it every view is the whole image.
    """

    def __init__(
        self, records: Dataset, side: int, marks: Marks | None = None, seed: int | None = None
    ) -> None:
        self._records, self._side, self._marks, self._seed = records, side, marks, seed
        self._known: dict[int, tuple[Tensor, tuple[int, int]]] = {}
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._records)

    def batch(self, indices: np.ndarray, epoch: int) -> Batch:
        """Return the images at ``indices`` (n,) as one batch; a pure function.

        Raises:
            HeadstartError: an image cannot be decoded.
        """
        found = [self._image(int(index)) for index in indices]
        views = self.views(indices, epoch, [native for _, native in found])
        seen = [view.image(image) for view, (image, _) in zip(views, found, strict=True)]
        height, width = (
            -(-max(part.shape[side] for part in seen) // MULTIPLE) * MULTIPLE for side in (1, 2)
        )
        pixels = torch.full((len(seen), 3, height, width), PADDING, dtype=torch.uint8)
        for row, part in zip(pixels, seen, strict=True):
            row[:, : part.shape[1], : part.shape[2]] = part
        batch = {
            "pixels": pixels,
            "window": torch.tensor([view.window for view in views]),
            "native": torch.tensor([view.native for view in views]),
        }
        if self._marks is not None:
            batch |= self._marks([int(index) for index in indices], views, (height, width))
        return batch

    def views(self, indices: np.ndarray, epoch: int, natives: list[tuple[int, int]]) -> list[View]:
        """Return the views in an epoch of the images at ``indices``, which have these sizes."""
        if self._seed is None:
            return [View.plain(native, self._side) for native in natives]
        draws = [
            uniform(indices, self._seed, name, epoch) for name in ("zoom", "top", "left", "mirror")
        ]
        return [
            View.drawn(native, self._side, row)
            for native, row in zip(natives, np.stack(draws, 1).tolist(), strict=True)
        ]

    def _image(self, index: int) -> tuple[Tensor, tuple[int, int]]:
        """Return an image at the common side (3,h,w), and its original height and width."""
        known = self._known.get(index)
        if known is not None:
            return known
        record = self._records[index]
        try:
            array = decode(record["image"])
        except BadImage as reason:
            raise HeadstartError(
                f"the picture {record['id']} cannot be decoded: {reason}; leave it out."
            ) from None
        native = (array.shape[0], array.shape[1])
        image = torch.from_numpy(array.transpose(2, 0, 1).copy())
        found = View.plain(native, self._side).image(image).contiguous(), native
        if self._bytes + found[0].nbytes <= REMEMBERED:
            self._known[index] = found
            self._bytes += found[0].nbytes
        return found


def views_of(batch: Batch) -> list[View]:
    """Return the views of a batch in which every image is whole."""
    sizes = zip(batch["native"].tolist(), batch["window"].tolist(), strict=True)
    return [View(tuple(n), tuple(w), (0, 0), tuple(w)) for n, w in sizes]


def at_random(records: Dataset, share: float, seed: int) -> tuple[Dataset, Dataset]:
    """Return training records and a random ``share`` held out, at least one each.

    Raises:
        HeadstartError: there is a single record.
    """
    count = len(records)
    if count < 2:
        raise HeadstartError(
            "a single picture cannot be learned from and held out as well; add pictures, or name "
            "validation records with --val."
        )
    held = min(max(1, round(share * count)), count - 1)
    order = np.argsort(uniform(np.arange(count), seed, "hold out"))
    return records.select(np.sort(order[held:])), records.select(np.sort(order[:held]))


def side_for(records: Dataset, most: int) -> int:
    """Return the default longer side: the median of a sample of the images, up to ``most``."""
    from headstart.modalities.image.decode import size

    step = max(1, len(records) // 200)
    sides = []
    for index in range(0, len(records), step):
        try:
            sides.append(max(size(records[index]["image"])))
        except BadImage:
            continue
    median = float(np.median(sides)) if sides else most
    return int(min(most, max(MULTIPLE, -(-median // MULTIPLE) * MULTIPLE)))


def _scaled(native: tuple[int, int], factor: float) -> tuple[int, int]:
    return max(1, round(native[0] * factor)), max(1, round(native[1] * factor))


def _area(boxes: Tensor) -> Tensor:
    return (boxes[:, 2] - boxes[:, 0]).clamp(min=0) * (boxes[:, 3] - boxes[:, 1]).clamp(min=0)
